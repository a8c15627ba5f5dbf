local run, question, token, body = unpack(ARGV)
local worker, answers = live(run), run_key(run) .. ':answers'
if not worker then return 0 end
local first = redis.call('HSETNX', answers, question, token .. body)
if first == 1 then
  redis.call('HINCRBY', run_key(run), 'extra', #body)
  take(#body)
end
if first == 0 and string.sub(redis.call('HGET', answers, question), 1, #token) ~= token then return 0 end
notify(worker, run)
return 1
