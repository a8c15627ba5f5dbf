-- Makes a run an orphan: the worker without a name has no lease.
local run, worker = unpack(ARGV)
if live(run) ~= worker then return end
local queued = redis.call('HGET', run_key(run), 'queued')
redis.call('HSET', run_key(run), 'worker', '')
redis.call('SREM', runs_of(worker, queued), run)
redis.call('SADD', runs_of('', queued), run)
redis.call('SADD', P .. 'workers', '')
