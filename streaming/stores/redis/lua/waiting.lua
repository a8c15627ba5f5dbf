local operation, lines, positions = ARGV[1], {}, {}
local clients = redis.call('ZRANGE', lines_key(operation), 0, -1, 'WITHSCORES')
for at = 1, #clients, 2 do
  local key = line_key(operation, clients[at])
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  if first then
    lines[#lines + 1] = {clients[at], redis.call('ZCARD', key), tonumber(clients[at + 1]), tonumber(first)}
  end
end
table.sort(lines, function(a, b) return a[3] < b[3] or a[3] == b[3] and a[4] < b[4] end)
for at = 2, #ARGV do
  local client = redis.call('HGET', run_key(ARGV[at]), 'client')
  local before = client and redis.call('ZRANK', line_key(operation, client), ARGV[at])
  if before then positions[#positions + 1] = {ARGV[at], client, before} end
end
return {lines, positions, redis.call('SCARD', work_key(operation)), redis.call('HGET', P .. 'durations', operation)}
