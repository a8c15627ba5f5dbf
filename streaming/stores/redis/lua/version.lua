local version = tonumber(redis.call('GET', P .. 'version'))
if not version then version = redis.call('EXISTS', P .. 'number') == 1 and 1 or VERSION end
if version == VERSION - 1 then version = VERSION end
if version == VERSION then redis.call('SET', P .. 'version', version) end
return version
