local worker, token = unpack(ARGV)
for _, run in ipairs(redis.call('LRANGE', P .. 'claim:' .. token, 0, -1)) do
  if live(run) == worker then
    redis.call('HSET', run_key(run), 'worker', QUEUE, 'queued', 1)
    list(run)
    redis.call('ZADD', P .. 'queue', redis.call('HGET', run_key(run), 'number'), run)
    redis.call('SREM', P .. 'runs:' .. worker, run)
  end
end
redis.call('DEL', P .. 'claim:' .. token)
