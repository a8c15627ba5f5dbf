local records = {}
for _, run in ipairs(ARGV) do records[#records + 1] = record(run) or false end
return records
