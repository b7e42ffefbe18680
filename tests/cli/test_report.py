"""podgate report: importing, listing, showing, deleting."""

import gzip
import io
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from tests.image_reports import full_report
from tests.trivy_reports import SAMPLES, image_digest, image_tag, trivy_report, write_reports
from webhook.cli import main
from webhook.cli.tables import SEVERITY_COLOURS, columns, show_age, show_count, track
from webhook.model.report import FullReport
from webhook.reports.sqlite import SqliteReports
from webhook.reports.store import Key

A, B = (f"sha256:{letter * 64}" for letter in "ab")
NOW = datetime.now(UTC)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteReports:
    monkeypatch.setenv("PODGATE_REPORTS", str(tmp_path / "reports.db"))
    return SqliteReports(tmp_path / "reports.db")


def run(*words: object, given: bytes = b"", code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["report", *map(str, words)], input=given, prog_name="podgate")
    assert result.exit_code == code, result.output
    return result


def text(**changes: Any) -> bytes:
    return json.dumps(trivy_report(**changes)).encode()


def put(store: SqliteReports, *reports: FullReport) -> None:
    store.put(reports)


def app(digest: str = A, days_ago: float = 0, **given: Any) -> FullReport:
    name = "registry.example.com/team/app:v1"
    made = {"digest": digest, "name": name, "tags": [name], "scannedAt": NOW - timedelta(days_ago, seconds=30)}
    return full_report(**made | given)


def found(*severities: str) -> list[dict[str, Any]]:
    return [{"id": f"CVE-2099-{number:04}", "severity": each} for number, each in enumerate(severities)]


# import


