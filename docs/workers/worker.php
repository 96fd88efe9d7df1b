<?php
[, $host, $port, $queue] = $argv;
for (;; sleep(1)) try { // reconnects for ever
    ($server = new Redis())->connect($host, (int) $port);
    while (is_array($jobs = $server->rawCommand("JQ.CONSUME", $queue, "BLOCK", 2000)))
        foreach ($jobs as [, $receipt, $body])
            try {
                $mail = json_decode($body, flags: JSON_THROW_ON_ERROR);
                echo "mail to $mail->to\n"; // the work itself
                $server->rawCommand("JQ.ACK", $queue, $receipt);
            } catch (Throwable $error) {
                $server->rawCommand("JQ.NACK", $queue, $receipt, "ERROR", $error->getMessage());
            }
    throw new RedisException($server->getLastError());
} catch (RedisException $error) { error_log($error->getMessage()); }
