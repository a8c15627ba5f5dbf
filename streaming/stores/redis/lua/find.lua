local records = {}
for _, run in ipairs(ARGV) do records[#records + 1] = with_files(run) end
return records
