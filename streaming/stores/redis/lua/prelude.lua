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
-- The clients of an operation by when they were served, the queued runs of one by their numbers, and the runs at work.
local function lines_key(operation) return P .. 'lines:' .. operation end
local function line_key(operation, client) return P .. 'line:' .. #operation .. ':' .. operation .. ':' .. client end
local function work_key(operation, client)
  return P .. 'work:' .. #operation .. ':' .. operation .. (client and ':' .. client or '')
end
-- How many runs are at work; the code of version 1 leaves those in the set that it has ended.
local function at_work(operation, client, limit)
  local key = work_key(operation, client)
  if redis.call('SCARD', key) >= limit then
    for _, run in ipairs(redis.call('SMEMBERS', key)) do
      local row = redis.call('HMGET', run_key(run), 'worker', 'ending')
      if not row[1] or row[2] then redis.call('SREM', key, run) end
    end
  end
  return redis.call('SCARD', key)
end
-- How many more runs may begin, for an operation or a client with this limit ('' for none).
local function room_for(operation, client, limit)
  return limit == '' and math.huge or limit - at_work(operation, client, tonumber(limit))
end
-- Operations with their limits, from argument `first` on: name, concurrency, that of a client, priority.
local function operations_from(first)
  local operations = {}
  for at = first, #ARGV, 4 do
    operations[#operations + 1] =
      {name = ARGV[at], all = ARGV[at + 1], client = ARGV[at + 2], priority = tonumber(ARGV[at + 3])}
  end
  return operations
end
-- The next run of a line that a worker can begin: one that is bound is for the worker that has it; any for no worker.
local function next_in(line, worker)
  while true do
    local run = redis.call('ZRANGE', line.key, line.at, line.at)[1]
    line.at = line.at + 1
    if not run or not worker then return run end
    local row = redis.call('HMGET', run_key(run), 'worker', 'bound')
    if row[1] == worker or not row[2] then return run end
  end
end
-- The next runs to begin: by priority, then clients take turns, and of one client in the order of their starts.
local function next_runs(most, worker, operations)
  local lines, found, rooms = {}, {}, {}
  for _, operation in ipairs(operations) do
    local clients = redis.call('ZRANGE', lines_key(operation.name), 0, -1, 'WITHSCORES')
    for at = 1, #clients, 2 do
      local key = line_key(operation.name, clients[at])
      local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
      if first then
        lines[#lines + 1] = {operation = operation, client = clients[at], served = tonumber(clients[at + 1]),
          first = tonumber(first), key = key, at = 0}
      end
    end
    rooms[operation.name] = #lines > 0 and room_for(operation.name, nil, operation.all) or 0
  end
  table.sort(lines, function(a, b)
    if a.operation.priority ~= b.operation.priority then return a.operation.priority > b.operation.priority end
    if a.served ~= b.served then return a.served < b.served end
    return a.first < b.first
  end)
  -- A line that was served goes to the end of those of its priority.
  local at, again = 1, {}
  while #found < most and (at <= #lines or #again > 0) do
    local line = lines[at]
    if #again > 0 and (not line or line.operation.priority < again[1].operation.priority) then
      line = table.remove(again, 1)
    else at = at + 1 end
    local name = line.operation.name
    line.room = line.room or room_for(name, line.client, line.operation.client)
    local run = rooms[name] > 0 and line.room > 0 and next_in(line, worker)
    if run then
      found[#found + 1] = run
      rooms[name], line.room = rooms[name] - 1, line.room - 1
      again[#again + 1] = line
    end
  end
  return found
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
-- The set of live runs of a worker, or that of queued ones, which the code of version 1 does not know: it would end them.
local function runs_of(worker, queued) return P .. (queued and 'kept:' or 'runs:') .. worker end
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
-- Cancels a run, unless it was; a queued one is no longer next.
local function cancel(run, reason)
  if redis.call('HSETNX', run_key(run), 'cancel', reason) == 0 then return false end
  local row = redis.call('HMGET', run_key(run), 'queued', 'operation', 'client', 'worker')
  if row[1] then
    if row[4] == QUEUE then  -- somebody has to end it
      redis.call('HSET', run_key(run), 'worker', '')
      redis.call('SADD', runs_of('', true), run)
      redis.call('SADD', P .. 'workers', '')
    end
    redis.call('ZREM', line_key(row[2], row[3]), run)
    list(run)
  end
  return true
end
-- Puts a run into the queue. A worker that keeps it writes its events.
local function enqueue(run)
  local row = redis.call('HMGET', run_key(run), 'operation', 'client', 'number', 'cancel', 'worker')
  redis.call('HSET', run_key(run), 'queued', 1)
  redis.call('ZADD', P .. 'queue', row[3], run)
  redis.call('SADD', P .. 'operations', row[1])
  redis.call('ZADD', lines_key(row[1]), 'NX', 0, row[2])
  if not row[4] then redis.call('ZADD', line_key(row[1], row[2]), row[3], run) end
  if row[5] ~= QUEUE then redis.call('SADD', runs_of(row[5], true), run) end
  for _, key in ipairs({work_key(row[1]), work_key(row[1], row[2])}) do redis.call('SREM', key, run) end
  list(run)
end
-- Counts a run as one at work; it is the turn of other clients.
local function count_work(run)
  local row = redis.call('HMGET', run_key(run), 'operation', 'client')
  redis.call('HSET', run_key(run), 'counted', 1)
  for _, key in ipairs({work_key(row[1]), work_key(row[1], row[2])}) do redis.call('SADD', key, run) end
  redis.call('SADD', P .. 'operations', row[1])
  redis.call('ZADD', lines_key(row[1]), redis.call('INCR', P .. 'served'), row[2])
end
