local most, count = tonumber(ARGV[1]), 0
local function room() return tonumber(redis.call('GET', P .. 'room') or 0) end
local before = now() + ARGV[3]
local goal = math.max(most, room() - ARGV[2])
while room() > goal do
  local oldest = redis.call('ZRANGEBYSCORE', P .. 'ended', '-inf', before, 'LIMIT', 0, 1)[1]
  if not oldest then break end
  erase(string.match(oldest, '^(%S+) (.*)$'))
  count = count + 1
end
return {room(), count}
