return redis.call('HGET', run_key(ARGV[1]) .. ':files', ARGV[2])
