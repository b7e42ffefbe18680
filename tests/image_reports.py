"""Image reports in a short form, for fixtures: what differs from the plainest one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from webhook.model.report import (
    FullReport,
    OperatingSystem,
    Report,
    ReportDetails,
    Severity,
    Suppressed,
    Vulnerability,
)

SCANNED_AT = datetime.fromisoformat("2026-11-24T06:00:00+00:00")
DIGEST = "sha256:" + "a" * 64


class ShortVulnerability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vulnerability, its severity by name."""

    id: str
    severity: str
    package: str = "openssl"
    installed: str = "3.0.15"
    fixed: str = ""
    status: str = ""
    path: str = ""
    title: str = ""

    def full(self) -> Vulnerability:
        return Vulnerability(**{**msgspec.structs.asdict(self), "severity": Severity[self.severity.upper()]})


class ShortReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A report without its counts, which follow from its vulnerabilities."""

    digest: str = DIGEST
    platform: str = "linux/amd64"
    name: str = "app"
    id: str = "01a20bc6-e339-7214-ae80-c2a0d6d624b2"
    scanned_at: datetime = SCANNED_AT
    scanner: str = "Trivy 0.76.0"
    tags: tuple[str, ...] = ()
    database_updated_at: datetime | None = None
    user: str | None = ""
    size: int | None = 1024
    layers: int | None = 1
    created_at: datetime | None = None
    os: OperatingSystem | None = OperatingSystem("debian", "12.8")
    end_of_life: bool = False
    unscannable: str = ""
    vulnerabilities: tuple[ShortVulnerability, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()

    def full(self) -> FullReport:
        found = sorted(
            (each.full() for each in self.vulnerabilities),
            key=lambda each: (-each.severity, not each.fixed, each.id, each.package),
        )
        given = msgspec.structs.asdict(self)
        for key in ("vulnerabilities", "suppressed", "end_of_life"):
            del given[key]
        if self.os is not None and self.end_of_life:
            given["os"] = OperatingSystem(self.os.family, self.os.name, end_of_life=True)
        given["counts"] = count(found)
        given["fixable"] = count(each for each in found if each.fixed)
        return FullReport(Report(**given), ReportDetails(tuple(found), self.suppressed))


def count(found: Iterable[Vulnerability]) -> tuple[int, ...]:
    """Return how many of *found* there are of each severity, UNKNOWN first."""
    counts = Counter(each.severity for each in found)
    return tuple(counts[severity] for severity in Severity)


def full_report(**given: Any) -> FullReport:
    """Return the report that *given*, in the short form with the names of a file, differs in from the plainest."""
    return msgspec.convert(given, ShortReport).full()


def full_reports(given: Iterable[Mapping[str, Any]] | None) -> list[FullReport]:
    """Return the reports in a fixture's `reports`."""
    return [full_report(**each) for each in given or ()]


class Held:
    """Reports as webhook.reports.index.ReportIndex holds them, without a store."""

    def __init__(self, reports: Iterable[FullReport] = ()) -> None:
        given = list(reports)
        self._reports = {(each.report.digest, each.report.platform): each for each in given}
        oldest_first = sorted(given, key=lambda each: each.report.scanned_at)
        self._tags = {tag: each.report.digest for each in oldest_first for tag in each.report.tags}

    def find(self, digest: str, platform: str) -> Report | None:
        held = self._reports.get((digest, platform))
        return None if held is None else held.report

    def platforms(self, digest: str) -> tuple[str, ...]:
        return tuple(sorted(platform for held, platform in self._reports if held == digest))

    def resolve(self, tag: str) -> str | None:
        return self._tags.get(tag)

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        return self._reports[report.digest, report.platform].details.vulnerabilities
