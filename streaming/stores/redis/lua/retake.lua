-- Takes a run over again, which the store has forgotten; what an older producer has written since goes.
local run, worker, epoch, attempt, after, lease, kept = unpack(ARGV)
local key = run_key(run)
local row = redis.call('HMGET', key, 'worker', 'epoch', 'ending', 'last', 'size', 'operation', 'client')
if not row[1] or row[3] or tonumber(row[2]) >= tonumber(epoch) then return end
local events, size = key .. ':events', tonumber(row[5])
local newer = redis.call('XRANGE', events, '(' .. after .. '-0', '+')
for _, entry in ipairs(newer) do
  redis.call('XDEL', events, entry[1])
  size = size - #entry[2][4]
end
if #newer > 0 then
  redis.call('XSETID', events, after .. '-0', 'ENTRIESADDED', redis.call('XLEN', events), 'MAXDELETEDID', '0-0')
end
take(size - row[5])
redis.call('HSET', key, 'worker', worker, 'epoch', epoch, 'attempt', attempt, 'adopted', after, 'size', size,
  'last', math.min(row[4], after))
redis.call('HDEL', key, 'adoption')
redis.call('SREM', runs_of(row[1]), run)
redis.call('SREM', runs_of(row[1], true), run)
if kept == '1' then enqueue(run)
else
  if redis.call('HDEL', key, 'queued') == 1 then count_work(run) end
  redis.call('ZREM', P .. 'queue', run)
  redis.call('ZREM', line_key(row[6], row[7]), run)
  redis.call('SADD', runs_of(worker), run)
  list(run)
end
live_on(worker, lease)
redis.call('SADD', P .. 'workers', worker)
notify(row[1], run)
