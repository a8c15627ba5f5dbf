local orphans = {now()}
for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  if worker ~= ARGV[1] and not alive(worker) then
    local runs = redis.call('SRANDMEMBER', runs_of(worker), 100)
    if #runs == 0 then runs = redis.call('SRANDMEMBER', runs_of(worker, true), 100) end
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
