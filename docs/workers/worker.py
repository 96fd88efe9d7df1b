import json, sys
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

host, port, queue = sys.argv[1:]
server = Redis(host, int(port), retry=Retry(ConstantBackoff(1), -1))  # reconnects for ever

while True:
    for _, receipt, body in server.execute_command("JQ.CONSUME", queue, "BLOCK", 2000) or []:
        try:
            print("mail to", json.loads(body)["to"], flush=True)  # the work itself
            server.execute_command("JQ.ACK", queue, receipt)
        except Exception as error:
            server.execute_command("JQ.NACK", queue, receipt, "ERROR", repr(error))
