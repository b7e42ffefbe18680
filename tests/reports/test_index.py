"""The reports in memory: what is found there, how it follows the store, and what stays when the store fails."""

import contextlib
import logging
import multiprocessing
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.image_reports import full_report
from webhook.model.facts import NotHeldError
from webhook.model.report import FullReport, Report
from webhook.reports.index import IndexState, ReportIndex
from webhook.reports.sqlite import SqliteReports
from webhook.reports.store import Changes

T0 = datetime(2026, 11, 24, 6, tzinfo=UTC)
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
AMD64, ARM64 = "linux/amd64", "linux/arm64"
FOLLOWED_WITHIN = 2.0  # seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reports.db"


@pytest.fixture
def store(path: Path) -> SqliteReports:
    return SqliteReports(path)


def report(digest: str = A, platform: str = AMD64, days: float = 0, *tags: str, found: int = 1) -> FullReport:
    vulnerabilities = [{"id": f"CVE-2099-{number:04}", "severity": "high"} for number in range(found)]
    return full_report(
        digest=digest, platform=platform, scannedAt=T0 + timedelta(days), tags=tags, vulnerabilities=vulnerabilities
    )


class FailingStore(SqliteReports):
    """A store in which an error can be set."""

    error: Exception | None = None

    def version(self) -> int:
        if self.error is not None:
            raise self.error
        return super().version()


class CountingStore(SqliteReports):
    """A store that counts how often it is loaded."""

    loads = 0

    def load(self, *given: object) -> Changes:
        self.loads += 1
        return super().load(*given)  # type: ignore[arg-type]  # handed on as they come


