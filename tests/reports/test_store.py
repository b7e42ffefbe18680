"""The store of reports: what it keeps, for whom, and what it says where it cannot."""

import multiprocessing
import os
import resource
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.image_reports import full_report
from webhook.model.report import FullReport
from webhook.reports.index import ReportIndex
from webhook.reports.sqlite import SqliteReports
from webhook.reports.store import Changes, Key, Outcome, StoreError, unpack_details

DAY = timedelta(days=1)
T0 = datetime(2026, 11, 24, 6, tzinfo=UTC)
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
AMD64, ARM64 = "linux/amd64", "linux/arm64"
NO_LIMIT = 1 << 40
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reports.db"


@pytest.fixture
def store(path: Path) -> SqliteReports:
    return SqliteReports(path)


def report(digest: str = A, platform: str = AMD64, days: float = 0, *tags: str, found: int = 1) -> FullReport:
    """Return a report of a scan *days* after T0 that found so many vulnerabilities."""
    vulnerabilities = [{"id": f"CVE-2099-{number:04}", "severity": "high"} for number in range(found)]
    return full_report(
        digest=digest, platform=platform, scannedAt=T0 + days * DAY, tags=tags, vulnerabilities=vulnerabilities
    )


def load(store: SqliteReports) -> Changes:
    return store.load({}, NO_LIMIT)


# What is kept


def test_a_report_comes_back_as_it_was_put(store: SqliteReports) -> None:
    full = report(A, AMD64, 0, "docker.io/library/app:v1", found=3)

    outcomes = store.put([full])

    assert outcomes == (Outcome.ADDED,)
    assert store.get(A, AMD64) == full
    assert list(store.reports()) == [full.report]


def test_what_is_not_there_is_none(store: SqliteReports) -> None:
    store.put([report(A)])

    assert store.get(B, AMD64) is None
    assert store.get(A, ARM64) is None
    assert store.resolve("docker.io/library/app:v1") is None


def test_a_digest_has_a_report_for_each_platform(store: SqliteReports) -> None:
    reports = [report(A, AMD64), report(A, ARM64, found=2), report(B, AMD64)]

    store.put(reports)

    assert [store.get(each.report.digest, each.report.platform) for each in reports] == reports
    assert list(store.reports()) == [each.report for each in reports]


def test_a_later_scan_replaces_an_earlier_one(store: SqliteReports) -> None:
    store.put([report(days=1, found=1)])

    outcomes = store.put([report(days=2, found=2)])

    assert outcomes == (Outcome.REPLACED,)
    assert store.get(A, AMD64) == report(days=2, found=2)


def test_an_earlier_scan_does_not_replace_a_later_one(store: SqliteReports) -> None:
    store.put([report(days=2, found=2)])

    outcomes = store.put([report(days=1, found=1)])

    assert outcomes == (Outcome.KEPT,)
    assert store.get(A, AMD64) == report(days=2, found=2)


def test_times_differ_by_microseconds(store: SqliteReports) -> None:
    tick = timedelta(microseconds=1) / DAY
    store.put([report(days=tick, found=2)])

    assert store.put([report(days=0, found=1)]) == (Outcome.KEPT,)
    assert store.put([report(days=2 * tick, found=3)]) == (Outcome.REPLACED,)


def test_the_same_report_again_changes_nothing(store: SqliteReports) -> None:
    store.put([report(found=2)])
    before = load(store)

    outcomes = store.put([report(found=2)])

    assert outcomes == (Outcome.KEPT,)
    assert load(store) == before


def test_another_report_of_the_same_scan_mends_it(store: SqliteReports) -> None:
    store.put([full_report(databaseUpdatedAt=None)])

    outcomes = store.put([full_report(databaseUpdatedAt=T0)])

    assert outcomes == (Outcome.REPLACED,)
    assert next(store.reports()).database_updated_at == T0