def test_an_import_says_what_was_found_once_it_is_kept(store: SqliteReports, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(text(number=3))

    result = run("import", tmp_path / "report.json")

    assert (
        result.stdout
        == f"added {image_tag(3)}@{image_digest(3)} linux/amd64: 1 critical, 2 high, 1 medium, 1 low, 1 unknown\n"
    )
    held = store.get(image_digest(3), "linux/amd64")
    assert held is not None
    assert sum(held.report.counts) == len(held.details.vulnerabilities) == 6


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input_is_imported(store: SqliteReports, compress: Any) -> None:
    result = run("import", "-", given=compress(text()))

    assert result.stdout.startswith(f"added {image_tag(0)}@{image_digest(0)} linux/amd64: ")
    assert store.resolve(image_tag(0)) == image_digest(0)


def test_a_folder_is_imported_with_all_below_in_order(store: SqliteReports, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    write_reports(folder, 2)
    write_reports(folder / "more", 4)
    (folder / "0002.json.gz").write_bytes(gzip.compress(text(number=4)))
    (folder / "README.md").write_text("no report")
    (folder / ".hidden").mkdir()
    (folder / ".hidden/report.json").write_bytes(b"{}")

    result = run("import", folder)

    lines = result.stdout.splitlines()
    assert [line.split("app-")[-1][:4] for line in lines[:-1]] == [
        "0000",
        "0001",
        "0004",
        "0000",
        "0001",
        "0002",
        "0003",
    ]
    assert lines[-1] == "imported 5, kept 2, failed 0"
    assert len(list(store.reports())) == 5


def test_files_that_are_no_reports_are_named_and_the_others_are_imported(store: SqliteReports, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text(number=1))
    (tmp_path / "b.json").write_bytes(b'{"SchemaVersion": 2')
    (tmp_path / "c.json").write_bytes(text(number=2))

    result = run("import", *(tmp_path / name for name in ("a.json", "b.json", "missing.json", "c.json")), code=1)

    errors = result.stderr.splitlines()
    assert len(errors) == 2
    assert re.fullmatch(rf"{tmp_path}/b\.json: .+", errors[0])
    assert errors[1] == f"{tmp_path}/missing.json: No such file or directory"
    assert result.stdout.splitlines()[-1] == "imported 2, kept 0, failed 2"
    assert {each.digest for each in store.reports()} == {image_digest(1), image_digest(2)}


def test_one_file_that_is_no_report_leaves_the_store_untouched(store: SqliteReports, tmp_path: Path) -> None:
    result = run("import", "-", given=b"[]", code=1)

    assert result.stdout == ""
    assert result.stderr.startswith("standard input: ")
    assert list(tmp_path.iterdir()) == []
    assert list(store.reports()) == []


def test_a_folder_without_reports_is_an_error(store: SqliteReports, tmp_path: Path) -> None:
    result = run("import", tmp_path, code=1)

    assert result.stderr == f"{tmp_path}: holds no reports: expected *.json or *.json.gz\n"
    assert list(store.reports()) == []


def test_the_same_report_again_is_kept(store: SqliteReports) -> None:
    run("import", "-", given=text())

    result = run("import", "-", given=text())

    assert result.stdout == (
        f"kept {image_tag(0)}@{image_digest(0)} linux/amd64: this scan or a later one is held already\n"
    )
    assert len(list(store.reports())) == 1


def test_a_later_scan_replaces(store: SqliteReports) -> None:
    run("import", "-", given=text())

    result = run("import", "-", given=text(CreatedAt=NOW.isoformat()))

    assert result.stdout.startswith("replaced ")
    assert next(store.reports()).scanned_at == NOW


def scanned_at(time: str, count: int) -> bytes:
    """Return a report on the same image each time, with *count* vulnerabilities."""
    report = trivy_report(5, CreatedAt=time)
    report["Results"][0]["Vulnerabilities"] = report["Results"][0]["Vulnerabilities"][:count]
    return json.dumps(report).encode()


@pytest.mark.usefixtures("store")
def test_a_scan_that_lost_vulnerabilities_blesses_no_image_silently() -> None:
    run("import", "-", given=scanned_at("2026-11-20T10:00:00+02:00", 6))

    fewer = run("import", "-", given=scanned_at("2026-11-21T10:00:00Z", 0))
    more = run("import", "-", given=scanned_at("2026-11-22T10:00:00Z", 6))

    assert fewer.stdout.startswith("replaced ")
    assert fewer.stderr == (
        "warning: standard input: this scan has 6 fewer vulnerabilities than the one of 2026-11-20T08:00:00Z that it "
        "replaces: was it made with --scanners vuln and without --severity or ignores?\n"
    )
    assert more.stderr == ""
    assert more.stdout.startswith("replaced ")


@pytest.mark.usefixtures("store")
def test_scans_of_one_import_that_lose_vulnerabilities_are_counted(tmp_path: Path) -> None:
    times = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-19T00:00:00Z")
    counts = (3, 2, 1, 0)
    for name, time_, count in zip("abcd", times, counts, strict=True):
        (tmp_path / f"{name}.json").write_bytes(scanned_at(time_, count))

    result = run("import", *(tmp_path / f"{name}.json" for name in "abcd"))

    assert [line.partition(" than ")[0] for line in result.stderr.splitlines()] == [
        f"warning: {tmp_path}/b.json: this scan has 1 fewer vulnerability",
        f"warning: {tmp_path}/c.json: this scan has 1 fewer vulnerability",
    ]
    assert result.stdout.splitlines()[-1] == "imported 3, kept 1, failed 0, with a warning 2"


def test_a_scan_that_could_not_look_is_unscannable_and_no_loss(store: SqliteReports) -> None:
    run("import", "-", given=scanned_at("2026-11-20T00:00:00Z", 6))

    result = run("import", "-", given=text(number=5, CreatedAt="2026-11-21T00:00:00Z", Results=[]))

    assert "unscannable" in result.stdout
    assert result.stderr == ""
    assert len(list(store.reports())) == 1


def test_a_scan_in_the_future_is_refused_and_clocks_may_differ_a_little(store: SqliteReports) -> None:
    soon, later = (NOW + timedelta(minutes=minutes) for minutes in (30, 120))

    refused = run("import", "-", given=text(CreatedAt=later.isoformat()), code=1)
    assert "scanned in the future" in refused.stderr
    assert list(store.reports()) == []

    run("import", "-", given=text(CreatedAt=soon.isoformat()))
    assert [report.scanned_at for report in store.reports()] == [soon]


def test_an_unscannable_image_is_said_to_be(store: SqliteReports) -> None:
    result = run("import", SAMPLES / "scratch.json")

    assert re.fullmatch(r"added \S+ linux/amd64: unscannable: .+\n", result.stdout)
    assert next(store.reports()).unscannable


def test_what_the_report_does_not_say_is_given(store: SqliteReports) -> None:
    local = trivy_report()
    local["Metadata"]["RepoDigests"] = local["Metadata"]["RepoTags"] = []
    del local["CreatedAt"]
    image = f"registry.example.com/app:v9@{B}"

    run("import", f"--image={image}", "--scanned-at=2026-11-20T10:00:00+02:00", "-", given=json.dumps(local).encode())

    held = next(store.reports())
    assert (held.digest, held.scanned_at) == (B, datetime(2026, 11, 20, 8, tzinfo=UTC))
    assert store.resolve("registry.example.com/app:v9") == B


def test_the_age_of_the_database_is_given_by_trivys_version(store: SqliteReports, tmp_path: Path) -> None:
    version = b'{"Version": "0.76.0", "VulnerabilityDB": {"Version": 2, "UpdatedAt": "2026-11-01T06:00:00Z"}}'
    (tmp_path / "version.json").write_bytes(version)
    (tmp_path / "report.json").write_bytes(text())

    run("import", "-", "--database", tmp_path / "version.json", given=text())
    held = next(store.reports())
    run("import", tmp_path / "report.json", "--database", "-", given=version.replace(b"-01T", b"-02T"))

    assert held.database_updated_at == datetime(2026, 11, 1, 6, tzinfo=UTC)
    assert next(store.reports()).database_updated_at == datetime(2026, 11, 2, 6, tzinfo=UTC)


def test_a_database_that_is_none_is_named(store: SqliteReports, tmp_path: Path) -> None:
    (tmp_path / "version.json").write_bytes(b"{}")

    result = run("import", "-", "--database", tmp_path / "version.json", given=text(), code=1)

    assert result.stderr.startswith(f"Error: {tmp_path}/version.json: ")
    assert list(store.reports()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.json", "b.json", f"--image=app@{A}"), "--image says it of one report: give one FILE"),
        ((".", f"--image=app@{A}"), "--image says it of one report: give one FILE"),
        (("-", "--database=-"), "standard input is either a report or the --database"),
        (("-", "--scanned-at=yesterday"), "2026-11-24T12:00:00Z"),
        ((), "Missing argument 'FILE|DIR|-...'"),
    ],
)
def test_wrong_usage_of_import_is_said(words: tuple[str, ...], message: str, store: SqliteReports) -> None:
    result = run("import", *words, code=2)

    assert message in result.stderr
    assert list(store.reports()) == []


@pytest.mark.usefixtures("store")
def test_a_store_that_takes_nothing_ends_the_import(tmp_path: Path) -> None:
    (tmp_path / "reports.db").write_text("no store" * 1000)
    files = write_reports(tmp_path / "reports", 3)

    result = run("import", *files, code=1)

    assert result.stdout == ""
    assert result.stderr == (
        "3 of 3 files were not imported\n"
        f"Error: {tmp_path}/reports.db: not a store of reports, nor any file of SQLite\n"
    )


def test_the_store_is_in_the_users_data_folder_where_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    run("import", "-", given=text())

    assert len(list(SqliteReports(tmp_path / "podgate/reports.db").reports())) == 1


def test_control_characters_of_a_report_never_reach_the_terminal(store: SqliteReports) -> None:
    name = "app\x1b]0;owned\x07\nadded"
    put(store, app(name=name, vulnerabilities=[{"id": "CVE-1\x1b[2J", "severity": "high", "title": "a\nb\x1b[31m"}]))

    output = run("list").stdout + run("show", A).stdout + run("delete", A).stdout

    assert "\x1b" not in output
    assert r"app\x1b]0;owned\x07\nadded" in output


# list


def test_the_list_has_a_line_for_each_report(store: SqliteReports) -> None:
    put(
        store,
        app(
            A,
            3,
            vulnerabilities=[*found("critical", "high", "high"), {"id": "CVE-2099-9", "severity": "low", "fixed": "2"}],
        ),
        app(B, 0.2, name="other", platform="linux/arm64", os=None, unscannable="no package database"),
    )

    result = run("list")

    assert result.stdout == (
        "IMAGE                              DIGEST         PLATFORM      SCANNED   OS            CRITICAL   HIGH   MEDIUM   LOW   UNKNOWN   FIXABLE   STATE\n"  # noqa: E501  # as wide as it is
        "other                              bbbbbbbbbbbb   linux/arm64   4h                      -          -      -        -     -         -         unscannable\n"  # noqa: E501  # as above
        "registry.example.com/team/app:v1   aaaaaaaaaaaa   linux/amd64   3d        debian 12.8   1          2      0        1     0         1         scanned\n"  # noqa: E501  # as above
    )


def test_the_wide_list_has_the_rest(store: SqliteReports) -> None:
    full = app(
        databaseUpdatedAt=NOW - timedelta(5), user="", size=3 * 1024 * 1024, layers=4, endOfLife=True, id="report-1"
    )
    put(store, full)

    header, line = run("list", "--output=wide").stdout.splitlines()

    assert re.sub(" +", " ", header) == (
        "IMAGE DIGEST PLATFORM SCANNED OS CRITICAL HIGH MEDIUM LOW UNKNOWN FIXABLE STATE "
        "DATABASE USER SIZE LAYERS SCANNER REPORT"
    )
    assert A in line
    assert "debian 12.8 (end of life)" in line
    assert re.split(r" {2,}", line)[-6:] == ["5d", "root", "3Mi", "4", "Trivy 0.76.0", "report-1"]


def test_the_list_as_json_has_everything_by_name(store: SqliteReports) -> None:
    put(store, app(vulnerabilities=[{"id": "CVE-2099-1", "severity": "high", "fixed": "2"}]))

    (listed,) = json.loads(run("list", "--output=json").stdout)

    assert listed["counts"] == {"critical": 0, "high": 1, "medium": 0, "low": 0, "unknown": 0}
    assert listed["fixable"] == {"critical": 0, "high": 1, "medium": 0, "low": 0, "unknown": 0}
    assert listed["os"] == {"family": "debian", "name": "12.8", "endOfLife": False}
    assert (listed["digest"], listed["platform"]) == (A, "linux/amd64")
    assert msgspec.convert(listed["scannedAt"], datetime) == NOW - timedelta(seconds=30)


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        ((), "ab"),
        (("--image=registry.example.com/*/app",), "a"),
        (("--image=registry.example.com/**:v2",), ""),
        (("--image=nginx",), "b"),
        (("--severity=critical",), "a"),
        (("--severity=low",), "b"),
        (("--severity=low", "--severity=critical"), "ab"),
        (("--severity=medium",), ""),
        (("--older-than=1d",), "b"),
        (("--older-than=1d", "--severity=critical"), ""),
        (("--older-than=30d",), ""),
    ],
)
def test_the_list_can_be_narrowed(store: SqliteReports, words: tuple[str, ...], listed: str) -> None:
    put(
        store,
        app(A, vulnerabilities=found("critical")),
        app(B, 2, name="saved.tar", tags=["docker.io/library/nginx:1"], vulnerabilities=found("low")),
    )

    reports = json.loads(run("list", "--output=json", *words).stdout)

    assert sorted(each["digest"][7] for each in reports) == list(listed)


