local run, worker, attempt = unpack(ARGV)
if live(run) ~= worker then return end
redis.call('HSET', run_key(run), 'worker', QUEUE, 'attempt', attempt)
redis.call('HDEL', run_key(run), 'bound')
redis.call('SREM', runs_of(worker), run)
redis.call('SREM', runs_of(worker, true), run)
enqueue(run)
notify_of_queue()
