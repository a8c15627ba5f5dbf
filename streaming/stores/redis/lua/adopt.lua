local run, dead, worker, lease, token = unpack(ARGV)
local row = redis.call('HMGET', run_key(run), 'worker', 'epoch', 'attempt', 'ending', 'adoption', 'last')
if row[1] ~= worker or row[5] ~= token then
  if row[1] ~= dead or row[4] then
    redis.call('SREM', P .. 'runs:' .. dead, run)
    return false
  end
  if alive(dead) then return false end
  redis.call('HSET', run_key(run), 'worker', worker, 'epoch', row[2] + 1, 'attempt', row[3] + 1, 'adoption', token,
    'adopted', row[6])
  live_on(worker, lease)
  redis.call('SADD', P .. 'workers', worker)
  redis.call('SREM', P .. 'runs:' .. dead, run)
  redis.call('SADD', P .. 'runs:' .. worker, run)
  notify(dead, run)
end
return {redis.call('HGETALL', run_key(run)), redis.call('HMGET', run_key(run) .. ':checkpoint', 'after', 'value')}