@pytest.mark.parametrize("again", [{"scannedAt": T0, "id": "another"}, {"scannedAt": T0 + DAY}], ids=["time", "id"])
def test_regression_a_scan_imported_again_without_its_database_became_fresh(
    store: SqliteReports, again: dict[str, object]
) -> None:
    store.put([full_report(scannedAt=T0, databaseUpdatedAt=T0 - DAY)])

    store.put([full_report(**again)])

    assert next(store.reports()).database_updated_at == T0 - DAY


def test_another_scan_without_its_database_is_of_an_unknown_one(store: SqliteReports) -> None:
    store.put([full_report(scannedAt=T0, databaseUpdatedAt=T0 - DAY)])

    store.put([full_report(scannedAt=T0 + DAY, id="another")])

    assert next(store.reports()).database_updated_at is None


def test_the_same_report_again_without_its_database_changes_nothing(store: SqliteReports) -> None:
    store.put([full_report(databaseUpdatedAt=T0)])

    assert store.put([full_report()]) == (Outcome.KEPT,)


def test_reports_of_one_call_count_one_after_the_other(store: SqliteReports) -> None:
    outcomes = store.put([report(days=1), report(days=0), report(days=2), report(B)])

    assert outcomes == (Outcome.ADDED, Outcome.KEPT, Outcome.REPLACED, Outcome.ADDED)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_all_reports_of_a_call_are_put_or_none(store: SqliteReports, error: type[BaseException]) -> None:
    def interrupted() -> Iterator[FullReport]:
        yield report(B)
        raise error

    store.put([report(A)])

    with pytest.raises(error):
        store.put(interrupted())

    assert list(store.reports()) == [report(A).report]


# Tags


def test_a_tag_stands_for_the_digest_that_was_scanned_last(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 1, "app:v1")])
    store.put([report(B, AMD64, 2, "app:v1")])

    assert store.resolve("app:v1") == B


def test_an_older_scan_that_comes_later_does_not_take_the_tag(store: SqliteReports) -> None:
    store.put([report(B, AMD64, 2, "app:v1")])
    store.put([report(A, AMD64, 1, "app:v1", "app:v1.0")])

    assert store.resolve("app:v1") == B
    assert store.resolve("app:v1.0") == A


def test_a_report_that_is_not_kept_still_brings_its_newer_tag(store: SqliteReports) -> None:
    store.put([report(B, AMD64, 0, "app:v1"), report(A, AMD64, 2)])

    assert store.put([report(A, AMD64, 1, "app:v1")]) == (Outcome.KEPT,)

    assert store.resolve("app:v1") == A


SPELLINGS = ["r.example.com/app:V1", "R.Example.COM/app:V1", "r.example.com:443/app:V1", "R.example.com:443/app:V1"]


@pytest.mark.parametrize("scanned", SPELLINGS)
@pytest.mark.parametrize("asked", SPELLINGS)
def test_regression_a_tag_by_another_spelling_of_its_registry_was_not_scanned(
    store: SqliteReports, scanned: str, asked: str
) -> None:
    store.put([report(A, AMD64, 1, scanned)])

    assert store.resolve(asked) == ReportIndex(store).resolve(asked) == A


@pytest.mark.parametrize("other", ["r.example.com/app:v1", "r.example.com:5000/app:V1", "r.example.com:4430/app:V1"])
def test_a_tag_in_other_letters_or_at_another_port_is_another(store: SqliteReports, other: str) -> None:
    store.put([report(A, AMD64, 1, "r.example.com/app:V1")])

    assert store.resolve(other) is None


def test_the_last_scan_counts_whichever_the_spelling(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 2, "r.example.com:443/app:v1"), report(B, AMD64, 1, "R.example.com/app:v1")])

    assert store.resolve("r.example.com/app:v1") == A


def test_a_scan_by_digest_takes_no_tag_away(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 1, "app:v1")])
    store.put([report(A, AMD64, 2)])

    assert store.resolve("app:v1") == A


