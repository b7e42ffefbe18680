"""The file of SQLite behind the store: opened for one operation at a time, made when it is first written.

Nothing is held open between two operations, so that the file can be replaced by another, and a process can fork. A
write-ahead log lets several processes read while one writes (https://www.sqlite.org/wal.html), and with
synchronous=FULL what was committed survives a loss of power (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from webhook.reports.store import StoreError

APPLICATION_ID = 0x706F6467  # "podg"
SCHEMA_VERSION = 1
PATIENCE = 30.0  # seconds to wait while another process writes

_SCHEMA = """
CREATE TABLE reports (
    revision INTEGER PRIMARY KEY, -- says the content of report and details
    digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    scanned_at INTEGER NOT NULL, -- microseconds since 1970 in UTC
    size INTEGER NOT NULL, -- bytes it takes in memory, about
    report BLOB NOT NULL, -- MessagePack of Report
    details BLOB NOT NULL, -- of pack_details
    UNIQUE (digest, platform)
);
CREATE INDEX newest ON reports (scanned_at DESC, digest, platform, size);
CREATE TABLE tags (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    scanned_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tags_of ON tags (digest);
"""
_LOGS = ("-wal", "-journal")  # the write-ahead log, and what a file has instead until it has one
FileState = tuple[tuple[int, int, int], ...]


class DamageError(ValueError):
    """An index of the file holds what was never written; SQLite itself has no checksums."""


class SqliteFile:
    """A file that holds the tables of the store, or will once something is written.

    One that may only be read is read without leaving anything beside it.
    """

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        """Use *path*; wait *patience* seconds while another process writes."""
        self.path = path.absolute()
        self._patience = patience
        self._existed = False

    def exists(self) -> bool:
        """Return whether there is a file; raises StoreError where one may not know."""
        with self._telling():
            return self.path.exists()

    def state(self) -> FileState:
        """Return inode, size and time in nanoseconds of the file and of its logs; zeros for one that is not there."""
        with self._telling():
            return tuple([_state(self.path.with_name(self.path.name + suffix)) for suffix in ("", *_LOGS)])

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection with a transaction that is committed at the end, or undone by an error.

        Raises StoreError for whatever goes wrong with the file.
        """
        with self._telling():
            _make_folder(self.path.parent)
            with self._connected("rwc") as db:
                self._prepare(db)
                db.execute("BEGIN IMMEDIATE")
                yield db  # an error leaves here, and closing undoes
                db.execute("COMMIT")
            self._existed = True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the store: an empty one where there is no file, or nothing in it.

        Raises StoreError for whatever goes wrong with the file; one that was there and is gone, or was emptied, is no
        empty store.
        """
        with self._telling():
            if not self.exists():
                if self._existed:
                    raise StoreError(self.path, "the file is gone")
                with _empty() as db:
                    yield db
                return
            before = None if self._may_write() else self.state()
            with self._connected(_mode(before)) as file, self._tables(file) as db:
                yield db
            if before is not None and before != self.state():
                raise StoreError(self.path, "changed while it was read")

    @contextmanager
    def _tables(self, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """Give *db* in a transaction, or an empty store where it has no tables yet."""
        db.execute("BEGIN")
        if self._is_prepared(db):
            self._existed = True
            yield db
        elif self._existed:
            raise StoreError(self.path, "the file was emptied")
        else:
            with _empty() as empty:
                yield empty

    def _may_write(self) -> bool:
        effective = os.access in os.supports_effective_ids
        return all(os.access(path, os.W_OK, effective_ids=effective) for path in (self.path, self.path.parent))

    @contextmanager
    def _connected(self, mode: str) -> Iterator[sqlite3.Connection]:
        uri = f"{self.path.as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=self._patience, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA trusted_schema = OFF")
            yield db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Make the tables where there are none yet; the first of several processes does."""
        db.execute("BEGIN")
        prepared = self._is_prepared(db)
        db.execute("COMMIT")
        if not prepared:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of effect before the first table alone
            db.execute("BEGIN IMMEDIATE")
            if not self._is_prepared(db):
                _create(db)
            db.execute("COMMIT")
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Somebody reads just now, for which SQLite does not wait. Whoever writes next makes the log: until then
            # readers and writers are as safe, and wait for each other.
            if not _is_busy(error):
                raise

    def _is_prepared(self, db: sqlite3.Connection) -> bool:
        """Return whether there are tables, within a transaction of *db*; raises StoreError where they are not ours."""
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not application and not version and not tables:
            return False
        if application != APPLICATION_ID:
            raise StoreError(self.path, "not a store of reports, but an SQLite file of another program")
        if version != SCHEMA_VERSION:
            raise StoreError(self.path, f"of another podgate: its schema is {version}, this one has {SCHEMA_VERSION}")
        return True

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what goes wrong with the file into StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(self.path, self._reason(error)) from error
        except OSError as error:
            raise StoreError(self.path, error.strerror or str(error)) from error
        except DamageError as error:
            raise StoreError(self.path, f"an index in it is damaged: {error}") from error
        except UnicodeDecodeError as error:  # of a name in the file, where SQLite quotes it in its error
            raise StoreError(self.path, f"damaged: {error}") from error

    def _reason(self, error: sqlite3.Error) -> str:
        code = _code(error)
        if _is_busy(error):
            return f"another process has been writing for {self._patience:g} s"
        if code == "SQLITE_NOTADB":
            return "not a store of reports, nor any file of SQLite"
        return f"{error} ({code})" if code else str(error)


def _code(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")  # an error of Python's own has none


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error).startswith("SQLITE_BUSY")


def _mode(unwritable: FileState | None) -> str:
    """Return how to open a file for reading, one that may not be written in the state *unwritable*.

    SQLite reads a write-ahead log with the help of a file beside it, which must be there if it cannot be made. Where
    there is no log, the file is read as one that nobody writes.
    """
    if unwritable is None:
        return "rw"
    logged = any(size for _, size, _ in unwritable[1:])
    return "ro" if logged else "ro&immutable=1"


@contextmanager
def _empty() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        _create(db)
        yield db


def _create(db: sqlite3.Connection) -> None:
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _make_folder(folder: Path) -> None:
    """Make *folder*, and the folders it is in, as durably as what will be in it."""
    if folder.exists():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _state(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns
