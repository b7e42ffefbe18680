"""What keeps reports: the port that the index, the command line and the scanner use, and its nouns."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from webhook.model.report import FullReport, Report, ReportDetails

_LEVEL = 6  # of zlib: 9 takes twice the time for 1 % less


class StoreError(RuntimeError):
    """A store cannot be opened, read or written, or is none; str() names the file and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class Outcome(StrEnum):
    """What became of a report that was put."""

    ADDED = "added"
    REPLACED = "replaced"
    KEPT = "kept"
    """The store keeps what it holds: this very report, or one of a later scan."""


class Key(NamedTuple):
    """What a report is held under: there is one at a time."""

    digest: str
    platform: str


class Held(Struct, frozen=True):
    """A report as it is held in memory: `details` are packed, since most verdicts do not need them.

    `revision` says its content: two reports of the same revision are equal, in whichever store they are.
    """

    report: Report
    revision: int
    details: bytes

    @property
    def key(self) -> Key:
        """What it is held under."""
        return Key(self.report.digest, self.report.platform)


class Changes(Struct, frozen=True):
    """How a store differs from what somebody knows of it.

    `changed` are the reports that are new or other than known, `gone` those that are known and no longer there.
    `tags` are all of them, and the digests that they stood for when last scanned. `left_out` counts the reports beyond
    the limit that was asked for.
    """

    changed: tuple[Held, ...]
    gone: tuple[Key, ...]
    tags: Mapping[str, str]
    left_out: int = 0


class ReportStore(Protocol):
    """Reports by digest and platform, for several processes at once; every method raises StoreError."""

    def put(self, reports: Iterable[FullReport]) -> tuple[Outcome, ...]:
        """Take in all of *reports* or none, and return what became of each once a crash can no longer lose them.

        A report of a later scan replaces one of the same digest and platform. A tag stands for the digest under which
        it was scanned last, whatever the order in which reports come.
        """
        ...

    def delete(self, reports: Iterable[Report]) -> tuple[Report, ...]:
        """Delete *reports* and return those that were there; one that was scanned again meanwhile stays.

        The tags of a digest go with its last report.
        """
        ...

    def reports(self) -> Iterator[Report]:
        """Return all reports, by digest and platform."""
        ...

    def get(self, digest: str, platform: str) -> FullReport | None:
        """Return the report of *digest* on *platform*, with all that it holds."""
        ...

    def resolve(self, tag: str) -> str | None:
        """Return the digest that *tag*, a full name such as docker.io/library/nginx:1.29.3, was last scanned under."""
        ...

    def version(self) -> int:
        """Return a number that is another one as soon as anything may have changed, by whichever process: cheaply."""
        ...

    def load(self, known: Mapping[Key, int], limit: int) -> Changes:
        """Return how the store differs from *known*, the revisions of what the caller holds.

        The newest scans count, as many as take *limit* bytes of memory.
        """
        ...


def pack_details(details: ReportDetails) -> bytes:
    """Return *details* as they are held: MessagePack, compressed with zlib."""
    return zlib.compress(msgspec.msgpack.encode(details), _LEVEL)


def unpack_details(packed: bytes) -> ReportDetails:
    """Return the details in *packed*; raises zlib.error or msgspec.DecodeError."""
    return msgspec.msgpack.decode(zlib.decompress(packed), type=ReportDetails)