@settings(max_examples=25, deadline=None)
@given(
    scans=st.lists(
        st.tuples(
            st.sampled_from([A, B, C]), st.sampled_from([AMD64, ARM64]), st.sets(st.sampled_from(["x:1", "x:2"]))
        ),
        max_size=8,
    ),
    data=st.data(),
)
def test_the_order_of_imports_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, scans: list[tuple[str, str, set[str]]], data: st.DataObject
) -> None:
    reports = [report(d, p, day, *sorted(tags), found=day % 3) for day, (d, p, tags) in enumerate(scans)]
    shuffled = data.draw(st.permutations(reports))
    folder = tmp_path_factory.mktemp("order")
    one, other = SqliteReports(folder / "one.db"), SqliteReports(folder / "other.db")

    one.put(reports)
    for each in shuffled:
        other.put([each])

    assert list(one.reports()) == list(other.reports())
    assert load(one).tags == load(other).tags


# Deleting


def test_deleting_says_what_was_there(store: SqliteReports) -> None:
    store.put([report(A), report(B)])

    deleted = store.delete([report(A).report, report(C).report])

    assert deleted == (report(A).report,)
    assert list(store.reports()) == [report(B).report]


def test_a_report_that_was_scanned_again_meanwhile_stays(store: SqliteReports) -> None:
    store.put([report(A, days=2)])

    assert store.delete([report(A, days=1).report]) == ()
    assert list(store.reports()) == [report(A, days=2).report]


def test_tags_go_with_the_last_report_of_their_digest(store: SqliteReports) -> None:
    both = [report(A, AMD64, 0, "app:v1"), report(A, ARM64, 0, "app:v1")]
    store.put([*both, report(B, AMD64, 0, "app:v2")])

    store.delete([both[0].report])
    assert store.resolve("app:v1") == A
    store.delete([both[1].report])
    assert store.resolve("app:v1") is None
    assert store.resolve("app:v2") == B


def test_deleting_gives_the_space_back(store: SqliteReports, path: Path) -> None:
    reports = [report(f"sha256:{number:064x}", found=300) for number in range(300)]
    store.put(reports)
    before = path.stat().st_size

    store.delete([each.report for each in reports])

    assert before > 200_000
    assert path.stat().st_size < before / 10


def test_deleting_from_no_store_makes_none(store: SqliteReports, path: Path) -> None:
    assert store.delete([report(A).report]) == ()
    assert not path.exists()


# Loading


def test_load_returns_everything_to_who_knows_nothing(store: SqliteReports) -> None:
    store.put([report(A, AMD64, 0, "app:v1", found=2), report(B)])

    changes = load(store)

    assert {held.key: held.report for held in changes.changed} == {
        Key(A, AMD64): report(A, AMD64, 0, "app:v1", found=2).report,
        Key(B, AMD64): report(B).report,
    }
    assert {unpack_details(held.details) for held in changes.changed} == {
        report(found=2).details,
        report(found=1).details,
    }
    assert (changes.gone, changes.tags, changes.left_out) == ((), {"app:v1": A}, 0)


def test_load_returns_what_differs_from_what_is_known(store: SqliteReports) -> None:
    store.put([report(A), report(B), report(C)])
    known = {held.key: held.known for held in load(store).changed}

    store.delete([report(A).report])
    store.put([report(B, days=1, found=5)])
    changes = store.load(known, NO_LIMIT)

    assert [held.report for held in changes.changed] == [report(B, days=1, found=5).report]
    assert changes.gone == (Key(A, AMD64),)


def test_load_leaves_out_the_oldest_scans_beyond_the_limit(store: SqliteReports) -> None:
    store.put([report(f"sha256:{day:064x}", days=day) for day in range(10)])

    changes = store.load({}, 4000)

    days = [int(held.report.digest[-2:], 16) for held in changes.changed]
    assert 0 < len(days) < 10
    assert days == list(range(9, 9 - len(days), -1))
    assert changes.left_out == 10 - len(days)


