"""Where the denial log is written: standard output, or a file that is rotated by size and by age.

A line is handed to the kernel whole, before the answer to its review leaves.
"""

import glob
import os
import select
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

PATIENCE = 1.0  # seconds to wait for the reader of a pipe; the webhook's own deadline is the API server's, 10 s or less


class Sink(Protocol):
    """Somewhere to write lines."""

    def write(self, line: bytes) -> None:
        """Write *line*, which ends in a newline; raises OSError when it could not be written whole."""
        ...


class DescriptorSink:
    """Writes to an open file descriptor, such as standard output.

    A pipe whose reader has stopped reading would hold up every review: after PATIENCE the write fails instead, and
    later ones at once until the pipe takes something again.
    """

    def __init__(self, descriptor: int, *, torn: bool = False) -> None:
        """Write to *descriptor*, which stays the caller's to close; *torn* where its last line has no end."""
        self._descriptor = descriptor
        self._torn = torn
        self._stuck = False
        self._poll = None if stat.S_ISREG(os.fstat(descriptor).st_mode) else select.poll()
        if self._poll is not None:
            self._poll.register(descriptor, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Write *line*, on a line of its own even after one that was cut short."""
        data = b"\n" + line if self._torn else line
        deadline = time.monotonic() + PATIENCE
        while data:
            if self._poll is None:
                chunk = data
            else:
                self._await_reader(self._poll, deadline)
                chunk = data[: select.PIPE_BUF]  # a pipe that is ready takes so many bytes without waiting
            data = data[os.write(self._descriptor, chunk) :]
            self._torn = bool(data)

    def _await_reader(self, poll: select.poll, deadline: float) -> None:
        """Wait until something can be written, to *deadline* at most; not at all if the last wait was in vain."""
        patience = 0.0 if self._stuck else max(0.0, deadline - time.monotonic())
        self._stuck = not poll.poll(patience * 1000)
        if self._stuck:
            msg = f"its reader has not read enough for {PATIENCE:g} s or more"
            raise TimeoutError(msg)


class FileSink:
    """Appends to a file, and begins a new one when it is too large or too old.

    The old one is renamed to PATH.<time in UTC>; the newest *keep* of those stay. A file that someone else renamed or
    removed is made anew within a second.
    """

    def __init__(
        self, path: Path, *, max_bytes: int, max_age: float, keep: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Append to *path*: at most *max_bytes* long and *max_age* seconds old, both unlimited if 0."""
        self._path = path
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._keep = keep
        self._clock = clock
        self._descriptor = -1
        self._sink: DescriptorSink | None = None
        self._size = 0
        self._began = self._looked = 0.0

    def write(self, line: bytes) -> None:
        """Write *line*, in a new file where the old one is full or old."""
        if self._sink is not None and self._is_gone():
            self.close()
        if self._sink is None:
            self._sink = self._open()
        if self._is_due(len(line)):
            self._rotate()
            self._sink = self._open()
        self._sink.write(line)
        self._size += len(line)

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._sink = -1, None

    def _is_due(self, length: int) -> bool:
        full = 0 < self._max_bytes < self._size + length
        old = 0 < self._max_age <= self._clock() - self._began
        return self._size > 0 and (full or old)

    def _open(self) -> DescriptorSink:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        status = os.fstat(self._descriptor)
        self._size = status.st_size
        # A file's birth is not to be had everywhere: after a restart its age counts from its last line.
        self._began = status.st_mtime if self._size else self._clock()
        torn = self._size > 0 and os.pread(self._descriptor, 1, self._size - 1) != b"\n"
        self._looked = self._clock()
        return DescriptorSink(self._descriptor, torn=torn)

    def _is_gone(self) -> bool:
        """Whether the file was renamed or removed; looked at once a second at most."""
        if abs(self._clock() - self._looked) < 1:
            return False
        self._looked = self._clock()
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return True

    def _rotate(self) -> None:
        self.close()
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path.rename(f"{self._path}.{stamp}")
        old = sorted(self._path.parent.glob(f"{glob.escape(self._path.name)}.[0-9]*Z"))
        for surplus in old[: -self._keep] if self._keep else old:
            surplus.unlink()
