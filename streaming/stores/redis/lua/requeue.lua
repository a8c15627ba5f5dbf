local run, worker, attempt = unpack(ARGV)
if live(run) ~= worker then return end
redis.call('HSET', run_key(run), 'worker', QUEUE, 'queued', 1, 'attempt', attempt)
list(run)
redis.call('ZADD', P .. 'queue', redis.call('HGET', run_key(run), 'number'), run)
redis.call('SREM', P .. 'runs:' .. worker, run)
notify_of_queue()