def test_regression_a_report_beyond_the_limit_was_not_known_at_all(store: SqliteReports) -> None:
    store.put([report(f"sha256:{day:064x}", days=day, found=3000) for day in range(10)])

    changes = store.load({}, 60_000)

    with_details = [bool(held.details) for held in changes.changed]
    assert [held.report for held in changes.changed] == [
        report(f"sha256:{day:064x}", days=day, found=3000).report for day in range(9, -1, -1)
    ]
    assert 0 < sum(with_details) < 10
    assert with_details == sorted(with_details, reverse=True)
    assert changes.left_out == 0


def test_details_come_and_go_with_the_room_for_them(store: SqliteReports) -> None:
    both = [report(A, days=0, found=3000), report(B, days=1, found=3000)]
    store.put(both)
    much, little = 20_000, 15_000
    known = {held.key: held.known for held in store.load({}, much).changed}

    less = store.load(known, little)
    known |= {held.key: held.known for held in less.changed}
    same = store.load(known, little)
    more = store.load(known, much)

    assert [(held.report, held.details) for held in less.changed] == [(both[0].report, b"")]
    assert same.changed == ()
    assert [(held.report, unpack_details(held.details)) for held in more.changed] == [(both[0].report, both[0].details)]


def test_what_no_longer_fits_is_gone(store: SqliteReports) -> None:
    store.put([report(A, days=0), report(B, days=1)])
    known = {held.key: held.known for held in load(store).changed}

    changes = store.load(known, 0)

    assert set(changes.gone) == set(known)
    assert changes.left_out == 2


def test_two_stores_give_equal_reports_one_revision_and_others_another(tmp_path: Path) -> None:
    one, other = SqliteReports(tmp_path / "one.db"), SqliteReports(tmp_path / "other.db")
    one.put([report(A, found=1), report(B)])
    other.put([report(B), report(A, found=2)])

    first, second = ({held.key: held.revision for held in load(each).changed} for each in (one, other))

    assert first[Key(B, AMD64)] == second[Key(B, AMD64)]
    assert first[Key(A, AMD64)] != second[Key(A, AMD64)]


# Versions


def settled(path: Path) -> None:
    """Make the files of a store look as if nobody had written them for long."""
    long_ago = time.time() - 3600
    for file in (path, path.with_name(f"{path.name}-wal")):
        if file.exists():
            os.utime(file, (long_ago, long_ago))


def test_the_version_stays_while_nobody_writes(store: SqliteReports, path: Path) -> None:
    store.put([report(A)])
    settled(path)

    assert len({store.version() for _ in range(5)}) == 1


def test_the_version_changes_with_the_store_whoever_wrote(store: SqliteReports, path: Path) -> None:
    versions = [store.version()]

    for change in (lambda: store.put([report(A)]), lambda: SqliteReports(path).put([report(B)]), path.unlink):
        change()
        settled(path)
        versions.append(store.version())

    assert len(set(versions)) == 4


def test_a_file_that_was_written_a_moment_ago_counts_as_changed(store: SqliteReports) -> None:
    store.put([report(A)])

    assert store.version() != store.version()


def test_reading_does_not_change_the_version(store: SqliteReports, path: Path) -> None:
    store.put([report(A)])
    settled(path)
    before = store.version()

    list(store.reports())
    load(store)

    assert store.version() == before


# The file


def test_a_store_without_a_file_is_empty_and_reading_makes_none(store: SqliteReports, path: Path) -> None:
    assert list(store.reports()) == []
    assert store.get(A, AMD64) is None
    assert store.resolve("app:v1") is None
    assert load(store) == Changes((), (), {})
    assert list(path.parent.iterdir()) == []


def test_an_empty_file_is_an_empty_store(store: SqliteReports, path: Path) -> None:
    path.touch()

    assert list(store.reports()) == []
    assert store.put([report(A)]) == (Outcome.ADDED,)


def test_put_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "data/podgate/reports.db"

    SqliteReports(path).put([report(A)])

    assert list(SqliteReports(path).reports()) == [report(A).report]


