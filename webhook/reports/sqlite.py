"""The store of reports in a file of SQLite."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from webhook.model.report import FullReport, Report
from webhook.reports.sqlite_file import PATIENCE, DamageError, FileState, SqliteFile
from webhook.reports.store import Changes, Held, Key, Known, Outcome, pack_details, tag_key, unpack_details

T = TypeVar("T")

SETTLED = 1.0  # seconds after which the time of a file is old enough to tell a later change
_MEMORY_OF_A_REPORT = 5  # bytes in memory for each of its MessagePack, its tags and places in indexes included
_MEMORY_IN_SHORT = 4096  # bytes in memory of a report without its details, at most but for the longest names
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqliteReports:
    """The reports in a file, as webhook.reports.store.ReportStore means it.

    Where there is no file yet the store is empty; put makes the file, and its folder.
    """

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        """Keep reports in *path*; wait *patience* seconds while another process writes."""
        self._file = SqliteFile(path, patience)
        self._version = 0
        self._seen: FileState | None = None

    def put(self, reports: Iterable[FullReport]) -> tuple[Outcome, ...]:
        """As ReportStore.put."""
        with self._file.writing() as db:
            outcomes = [_put(db, full) for full in reports]
        return tuple(outcomes)

    def delete(self, reports: Iterable[Report]) -> tuple[Report, ...]:
        """As ReportStore.delete; the file shrinks."""
        if not self._file.exists():
            return ()
        with self._file.writing() as db:
            deleted = tuple([report for report in reports if _delete(db, report)])
            free_pages = db.execute("PRAGMA freelist_count").fetchone()[0]
            for _ in range(free_pages):
                db.execute("PRAGMA incremental_vacuum(1)")
        return deleted

    def mend(self) -> tuple[Key, ...]:
        """As ReportStore.mend."""
        if not self._file.exists():
            return ()
        with self._file.writing() as db:
            damaged = _read_all(db)[1]
            for digest, platform in damaged:
                db.execute("DELETE FROM reports WHERE digest = ? AND platform = ?", (digest, platform))
                _delete_tags(db, digest)
        return damaged

    def damaged(self) -> tuple[Key, ...]:
        """As ReportStore.damaged."""
        with self._file.reading() as db:
            return _read_all(db)[1]

    def reports(self) -> Iterator[Report]:
        """As ReportStore.reports."""
        with self._file.reading() as db:
            return iter(_read_all(db)[0])

    def get(self, digest: str, platform: str) -> FullReport | None:
        """As ReportStore.get."""
        with self._file.reading() as db:
            held = _get(db, digest, platform)
            return None if held is None else FullReport(held.report, unpack_details(held.details))

    def resolve(self, tag: str) -> str | None:
        """As ReportStore.resolve."""
        with self._file.reading() as db:
            row = db.execute("SELECT digest FROM tags WHERE name = ?", (tag_key(tag),)).fetchone()
            return None if row is None else str(row[0])

    def version(self) -> int:
        """As ReportStore.version: by the times and sizes of the files, which are not opened.

        Files that were written a moment ago may be written again in the same tick of their clock: they count as
        changed until that is over.
        """
        state = self._file.state()
        newest = max(modified for _, _, modified in state) / 1e9
        if state != self._seen or 0 <= time.time() - newest < SETTLED:
            self._seen = state
            self._version += 1
        return self._version

    def load(self, known: Mapping[Key, Known], limit: int) -> Changes:
        """As ReportStore.load."""
        with self._file.reading() as db:
            entries = sorted(_one(db, _ENTRIES, list[_Entry]), key=_Entry.newest_first)
            there = _within(entries, limit)
            read = {key: _read(db, wanted) for key, wanted in there.items() if known.get(key) != wanted}
            return Changes(
                changed=tuple([held for held in read.values() if held is not None]),
                gone=tuple([key for key in known if key not in there]),
                tags=_one(db, _TAGS, dict[str, str]),
                left_out=len(entries) - len(there),
                damaged=tuple([key for key, held in read.items() if held is None]),
            )


# Python gives up its lock at each row, and gets it back when the threads that answer reviews let it: lists of all
# that there is are had in one row, as JSON. An index alone is read for them.
_ENTRIES = """
SELECT json_group_array(json_array(revision, digest, platform, scanned_at, size)) FROM reports INDEXED BY newest
"""
_TAGS = "SELECT json_group_object(name, digest) FROM tags"


class _Entry(Struct, frozen=True, array_like=True):
    """What the index `newest` knows of a report."""

    revision: int
    digest: str
    platform: str
    scanned_at: int
    size: int

    def newest_first(self) -> tuple[int, str, str]:
        return -self.scanned_at, self.digest, self.platform

    @property
    def size_in_short(self) -> int:
        return min(self.size, _MEMORY_IN_SHORT)


def _within(entries: Sequence[_Entry], limit: int) -> dict[Key, Known]:
    """Return what of *entries*, the newest first, to hold in *limit* bytes."""
    held = list(entries)
    left = limit - sum(entry.size_in_short for entry in held)
    while left < 0:
        left += held.pop().size_in_short
    wanted = {}
    for entry in held:
        left -= entry.size - entry.size_in_short
        wanted[Key(entry.digest, entry.platform)] = Known(entry.revision, has_details=left >= 0)
    return wanted


def _read(db: sqlite3.Connection, wanted: Known) -> Held | None:
    query = "SELECT revision, report, details FROM reports WHERE revision = ?"
    held = _held(db.execute(query, (wanted.revision,)).fetchone())
    return held if held is None or wanted.has_details else replace(held, details=b"")


def _one(db: sqlite3.Connection, query: str, type_: type[T]) -> T:
    """Return the JSON that *query* gives, as *type_*."""
    try:
        return msgspec.json.decode(db.execute(query).fetchone()[0], type=type_)
    except (msgspec.MsgspecError, TypeError, UnicodeError) as error:
        raise DamageError(str(error)) from error


def _put(db: sqlite3.Connection, full: FullReport) -> Outcome:
    digest, platform = full.report.digest, full.report.platform
    scanned_at = _microseconds(full.report.scanned_at)
    for tag in full.report.tags:
        db.execute(
            "INSERT INTO tags VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET digest = excluded.digest,"
            " scanned_at = excluded.scanned_at WHERE excluded.scanned_at >= tags.scanned_at",
            (tag_key(tag), digest, scanned_at),
        )
    held = _get(db, digest, platform)
    known = full.report.database_updated_at if held is None else _database_known(full.report, held.report)
    report, details = (
        msgspec.msgpack.encode(replace(full.report, database_updated_at=known)),
        pack_details(full.details),
    )
    revision = _revision(report, details)
    if held is not None and (held.revision == revision or _microseconds(held.report.scanned_at) > scanned_at):
        return Outcome.KEPT
    size = _MEMORY_OF_A_REPORT * len(report) + len(details)
    row = (revision, digest, platform, scanned_at, size, report, details)
    db.execute("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return Outcome.ADDED if held is None else Outcome.REPLACED


def _database_known(new: Report, held: Report) -> datetime | None:
    """Return the time of the database that *new* was made with; *held* may say it, where that is of the same scan."""
    same = new.scanned_at == held.scanned_at or new.id == held.id
    return new.database_updated_at or (held.database_updated_at if same else None)


def _delete(db: sqlite3.Connection, report: Report) -> bool:
    held = _get(db, report.digest, report.platform)
    if held is None or held.report != report:
        return False
    db.execute("DELETE FROM reports WHERE revision = ?", (held.revision,))
    _delete_tags(db, report.digest)
    return True


def _delete_tags(db: sqlite3.Connection, digest: str) -> None:
    """Delete the tags of *digest* where that was its last report."""
    query = "DELETE FROM tags WHERE digest = :digest AND NOT EXISTS (SELECT 1 FROM reports WHERE digest = :digest)"
    db.execute(query, {"digest": digest})


def _read_all(db: sqlite3.Connection) -> tuple[list[Report], tuple[Key, ...]]:
    """Return all reports that can be read, and the keys of those that are damaged."""
    reports, damaged = list[Report](), list[Key]()
    query = "SELECT digest, platform, revision, report, details FROM reports ORDER BY digest, platform"
    for digest, platform, *row in db.execute(query):
        held = _held(row)
        if held is None:
            damaged.append(Key(digest, platform))
        else:
            reports.append(held.report)
    return reports, tuple(damaged)


def _get(db: sqlite3.Connection, digest: str, platform: str) -> Held | None:
    query = "SELECT revision, report, details FROM reports WHERE digest = ? AND platform = ?"
    row = db.execute(query, (digest, platform)).fetchone()
    return _held(row)


def _held(row: Sequence[Any] | None) -> Held | None:
    """Return what a row holds; None where there is none, or where its content is not what was written."""
    if row is None:
        return None
    revision, report, details = row
    try:
        if _revision(report, details) == revision:
            return Held(msgspec.msgpack.decode(report, type=Report), revision, details)
    except (msgspec.MsgspecError, TypeError, UnicodeError):  # TypeError: the column holds text or a number
        return None
    return None


def _revision(report: bytes, details: bytes) -> int:
    return int.from_bytes(blake2b(report + details, digest_size=8).digest(), "big", signed=True)


def _microseconds(time_: datetime) -> int:
    return (time_ - _EPOCH) // timedelta(microseconds=1)