def wait_until(holds: Callable[[], object], seconds: float = FOLLOWED_WITHIN) -> float:
    """Wait until *holds* returns something true; return how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


# Finding


def test_a_report_is_found_by_digest_and_platform(store: SqliteReports) -> None:
    store.put([report(A, AMD64), report(A, ARM64, found=2), report(B)])

    index = ReportIndex(store)

    assert index.find(A, AMD64) == report(A, AMD64).report
    assert index.find(A, ARM64) == report(A, ARM64, found=2).report
    assert index.find(B, ARM64) is None
    assert index.find(C, AMD64) is None


def test_the_platforms_of_a_digest_are_sorted(store: SqliteReports) -> None:
    store.put([report(A, ARM64), report(A, AMD64)])

    index = ReportIndex(store)

    assert index.platforms(A) == (AMD64, ARM64)
    assert index.platforms(B) == ()


def test_a_tag_resolves_to_the_digest_scanned_last(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 1, "docker.io/library/app:v1"), report(B, AMD64, 0, "docker.io/library/app:v1")])

    index = ReportIndex(store)

    assert index.resolve("docker.io/library/app:v1") == A
    assert index.resolve("docker.io/library/app:v2") is None


def test_the_vulnerabilities_are_those_of_the_report(store: SqliteReports) -> None:
    store.put([report(A, found=3), report(B, found=5)])
    index = ReportIndex(store)

    for digest, found in ((A, 3), (B, 5)):
        held = index.find(digest, AMD64)
        assert held is not None
        assert index.vulnerabilities(held) == report(found=found).details.vulnerabilities


def test_a_verdict_under_way_gets_the_vulnerabilities_of_the_report_it_saw(store: SqliteReports) -> None:
    store.put([report(A, found=3), report(B, found=4)])
    index = ReportIndex(store)
    seen, other = index.find(A, AMD64), index.find(B, AMD64)
    assert seen is not None
    assert other is not None

    store.put([report(A, days=1, found=7)])
    store.delete([other])
    index.look()

    assert len(index.vulnerabilities(seen)) == 3
    assert len(index.vulnerabilities(other)) == 4


def test_a_report_that_is_long_gone_is_an_error_and_not_a_clean_one(store: SqliteReports) -> None:
    store.put([report(A, found=3)])
    index = ReportIndex(store)
    seen = index.find(A, AMD64)
    assert seen is not None

    for days in (1, 2):
        store.put([report(A, days=days)])
        index.look()

    with pytest.raises(LookupError, match=f"the report of {A} on {AMD64} is no longer held"):
        index.vulnerabilities(seen)


# Following


def test_a_look_takes_over_what_is_new_changed_and_gone(store: SqliteReports) -> None:
    store.put([report(A, AMD64), report(A, ARM64), report(B, AMD64, 0, "app:v1")])
    index = ReportIndex(store)

    store.put([report(C), report(A, ARM64, 1, found=9)])
    store.delete([report(B, AMD64, 0, "app:v1").report])
    index.look()

    assert index.find(A, AMD64) == report(A, AMD64).report
    assert index.find(A, ARM64) == report(A, ARM64, 1, found=9).report
    assert index.find(C, AMD64) == report(C).report
    assert (index.platforms(B), index.resolve("app:v1")) == ((), None)


def test_a_tag_that_moves_is_followed(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 0, "app:v1"), report(B, AMD64, 0)])
    index = ReportIndex(store)

    store.put([report(B, AMD64, 1, "app:v1")])
    index.look()

    assert index.resolve("app:v1") == B


def test_a_tag_that_moves_without_a_new_report_is_followed(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 0, "app:v1"), report(B, AMD64, 5)])
    index = ReportIndex(store)

    store.put([report(B, AMD64, 1, "app:v1")])  # an earlier scan than the one held
    index.look()

    assert index.resolve("app:v1") == B


def test_the_store_is_not_loaded_while_nobody_writes(path: Path) -> None:
    SqliteReports(path).put([report(A)])
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))
    store = CountingStore(path)
    index = ReportIndex(store)

    for _ in range(5):
        index.look()

    assert store.loads == 1


def test_a_store_that_is_made_later_is_noticed(store: SqliteReports) -> None:
    index = ReportIndex(store)
    assert index.state == IndexState(complete=True)

    store.put([report(A)])
    index.look()

    assert index.find(A, AMD64) == report(A).report


def test_a_store_put_in_the_place_of_another_is_followed(store: SqliteReports, path: Path, tmp_path: Path) -> None:
    store.put([report(A), report(B, found=1)])
    index = ReportIndex(store)
    SqliteReports(tmp_path / "new.db").put([report(B, found=2), report(C)])

    (tmp_path / "new.db").rename(path)
    index.look()

    assert index.find(A, AMD64) is None
    assert index.find(B, AMD64) == report(B, found=2).report
    assert index.find(C, AMD64) == report(C).report


def put_in_turn(path: Path, count: int) -> None:
    for number in range(count):
        SqliteReports(path).put([report(f"sha256:{number:064x}")])
        time.sleep(0.05)


def test_what_another_process_writes_is_known_within_two_seconds(path: Path) -> None:
    index = ReportIndex(SqliteReports(path))
    index.watch()
    writer = multiprocessing.get_context("spawn").Process(target=put_in_turn, args=(path, 20))

    writer.start()
    try:
        wait_until(lambda: index.state.held > 0, 30)
        writer.join(30)
        took = wait_until(lambda: index.state.held == 20)
    finally:
        writer.join(30)
        index.stop()

    assert writer.exitcode == 0
    assert took < FOLLOWED_WITHIN


def test_readers_never_see_a_half(store: SqliteReports) -> None:
    both = [report(A, AMD64, 0, "app:v1"), report(A, ARM64, 0)]
    store.put(both)
    index, stop, wrong = ReportIndex(store), threading.Event(), list[Report | None]()

    def read() -> None:
        while not stop.wait(0.0001):
            held = index.find(A, AMD64)
            if held is None:
                wrong.append(None)
                continue
            with contextlib.suppress(LookupError):  # two looks went by meanwhile
                if len(index.vulnerabilities(held)) != sum(held.counts):
                    wrong.append(held)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        store.put([report(A, AMD64, number + 1, "app:v1", found=number % 7)])
        index.look()
    stop.set()
    reader.join()

    assert wrong == []


def test_regression_a_busy_thread_held_up_a_look_at_each_row(store: SqliteReports) -> None:
    store.put(report(f"sha256:{number:064x}", AMD64, 0, f"app:{number}") for number in range(2000))
    index, stop = ReportIndex(store), threading.Event()

    def work() -> None:
        while not stop.is_set():
            sum(range(1000))

    busy = threading.Thread(target=work)
    busy.start()
    store.put([report(A)])
    began = time.monotonic()
    index.look()
    took = time.monotonic() - began
    stop.set()
    busy.join()

    assert index.find(A, AMD64) == report(A).report
    assert took < FOLLOWED_WITHIN


def damage(path: Path) -> None:
    """Change a byte of what the file holds of A, as a bad disk does."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE reports SET report = CAST(substr(report, 2) AS BLOB) WHERE digest = ?", (A,))
        db.commit()


