"""Every report in tests/fixtures/trivy is read to exactly what expected.json says, or refused with exactly that reason.

README.md in that folder says how each was made, nearly all of them by Trivy itself.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from webhook.model.report import FullReport, Severity, Vulnerability
from webhook.reports.trivy import Given, ReportError, read_database_time, read_report

FIXTURES = Path(__file__).parent.parent / "fixtures" / "trivy"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text())
READ = [name for name, expected in EXPECTED.items() if "reports" in expected]
REFUSED = [name for name, expected in EXPECTED.items() if "error" in expected]


def read(name: str) -> tuple[FullReport, ...]:
    given = EXPECTED[name].get("given", {})
    times = {key: datetime.fromisoformat(value) for key, value in given.items() if key.endswith("_at")}
    return read_report((FIXTURES / name).read_bytes(), Given(**{**given, **times}))


def shown(full: FullReport) -> dict[str, Any]:
    """Return *full* as expected.json has it: times as text, a line for each vulnerability, no empty values."""
    report = full.report
    values: dict[str, Any] = {
        name: getattr(report, name)
        for name in ("id", "digest", "platform", "name", "scanner", "user", "size", "layers", "unscannable")
    }
    times = {name: getattr(report, name) for name in ("scanned_at", "created_at", "database_updated_at")}
    values |= {name: time.isoformat() for name, time in times.items() if time is not None}
    values |= {"tags": list(report.tags), "counts": list(report.counts), "fixable": list(report.fixable)}
    if report.os is not None:
        end = " (end of life)" if report.os.end_of_life else ""
        values["os"] = f"{report.os.family} {report.os.name}{end}"
    values["vulnerabilities"] = [line(each) for each in full.details.vulnerabilities]
    values["suppressed"] = [
        f"{each.id} {each.package} | {each.status} | {each.statement} | {each.source}"
        for each in full.details.suppressed
    ]
    said = {name: value for name, value in values.items() if value not in (None, "", [], [0] * 5)}
    return said if report.user is None else {**said, "user": report.user}


def line(each: Vulnerability) -> str:
    return " | ".join(
        [f"{each.severity} {each.id} {each.package} {each.installed}", each.fixed, each.status, each.path, each.title]
    )


@pytest.mark.parametrize("name", READ)
def test_a_report_is_read_to_what_is_expected(name: str) -> None:
    assert [shown(full) for full in read(name)] == EXPECTED[name]["reports"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_report_on_an_image_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(ReportError) as refused:
        read(name)

    assert str(refused.value) == EXPECTED[name]["error"]


def test_every_fixture_is_expected_to_be_something() -> None:
    files = {str(file.relative_to(FIXTURES)) for file in FIXTURES.glob("*/*")}

    assert files == set(EXPECTED)


@pytest.mark.parametrize("name", READ)
def test_the_counts_are_those_of_the_file(name: str) -> None:
    """Counted once more, from the JSON alone."""
    document = json.loads((FIXTURES / name).read_bytes())
    results = document if isinstance(document, list) else document.get("Results") or []
    worst: dict[tuple[str, ...], int] = {}
    for result in results:
        for each in result.get("Vulnerabilities") or []:
            place = each.get("PkgPath", result["Target"])
            key = (each["VulnerabilityID"], each["PkgName"], each["InstalledVersion"], place)
            severity = Severity.__members__.get(each.get("Severity", "").upper(), Severity.UNKNOWN)
            worst[key] = max(worst.get(key, 0), severity)

    for full in read(name):
        assert list(full.report.counts) == [list(worst.values()).count(severity) for severity in Severity]
        assert sum(full.report.counts) == len(full.details.vulnerabilities)


def test_the_time_of_the_database_is_that_of_its_making() -> None:
    time = read_database_time((FIXTURES / "version.json").read_bytes())

    assert time == datetime.fromisoformat("2026-11-24T00:00:00+00:00")
