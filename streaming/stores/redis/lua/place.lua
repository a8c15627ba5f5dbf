return redis.call('ZRANK', P .. 'queue', ARGV[1]) or 0
