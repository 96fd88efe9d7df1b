"""A server of one's own: the module loaded, a free port, a temporary directory, everything in the AOF."""

import contextlib
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

HOST = "127.0.0.1"
SECONDS_TO_START = 30


class Server:
    def __init__(self, executable, module):
        found = shutil.which(executable) or sys.exit(f"not a program: {executable}")
        self.executable = pathlib.Path(found).absolute()
        self.module = pathlib.Path(module).absolute()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="jobq-"))
        self.log = self.directory / "server.log"
        self.port = free_port()
        self.client = redis.Redis(
            host=HOST,
            port=self.port,
            protocol=3,
            decode_responses=True,
            retry=Retry(ConstantBackoff(0.1), 3),
        )

    def start(self):
        """Starts the server, or starts it again, and returns once it has loaded its log."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    *[self.executable, "--bind", HOST, "--port", str(self.port), "--dir", self.directory],
                    *["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
                    *["--loadmodule", self.module],
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Control-C is for the caller, which stops it in order.
            )
        asking = redis.Redis(host=HOST, port=self.port, retry=Retry(ConstantBackoff(0), 0))
        give_up_at = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                asking.ping()
                return
            except redis.ConnectionError:
                if self.process.poll() is not None or time.monotonic() > give_up_at:
                    raise SystemExit(
                        f"the server did not start; the end of {self.log}:\n{self.end_of_log()}"
                    ) from None
                time.sleep(0.02)

    def end_of_log(self):
        return "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-40:])

    def kill(self):
        """Ends the server without a chance to write anything."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends the server and removes all it wrote."""
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)


def free_port():
    # From below the ports that connections are given: while the server is away, nobody else gets this one.
    for port in random.sample(range(15_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    sys.exit("no free port found")
