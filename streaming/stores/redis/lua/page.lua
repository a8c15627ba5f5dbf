local index, before, limit = P .. 'owner:' .. ARGV[1], ARGV[2], ARGV[3]
local from = '+inf'
if before ~= '' then
  from = redis.call('ZSCORE', index, before)
  if not from then return {'', {}} end
  from = '(' .. from
end
local runs, records = redis.call('ZREVRANGEBYSCORE', index, from, '-inf', 'LIMIT', 0, limit), {}
for _, run in ipairs(runs) do records[#records + 1] = record(run) or false end
return {#runs == tonumber(limit) and runs[#runs] or '', records}