@pytest.fixture
def nobody_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("PODGATE_REPORTS", raising=False)


@pytest.mark.usefixtures("nobody_imported")
def test_an_empty_list_says_so_and_is_no_error(tmp_path: Path) -> None:
    result = run("list")

    assert (result.stdout, result.stderr) == ("", "No reports found.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("list",), ("show", "app"), ("delete", "app"), ("gc", "--older-than=1d")], ids=" ".join
)
def test_a_store_that_is_named_must_be_there(words: tuple[str, ...], tmp_path: Path) -> None:
    result = run(*words, "--reports", tmp_path / "x.db", code=1)

    assert (result.stdout, result.stderr) == ("", f"Error: {tmp_path}/x.db: there is no such file\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("--older-than=a week",), ("--severity=bad",), ("--output=yaml",)])
def test_wrong_filters_are_said(words: tuple[str, ...]) -> None:
    assert "Usage: podgate report list" in run("list", *words, code=2).stderr


# show


def test_show_has_the_facts_and_the_vulnerabilities(store: SqliteReports) -> None:
    put(
        store,
        app(
            vulnerabilities=[
                {
                    "id": "CVE-2099-1",
                    "severity": "critical",
                    "fixed": "3.1",
                    "title": "openssl: bad",
                    "status": "fixed",
                },
                {"id": "CVE-2099-2", "severity": "low", "package": "zlib", "installed": "1.2", "status": "affected"},
            ],
            suppressed=[{"id": "CVE-2099-3", "package": "bash", "status": "ignored", "statement": "not used"}],
            databaseUpdatedAt=NOW - timedelta(2, hours=1),
        ),
    )

    result = run("show", A)

    facts, table, head, suppressed = result.stdout.split("\n\n")
    named = dict(re.split(r": +", line, maxsplit=1) for line in facts.splitlines())
    assert named["Image"] == "registry.example.com/team/app:v1"
    assert named["Digest"] == A
    assert named["Found"] == "1 critical, 1 low"
    assert named["Fixable"] == "1"
    assert re.search(r"Z \([0-9]{2}s ago\)$", named["Scanned"])
    assert named["Database"].endswith("Z (2d ago)")
    assert table == (
        "Library   Vulnerability   Severity   Status     Installed Version   Fixed Version   Title\n"
        "openssl   CVE-2099-1      CRITICAL   fixed      3.0.15              3.1             openssl: bad\n"
        "zlib      CVE-2099-2      LOW        affected   1.2"
    )
    assert head == "Suppressed, counted nowhere (1):"
    assert re.sub("[ \n]+", " ", suppressed) == (
        "Library Vulnerability Status Statement Source bash CVE-2099-3 ignored not used "
    )


def test_show_without_a_database_says_how_to_have_its_age(store: SqliteReports) -> None:
    put(store, app())

    assert re.search(r"^Database: +unknown: import with --database$", run("show", A).stdout, re.MULTILINE)


def test_show_as_json_has_the_findings(store: SqliteReports) -> None:
    put(store, app(vulnerabilities=found("high"), suppressed=[{"id": "CVE-2099-3", "package": "bash"}]))

    (shown,) = json.loads(run("show", A, "--output=json").stdout)

    assert shown["digest"] == A
    assert [(each["id"], each["severity"]) for each in shown["vulnerabilities"]] == [("CVE-2099-0000", "high")]
    assert shown["suppressed"] == [{"id": "CVE-2099-3", "package": "bash"}]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("registry.example.com/team/app:v1", id="a tag"),
        pytest.param("registry.example.com/team/app", id="a repository of one digest"),
        pytest.param(f"registry.example.com/team/app@{A}", id="a reference by digest"),
        pytest.param(A, id="a digest"),
        pytest.param(A[7:19], id="the digits that the list shows"),
        pytest.param(A[:30], id="the start of a digest"),
        pytest.param("report-a", id="the id of a report"),
    ],
)
def test_a_report_has_many_names(store: SqliteReports, name: str) -> None:
    put(store, app(A, id="report-a"), app(B, id="report-b", name="saved.tar", tags=["docker.io/library/nginx:latest"]))

    (shown,) = json.loads(run("show", name, "--output=json").stdout)

    assert shown["digest"] == A


