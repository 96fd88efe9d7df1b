"""The demonstration behind scripts/run: no job is lost, whatever is killed.

Jobs that name files are published, worked by processes that have nothing but an ordinary Redis driver, and
counted. Half-way one worker is killed with a job in its hands; later the server is, and starts again from its
append-only file. In the end every digest is compared with what sha256sum says.
"""

import argparse
import collections
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from server import HOST, Server

HERE = pathlib.Path(__file__).parent
QUEUE = "checksums"
TTR_MS = 3000  # Short, so that the jobs of what was killed come back soon.
PUBLISHED_AT_ONCE = 500
FILE_BYTES_MAX = 256 * 1024
SECONDS_WITHOUT_PROGRESS_MAX = 60


def main():
    arguments = argparse.ArgumentParser(prog="scripts/run")
    arguments.add_argument("--jobs", type=int, default=10_000, help="how many (default 10000)")
    arguments.add_argument("--server", default=".cache/bin/redis-server", help="redis-server or valkey-server")
    arguments.add_argument("--stop", action="store_true", help="end the server when done")
    arguments.add_argument("--module", required=True, help=argparse.SUPPRESS)
    arguments = arguments.parse_args()

    server = Server(arguments.server, arguments.module)
    server.start()
    say(f"{server.executable.name} with the module: pid {server.process.pid}, port {server.port}")
    workers = []
    try:
        nothing_lost = play(server, arguments.jobs, workers)
    except BaseException:
        if server.process.poll() is not None:
            say("the server is gone; the end of its log:\n" + server.end_of_log())
        server.kill()
        say(f"stopped; what was written is in {server.directory}")
        raise
    finally:
        for worker in workers:
            worker.kill()

    if not arguments.stop:
        say(what_to_try(server))
    elif nothing_lost:
        server.stop()
    else:
        server.kill()
        say(f"stopped; what was written is in {server.directory}")
    sys.exit(0 if nothing_lost else 1)


