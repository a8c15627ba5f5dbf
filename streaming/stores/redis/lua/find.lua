local records = {}
for _, run in ipairs(ARGV) do
  local row = redis.call('HGETALL', run_key(run))
  records[#records + 1] = #row > 0 and {row, viewers_alive(run), redis.call('HGETALL', run_key(run) .. ':file_list')}
end
return records
