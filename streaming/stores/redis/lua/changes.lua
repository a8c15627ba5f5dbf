local worker, changes = ARGV[1], {now()}
for at = 2, #ARGV do
  local run = ARGV[at]
  local row = redis.call('HMGET', run_key(run), 'worker', 'epoch', 'cancel', 'watched', 'adopted')
  local mine, living, all = viewers_elsewhere(run, worker)
  local answers = row[1] == worker and redis.call('HGETALL', run_key(run) .. ':answers') or {}
  changes[#changes + 1] = row[1] and {row, mine, living, all, answers} or false
end
return changes
