local key = run_key(ARGV[1])
return {redis.call('HGET', key .. ':file_list', ARGV[2]), redis.call('HGET', key .. ':files', ARGV[2])}
