return queued_of(2, tonumber(ARGV[1]))
