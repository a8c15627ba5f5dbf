-- Cancels a run of this worker unless it has viewers on others; if Redis's clock has jumped, dead ones count too.
local run, worker, expected, slack = unpack(ARGV)
local owner = live(run)
if owner ~= worker then return owner and 0 or 1 end
local _, living, all = viewers_elsewhere(run, worker)
local sure = math.abs(now() - expected) <= tonumber(slack)
if not redis.call('HGET', run_key(run), 'cancel') and (sure and living or all) > 0 then return 0 end
cancel(run, 'disconnected')
return 1
