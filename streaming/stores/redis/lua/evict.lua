local most, total = tonumber(ARGV[1]), 0
local function size_of(run)
  local row = redis.call('HMGET', run_key(run), 'size', 'file_bytes')
  return tonumber(row[1] or 0) + tonumber(row[2] or 0)
end
for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  for _, run in ipairs(redis.call('SMEMBERS', P .. 'runs:' .. worker)) do total = total + size_of(run) end
end
for _, run in ipairs(redis.call('ZRANGE', P .. 'queue', 0, -1)) do total = total + size_of(run) end
local finished = redis.call('ZRANGE', P .. 'ended', 0, -1)
for _, ended in ipairs(finished) do total = total + size_of(string.match(ended, '^%S+')) end
for at = 1, math.min(#finished, 1000) do
  if total <= most then break end
  local run, owner = string.match(finished[at], '^(%S+) (.*)$')
  total = total - size_of(run)
  erase(run, owner)
end
return total
