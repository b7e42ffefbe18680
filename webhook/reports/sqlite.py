"""The store of reports in a file of SQLite."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from webhook.model.report import FullReport, Report
from webhook.reports.sqlite_file import PATIENCE, DamageError, FileState, SqliteFile
from webhook.reports.store import Changes, Held, Key, Outcome, pack_details, unpack_details

T = TypeVar("T")

SETTLED = 1.0  # seconds after which the time of a file is old enough to tell a later change
_MEMORY_OF_A_REPORT = 5  # bytes in memory for each of its MessagePack, its tags and places in indexes included
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
            deleted = [report for report in reports if _delete(db, report)]
            free_pages = db.execute("PRAGMA freelist_count").fetchone()[0]
            for _ in range(free_pages):
                db.execute("PRAGMA incremental_vacuum(1)")
        return tuple(deleted)

    def reports(self) -> Iterator[Report]:
        """As ReportStore.reports."""
        with self._file.reading() as db:
            rows = db.execute("SELECT revision, report, details FROM reports ORDER BY digest, platform")
            reports = [_held(row).report for row in rows]
        return iter(reports)

    def get(self, digest: str, platform: str) -> FullReport | None:
        """As ReportStore.get."""
        with self._file.reading() as db:
            held = _get(db, digest, platform)
            return None if held is None else FullReport(held.report, unpack_details(held.details))

    def resolve(self, tag: str) -> str | None:
        """As ReportStore.resolve."""
        with self._file.reading() as db:
            row = db.execute("SELECT digest FROM tags WHERE name = ?", (tag,)).fetchone()
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

    def load(self, known: Mapping[Key, int], limit: int) -> Changes:
        """As ReportStore.load."""
        with self._file.reading() as db:
            there: dict[Key, int] = {}
            left_out = 0
            for entry in sorted(_one(db, _ENTRIES, list[_Entry]), key=_Entry.newest_first):
                limit -= entry.size
                if limit < 0:
                    left_out += 1
                else:
                    there[Key(entry.digest, entry.platform)] = entry.revision
            query = "SELECT revision, report, details FROM reports WHERE revision = ?"
            new = [revision for key, revision in there.items() if known.get(key) != revision]
            return Changes(
                changed=tuple([_held(db.execute(query, (revision,)).fetchone()) for revision in new]),
                gone=tuple([key for key in known if key not in there]),
                tags=_one(db, _TAGS, dict[str, str]),
                left_out=left_out,
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


def _one(db: sqlite3.Connection, query: str, type_: type[T]) -> T:
    """Return the JSON that *query* gives, as *type_*."""
    with _noticing_damage():
        return msgspec.json.decode(db.execute(query).fetchone()[0], type=type_)


def _put(db: sqlite3.Connection, full: FullReport) -> Outcome:
    digest, platform = full.report.digest, full.report.platform
    scanned_at = _microseconds(full.report.scanned_at)
    for tag in full.report.tags:
        db.execute(
            "INSERT INTO tags VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET digest = excluded.digest,"
            " scanned_at = excluded.scanned_at WHERE excluded.scanned_at >= tags.scanned_at",
            (tag, digest, scanned_at),
        )
    report, details = msgspec.msgpack.encode(full.report), pack_details(full.details)
    revision = _revision(report, details)
    held = _get(db, digest, platform)
    if held is not None and (held.revision == revision or _microseconds(held.report.scanned_at) > scanned_at):
        return Outcome.KEPT
    size = _MEMORY_OF_A_REPORT * len(report) + len(details)
    row = (revision, digest, platform, scanned_at, size, report, details)
    db.execute("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return Outcome.ADDED if held is None else Outcome.REPLACED


def _delete(db: sqlite3.Connection, report: Report) -> bool:
    held = _get(db, report.digest, report.platform)
    if held is None or held.report != report:
        return False
    db.execute("DELETE FROM reports WHERE revision = ?", (held.revision,))
    query = "DELETE FROM tags WHERE digest = :digest AND NOT EXISTS (SELECT 1 FROM reports WHERE digest = :digest)"
    db.execute(query, {"digest": report.digest})
    return True


def _get(db: sqlite3.Connection, digest: str, platform: str) -> Held | None:
    query = "SELECT revision, report, details FROM reports WHERE digest = ? AND platform = ?"
    row = db.execute(query, (digest, platform)).fetchone()
    return None if row is None else _held(row)


def _held(row: tuple[Any, ...] | None) -> Held:
    if row is None:
        msg = "the index names one that is not there"
        raise DamageError(msg)
    revision, report, details = row
    with _noticing_damage():
        if _revision(report, details) != revision:
            msg = "its content is not what was written"
            raise DamageError(msg)
        return Held(msgspec.msgpack.decode(report, type=Report), revision, details)


@contextmanager
def _noticing_damage() -> Iterator[None]:
    """Raise DamageError for whatever cannot be decoded."""
    try:
        yield
    except (msgspec.MsgspecError, TypeError, UnicodeError) as error:
        raise DamageError(str(error)) from error


def _revision(report: bytes, details: bytes) -> int:
    return int.from_bytes(blake2b(report + details, digest_size=8).digest(), "big", signed=True)


def _microseconds(time_: datetime) -> int:
    return (time_ - _EPOCH) // timedelta(microseconds=1)
