-- The number of runs so far, which a Redis that has lost what it kept has not, and the workers that are alive.
local living = {now(), tonumber(redis.call('GET', P .. 'number') or 0)}
for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  if alive(worker) then living[#living + 1] = worker end
end
return living
