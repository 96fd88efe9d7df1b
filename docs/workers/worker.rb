require "json"
require "redis"
host, port, queue = ARGV
server = Redis.new(host: host, port: port)
$stdout.sync = true
loop do
  (server.call("JQ.CONSUME", queue, "BLOCK", 2000) || []).each do |_, receipt, body|
    puts "mail to #{JSON.parse(body).fetch("to")}" # the work itself
    server.call("JQ.ACK", queue, receipt)
  rescue => error
    server.call("JQ.NACK", queue, receipt, "ERROR", error.message)
  end
rescue Redis::BaseError => error
  warn error.message; sleep 1 # reconnects for ever
end
