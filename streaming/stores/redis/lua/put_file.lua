local run, name, type, body = unpack(ARGV)
local key, files = run_key(run), run_key(run) .. ':files'
if redis.call('EXISTS', key) == 0 then return 0 end
local before = redis.call('HGET', files, name)
redis.call('HSET', files, name, type .. '\0' .. body)
take_file(run, #body - (before and #string.match(before, '%z(.*)$') or 0))
local left = redis.call('PTTL', key)
if left > 0 then redis.call('PEXPIRE', files, left) end
return 1
