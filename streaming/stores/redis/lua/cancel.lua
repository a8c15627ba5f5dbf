local worker = live(ARGV[1])
if worker and redis.call('HSETNX', run_key(ARGV[1]), 'cancel', ARGV[2]) == 1 then
  if worker == QUEUE then list(ARGV[1]) end
  notify(worker, ARGV[1])
end
