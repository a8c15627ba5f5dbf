local limit = now() + ARGV[2] - ARGV[1]
for _, ended in ipairs(redis.call('ZRANGEBYSCORE', P .. 'ended', '-inf', limit, 'LIMIT', 0, 500)) do
  local run, owner = string.match(ended, '^(%S+) (.*)$')
  redis.call('DEL', unpack(parts(run)))
  redis.call('ZREM', P .. 'owner:' .. owner, run)
  redis.call('ZREM', P .. 'ended', ended)
end
