redis.call('SET', P .. 'part', ARGV[1], 'NX')
return redis.call('GET', P .. 'part')
