local worker, limit, lease, token, which = unpack(ARGV, 1, 5)
local claims, rows = P .. 'claim:' .. token, {}
local runs = redis.call('LRANGE', claims, 0, -1)
if #runs == 0 then
  if which == 'run' then runs = redis.call('ZSCORE', P .. 'queue', ARGV[6]) and {ARGV[6]} or {}
  elseif which == 'any' then runs = redis.call('ZRANGE', P .. 'queue', 0, limit - 1)
  else runs = queued_of(6, tonumber(limit)) end
  if #runs == 0 then return rows end
  redis.call('RPUSH', claims, unpack(runs))
  redis.call('PEXPIRE', claims, 60000)
  live_on(worker, lease)
  redis.call('SADD', P .. 'workers', worker)
  for _, run in ipairs(runs) do
    redis.call('HSET', run_key(run), 'worker', worker, 'adopted', redis.call('HGET', run_key(run), 'last'))
    redis.call('HINCRBY', run_key(run), 'epoch', 1)
    redis.call('HDEL', run_key(run), 'queued')
    list(run)
    redis.call('SADD', P .. 'runs:' .. worker, run)
    redis.call('ZREM', P .. 'queue', run)
  end
end
for _, run in ipairs(runs) do rows[#rows + 1] = redis.call('HGETALL', run_key(run)) end
return rows
