local run, after, frames, bytes = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local row = redis.call('HMGET', run_key(run), 'oldest', 'last', 'ending')
if not row[1] then return false end
local blocks, size, count, from = {}, 0, 0, '(' .. after .. '-0'
repeat
  local chunk = redis.call('XRANGE', run_key(run) .. ':events', from, '+', 'COUNT', 8)
  for _, entry in ipairs(chunk) do
    blocks[#blocks + 1] = entry[2][2]
    blocks[#blocks + 1] = entry[2][4]
    size, count = size + #entry[2][4], count + string.match(entry[1], '^%d+') - math.max(entry[2][2] - 1, after)
    from = '(' .. entry[1]
    if size > bytes or count >= frames then break end
  end
until #chunk < 8 or size > bytes or count >= frames
return {row[1], row[2], row[3] or '', blocks}
