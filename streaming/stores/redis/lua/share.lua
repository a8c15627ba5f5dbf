local run, worker = unpack(ARGV)
if live(run) ~= worker then return end
redis.call('HDEL', run_key(run), 'bound')
notify_of_queue()
