"""Does what README.md says, on a server of its own, and fails where that does not work.

The redis-cli lines are run as they stand there; each worker quoted there is compared with its file, started,
and given one job that works, one that does not, and one after the server was killed.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time

from server import HOST, Server

README = pathlib.Path("README.md").read_text()
WORKERS = {"docs/workers/worker.py": sys.executable, "docs/workers/worker.mjs": "node"}
LINES_MAX = 15
SECONDS_MAX = 30


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--module", required=True)
    arguments = arguments.parse_args()

    server = Server(arguments.server, arguments.module)
    server.start()
    try:
        the_lines_of_redis_cli_work(server)
        for worker, program in WORKERS.items():
            the_worker_is_quoted(worker)
            the_worker_works(server, program, worker)
    finally:
        server.stop()


def the_lines_of_redis_cli_work(server):
    lines = re.findall(r"^\s*redis-cli (JQ\..*)$", README, re.MULTILINE)
    assert len(lines) == 5, lines
    for line in lines:
        command = f"redis-cli -e -p {server.port} {line}"
        answer = subprocess.run(command, shell=True, check=True, text=True, stdout=subprocess.PIPE).stdout
        print(f"{line}\n{answer}", end="")
    assert server.client.execute_command("JQ.LEN", "mail") == 0, "the job was not acked"


def the_worker_is_quoted(worker):
    text = pathlib.Path(worker).read_text()
    assert text in README, f"README.md does not quote {worker}"
    assert len(text.splitlines()) <= LINES_MAX, f"{worker} is longer than {LINES_MAX} lines"


def the_worker_works(server, program, worker):
    queue = f"mail:{worker}"
    publish(server, queue, "not JSON", "TRIES", 1)
    publish(server, queue, json.dumps({"to": "ada@example.com"}))
    printed = server.directory / "printed"
    with printed.open("w") as output:
        process = subprocess.Popen([program, worker, HOST, str(server.port), queue], stdout=output)
    try:
        wait_for(server, queue, {"acked": 1, "nacked": 1, "dead": 1, "jobs": 1})
        server.kill()
        server.start()
        publish(server, queue, json.dumps({"to": "grace@example.com"}))
        wait_for(server, queue, {"acked": 2, "nacked": 1, "dead": 1, "jobs": 1})
    finally:
        process.kill()
        process.wait()
    assert printed.read_text() == "mail to ada@example.com\nmail to grace@example.com\n", printed.read_text()
    print(f"{worker}: one acked, one nacked, and one acked after the server was killed")


def publish(server, queue, body, *options):
    server.client.execute_command("JQ.PUBLISH", queue, body, "TTR", 1000, *options)


def wait_for(server, queue, counts):
    give_up_at = time.monotonic() + SECONDS_MAX
    while True:
        stats = server.client.execute_command("JQ.STATS", queue)
        if counts == {name: stats[name] for name in counts}:
            return
        assert time.monotonic() < give_up_at, stats
        time.sleep(0.02)


if __name__ == "__main__":
    main()
