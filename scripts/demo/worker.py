"""Works the demonstration's jobs: the SHA-256 of the file that the body names. See docs/workers for the least
that a worker needs.

    worker.py host port queue name results
"""

import hashlib
import json
import sys

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

host, port, queue, name, results_path = sys.argv[1:]
server = redis.Redis(
    host=host,
    port=int(port),
    client_name=name,
    decode_responses=True,
    retry=Retry(ConstantBackoff(0.1), -1),
)

with open(results_path, "a", buffering=1) as results:
    while True:
        taken = server.execute_command("JQ.CONSUME", queue, "BLOCK", 2000, "WORKER", name)
        for _, receipt, path in taken or []:
            try:
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                server.execute_command("JQ.NACK", queue, receipt, "ERROR", str(error))
                continue
            # The result first, then the ack: killed in between, the job is worked again, not lost.
            results.write(json.dumps([receipt, path, digest]) + "\n")
            server.execute_command("JQ.ACK", queue, receipt)
