local run, worker, epoch, retention, ahead, keep, gap, goal, ending, fields, unset = unpack(ARGV, 1, 11)
local key, events = run_key(run), run_key(run) .. ':events'
local row = redis.call('HMGET', key, 'worker', 'epoch', 'ending', 'last', 'size', 'owner', 'client', 'key', 'counted', 'operation')
if not row[1] then return {-1, 0} end
if tonumber(row[2]) < tonumber(epoch) and not row[3] then return {-3, tonumber(row[4])} end
if row[1] ~= worker or row[2] ~= epoch then return {0, 0} end
local last, size = tonumber(row[4]), tonumber(row[5])
local before = size
if row[3] then return {last >= tonumber(goal) and 1 or 0, last} end
local entries = 12 + fields + unset
if gap ~= '' then
  last = gap - 1
elseif (ARGV[entries + 1] or goal + 1) - 1 > last then
  return {-2, last}
end
if gap ~= '' then size = 0 end
for at = entries, #ARGV, 3 do
  if tonumber(ARGV[at]) > last then size = size + #ARGV[at + 2] end
end
redis.call('HSET', key, 'size', size, unpack(ARGV, 12, 11 + fields))
if unset ~= '0' then redis.call('HDEL', key, unpack(ARGV, 12 + fields, entries - 1)) end
if gap ~= '' then
  redis.call('XTRIM', events, 'MINID', gap .. '-0')
  redis.call('HSET', key, 'oldest', gap)
end
for at = entries, #ARGV, 3 do
  if tonumber(ARGV[at]) > last then
    redis.call('XADD', events, ARGV[at] .. '-0', 'first', ARGV[at + 1], 'frames', ARGV[at + 2],
      'over', at + 3 > #ARGV and ending ~= '' and '1' or '')
    last = tonumber(ARGV[at])
  end
end
local oldest, from, rounds = nil, '-', 0
while size > tonumber(keep) and rounds < 128 do
  local chunk = redis.call('XRANGE', events, from, '+', 'COUNT', 8)
  for _, entry in ipairs(chunk) do
    local number = tonumber(string.match(entry[1], '^%d+'))
    if number >= last or size <= tonumber(keep) then rounds = 128 break end
    size = size - #entry[2][4]
    oldest, from = number + 1, '(' .. entry[1]
  end
  rounds = rounds + 1
end
if oldest then
  redis.call('XTRIM', events, 'MINID', oldest .. '-0')
  redis.call('HSET', key, 'oldest', oldest, 'size', size)
end
take(size - before)
if ending ~= '' then
  local moment = now() + ahead
  local result = redis.call('HSTRLEN', key, 'result') - redis.call('HSTRLEN', key .. ':checkpoint', 'value')
  redis.call('HINCRBY', key, 'extra', result)
  take(result)
  redis.call('HSET', P .. 'bytes', run, bytes_of(run))
  redis.call('ZADD', P .. 'expires', moment + retention, run .. ' ' .. row[6])
  redis.call('HSET', key, 'ended', moment)
  list(run)
  redis.call('SREM', P .. 'client:' .. row[7], run)
  redis.call('SREM', runs_of(worker), run)
  if row[9] then
    for _, key in ipairs({work_key(row[10]), work_key(row[10], row[7])}) do redis.call('SREM', key, run) end
    if redis.call('EXISTS', P .. 'queue') == 1 then notify_of_queue() end
  end
  redis.call('ZADD', P .. 'ended', moment, run .. ' ' .. row[6])
  redis.call('DEL', key .. ':checkpoint')
  for _, name in ipairs(parts(run)) do redis.call('PEXPIRE', name, retention) end
  if row[8] then redis.call('PEXPIRE', key_of(row[6], row[8]), retention) end
end
return last
