local producer = live(ARGV[1])
if not producer then return end
notify(producer, ARGV[1])
for _, worker in ipairs(redis.call('HKEYS', run_key(ARGV[1]) .. ':viewers')) do
  if worker ~= producer and alive(worker) then notify(worker, ARGV[1]) end
end
