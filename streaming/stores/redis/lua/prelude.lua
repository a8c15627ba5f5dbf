local function run_key(run) return P .. 'run:' .. run end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function alive(worker) return redis.call('EXISTS', P .. 'lease:' .. worker) == 1 end
local function live_on(worker, lease) redis.call('SET', P .. 'lease:' .. worker, lease, 'PX', lease, 'NX') end
local function viewers_elsewhere(run, worker)
  local mine, living, all, counts = 0, 0, 0, redis.call('HGETALL', run_key(run) .. ':viewers')
  for i = 1, #counts, 2 do
    if counts[i] == worker then mine = tonumber(counts[i + 1])
    else
      all = all + counts[i + 1]
      if alive(counts[i]) then living = living + counts[i + 1] end
    end
  end
  return mine, living, all
end
local function notify(worker, run)
  local inbox = P .. 'inbox:' .. worker
  redis.call('XADD', inbox, 'MAXLEN', '~', 1000, '*', 'run', run)
  redis.call('PEXPIRE', inbox, 60000)
end
local function notify_of_queue()
  for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
    if alive(worker) then notify(worker, QUEUE) end
  end
end
-- The oldest queued runs of the operations that are named from argument `first` on.
local function queued_of(first, limit)
  local known, runs, from = {}, {}, 0
  for at = first, #ARGV do known[ARGV[at]] = true end
  repeat
    local chunk = redis.call('ZRANGE', P .. 'queue', from, from + 99)
    for _, run in ipairs(chunk) do
      if #runs < limit and known[redis.call('HGET', run_key(run), 'operation')] then runs[#runs + 1] = run end
    end
    from = from + 100
  until #chunk < 100 or #runs == limit
  return runs
end
local function key_of(owner, key) return P .. 'key:' .. #owner .. ':' .. owner .. ':' .. key end
local function parts(run)
  local key = run_key(run)
  return {key, key .. ':events', key .. ':answers', key .. ':viewers', key .. ':checkpoint', key .. ':files',
    key .. ':file_list'}
end
-- Adds to the bytes that all runs take.
local function take(bytes)
  if bytes ~= 0 and redis.call('INCRBY', P .. 'room', bytes) <= 0 then redis.call('DEL', P .. 'room') end
end
local function bytes_of(run)
  local row = redis.call('HMGET', run_key(run), 'size', 'file_bytes', 'extra')
  return (row[1] or 0) + (row[2] or 0) + (row[3] or RUN_BYTES)
end
-- The size in the row of a file, which begins with its time and size.
local function size_of_file(row) return tonumber(string.match(row, '^%[%d+,(%d+)')) end
local function take_file(run, bytes)
  redis.call('HINCRBY', run_key(run), 'file_bytes', bytes)
  if redis.call('HEXISTS', P .. 'bytes', run) == 1 then redis.call('HINCRBY', P .. 'bytes', run, bytes) end
  take(bytes)
end
local function live(run)
  local row = redis.call('HMGET', run_key(run), 'worker', 'ending')
  return row[1] and not row[2] and row[1]
end
local function viewers_alive(run)
  local _, living = viewers_elsewhere(run)
  return living
end
-- The lists of runs (`headway:list`): those of an owner by operation, by how they are (LIVE, QUEUED, or how they have
-- ended), and by both. `headway:listed` has where a run is; its own keys may have expired before it is taken out.
local LIVE, QUEUED = 'live', 'queued'
local function list_key(owner, operation, how)
  return P .. 'list:' .. #owner .. ':' .. owner .. ':' .. how .. ':' .. operation
end
local function list_keys(place)
  local owner, operation, how = unpack(place)
  return list_key(owner, operation, ''), list_key(owner, '', how), list_key(owner, operation, how)
end
local function unlist(run, place)
  for _, list in ipairs({list_keys(cmsgpack.unpack(place))}) do redis.call('ZREM', list, run) end
end
local function forget_place(run)
  local place = redis.call('HGET', P .. 'listed', run)
  if place then unlist(run, place) end
  redis.call('HDEL', P .. 'listed', run)
end
-- Puts a run into the lists where it belongs now, and takes it out of those where it was.
local function list(run)
  local row = redis.call('HMGET', run_key(run), 'owner', 'operation', 'ending', 'queued', 'cancel', 'number')
  if not row[1] then return forget_place(run) end
  local place = {row[1], row[2], row[3] or (row[4] and not row[5] and QUEUED or LIVE)}
  local before, packed = redis.call('HGET', P .. 'listed', run), cmsgpack.pack(place)
  if before == packed then return end
  redis.call('HSET', P .. 'listed', run, packed)
  if before then unlist(run, before) end
  for _, list in ipairs({list_keys(place)}) do redis.call('ZADD', list, row[6], run) end
end
local function erase(run, owner)
  local row = redis.call('HMGET', run_key(run), 'owner', 'key')
  local bytes = redis.call('HGET', P .. 'bytes', run) or row[1] and bytes_of(run) or 0
  row[1] = row[1] or owner
  forget_place(run)
  redis.call('DEL', unpack(parts(run)))
  redis.call('HDEL', P .. 'bytes', run)
  redis.call('ZREM', P .. 'expires', run .. ' ' .. row[1])
  take(0 - bytes)
  redis.call('ZREM', P .. 'owner:' .. row[1], run)
  redis.call('ZREM', P .. 'ended', run .. ' ' .. row[1])
  redis.call('SREM', P .. 'extras', run)
  if row[2] and redis.call('GET', key_of(row[1], row[2])) == run then redis.call('DEL', key_of(row[1], row[2])) end
end
