"""One process of the test cluster, and waiting for it."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from ssl import SSLContext
from typing import NoReturn

GRACE_SECONDS = 10.0
LAST_LINES = 20


class ClusterError(RuntimeError):
    """The cluster did not do what was asked; the message ends with what the process concerned had to say."""


class Component:
    """A running process that writes its output to a file."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        """Start *command* in the folder of *log*, in a session of its own so that Ctrl-C does not reach it."""
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=log.parent,
                env={**os.environ, "HOME": str(log.parent)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until *ready* holds; raise ClusterError if the process ends before, or after *seconds*."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                self.fail(f"ended with code {self._process.returncode} before {what}")
            if time.monotonic() > deadline:
                self.fail(f"was given {seconds:.0f} s, but not: {what}")
            time.sleep(0.1)

    def fail(self, reason: str) -> NoReturn:
        """Raise ClusterError with a message that ends with the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise ClusterError("\n".join([f"{self.name} {reason}; the end of its log:", *lines]))

    def stop(self) -> None:
        """End the process: ask, wait, and insist. A process that has ended already is left alone."""
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def answers(port: int, path: str, *, token: str = "", tls: SSLContext | None = None) -> bool:
    """Return whether a server on 127.0.0.1:*port* answers a GET of *path* with 200."""
    address = "127.0.0.1"
    connection = (
        HTTPSConnection(address, port, timeout=5, context=tls) if tls else HTTPConnection(address, port, timeout=5)
    )
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
