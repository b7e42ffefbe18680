"""What a verdict may depend on beside the review and the policies; the edge supplies it, checks only ask."""

from datetime import datetime, timedelta
from typing import Protocol

from webhook.model.image import Image
from webhook.model.report import Evidence, Report, Vulnerability


class NotHeldError(LookupError):
    """What a report found is not held in memory, its counts aside; str() says so."""


class Facts(Protocol):
    """Facts held in memory: asking never waits."""

    def now(self) -> datetime:
        """Return the time, with its zone."""
        ...

    def evidence(self, image: Image, platform: str, max_age: timedelta | None = None) -> Evidence:
        """Return what is known of *image* on *platform*; a report older than *max_age* is stale."""
        ...

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        """Return what *report* found, the worst first; raises NotHeldError where memory has no room for it."""
        ...
