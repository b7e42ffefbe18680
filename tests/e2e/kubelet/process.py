"""The first process of a container, which is number 1 in a process namespace of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tests.e2e.kubelet import launch
from tests.e2e.kubelet.launch import Launch

_FORK_SECONDS = 10.0
_HELPER_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def require(*programs: str) -> None:
    """Raise RuntimeError if one of *programs* is not installed, or this is not root."""
    missing = [name for name in programs if shutil.which(name, path=_HELPER_ENV["PATH"]) is None]
    if missing or os.geteuid() != 0:
        wanted = f"{', '.join(missing)} (packages iproute2 and util-linux)" if missing else "to run as root"
        message = f"the small kubelet needs {wanted}"
        raise RuntimeError(message)


class Process:
    """A container's process, from its start on.

    When the thread that started it ends, or all of Python, it is killed: so it outlives no test.
    """

    def __init__(self, spec: Launch, folder: Path, network: str, log: Path) -> None:
        """Start *spec* in the network namespace *network*; *folder* takes the spec, *log* what the process prints."""
        self._spec = folder / "launch.json"
        self._spec.touch(mode=0o600)
        self._spec.write_text(json.dumps(asdict(spec)))
        Path(spec.scratch).mkdir(parents=True, exist_ok=True)
        command = [
            *("setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{network}"),
            *("unshare", "--mount", "--uts", "--ipc", "--pid", *self._launcher),
        ]
        with log.open("ab") as output:
            self._parent = subprocess.Popen(
                command,
                env=_HELPER_ENV,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._first_child()

    @property
    def _launcher(self) -> list[str]:
        return [sys.executable, "-I", "-S", launch.__file__, str(self._spec)]

    @property
    def exit_code(self) -> int | None:
        """The exit code, 128 and the signal's number if one ended it; None while it runs."""
        code = self._parent.poll()
        return 128 - code if code is not None and code < 0 else code

    def wait(self, seconds: float) -> bool:
        """Wait for the end, *seconds* at most; return whether it has come."""
        with suppress(subprocess.TimeoutExpired):
            self._parent.wait(max(0.0, seconds))
        return self._parent.poll() is not None

    def signal(self, number: int) -> None:
        """Send a signal, if the process has not ended."""
        if self.exit_code is None and self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and all that it started."""
        self.signal(signal.SIGKILL)
        if not self.wait(5):
            self._parent.kill()
            self._parent.wait()

    def run(self, command: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Run *command* in the container; return its exit code, None after *seconds*, and what it printed."""
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid")
        try:
            done = subprocess.run(
                ["nsenter", "--target", str(self.pid), *namespaces, "--", *self._launcher, *command],
                env=_HELPER_ENV,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"not done within {seconds:g} s"
        return done.returncode, done.stdout.decode(errors="replace")

    def _first_child(self) -> int:
        """Return the process id of the container's process, as this machine counts; 0 if it has ended already."""
        children = Path(f"/proc/{self._parent.pid}/task/{self._parent.pid}/children")
        deadline = time.monotonic() + _FORK_SECONDS
        while time.monotonic() < deadline and self._parent.poll() is None:
            with suppress(OSError):
                if found := children.read_text().split():
                    return int(found[0])
            time.sleep(0.005)
        return 0
