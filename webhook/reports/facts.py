"""What is known of images, from the reports in memory."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from webhook.model.image import DEFAULT_TAG, Image
from webhook.model.platform import nearest
from webhook.model.report import Evidence, EvidenceState, Report, Vulnerability


class HeldReports(Protocol):
    """Reports in memory, as webhook.reports.index.ReportIndex holds them."""

    def find(self, digest: str, platform: str) -> Report | None:
        """Return the report of *digest* on *platform*."""
        ...

    def platforms(self, digest: str) -> tuple[str, ...]:
        """Return the platforms that there are reports of *digest* for, sorted."""
        ...

    def resolve(self, tag: str) -> str | None:
        """Return the digest that *tag*, a full name, was last scanned under."""
        ...

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        """Return what *report*, which was found here, found."""
        ...


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class ImageFacts:
    """What reports in memory tell, as webhook.model.facts.Facts means them; asking takes microseconds."""

    def __init__(self, reports: HeldReports, clock: Callable[[], datetime] = utc_now) -> None:
        """Look into *reports*, and take the time, with its zone, from *clock*."""
        self._reports = reports
        self._clock = clock

    def now(self) -> datetime:
        """As Facts.now."""
        return self._clock()

    def evidence(self, image: Image, platform: str, max_age: timedelta | None = None) -> Evidence:
        """As Facts.evidence: an image without a digest is looked up by its tag, latest where it has none."""
        digest = image.digest
        by_tag = digest is None
        if digest is None:
            digest = self._reports.resolve(f"{image.full_name}:{image.tag or DEFAULT_TAG}")
        report, platforms = (None, ()) if digest is None else self._find(digest, platform)
        stale = report is not None and max_age is not None and self._clock() - report.evidence_from > max_age
        return Evidence(
            image=str(image),
            platform=platform,
            state=_state(report, platforms, stale=stale),
            digest=digest,
            by_tag=by_tag and digest is not None,
            report=report,
            platforms=platforms,
            stale=stale,
        )

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        """As Facts.vulnerabilities."""
        return self._reports.vulnerabilities(report)

    def _find(self, digest: str, platform: str) -> tuple[Report | None, tuple[str, ...]]:
        """Return the report of *digest* on *platform*, or on one whose images run there, and which others there are."""
        report = self._reports.find(digest, platform)
        if report is not None:
            return report, ()
        platforms = self._reports.platforms(digest)
        other = nearest(platform, platforms)
        return None if other is None else self._reports.find(digest, other), platforms


def _state(report: Report | None, platforms: tuple[str, ...], *, stale: bool) -> EvidenceState:
    if platforms:
        return EvidenceState.OTHER_PLATFORM
    if report is None:
        return EvidenceState.UNSCANNED
    if report.unscannable:
        return EvidenceState.UNSCANNABLE
    return EvidenceState.STALE if stale else EvidenceState.SCANNED
