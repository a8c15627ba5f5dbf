local run, name = unpack(ARGV)
local files = run_key(run) .. ':files'
local before = redis.call('HGET', files, name)
if not before then return 0 end
redis.call('HDEL', files, name)
take_file(run, 0 - #string.match(before, '%z(.*)$'))
return 1
