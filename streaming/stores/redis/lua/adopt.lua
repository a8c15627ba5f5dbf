local run, dead, worker, lease, token = unpack(ARGV)
local row = redis.call('HMGET', run_key(run), 'worker', 'epoch', 'attempt', 'ending', 'adoption', 'last', 'queued')
if row[1] ~= worker or row[5] ~= token then
  if row[1] ~= dead or row[4] then
    redis.call('SREM', runs_of(dead), run)
    redis.call('SREM', runs_of(dead, true), run)
    return false
  end
  if alive(dead) then return false end
  redis.call('HSET', run_key(run), 'worker', worker, 'epoch', row[2] + 1, 'attempt', row[3] + (row[7] and 0 or 1), 'adoption', token,
    'adopted', row[6])
  live_on(worker, lease)
  redis.call('SADD', P .. 'workers', worker)
  redis.call('SREM', runs_of(dead, row[7]), run)
  redis.call('SADD', runs_of(worker, row[7]), run)
  notify(dead, run)
end
return {redis.call('HGETALL', run_key(run)), redis.call('HMGET', run_key(run) .. ':checkpoint', 'after', 'value')}
