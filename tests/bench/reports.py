"""A store full of image reports, as a cluster of many images has them."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from webhook.model.report import (
    FullReport,
    OperatingSystem,
    Report,
    ReportDetails,
    Severity,
    Vulnerability,
)
from webhook.reports.sqlite import SqliteReports

VULNERABILITIES = 150  # of an image: some 400 in a full Debian, none in a static one
KNOWN = 20_000  # vulnerabilities, that images share as they share base images
BATCH = 500
POLICY = """\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {name: vulnerabilities}
spec:
  checks:
    image-vulnerabilities: {max: {critical: 0, high: 200}, maxReportAge: 30d, unscanned: allow}
"""


def image_name(number: int) -> str:
    """Return the repository of the image *number*, as reviews.lua makes it."""
    return f"registry.example.com/team/app-{number:05}"


def fill_store(path: Path, count: int) -> None:
    """Put *count* reports, of as many images, into the store at *path*."""
    store = SqliteReports(path)
    batch: list[FullReport] = []
    for report in reports(count):
        batch.append(report)
        if len(batch) == BATCH:
            store.put(batch)
            batch = []
    store.put(batch)


def reports(count: int) -> Iterator[FullReport]:
    """Yield reports that differ in everything, none with a critical vulnerability."""
    chance = random.Random(20261124)  # noqa: S311  # the same reports in every run
    severities = [Severity.LOW, Severity.LOW, Severity.MEDIUM, Severity.MEDIUM, Severity.HIGH]
    known = [
        Vulnerability(
            id=f"CVE-2099-{number:05}",
            package=f"lib{chance.randrange(3000):x}-{chance.randrange(9)}",
            installed=f"{chance.randrange(9)}.{chance.randrange(99)}.{chance.randrange(99)}-{chance.randrange(9)}+deb12u1",
            severity=chance.choice(severities),
            fixed=chance.choice(["", f"{chance.randrange(9)}.{chance.randrange(99)}.{chance.randrange(99)}"]),
            status=chance.choice(["fixed", "affected", "will_not_fix"]),
            title=f"an overflow of {chance.randbytes(12).hex()} in the parser of {chance.randbytes(6).hex()} files",
        )
        for number in range(KNOWN)
    ]
    now = datetime.now(UTC)
    for number in range(count):
        found = sorted(chance.sample(known, VULNERABILITIES), key=lambda each: (-each.severity, each.id))
        name = image_name(number)
        report = Report(
            id=f"report-{number}",
            digest=f"sha256:{sha256(name.encode()).hexdigest()}",
            platform="linux/amd64",
            name=f"{name}:1.2.3",
            scanned_at=now - timedelta(minutes=number),
            scanner="Trivy 0.76.0",
            tags=(f"{name}:1.2.3",),
            user="10001",
            size=chance.randrange(10_000_000, 900_000_000),
            layers=chance.randrange(1, 30),
            created_at=now - timedelta(days=chance.randrange(90)),
            os=OperatingSystem("debian", "12.8"),
            counts=_counts(found),
            fixable=_counts([each for each in found if each.fixed]),
        )
        yield FullReport(report, ReportDetails(tuple(found)))


def _counts(found: list[Vulnerability]) -> tuple[int, int, int, int, int]:
    unknown, low, medium, high, critical = (sum(each.severity is severity for each in found) for severity in Severity)
    return unknown, low, medium, high, critical
