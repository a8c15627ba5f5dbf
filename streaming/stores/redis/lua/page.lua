local owner, operation, status, how, before, limit, slice = unpack(ARGV, 1, 7)
local all, from, NEWEST = P .. 'owner:' .. owner, '+inf', '+'
limit, slice = tonumber(limit), tonumber(slice)
if before ~= '' and before ~= NEWEST then
  from = redis.call('ZSCORE', all, before)
  if not from then return {'', {}} end
  from = '(' .. from
end
-- The code of version 1 lists neither what it creates nor what it ends. Of many runs some are left for the next call.
local function list_created()
  local listed = redis.call('HGET', P .. 'listed_to', owner) or 0
  local new = redis.call('ZRANGEBYSCORE', all, '(' .. listed, '+inf', 'WITHSCORES', 'LIMIT', 0, slice)
  for at = 1, #new, 2 do list(new[at]) end
  if #new > 0 then redis.call('HSET', P .. 'listed_to', owner, new[#new]) end
  return #new < 2 * slice
end
local function list_ended()
  local moved = 0
  for _, run in ipairs(redis.call('ZRANGE', list_key(owner, '', LIVE), 0, -1)) do
    local row = redis.call('HMGET', run_key(run), 'owner', 'ending')
    if not row[1] or row[2] then
      list(run)
      moved = moved + 1
      if moved == slice then return false end
    end
  end
  return true
end
local index = all
if operation ~= '' or how ~= '' then
  if not list_created() or how ~= '' and not list_ended() then return {before == '' and NEWEST or before, {}} end
  index = list_key(owner, operation, how)
end
-- The list of live runs has those of several statuses, between which they change.
local function matches(run)
  if how ~= LIVE then return redis.call('EXISTS', run_key(run)) == 1 end
  local row = redis.call('HMGET', run_key(run), 'worker', 'cancel', 'queued', 'state')
  return row[1] and status == (row[2] and 'cancelling' or row[3] and 'queued' or row[4] == 'waiting' and row[4] or 'running')
end
local records, passed = {}, 0
repeat
  local chunk = redis.call('ZREVRANGEBYSCORE', index, from, '-inf', 'WITHSCORES', 'LIMIT', 0, limit)
  for at = 1, #chunk, 2 do
    local run = chunk[at]
    if matches(run) then
      local row = redis.call('HMGET', run_key(run), unpack(ARGV, 8))
      records[#records + 1] = {row, viewers_alive(run), redis.call('HGETALL', run_key(run) .. ':file_list')}
    else passed = passed + 1 end
    if #records == limit or passed == slice then return {run, records} end
    from = '(' .. chunk[at + 1]
  end
until #chunk < 2 * limit
return {'', records}