def test_nothing_but_the_file_remains_after_each_operation(store: SqliteReports, path: Path) -> None:
    store.put([report(A)])
    list(store.reports())

    assert [file.name for file in path.parent.iterdir()] == ["reports.db"]


def test_permissions_are_as_the_umask_says(store: SqliteReports, path: Path) -> None:
    before = os.umask(0o007)
    try:
        store.put([report(A)])
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_a_name_with_marks_of_uris_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "100%?mode=ro#x/reports.db"

    SqliteReports(path).put([report(A)])

    assert path.is_file()


def test_the_file_is_durable_and_shared(store: SqliteReports, path: Path) -> None:
    store.put([report(A)])

    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_file_put_in_its_place_is_read(store: SqliteReports, path: Path, tmp_path: Path) -> None:
    store.put([report(A, found=1)])
    SqliteReports(tmp_path / "new.db").put([report(A, found=2)])
    settled(path)
    before = store.version()

    (tmp_path / "new.db").rename(path)

    assert store.version() != before
    assert list(store.reports()) == [report(A, found=2).report]


def test_a_file_that_is_gone_is_no_empty_store(store: SqliteReports, path: Path) -> None:
    store.put([report(A)])

    path.unlink()

    with pytest.raises(StoreError) as caught:
        list(store.reports())
    assert str(caught.value) == f"{path}: the file is gone"
    store.put([report(B)])
    assert list(store.reports()) == [report(B).report]


@pytest.mark.parametrize("known_by", ["reading", "writing"])
def test_regression_a_file_that_was_emptied_counted_as_an_empty_store(path: Path, known_by: str) -> None:
    SqliteReports(path).put([report(A)])
    store = SqliteReports(path)
    if known_by == "reading":
        list(store.reports())
    else:
        store.put([report(B)])

    path.write_bytes(b"")

    with pytest.raises(StoreError) as caught:
        load(store)
    assert str(caught.value) == f"{path}: the file was emptied"
    store.put([report(C)])
    assert list(store.reports()) == [report(C).report]


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE reports (a)")


