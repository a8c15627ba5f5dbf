return next_runs(tonumber(ARGV[1]), ARGV[2], operations_from(3))
