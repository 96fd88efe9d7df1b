"""Does what README.md says, on a server of its own, and fails where that does not work.

The redis-cli lines are run as they stand there. Each worker that it names is started, and given one job that
works, one that does not, and one after the server was killed; those quoted there are compared with their files.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from server import HOST, Server

README = pathlib.Path("README.md").read_text()
# Each worker, what runs it, what that takes on Debian, and a word of what it says of a body that is not JSON.
WORKERS = {
    "docs/workers/worker.py": (sys.executable, "scripts/requirements.txt", "JSONDecodeError"),
    "docs/workers/worker.mjs": ("node", "scripts/package.json", "JSON"),
    "docs/workers/worker.php": ("php", "php-cli and php-redis", "Syntax error"),
    "docs/workers/worker.rb": ("ruby", "ruby and ruby-redis", "unexpected"),
    "docs/workers/worker.go": ("go", "golang-go and golang-github-gomodule-redigo-dev", "invalid character"),
}
QUOTED = ("docs/workers/worker.py", "docs/workers/worker.mjs")
# Go finds its driver where Debian puts it, and asks no network.
GO = {"GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
LINES_MAX = 15
SECONDS_MAX = 30


class DidNotRun(Exception):
    """A worker ended, or never started: most likely its driver is missing."""


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--server", required=True)
    arguments.add_argument("--module", required=True)
    arguments = arguments.parse_args()

    server = Server(arguments.server, arguments.module)
    server.start()
    did_not_run = []
    try:
        the_lines_of_redis_cli_work(server)
        for worker, (program, needs, complaint) in WORKERS.items():
            the_worker_is_shown(worker)
            try:
                the_worker_works(server, program, worker, complaint)
            except DidNotRun as reason:
                did_not_run.append(f"{worker} did not run; it needs {needs}: {reason}")
    finally:
        server.stop()
    if did_not_run:
        sys.exit("\n".join(did_not_run))


def the_lines_of_redis_cli_work(server):
    lines = re.findall(r"^\s*redis-cli (JQ\..*)$", README, re.MULTILINE)
    assert len(lines) == 5, lines
    for line in lines:
        command = f"redis-cli -e -p {server.port} {line}"
        answer = subprocess.run(command, shell=True, check=True, text=True, stdout=subprocess.PIPE).stdout
        print(f"{line}\n{answer}", end="")
    assert server.client.execute_command("JQ.LEN", "mail") == 0, "the job was not acked"


def the_worker_is_shown(worker):
    text = pathlib.Path(worker).read_text()
    assert f"]({worker})" in README, f"README.md does not link {worker}"
    assert worker not in QUOTED or text in README, f"README.md does not quote {worker}"
    assert len(text.splitlines()) <= LINES_MAX, f"{worker} is longer than {LINES_MAX} lines"


def the_worker_works(server, program, worker, complaint):
    queue = f"mail:{worker}"
    publish(server, queue, "not JSON", "TRIES", 1, "ID", "not-json")
    publish(server, queue, json.dumps({"to": "ada@example.com"}))
    printed, complained = server.directory / "printed", server.directory / "complained"
    with printed.open("w") as output, complained.open("w") as errors:
        try:
            command = [build(worker, server.directory)] if program == "go" else [program, worker]
            process = subprocess.Popen([*command, HOST, str(server.port), queue], stdout=output, stderr=errors)
        except OSError as error:
            raise DidNotRun(error) from None
    try:
        wait_for(server, queue, {"acked": 1, "nacked": 1, "dead": 1, "jobs": 1}, process, complained)
        error = server.client.execute_command("JQ.JOB", queue, "not-json")["error"]
        assert error and complaint in error, f"{worker} nacked with the error {error!r}"
        server.kill()
        server.start()
        publish(server, queue, json.dumps({"to": "grace@example.com"}))
        wait_for(server, queue, {"acked": 2, "nacked": 1, "dead": 1, "jobs": 1}, process, complained)
    finally:
        process.kill()
        process.wait()
    assert printed.read_text() == "mail to ada@example.com\nmail to grace@example.com\n", printed.read_text()
    print(f"{worker}: one acked, one nacked ({error}), and one acked after the server was killed")


def build(worker, directory):
    """Compiles the Go worker: `go run` would put a process between it and us, and compile while the jobs wait."""
    program = directory / pathlib.Path(worker).name.replace(".", "-")
    environment = {**os.environ, **GO, "GOCACHE": os.path.abspath(".cache/go")}
    done = subprocess.run(
        ["go", "build", "-o", program, worker],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise DidNotRun(one_line(done.stdout))
    return program


def publish(server, queue, body, *options):
    server.client.execute_command("JQ.PUBLISH", queue, body, "TTR", 1000, *options)


def wait_for(server, queue, counts, process, complained):
    give_up_at = time.monotonic() + SECONDS_MAX
    while True:
        stats = server.client.execute_command("JQ.STATS", queue)
        if counts == {name: stats[name] for name in counts}:
            return
        if process.poll() is not None:
            raise DidNotRun(one_line(complained.read_text()) or f"it ended with {process.returncode}")
        assert time.monotonic() < give_up_at, f"{stats}\n{complained.read_text()}"
        time.sleep(0.02)


def one_line(text):
    return " ".join(text.split())[:300]


if __name__ == "__main__":
    main()
