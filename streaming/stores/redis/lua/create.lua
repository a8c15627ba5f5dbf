local run, worker, lease, owner, client, key, restored, limit, most, extra = unpack(ARGV, 1, 10)
local operation, all, of_client, wait, full = unpack(ARGV, 11, 15)
local limited, asked = all ~= '' or of_client ~= '', wait == '1' or worker == QUEUE
if redis.call('EXISTS', run_key(run)) == 1 then
  return limited and not asked and redis.call('HGET', run_key(run), 'queued') and -3 or false
end
if restored ~= '' and redis.call('EXISTS', P .. 'erased:' .. run) == 1 then return false end
local named = key ~= '' and key_of(owner, key)
if named and restored == '' then
  local existing = redis.call('GET', named)
  if existing and redis.call('EXISTS', run_key(existing)) == 1 then return redis.call('HGETALL', run_key(existing)) end
end
if limit ~= '' and redis.call('SCARD', P .. 'client:' .. client) >= tonumber(limit) then return -1 end
if restored == '' and tonumber(redis.call('GET', P .. 'room') or 0) >= tonumber(most) then return -2 end
local queued = asked
if limited and restored == '' and not queued then
  queued = room_for(operation, nil, all) <= 0 or room_for(operation, client, of_client) <= 0
    or #next_runs(1, nil, {{name = operation, all = all, client = of_client, priority = 0}}) > 0
end
if full == '1' and not queued then return -4 end
if worker ~= QUEUE then
  live_on(worker, lease)
  redis.call('SADD', P .. 'workers', worker)
end
redis.call('SET', P .. 'version', VERSION .. ' ' .. OLDEST, 'NX')
local number = redis.call('INCR', P .. 'number')
redis.call('HSET', run_key(run), 'number', number, 'extra', extra, unpack(ARGV, 16))
take(tonumber(extra))
list(run)
-- Where the code of version 1 has created runs since, `page` lists them.
local newest = redis.call('ZREVRANGE', P .. 'owner:' .. owner, 0, 0, 'WITHSCORES')[2] or 0
local listed = redis.call('HGET', P .. 'listed_to', owner) or 0
if tonumber(listed) >= tonumber(newest) then redis.call('HSET', P .. 'listed_to', owner, number) end
redis.call('ZADD', P .. 'owner:' .. owner, number, run)
redis.call('SADD', P .. 'client:' .. client, run)
if queued then
  enqueue(run)
  notify_of_queue()
else
  redis.call('SADD', runs_of(worker), run)
  if limited then count_work(run) end
end
if named then redis.call(restored == '' and 'SET' or 'SETNX', named, run) end
return queued and not asked and -3 or false