def test_a_damaged_report_is_named_and_the_others_are_held(store: SqliteReports, path: Path) -> None:
    store.put([report(A, AMD64, 0, "app:v1"), report(B)])
    damage(path)

    index = ReportIndex(store)

    error = f"damaged in the store, to be imported again: {A} on {AMD64}"
    found = IndexState(complete=True, error=error, held=1, oldest=T0, newest=T0, unreadable=frozenset([A]))
    assert index.state == found
    assert index.find(B, AMD64) == report(B).report
    assert (index.find(A, AMD64), index.resolve("app:v1")) == (None, A)

    store.put([report(A)])
    index.look()

    assert index.state == IndexState(complete=True, held=2, oldest=T0, newest=T0)


def test_what_was_read_of_a_report_before_it_was_damaged_stays_in_force(store: SqliteReports, path: Path) -> None:
    store.put([report(A, found=3)])
    index = ReportIndex(store)

    store.put([report(A, days=1)])
    damage(path)
    index.look()

    held = index.find(A, AMD64)
    assert held == report(A, found=3).report
    assert len(index.vulnerabilities(held)) == 3
    assert index.state.error == f"damaged in the store, to be imported again: {A} on {AMD64}"
    assert index.state.unreadable == frozenset()


def test_of_many_damaged_reports_some_are_named(store: SqliteReports, path: Path) -> None:
    platforms = ["linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x", "linux/ppc64le"]
    store.put([report(A, platform) for platform in platforms])
    damage(path)

    index = ReportIndex(store)

    assert index.state.error.count(A) == 3
    assert index.state.error.endswith(" and 2 more")


# The limit


def test_the_newest_scans_are_held_where_not_all_fit(store: SqliteReports) -> None:
    store.put([report(f"sha256:{day:064x}", AMD64, day, f"app:{day}") for day in range(10)])

    index = ReportIndex(store, limit=5000)

    held = [day for day in range(10) if index.find(f"sha256:{day:064x}", AMD64)]
    assert 0 < len(held) < 10
    assert held == list(range(10 - len(held), 10))
    assert index.state == IndexState(
        complete=True,
        held=len(held),
        left_out=10 - len(held),
        oldest=T0 + timedelta(held[0]),
        newest=T0 + timedelta(9),
    )
    assert [day for day in range(10) if index.resolve(f"app:{day}")] == held


def test_beyond_the_limit_reports_are_held_without_their_vulnerabilities(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 0, "app:v1", found=3000), report(B, AMD64, 1, found=3000)])

    index = ReportIndex(store, limit=15_000)

    old, new = index.find(A, AMD64), index.find(B, AMD64)
    assert (old, new) == (report(A, AMD64, 0, "app:v1", found=3000).report, report(B, days=1, found=3000).report)
    assert old is not None
    assert new is not None
    assert index.resolve("app:v1") == A
    assert len(index.vulnerabilities(new)) == 3000
    with pytest.raises(NotHeldError, match=f"memory has no room for the vulnerabilities of {A} on {AMD64}"):
        index.vulnerabilities(old)
    assert (index.state.held, index.state.without_details, index.state.left_out) == (2, 1, 0)

    store.delete([new])
    index.look()

    old = index.find(A, AMD64)
    assert old is not None
    assert len(index.vulnerabilities(old)) == 3000
    assert index.state.without_details == 0


