local worker, most, lease, token, one = unpack(ARGV, 1, 5)
local claims, rows = P .. 'claim:' .. token, {}
local runs = redis.call('LRANGE', claims, 0, -1)
if #runs == 0 then
  if one == '' then runs = next_runs(tonumber(most), worker, operations_from(6))
  elseif live(one) and redis.call('HGET', run_key(one), 'queued') then runs = {one} end
  if #runs == 0 then return rows end
  redis.call('RPUSH', claims, unpack(runs))
  redis.call('PEXPIRE', claims, 60000)
  live_on(worker, lease)
  redis.call('SADD', P .. 'workers', worker)
  for _, run in ipairs(runs) do
    local row = redis.call('HMGET', run_key(run), 'worker', 'last', 'operation', 'client')
    redis.call('HSET', run_key(run), 'worker', worker, 'claimed', row[2])
    redis.call('HDEL', run_key(run), 'queued')
    if row[1] ~= worker then
      redis.call('HINCRBY', run_key(run), 'epoch', 1)
      redis.call('HSET', run_key(run), 'adopted', row[2])
      if row[1] ~= QUEUE then notify(row[1], run) end
    else redis.call('HSET', run_key(run), 'kept', token) end
    list(run)
    redis.call('SREM', runs_of(row[1], true), run)
    redis.call('SADD', runs_of(worker), run)
    redis.call('ZREM', P .. 'queue', run)
    redis.call('ZREM', line_key(row[3], row[4]), run)
    count_work(run)
  end
end
for _, run in ipairs(runs) do rows[#rows + 1] = redis.call('HGETALL', run_key(run)) end
return rows