@pytest.mark.parametrize("name", ["nginx", "docker.io/library/nginx:latest", "saved.tar"])
def test_a_report_is_found_by_a_short_name_and_by_its_file(store: SqliteReports, name: str) -> None:
    put(store, app(A), app(B, name="saved.tar", tags=["docker.io/library/nginx:latest"]))

    (shown,) = json.loads(run("show", name, "--output=json").stdout)

    assert shown["digest"] == B


def test_a_tag_is_said_to_stand_for_its_digest(store: SqliteReports) -> None:
    put(store, app(A, 2), app(B, 1))

    result = run("show", "registry.example.com/team/app:v1")

    told = f"registry.example.com/team/app:v1 stands for {B} since it was last scanned.\n\n"
    assert result.stdout.startswith(told)
    assert A not in result.stdout


def test_a_name_of_several_digests_lists_them_with_their_tags(store: SqliteReports) -> None:
    put(store, app(A, tags=[]), app(A, platform="linux/arm64"), app(B, tags=[]))

    result = run("show", "registry.example.com/team/app", code=1)

    assert result.stderr == (
        'Error: "registry.example.com/team/app" can be any of 2 digests: give a tag or a digest\n'
        f"  {A} registry.example.com/team/app:v1\n  {B}\n"
    )


def test_a_name_of_very_many_digests_lists_ten_and_says_how_to_see_the_others(store: SqliteReports) -> None:
    put(store, *(app(f"sha256:{number:064}", tags=[]) for number in range(12)))

    lines = run("show", "registry.example.com/team/app", code=1).stderr.splitlines()

    assert [line.strip() for line in lines[1:-1]] == [f"sha256:{number:064}" for number in range(10)]
    assert lines[-1] == "  and 2 more: podgate report list --output wide --image registry.example.com/team/app"


