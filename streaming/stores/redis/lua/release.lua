local worker = ARGV[1]
redis.call('DEL', P .. 'lease:' .. worker, P .. 'inbox:' .. worker)
if redis.call('SCARD', P .. 'runs:' .. worker) == 0 then redis.call('SREM', P .. 'workers', worker) end
