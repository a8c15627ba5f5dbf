local run, worker, epoch, limit, name, row, size, body = unpack(ARGV)
local key, list, files = run_key(run), run_key(run) .. ':file_list', run_key(run) .. ':files'
local producer = redis.call('HMGET', key, 'worker', 'epoch', 'ending')
if producer[1] ~= worker or producer[2] ~= epoch or producer[3] then return {0, name, false} end
local before = redis.call('HGET', list, name)
if not before and redis.call('HLEN', list) >= tonumber(limit) then return {-1, name, false} end
-- The first of the name keeps its place in the order.
if before then row = string.match(before, '^%[%d+') .. string.match(row, '^%[%d+(.*)$') end
redis.call('HSET', files, name, body)
redis.call('HSET', list, name, row)
redis.call('SADD', P .. 'extras', run)
take_file(run, size - (before and size_of_file(before) or 0))
return {1, name, before}