def test_a_digest_that_is_not_held_does_not_mean_another_one_of_its_repository(store: SqliteReports) -> None:
    put(store, app(A))

    result = run("show", f"registry.example.com/team/app@{B}", code=1)

    assert result.stderr.startswith(f'Error: no report of "registry.example.com/team/app@{B}"')


def test_delete_of_a_repository_wants_a_tag_or_a_digest(store: SqliteReports) -> None:
    put(store, app(A))

    result = run("delete", "registry.example.com/team/app", code=1)

    assert result.stderr == (
        'Error: "registry.example.com/team/app" is a repository: give a tag or a digest\n'
        f"  {A} registry.example.com/team/app:v1\n"
    )
    assert len(list(store.reports())) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("registry.example.com/team/ap:v1", ", did you mean registry.example.com/team/app:v1?"),
        ("registry.example.com/team/app:v2", ", did you mean registry.example.com/team/app:v1?"),
        ("quite/different", ""),
        ("NOT AN IMAGE", ""),
        (f"app@{B}", ""),
        ("aaaaaa", ""),
    ],
)
def test_a_name_of_nothing_is_an_error_that_suggests_others(store: SqliteReports, name: str, told: str) -> None:
    put(store, app())

    result = run("show", name, code=1)

    assert (result.stdout, result.stderr) == ("", f'Error: no report of "{name}"{told}\n')


