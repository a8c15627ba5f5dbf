local run, worker, lease, owner, client, key, restored, limit, most, extra = unpack(ARGV, 1, 10)
if redis.call('EXISTS', run_key(run)) == 1 then return false end
if restored ~= '' and redis.call('EXISTS', P .. 'erased:' .. run) == 1 then return false end
local named = key ~= '' and key_of(owner, key)
if named and restored == '' then
  local existing = redis.call('GET', named)
  if existing and redis.call('EXISTS', run_key(existing)) == 1 then return redis.call('HGETALL', run_key(existing)) end
end
if limit ~= '' and redis.call('SCARD', P .. 'client:' .. client) >= tonumber(limit) then return -1 end
if restored == '' and tonumber(redis.call('GET', P .. 'room') or 0) >= tonumber(most) then return -2 end
if worker ~= QUEUE then
  live_on(worker, lease)
  redis.call('SADD', P .. 'workers', worker)
end
redis.call('SET', P .. 'version', VERSION .. ' ' .. OLDEST, 'NX')
local number = redis.call('INCR', P .. 'number')
redis.call('HSET', run_key(run), 'number', number, 'extra', extra, unpack(ARGV, 11))
take(tonumber(extra))
list(run)
-- Where the code of version 1 has created runs since, `page` lists them.
local newest = redis.call('ZREVRANGE', P .. 'owner:' .. owner, 0, 0, 'WITHSCORES')[2] or 0
local listed = redis.call('HGET', P .. 'listed_to', owner) or 0
if tonumber(listed) >= tonumber(newest) then redis.call('HSET', P .. 'listed_to', owner, number) end
redis.call('ZADD', P .. 'owner:' .. owner, number, run)
redis.call('SADD', P .. 'client:' .. client, run)
if worker ~= QUEUE then redis.call('SADD', P .. 'runs:' .. worker, run)
else
  redis.call('ZADD', P .. 'queue', number, run)
  notify_of_queue()
end
if named then redis.call(restored == '' and 'SET' or 'SETNX', named, run) end
return false
