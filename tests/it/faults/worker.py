"""A worker whose work takes a while, so that a signal finds it in the middle. It says all that it does.

Asked to end (SIGTERM), it finishes what it has begun.
"""

import json, os, random, signal, sys, time
from redis import Redis

host, port, queue = sys.argv[1:]
server = Redis(host, int(port))
asked_to_end = []
signal.signal(signal.SIGTERM, lambda *_: asked_to_end.append(True))


def say(*words):
    # At once and as a whole: it may be killed before it says more.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


while not asked_to_end:
    jobs = server.execute_command("JQ.CONSUME", queue, "BLOCK", 50, "WORKER", os.getpid())
    for _, receipt, body in jobs or []:
        to = json.loads(body)["to"]
        say("takes", to, receipt.decode())
        time.sleep(random.uniform(0.002, 0.02))
        say("mail to", to)
        settled = server.execute_command("JQ.ACK", queue, receipt)
        say("acked", to, receipt.decode(), settled)
