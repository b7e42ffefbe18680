"""podgate as a user starts it: the real command, in a process of its own, on free loopback ports."""

import base64
import http.client
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.ports import free_ports

POLICIES = Path(__file__).parent.parent / "policies"
START_SECONDS = 20.0
STOP_SECONDS = 30.0


class Served:
    """`podgate serve --self-signed` while the ``with`` block lasts, its files in *folder*.

    The policies are a copy in `policies`, to be edited; `log` has the denial log, `errors` the operational log.
    """

    def __init__(self, folder: Path, *flags: str, policies: Path = POLICIES, wait: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.policies = folder / "policies"
        shutil.copytree(policies, self.policies, dirs_exist_ok=True)
        self.log = folder / "denials.jsonl"
        self.errors = folder / "podgate.log"
        self.authority = folder / "ca.crt"
        self.port, self.plain_port = free_ports(2)
        self._wait = wait
        self._command = [
            *(sys.executable, "-m", "webhook", "serve", "--self-signed", f"--policies={self.policies}"),
            *("--host=127.0.0.1", f"--port={self.port}", "--plain-host=127.0.0.1", f"--plain-port={self.plain_port}"),
            *("--drain-seconds=0.2", *flags),
        ]
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        with self.log.open("ab") as out, self.errors.open("ab") as err:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=err)
        if self._wait:
            self.wait_ready()
            self.authority.write_bytes(base64.b64decode(self.ca_bundle))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process by the signal *number*; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    @property
    def url(self) -> str:
        """Where reviews are sent."""
        return f"https://127.0.0.1:{self.port}/validate"

    @property
    def ca_bundle(self) -> str:
        """The caBundle that was printed."""
        found = re.search(r"^caBundle: (\S+)$", self.errors.read_text(), re.MULTILINE)
        if found is None:
            message = f"no caBundle was printed:\n{self.errors.read_text()}"
            raise AssertionError(message)
        return found[1]

    def tls(self) -> ssl.SSLContext:
        """Return a context that trusts the certificate, and nothing else."""
        return ssl.create_default_context(cadata=base64.b64decode(self.ca_bundle).decode())

    def connect(self, seconds: float = 20) -> http.client.HTTPSConnection:
        """Return a connection for reviews."""
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls(), timeout=seconds)

    def ask(self, review: bytes) -> dict[str, Any]:
        """Send *review* and return the AdmissionResponse."""
        connection = self.connect()
        try:
            connection.request("POST", "/validate", review, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            response: dict[str, Any] = msgspec.json.decode(answer.read())["response"]
        finally:
            connection.close()
        return response

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of *path* on the plain port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.plain_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, sample: str) -> float:
        """Return the value of *sample*, a metric's name with its labels as /metrics shows it; 0 where it is not."""
        found = re.search(rf"^{re.escape(sample)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0.0

    def records(self) -> list[dict[str, Any]]:
        """Return the denial log's records so far."""
        return [msgspec.json.decode(line) for line in self.log.read_bytes().splitlines()]

    def wait_ready(self) -> None:
        """Wait until /readyz says ready."""
        self.wait_until(lambda: self.get("/readyz")[0] == 200, "ready", START_SECONDS)

    def wait_until(self, holds: Any, what: str, seconds: float) -> float:
        """Wait until *holds* returns something true; return how long that took, in seconds."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.process.poll() is not None:
                message = f"podgate ended with {self.process.returncode}:\n{self.errors.read_text()}"
                raise AssertionError(message)
            try:
                if holds():
                    return time.monotonic() - began
            except OSError:
                pass
            time.sleep(0.02)
        message = f"not {what} within {seconds:g} s:\n{self.errors.read_text()[-4000:]}"
        raise AssertionError(message)
