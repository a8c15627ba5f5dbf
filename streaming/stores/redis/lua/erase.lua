if not redis.call('HGET', run_key(ARGV[1]), 'ending') then return 0 end
erase(ARGV[1])
redis.call('SET', P .. 'erased:' .. ARGV[1], 1, 'PX', 60000)
return 1
