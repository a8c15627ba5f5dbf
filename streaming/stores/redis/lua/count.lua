local run, worker, count, lease = unpack(ARGV)
local key, viewers = run_key(run), run_key(run) .. ':viewers'
local producer = redis.call('HGET', key, 'worker')
if not producer then return end
if count == '0' then redis.call('HDEL', viewers, worker)
else
  redis.call('HSET', viewers, worker, count)
  live_on(worker, lease)
end
redis.call('HSET', key, 'watched', 1)
local left = redis.call('PTTL', key)
if left > 0 then redis.call('PEXPIRE', viewers, left)
elseif producer ~= worker then notify(producer, run) end
