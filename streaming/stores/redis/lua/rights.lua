-- The first of these commands that the user may not run on the keys of the store.
for _, command in ipairs(ARGV) do
  if not redis.acl_check_cmd(command, P .. 'rights') then return command end
end
return ''
