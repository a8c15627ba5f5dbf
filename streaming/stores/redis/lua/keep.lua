local run, worker, epoch, after, value = unpack(ARGV)
local row = redis.call('HMGET', run_key(run), 'worker', 'epoch', 'ending', 'last')
if row[1] ~= worker or row[2] ~= epoch or row[3] or tonumber(row[4]) < tonumber(after) then return 0 end
local change = #value - redis.call('HSTRLEN', run_key(run) .. ':checkpoint', 'value')
redis.call('HSET', run_key(run) .. ':checkpoint', 'after', after, 'value', value)
redis.call('HINCRBY', run_key(run), 'extra', change)
take(change)
redis.call('SADD', P .. 'extras', run)
return 1