def newer(path: Path) -> None:
    SqliteReports(path).put([report(A)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")


def cut_short(path: Path) -> None:
    SqliteReports(path).put([report(f"sha256:{number:064x}", found=200) for number in range(100)])
    os.truncate(path, path.stat().st_size // 2)


BROKEN = [
    pytest.param(
        lambda path: path.write_bytes(b"{}" * 1000), "not a store of reports, nor any file of SQLite", id="json"
    ),
    pytest.param(foreign, "not a store of reports, but an SQLite file of another program", id="foreign"),
    pytest.param(newer, "of another podgate: its schema is 2, this one has 1", id="newer"),
    pytest.param(cut_short, "database disk image is malformed (SQLITE_CORRUPT)", id="cut short"),
    pytest.param(lambda path: path.mkdir(), "unable to open database file (SQLITE_CANTOPEN)", id="a folder"),
]


@pytest.mark.parametrize(("make", "reason"), BROKEN)
def test_what_is_no_store_is_named_with_the_reason_and_left_alone(path: Path, make: object, reason: str) -> None:
    assert callable(make)
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    store = SqliteReports(path)

    for use in (lambda: list(store.reports()), lambda: load(store), lambda: store.put([report(A)])):
        with pytest.raises(StoreError) as caught:
            use()
        assert str(caught.value) == f"{path}: {reason}"
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match=r"file/reports\.db: unable to open database file"):
        SqliteReports(tmp_path / "file/reports.db").put([report(A)])


def damage(path: Path, digest: str = A, column: str = "report") -> None:
    """Change what the file holds of *digest*, as a bad disk does."""
    with closing(sqlite3.connect(path)) as db:
        damaged = "1" if column == "revision" else f"CAST(substr({column}, 2) AS BLOB)"
        db.execute(f"UPDATE reports SET {column} = {damaged} WHERE digest = ?", (digest,))  # noqa: S608  # of the table above
        db.commit()


@pytest.mark.parametrize("column", ["report", "details", "revision"])
def test_regression_one_damaged_report_took_the_whole_store_away(store: SqliteReports, path: Path, column: str) -> None:
    store.put([report(A, AMD64, 0, "app:v1"), report(B)])

    damage(path, A, column)

    assert store.damaged() == (Key(A, AMD64),)
    assert list(store.reports()) == [report(B).report]
    assert store.get(A, AMD64) is None
    changes = load(store)
    assert [held.report for held in changes.changed] == [report(B).report]
    assert (changes.damaged, changes.tags) == ((Key(A, AMD64),), {"app:v1": A})


def test_what_is_known_of_a_report_stays_known_when_it_is_damaged(store: SqliteReports, path: Path) -> None:
    store.put([report(A), report(B)])
    known = {held.key: held.known for held in load(store).changed}

    damage(path, A, "revision")
    changes = store.load(known, NO_LIMIT)

    assert (changes.damaged, changes.changed, changes.gone) == ((Key(A, AMD64),), (), ())


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_a_damaged_report_is_replaced_by_any(store: SqliteReports, path: Path, days: int) -> None:
    store.put([report(A)])
    damage(path)

    store.put([report(A, days=days)])

    assert store.damaged() == ()
    assert store.get(A, AMD64) == report(A, days=days)


def test_mending_deletes_what_is_damaged_and_the_tags_that_lead_nowhere(store: SqliteReports, path: Path) -> None:
    tagged = [report(A, AMD64, 0, "app:v1"), report(A, ARM64, 0, "app:v1"), report(B, AMD64, 0, "app:v2")]
    store.put([*tagged, report(C, AMD64, 0, "app:v3")])
    damage(path, B)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE reports SET details = x'00' WHERE platform = ?", (ARM64,))
        db.commit()

    mended = store.mend()

    assert mended == (Key(A, ARM64), Key(B, AMD64))
    assert store.damaged() == ()
    assert [each.digest for each in store.reports()] == [A, C]
    assert [store.resolve(f"app:v{number}") for number in (1, 2, 3)] == [A, None, C]


def test_mending_what_is_sound_or_not_there_changes_nothing(store: SqliteReports, path: Path) -> None:
    assert store.mend() == ()
    assert not path.exists()
    store.put([report(A)])
    before = load(store)

    assert store.mend() == ()
    assert load(store) == before


@settings(max_examples=100, deadline=None)
@given(where=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_a_flipped_bit_is_an_error_or_harms_nothing(
    tmp_path_factory: pytest.TempPathFactory, where: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("bit") / "reports.db"
    reports = {each.report.digest: each for each in (report(A, AMD64, 0, "app:v1", found=40), report(B, found=2))}
    SqliteReports(path).put(reports.values())
    text = bytearray(path.read_bytes())
    text[where % len(text)] ^= 1 << bit
    path.write_bytes(text)

    try:
        changes = load(SqliteReports(path))
    except StoreError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017  # most flips harm nothing: that it raises is not the claim
    else:
        for held in changes.changed:
            full = reports[held.report.digest]
            assert (held.report, unpack_details(held.details)) == (full.report, full.details)


# A file that may only be read


@contextmanager
def as_nobody() -> Iterator[None]:
    """Have no special rights for a while."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A store in a folder that can only be read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reports.db"
        SqliteReports(path).put([report(A)])
        path.chmod(0o444)
        path.parent.chmod(0o555)
        yield path
        path.parent.chmod(0o755)


def test_a_store_that_may_only_be_read_is_read_and_left_alone(shelf: Path) -> None:
    with as_nobody():
        assert list(SqliteReports(shelf).reports()) == [report(A).report]

    assert [file.name for file in shelf.parent.iterdir()] == ["reports.db"]


@pytest.mark.parametrize("log", ["reports.db-wal", "reports.db-journal"])
def test_a_log_that_cannot_be_worked_off_is_not_passed_over(shelf: Path, log: str) -> None:
    shelf.parent.chmod(0o755)
    shelf.with_name(log).write_bytes(b"what a crash left")
    shelf.parent.chmod(0o555)

    with as_nobody(), pytest.raises(StoreError, match=f"^{shelf}: "):
        list(SqliteReports(shelf).reports())


def test_a_store_that_may_only_be_read_is_not_written(shelf: Path) -> None:
    with as_nobody(), pytest.raises(StoreError, match=f"^{shelf}: attempt to write a readonly database"):
        SqliteReports(shelf).put([report(B)])


def test_a_reader_without_rights_sees_what_a_writer_is_at(shelf: Path) -> None:
    shelf.parent.chmod(0o755)
    shelf.chmod(0o644)
    with closing(sqlite3.connect(shelf)):  # holds the log open
        SqliteReports(shelf).put([report(B)])
        with closing(sqlite3.connect(shelf)) as writer:
            writer.execute("SELECT * FROM tags").fetchall()
            SqliteReports(shelf).put([report(C)])
            with as_nobody():
                found = list(SqliteReports(shelf).reports())

    assert [each.digest for each in found] == [A, B, C]


def test_a_folder_that_may_not_be_entered_is_an_error(shelf: Path) -> None:
    shelf.parent.chmod(0)
    store = SqliteReports(shelf)

    with as_nobody():
        for use in (lambda: list(store.reports()), store.version, lambda: store.delete([report(A).report])):
            with pytest.raises(StoreError, match=f"^{shelf}: Permission denied$"):
                use()


def test_a_file_that_may_not_be_read_is_an_error(shelf: Path) -> None:
    shelf.chmod(0)

    with as_nobody(), pytest.raises(StoreError, match=f"^{shelf}: unable to open database file"):
        list(SqliteReports(shelf).reports())


# Several processes


def put_many(path: Path, writer: int, count: int) -> None:
    store = SqliteReports(path)
    for number in range(count):
        store.put([report(f"sha256:{writer:032x}{number:032x}", AMD64, number, "app:latest", f"app:{writer}-{number}")])


def test_four_processes_write_while_one_reads_and_nothing_is_lost(path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    writers = [processes.Process(target=put_many, args=(path, writer, 25)) for writer in range(4)]
    store, seen = SqliteReports(path), 0

    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        held = len(list(store.reports()))
        assert held >= seen
        seen = held
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0] * 4
    changes = load(store)
    assert len(changes.changed) == 100
    assert len(changes.tags) == 101
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def make_at_once(folder: Path, writer: int, rounds: int, barrier: Barrier) -> None:
    for number in range(rounds):
        store = SqliteReports(folder / f"{number}.db")
        barrier.wait(60)
        store.put([report(f"sha256:{writer:064x}")])
        list(store.reports())
        store.put([report(f"sha256:{writer + 100:064x}")])


def test_regression_processes_that_made_a_store_at_once_took_it_for_another_programs(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    barrier, rounds = processes.Barrier(4), 25
    makers = [processes.Process(target=make_at_once, args=(tmp_path, maker, rounds, barrier)) for maker in range(4)]

    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert [maker.exitcode for maker in makers] == [0] * 4
    assert [len(list(SqliteReports(tmp_path / f"{number}.db").reports())) for number in range(rounds)] == [8] * rounds


def test_a_writer_that_never_ends_is_said(path: Path) -> None:
    SqliteReports(path).put([report(A)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreError) as caught:
            SqliteReports(path, patience=0.1).put([report(B)])

        assert str(caught.value) == f"{path}: another process has been writing for 0.1 s"
        assert list(SqliteReports(path, patience=0.1).reports()) == [report(A).report]


def test_a_full_disk_is_an_error_and_the_store_keeps_what_it_had(path: Path) -> None:
    store = SqliteReports(path)
    store.put([report(A)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
    try:
        with pytest.raises(StoreError, match=f"^{path}: (disk I/O error|database or disk is full)"):
            store.put([report(f"sha256:{number:064x}", found=300) for number in range(500)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(store.reports()) == [report(A).report]
    assert store.put([report(B)]) == (Outcome.ADDED,)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
