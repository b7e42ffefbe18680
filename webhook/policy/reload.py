"""Keeping policies fresh: a folder is looked at again and again, what it holds comes into force when it is sound."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from webhook.policy.load import Loaded, load_policies, policy_files
from webhook.policy.policies import PolicySet

INTERVAL = 0.4  # seconds between two looks; two equal ones make a change stable, so that it counts within one second

_log = logging.getLogger(__name__)
Signature = tuple[tuple[str, int, int, int], ...]


class PolicyState(Struct, frozen=True):
    """What is in force, and what the last look at the files found wrong.

    `complete` is False where some policy has never been readable: what it asks for is unknown.
    """

    policies: PolicySet = PolicySet()
    complete: bool = False
    errors: tuple[str, ...] = ()


class PolicyFolder:
    """The policies in a folder (or file), as last read whole.

    A set with an error never replaces one without: the last good set stays in force. Where no good set was ever read,
    what can be read is in force and `state.complete` is False.
    """

    def __init__(self, path: Path, on_load: Callable[[PolicyState], None] = lambda _: None) -> None:
        """Read *path* now; *on_load* is told of this and of every later reading."""
        self._path = path
        self._on_load = on_load
        self._stop = threading.Event()
        self._seen = self._loaded = signature(path)
        self.state = PolicyState()
        self._load()

    def watch(self, interval: float = INTERVAL) -> None:
        """Begin to look for changes every *interval* seconds, in a thread of its own."""
        threading.Thread(target=self._watch, args=(interval,), name="policy-reload", daemon=True).start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()

    def look(self) -> None:
        """Look once: load when the files differ from those last loaded and have not changed since the look before.

        A file that is being written is thus not read half-written, as long as its writer does not pause.
        """
        now = signature(self._path)
        if now != self._loaded and now == self._seen:
            self._loaded = now
            self._load()
        self._seen = now

    def _watch(self, interval: float) -> None:
        while not self._stop.wait(interval):
            try:
                self.look()
            except Exception:  # noqa: BLE001  # the thread must outlive any surprise: without it policies would silently grow old
                _log.exception("policies could not be looked at", extra={"path": str(self._path)})

    def _load(self) -> None:
        loaded = load_policies(self._path)
        if loaded.errors and self.state.complete:
            self.state = PolicyState(self.state.policies, complete=True, errors=loaded.errors)
        else:
            self.state = PolicyState(loaded.policies, complete=not loaded.errors, errors=loaded.errors)
        self._tell(loaded, "last good set" if self.state.complete else "readable part")
        self._on_load(self.state)

    def _tell(self, loaded: Loaded, in_force: str) -> None:
        for error in loaded.errors:
            _log.error("policy refused", extra={"error": error, "in_force": in_force})
        if not loaded.errors:
            names = [policy.use.name for policy in loaded.policies.policies]
            _log.info("policies loaded", extra={"policies": names, "exceptions": len(loaded.policies.exceptions)})


def signature(path: Path) -> Signature:
    """Return what tells one state of the files in *path* from another, through links: name, inode, size and time."""
    found = []
    for file in policy_files(path):
        try:
            status = file.stat()
        except OSError:
            found.append((str(file), 0, 0, 0))
        else:
            found.append((str(file), status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)
