local existing = redis.call('GET', key_of(ARGV[1], ARGV[2]))
if existing and redis.call('EXISTS', run_key(existing)) == 1 then return redis.call('HGETALL', run_key(existing)) end
return false
