-- The code of version 1 keeps neither the total nor when its runs expire. Runs of one worker are counted once.
local retention = ARGV[1]
if redis.call('ZCARD', P .. 'ended') > redis.call('ZCARD', P .. 'expires') then
  local ended = redis.call('ZRANGE', P .. 'ended', 0, -1, 'WITHSCORES')
  for at = 1, #ended, 2 do
    if not redis.call('ZSCORE', P .. 'expires', ended[at]) then
      local run = string.match(ended[at], '^%S+')
      redis.call('ZADD', P .. 'expires', ended[at + 1] + retention, ended[at])
      if redis.call('EXISTS', run_key(run)) == 1 then redis.call('HSET', P .. 'bytes', run, bytes_of(run)) end
    end
  end
end
local total = 0
for _, bytes in ipairs(redis.call('HVALS', P .. 'bytes')) do total = total + bytes end
for _, run in ipairs(redis.call('ZRANGE', P .. 'queue', 0, -1)) do total = total + bytes_of(run) end
for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  for _, run in ipairs(redis.call('SMEMBERS', P .. 'runs:' .. worker)) do total = total + bytes_of(run) end
end
redis.call('DEL', P .. 'room')
take(total)
