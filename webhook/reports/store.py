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


class Known(NamedTuple):
    """What somebody has of a report: its revision, and its details or none."""

    revision: int
    has_details: bool = True


class Held(Struct, frozen=True):
    """A report as it is held in memory.

    `revision` says its content: two reports of the same revision are equal, in whichever store they are. `details` are
    packed, since most verdicts do not need them, and empty where memory has no room for them.
    """

    report: Report
    revision: int
    details: bytes

    @property
    def key(self) -> Key:
        """What it is held under."""
        return Key(self.report.digest, self.report.platform)

    @property
    def known(self) -> Known:
        """What load is told of it."""
        return Known(self.revision, has_details=bool(self.details))


class Changes(Struct, frozen=True):
    """How a store differs from what somebody knows of it.

    `changed` are the reports that are new or other than known, `gone` those that are known and no longer there. `tags`
    are all of them, and the digests that they stood for when last scanned. `left_out` counts the reports beyond the
    limit that was asked for, and of those within it the oldest can be without details. `damaged` are those that cannot
    be read: what is known of them stays known.
    """

    changed: tuple[Held, ...]
    gone: tuple[Key, ...]
    tags: Mapping[str, str]
    left_out: int = 0
    damaged: tuple[Key, ...] = ()


class ReportStore(Protocol):
    """Reports by digest and platform, for several processes at once; every method raises StoreError.

    A report that is damaged, so that it is not what was put, is given to nobody; the others are.
    """

    def put(self, reports: Iterable[FullReport]) -> tuple[Outcome, ...]:
        """Take in all of *reports* or none, and return what became of each once a crash can no longer lose them.

        A report of a later scan replaces one of the same digest and platform. One of the same scan does too, but what
        is known of its vulnerability database stays known where it says nothing of it. One that is damaged is replaced
        by any. A tag stands for the digest under which it was scanned last, whatever the order in which reports come.
        """
        ...

    def delete(self, reports: Iterable[Report]) -> tuple[Report, ...]:
        """Delete *reports* and return those that were there; one that was scanned again meanwhile stays.

        The tags of a digest go with its last report.
        """
        ...

    def mend(self) -> tuple[Key, ...]:
        """Delete the reports that are damaged, and return what they were held under."""
        ...

    def damaged(self) -> tuple[Key, ...]:
        """Return what the reports that are damaged are held under, by digest and platform."""
        ...

    def reports(self) -> Iterator[Report]:
        """Return all reports, by digest and platform."""
        ...

    def get(self, digest: str, platform: str) -> FullReport | None:
        """Return the report of *digest* on *platform*, with all that it holds."""
        ...

    def resolve(self, tag: str) -> str | None:
        """Return the digest that *tag*, a full name such as docker.io/library/nginx:1.29.3, was last scanned under.

        Under which spelling of the registry does not matter: see tag_key.
        """
        ...

    def version(self) -> int:
        """Return a number that is another one as soon as anything may have changed, by whichever process: cheaply."""
        ...

    def load(self, known: Mapping[Key, Known], limit: int) -> Changes:
        """Return how the store differs from *known*, what the caller holds.

        As many reports count as take *limit* bytes of memory without their details, the newest scans first; what is
        left of the limit goes to details, those of the newest scans first.
        """
        ...


def tag_key(tag: str) -> str:
    """Return *tag*, a full name, by its one spelling: the registry's name in lower case, and without the port 443.

    containerd asks the same registry by each of them. No reference has a name that ends with a dot.
    """
    registry, slash, rest = tag.partition("/")
    return f"{registry.lower().removesuffix(':443')}/{rest}" if slash else tag


def pack_details(details: ReportDetails) -> bytes:
    """Return *details* as they are held: MessagePack, compressed with zlib."""
    return zlib.compress(msgspec.msgpack.encode(details), _LEVEL)


def unpack_details(packed: bytes) -> ReportDetails:
    """Return the details in *packed*; raises zlib.error or msgspec.DecodeError."""
    return msgspec.msgpack.decode(zlib.decompress(packed), type=ReportDetails)