def play(server, jobs, workers):
    """Plays it all and prints the sums. True when every job was done, and done right."""
    paths = dict(publish(server.client, itertools.islice(itertools.cycle(files()), jobs)))
    say(f"published {jobs} jobs, each a file to checksum")
    results = server.directory / "results"
    results.mkdir()
    for name in ("python-1", "python-2", "node-1", "node-2"):
        workers.append(Worker(name, server, results))
    say("started the workers " + ", ".join(worker.name for worker in workers))

    victim, *survivors = workers
    watch(server, survivors, until=jobs // 2, jobs=jobs)
    say(victim.kill_while_it_holds_a_job(server.client))
    watch(server, survivors, until=jobs * 3 // 4, jobs=jobs)
    server.kill()
    killed_at = time.monotonic()
    server.start()
    say(f"killed the server and started it again from its log ({time.monotonic() - killed_at:.1f} s)")
    watch(server, survivors, until=jobs, jobs=jobs)
    return report(server, paths, results)


def files():
    """Yields readable files of every Debian system, none of them large."""
    for top in ("/usr/bin", "/usr/lib", "/usr/share"):
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.isfile(path) or os.path.islink(path) or not path.isprintable():
                    continue
                if os.path.getsize(path) <= FILE_BYTES_MAX and os.access(path, os.R_OK):
                    yield path


def publish(client, paths):
    """Publishes one job for each path; yields the id of each with its path."""
    paths = iter(paths)
    while some := list(itertools.islice(paths, PUBLISHED_AT_ONCE)):
        yield from zip(client.execute_command("JQ.MPUBLISH", QUEUE, len(some), *some, "TTR", TTR_MS), some)


class Worker:
    def __init__(self, name, server, results):
        self.name = name
        self.log = server.directory / f"{name}.log"
        language = name.split("-")[0]
        command = {"python": [sys.executable, HERE / "worker.py"], "node": ["node", HERE / "worker.mjs"]}[language]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, HOST, str(server.port), QUEUE, name, results / name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def kill_while_it_holds_a_job(self, client):
        """Kills the worker between its consume and its ack; says what happened."""
        while client.execute_command("JQ.LEN", QUEUE, "ready"):
            # Frozen, it cannot ack any more; what it sent before, the server reads before it answers twice.
            self.process.send_signal(signal.SIGSTOP)
            client.ping()
            if any(
                connection["name"] == self.name
                and connection["cmd"].lower() == "jq.consume"
                and "b" not in connection["flags"]
                for connection in client.client_list()
            ):
                self.kill()
                return f"killed the worker {self.name} with a job in its hands"
            self.process.send_signal(signal.SIGCONT)
        self.kill()
        return f"killed the worker {self.name}, idle: the other workers were faster"


def watch(server, workers, until, jobs):
    """Shows the progress until so many jobs are done, or none is left that could be."""
    done_before, changed_at = None, time.monotonic()
    while (now := stats(server.client))["acked"] < until and now["jobs"]:
        if now["acked"] != done_before:
            done_before, changed_at = now["acked"], time.monotonic()
            show(f"{done_before:>7} of {jobs} done")
        if time.monotonic() - changed_at > SECONDS_WITHOUT_PROGRESS_MAX:
            raise SystemExit(f"no progress any more: {now}")
        for worker in workers:
            if worker.process.poll() is not None:
                raise SystemExit(f"the worker {worker.name} ended:\n{worker.log.read_text()}")
        time.sleep(0.005)
    say(f"{now['acked']:>7} of {jobs} done")


def stats(client):
    return client.execute_command("JQ.STATS", QUEUE)


def report(server, paths, results):
    """Prints what became of the jobs. True when none was lost, left behind or done wrong."""
    digests = collections.defaultdict(list)
    for lines in results.iterdir():
        # A worker that is killed may leave half a line: a job it never acked.
        for line in lines.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                receipt, path, digest = json.loads(line)
                digests[receipt.partition("@")[0]].append((path, digest))
    expected = dict(sha256sum(set(paths.values())))
    counted = stats(server.client)

    lost = sum(id not in digests for id in paths)
    wrong = sum(
        (path, digest) != (paths.get(id), expected.get(path))
        for id, results_of_one in digests.items()
        for path, digest in results_of_one
    )
    left = counted["jobs"]
    for title, count in (
        ("published", len(paths)),
        ("done", len(digests)),
        ("delivered again, after the kills", counted["delivered"] - counted["published"]),
        ("done twice because of that", sum(map(len, digests.values())) - len(digests)),
        ("lost", lost),
        ("left in the queue", left),
        ("wrong digests", wrong),
    ):
        say(f"{count:>7} {title}")
    return lost == wrong == left == 0 and len(digests) == len(paths) == counted["published"]


def sha256sum(paths):
    """Yields each path with the digest that coreutils computes."""
    output = subprocess.run(
        ["xargs", "-0", "sha256sum", "--zero", "--"],
        input="\0".join(paths),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    for line in output.split("\0")[:-1]:
        digest, path = line.split("  ", 1)
        yield path, digest


def what_to_try(server):
    cli = f"redis-cli -p {server.port}"
    return f"""
The server stays up for you. Take a job through its life:

    {cli} JQ.PUBLISH mail '{{"to": "ada@example.com"}}' ID welcome-ada
    {cli} JQ.CONSUME mail
    {cli} JQ.ACK mail welcome-ada
    {cli} JQ.STATS mail

Let a worker do it, and publish to it from another terminal:

    .cache/venv/bin/python docs/workers/worker.py {HOST} {server.port} mail

To end it: kill {server.process.pid}, then rm -r {server.directory}"""


def show(text):
    """Shows text on a line that the next one replaces; nothing where there is no terminal."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)


def say(text):
    """Prints a line that stays."""
    show("")
    print(text, flush=True)


if __name__ == "__main__":
    # However it is ended, it ends what it started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    main()
