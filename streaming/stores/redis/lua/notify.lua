local producer = live(ARGV[1])
if producer then notify(producer, ARGV[1]) end
