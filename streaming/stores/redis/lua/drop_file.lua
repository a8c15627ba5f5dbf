local run, name = unpack(ARGV)
local list = run_key(run) .. ':file_list'
local before = redis.call('HGET', list, name)
if not before then return 0 end
redis.call('HDEL', run_key(run) .. ':files', name)
redis.call('HDEL', list, name)
take_file(run, 0 - size_of_file(before))
return 1