@pytest.mark.usefixtures("nobody_imported")
def test_a_name_in_an_empty_store_says_that_it_is_empty() -> None:
    assert run("show", "app", code=1).stderr == 'Error: no report of "app": the store holds none\n'


def test_a_digest_of_two_platforms_shows_both_or_the_one_asked_for(store: SqliteReports) -> None:
    put(store, app(platform="linux/amd64"), app(platform="linux/arm64"))

    both = run("show", A).stdout
    one = run("show", A, "--platform=linux/arm64").stdout
    none = run("show", A, "--platform=linux/s390x", code=1).stderr

    assert re.findall(r"^Platform: +(.*)$", both, re.MULTILINE) == ["linux/amd64", "linux/arm64"]
    assert re.findall(r"^Platform: +(.*)$", one, re.MULTILINE) == ["linux/arm64"]
    assert none == f'Error: no report of "{A}" on linux/s390x, but on linux/amd64, linux/arm64\n'


# delete and gc


def test_delete_says_what_is_gone(store: SqliteReports) -> None:
    put(store, app(A, vulnerabilities=found("high")), app(B, tags=[]))

    result = run("delete", "registry.example.com/team/app:v1")

    assert result.stdout == f"deleted registry.example.com/team/app:v1@{A} linux/amd64: 1 high\n"
    assert [each.digest for each in store.reports()] == [B]
    assert store.resolve("registry.example.com/team/app:v1") is None


