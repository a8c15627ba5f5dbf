local operation, seconds, weight = unpack(ARGV)
local before = redis.call('HGET', P .. 'durations', operation)
if before then seconds = before + (seconds - before) * weight end
redis.call('HSET', P .. 'durations', operation, tostring(seconds))
