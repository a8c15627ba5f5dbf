notify(ARGV[1], '')
