"""What a verdict may depend on beside the review and the policies; the edge supplies it, checks only ask."""

from datetime import datetime
from typing import Protocol


class Facts(Protocol):
    """Facts held in memory: asking never waits."""

    def now(self) -> datetime:
        """Return the time, with its zone."""
        ...
