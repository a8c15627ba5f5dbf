local known = {}
for _, run in ipairs(ARGV) do
  if redis.call('EXISTS', run_key(run)) == 1 then known[#known + 1] = run end
end
return known
