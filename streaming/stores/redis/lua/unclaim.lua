local worker, token = unpack(ARGV)
for _, run in ipairs(redis.call('LRANGE', P .. 'claim:' .. token, 0, -1)) do
  if live(run) == worker then
    redis.call('SREM', runs_of(worker), run)
    if redis.call('HGET', run_key(run), 'kept') ~= token then redis.call('HSET', run_key(run), 'worker', QUEUE) end
    enqueue(run)
  end
end
redis.call('DEL', P .. 'claim:' .. token)