def test_delete_takes_several_names_and_a_platform(store: SqliteReports) -> None:
    put(store, *(app(digest, platform=platform) for digest in (A, B) for platform in ("linux/amd64", "linux/arm64")))

    run("delete", A, B, A, "--platform=linux/arm64")

    assert [(each.digest, each.platform) for each in store.reports()] == [(A, "linux/amd64"), (B, "linux/amd64")]


def test_delete_of_a_name_of_nothing_deletes_nothing(store: SqliteReports) -> None:
    put(store, app(A))

    run("delete", A, "nothing", code=1)

    assert len(list(store.reports())) == 1


@pytest.mark.parametrize("words", [(), ("--all", A)])
def test_delete_takes_names_or_all(store: SqliteReports, words: tuple[str, ...]) -> None:
    put(store, app(A))

    assert "give either names of images or --all" in run("delete", *words, code=2).stderr
    assert len(list(store.reports())) == 1


def test_all_are_deleted_when_that_is_confirmed(store: SqliteReports) -> None:
    put(store, app(A), app(B), app(B, platform="linux/arm64"))

    refused = run("delete", "--all", code=2)
    held = len(list(store.reports()))
    run("delete", "--all", "--platform=linux/arm64", "--yes")
    left = len(list(store.reports()))
    run("delete", "--all", "--yes")

    assert "--all needs --yes where there is no terminal to ask at" in refused.stderr
    assert (held, left, list(store.reports())) == (3, 2, [])


def test_gc_deletes_the_reports_of_old_scans(store: SqliteReports) -> None:
    put(store, app(A, 31), app(B, 29))

    dry = run("gc", "--older-than=30d", "--dry-run").stdout
    held = len(list(store.reports()))
    wet = run("gc", "--older-than=30d").stdout

    line = f"registry.example.com/team/app:v1@{A} linux/amd64: no vulnerabilities\n"
    assert dry == f"would delete {line}would delete 1, keep 1\n"
    assert held == 2
    assert wet == f"deleted {line}deleted 1, kept 1\n"
    assert [each.digest for each in store.reports()] == [B]


def test_gc_gives_space_back(store: SqliteReports, tmp_path: Path) -> None:
    put(store, *(app(f"sha256:{n:064x}", 40, vulnerabilities=found(*["low"] * 200)) for n in range(300)))
    before = (tmp_path / "reports.db").stat().st_size

    run("gc", "--older-than=30d")

    assert (tmp_path / "reports.db").stat().st_size < before / 10


@pytest.mark.parametrize("words", [("list",), ("show", "app"), ("delete", "app"), ("gc", "--older-than=1d")])
@pytest.mark.usefixtures("store")
def test_what_is_no_store_is_said_by_every_command(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "reports.db").write_text("no store" * 1000)

    result = run(*words, code=1)

    assert result.stderr == f"Error: {tmp_path}/reports.db: not a store of reports, nor any file of SQLite\n"


# On a terminal


class Terminal:
    """`podgate report` on a terminal of 100 columns: what it wrote, and how it ended."""

    def __init__(self, *words: object, answer: bytes = b"", **environment: str) -> None:
        main, other = pty.openpty()
        settings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
        settings = {name: value for name, value in settings.items() if value}
        command = [sys.executable, "-m", "webhook", "report", *map(str, words)]
        with subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=settings) as process:
            os.close(other)
            os.write(main, answer)
            self.output = "".join(self._read(main))
            self.code = process.wait(30)
        os.close(main)

    def _read(self, main: int) -> Iterator[str]:
        decoder = io.IncrementalNewlineDecoder(None, translate=True)
        while True:
            try:
                data = os.read(main, 65536)
            except OSError:  # the other end is closed
                return
            yield decoder.decode(data.decode(errors="replace"))


