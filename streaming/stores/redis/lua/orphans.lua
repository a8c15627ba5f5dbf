local orphans = {now()}
for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  if worker ~= ARGV[1] and not alive(worker) then
    local runs = redis.call('SRANDMEMBER', P .. 'runs:' .. worker, 100)
    if #runs == 0 then
      redis.call('SREM', P .. 'workers', worker)
      redis.call('DEL', P .. 'inbox:' .. worker)
    end
    for _, run in ipairs(runs) do
      orphans[#orphans + 1] = worker
      orphans[#orphans + 1] = run
    end
  end
end
return orphans
