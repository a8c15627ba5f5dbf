return tonumber(redis.call('GET', P .. 'room') or 0)