def test_a_newer_scan_takes_the_place_of_the_oldest(store: SqliteReports) -> None:
    store.put([report(A, days=0), report(B, days=1)])
    full = ReportIndex(store, limit=2500)
    assert full.state.left_out == 1
    assert full.find(A, AMD64) is None

    store.put([report(C, days=2)])
    full.look()

    assert (full.find(B, AMD64), full.find(C, AMD64)) == (None, report(C, days=2).report)
    assert full.state.left_out == 2


# State and errors


def test_the_state_tells_of_scans_and_of_what_is_held(store: SqliteReports) -> None:
    store.put([report(A, days=1), report(B, days=3), report(C, days=2)])

    index = ReportIndex(store)

    assert index.state == IndexState(complete=True, held=3, oldest=T0 + timedelta(1), newest=T0 + timedelta(3))


def test_each_state_is_told(store: SqliteReports) -> None:
    told: list[IndexState] = []
    index = ReportIndex(store, on_look=told.append)

    store.put([report(A)])
    index.look()

    assert [state.held for state in told] == [0, 1]


def test_a_store_that_cannot_be_read_at_the_start_is_not_complete(path: Path) -> None:
    path.write_bytes(b"{}" * 1000)

    index = ReportIndex(SqliteReports(path))

    error = f"{path}: not a store of reports, nor any file of SQLite"
    assert index.state == IndexState(complete=False, error=error)


@pytest.mark.parametrize("broken", [None, b"", b"{}" * 1000], ids=["gone", "emptied", "overwritten"])
def test_what_was_read_last_stays_in_force_while_the_store_cannot_be_read(
    store: SqliteReports, path: Path, broken: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    store.put([report(A, found=3)])
    index = ReportIndex(store)
    saved = path.read_bytes()

    path.unlink()
    if broken is not None:
        path.write_bytes(broken)
    for _ in range(3):
        index.look()
    during = index.state
    held = index.find(A, AMD64)

    assert held == report(A, found=3).report
    assert len(index.vulnerabilities(held)) == 3
    assert (during.complete, during.held) == (True, 1)
    assert during.error.startswith(f"{path}: ")
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1

    path.write_bytes(saved)
    index.look()

    assert index.state == IndexState(complete=True, held=1, oldest=T0, newest=T0)


def test_an_error_that_passes_is_forgotten_even_where_nothing_changed(path: Path) -> None:
    SqliteReports(path).put([report(A)])
    store = FailingStore(path)
    index = ReportIndex(store)
    store.error = OSError("the disk is away")

    with pytest.raises(OSError, match="the disk is away"):
        index.look()
    store.error = None
    index.look()

    assert index.state.error == ""


@pytest.fixture
def watched(path: Path) -> Iterator[tuple[FailingStore, ReportIndex]]:
    store = FailingStore(path)
    index = ReportIndex(store)
    index.watch(0.01)
    yield store, index
    index.stop()


def test_the_watch_outlives_any_surprise_and_tells_of_it(watched: tuple[FailingStore, ReportIndex], path: Path) -> None:
    store, index = watched

    store.error = ZeroDivisionError("division by zero")
    wait_until(lambda: index.state.error == "the store could not be looked at: division by zero")
    SqliteReports(path).put([report(A)])
    store.error = None

    wait_until(lambda: index.state.held == 1)
    assert index.state.error == ""


def test_a_stopped_watch_looks_no_more(watched: tuple[FailingStore, ReportIndex], path: Path) -> None:
    _, index = watched

    index.stop()
    wait_until(lambda: not any(thread.name == "report-index" for thread in threading.enumerate()))
    SqliteReports(path).put([report(A)])

    assert index.state.held == 0
