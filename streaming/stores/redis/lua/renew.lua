-- Renews a lease. After Redis's clock was set back, cuts the leases of others to their length.
local worker, milliseconds = ARGV[1], ARGV[2]
if redis.call('PEXPIRE', P .. 'lease:' .. worker, milliseconds) == 0 then live_on(worker, milliseconds) end
redis.pcall('SADD', P .. 'workers', worker)
for _, other in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  local lease = P .. 'lease:' .. other
  local left = redis.call('PTTL', lease)
  if left > 0 and left > tonumber(redis.call('GET', lease)) then
    redis.call('PEXPIRE', lease, redis.call('GET', lease))
  end
end
return now()
