"""Reports: how old their evidence is, and how severities compare."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from tests.image_reports import SCANNED_AT, full_report
from webhook.model.report import FullReport, Severity

HOUR = timedelta(hours=1)


def test_severities_are_ordered_from_unknown_to_critical() -> None:
    assert [str(severity) for severity in sorted(Severity)] == ["unknown", "low", "medium", "high", "critical"]


@pytest.mark.parametrize(
    ("database", "since"),
    [
        pytest.param(None, SCANNED_AT, id="database of unknown age"),
        pytest.param(SCANNED_AT - HOUR, SCANNED_AT - HOUR, id="older database"),
        pytest.param(SCANNED_AT, SCANNED_AT, id="of the same time"),
        pytest.param(SCANNED_AT + HOUR, SCANNED_AT, id="database newer than the scan"),
        pytest.param(
            datetime(2026, 11, 24, 6, 30, tzinfo=timezone(HOUR)),
            datetime(2026, 11, 24, 5, 30, tzinfo=UTC),
            id="in another time zone",
        ),
    ],
)
def test_evidence_is_as_old_as_the_scan_or_its_older_database(database: datetime | None, since: datetime) -> None:
    report = full_report(databaseUpdatedAt=database).report

    assert report.evidence_from == since


def test_a_report_survives_being_stored() -> None:
    full = full_report(
        user="app",
        createdAt=SCANNED_AT,
        databaseUpdatedAt=SCANNED_AT,
        tags=["docker.io/library/app:1"],
        vulnerabilities=[
            {"id": "CVE-2024-3094", "severity": "critical", "fixed": "5.6.1", "path": "app.jar", "title": "t"},
            {"id": "CVE-2024-6119", "severity": "unknown"},
        ],
        suppressed=[{"id": "CVE-2024-1", "package": "zlib1g", "statement": "not reachable"}],
    )

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(full), type=FullReport) == full
    assert msgspec.json.decode(msgspec.json.encode(full), type=FullReport) == full
    assert hash(full)
