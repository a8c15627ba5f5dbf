local index, before, limit = P .. 'owner:' .. ARGV[1], ARGV[2], ARGV[3]
local from = '+inf'
if before ~= '' then
  from = redis.call('ZSCORE', index, before)
  if not from then return {'', {}} end
  from = '(' .. from
end
local function without(found, name)
  if not found then return false end
  for at = 1, #found[1], 2 do
    if found[1][at] == name then
      table.remove(found[1], at)
      table.remove(found[1], at)
      break
    end
  end
  return found
end
local runs, records = redis.call('ZREVRANGEBYSCORE', index, from, '-inf', 'LIMIT', 0, limit), {}
for _, run in ipairs(runs) do records[#records + 1] = without(with_files(run), 'result') end
return {#runs == tonumber(limit) and runs[#runs] or '', records}
