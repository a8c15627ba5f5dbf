local stored = redis.call('GET', P .. 'version')
local version, oldest = string.match(stored or '', '^(%d+) (%d+)$')
version = tonumber(version or stored or (redis.call('EXISTS', P .. 'number') == 1 and 1 or VERSION))
if version == VERSION - 1 or not stored and version == VERSION then
  version, oldest = VERSION, OLDEST
  redis.call('SET', P .. 'version', VERSION .. ' ' .. OLDEST)
end
return {version, tonumber(oldest or version)}
