if not redis.call('HGET', run_key(ARGV[1]), 'ending') then return 0 end
erase(ARGV[1])
return 1
