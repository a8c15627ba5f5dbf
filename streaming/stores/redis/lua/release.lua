local worker = ARGV[1]
redis.call('DEL', P .. 'lease:' .. worker, P .. 'inbox:' .. worker)
if redis.call('SCARD', runs_of(worker)) + redis.call('SCARD', runs_of(worker, true)) == 0 then
  redis.call('SREM', P .. 'workers', worker)
end
