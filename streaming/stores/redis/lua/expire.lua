local ended = redis.call('ZRANGEBYSCORE', P .. 'expires', '-inf', now() + ARGV[1], 'LIMIT', 0, 500)
for _, ended in ipairs(ended) do
  erase(string.match(ended, '^(%S+) (.*)$'))
end
-- What the code of version 1 has left in the lists.
for _, run in ipairs(redis.call('HRANDFIELD', P .. 'listed', 100)) do
  if redis.call('EXISTS', run_key(run)) == 0 then forget_place(run) end
end
for _, owner in ipairs(redis.call('HRANDFIELD', P .. 'listed_to', 100)) do
  if redis.call('EXISTS', P .. 'owner:' .. owner) == 0 then redis.call('HDEL', P .. 'listed_to', owner) end
end
-- What the code of version 1 has left of runs that it has ended or deleted, whose checkpoints and files it does not know.
for _, run in ipairs(redis.call('SRANDMEMBER', P .. 'extras', 100)) do
  if redis.call('EXISTS', run_key(run)) == 0 then
    redis.call('DEL', run_key(run) .. ':checkpoint', run_key(run) .. ':files', run_key(run) .. ':file_list')
    redis.call('SREM', P .. 'extras', run)
  end
end
-- Clients of an operation without a run of it.
for _, operation in ipairs(redis.call('SMEMBERS', P .. 'operations')) do
  for _, client in ipairs(redis.call('ZRANGE', lines_key(operation), 0, -1)) do
    if redis.call('EXISTS', line_key(operation, client), work_key(operation, client)) == 0 then
      redis.call('ZREM', lines_key(operation), client)
    end
  end
  if redis.call('EXISTS', lines_key(operation)) == 0 then redis.call('SREM', P .. 'operations', operation) end
end
return #ended == 500 and 1 or 0