def test_a_terminal_gets_colours_unless_nobody_wants_them(store: SqliteReports) -> None:
    put(store, app(vulnerabilities=found("critical")))

    assert "\x1b[31m1" in Terminal("list", NO_COLOR="").output
    assert "\x1b" not in Terminal("list", NO_COLOR="1").output
    assert "\x1b" not in Terminal("list", NO_COLOR="", TERM="dumb").output
    assert "\x1b" not in run("list").stdout


def test_a_terminal_gets_a_ruled_table_in_which_nothing_is_cut(store: SqliteReports) -> None:
    title = "openssl: " + " ".join(f"word{number}" for number in range(20))
    identifier = "GHSA-" + "abcd" * 10
    put(store, app(vulnerabilities=[{"id": identifier, "severity": "critical", "title": title}]))

    output = Terminal("show", A, NO_COLOR="1").output

    table = [line for line in output.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in table]
    assert all(len(line) <= 100 for line in output.splitlines())
    assert "".join(row[1] for row in cells[1:]).endswith(identifier)
    assert " ".join(row[6] for row in cells if row[6]).endswith(title)


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", 0), (b"n\n", 2), (b"\n", 2)])
def test_a_terminal_is_asked_before_more_than_one_is_deleted(store: SqliteReports, answer: bytes, left: int) -> None:
    put(store, app(A), app(B))

    terminal = Terminal("delete", "--all", answer=answer)

    assert "Delete 2 reports? [y/N]: " in terminal.output
    assert terminal.code == (0 if left == 0 else 1)
    assert len(list(store.reports())) == left


def test_a_terminal_is_not_asked_about_one(store: SqliteReports) -> None:
    put(store, app(A))

    assert Terminal("delete", A).code == 0
    assert list(store.reports()) == []


def test_a_terminal_sees_how_far_a_long_import_is(store: SqliteReports, tmp_path: Path) -> None:
    write_reports(tmp_path / "many", 200)

    terminal = Terminal("import", tmp_path / "many")

    assert terminal.code == 0
    assert "Importing" in terminal.output
    assert terminal.output.count("added ") == 200
    assert "imported 200, kept 0, failed 0" in terminal.output
    assert len(list(store.reports())) == 200


# Output


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert columns(("A", "LONGER"), [("wide", "1"), ("", "2")]) == "A      LONGER\nwide   1\n       2"


def test_colours_go_with_the_word_or_the_column() -> None:
    printed = columns(("Severity", "HIGH"), [("CRITICAL", "0"), ("none", "2")], SEVERITY_COLOURS)

    assert printed == "Severity   HIGH\n\x1b[31mCRITICAL\x1b[0m   0\nnone       \x1b[91m2\x1b[0m"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
    ],
)
def test_ages_are_in_one_unit(seconds: int, shown: str) -> None:
    assert show_age(timedelta(seconds=seconds)) == shown


def test_counts_agree_with_their_noun() -> None:
    assert [show_count(count, "report") for count in (0, 1, 2000)] == ["0 reports", "1 report", "2,000 reports"]


def test_what_is_tracked_comes_out_as_it_is() -> None:
    assert list(track(list(range(50)), "Counting")) == list(range(50))


def test_a_thousand_reports_are_imported_in_seconds(store: SqliteReports, tmp_path: Path) -> None:
    write_reports(tmp_path / "many", 1000)

    began = time.monotonic()
    run("import", tmp_path / "many")
    took = time.monotonic() - began

    assert len(list(store.reports())) == 1000
    assert took < 10


@pytest.mark.parametrize("dry_run", [True, False])
def test_gc_takes_out_what_is_damaged(store: SqliteReports, *, dry_run: bool) -> None:
    put(store, app(A), app(B))
    with sqlite3.connect(os.environ["PODGATE_REPORTS"]) as db:
        db.execute("UPDATE reports SET report = x'00' WHERE digest = ?", (A,))
    db.close()

    result = run("gc", "--older-than", "7d", *(["--dry-run"] if dry_run else []))

    does = "would delete" if dry_run else "deleted"
    assert f"{does} the damaged report of {A} on linux/amd64\n" in result.stdout
    assert store.damaged() == ((Key(A, "linux/amd64"),) if dry_run else ())
    assert [report.digest for report in store.reports()] == [B]
