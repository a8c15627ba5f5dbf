-- Makes a run an orphan: the worker without a name has no lease.
local run, worker = unpack(ARGV)
if live(run) ~= worker then return end
redis.call('HSET', run_key(run), 'worker', '')
redis.call('SREM', P .. 'runs:' .. worker, run)
redis.call('SADD', P .. 'runs:', run)
redis.call('SADD', P .. 'workers', '')
