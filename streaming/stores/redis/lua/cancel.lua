local worker = live(ARGV[1])
if worker and cancel(ARGV[1], ARGV[2]) then notify(worker, ARGV[1]) end
