"""Durations as people write them: 7d, 36h, 1h30m."""

import re
from datetime import timedelta
from typing import Annotated

from msgspec import Meta

_PATTERN = r"^(?=[0-9])([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$(?!\n)"
_EXPECTED = "a duration such as 7d, 36h or 1h30m"
Duration = Annotated[str, Meta(pattern=_PATTERN, extra={"expected": _EXPECTED})]
"""The text of a duration, in a Struct."""

_PARTS = re.compile(_PATTERN)
_UNITS = ("days", "hours", "minutes", "seconds")


def parse_duration(text: str) -> timedelta:
    """Return the duration that *text* says: days, hours, minutes and seconds, each optional, in that order.

    Raises ValueError.
    """
    match = _PARTS.match(text)
    if match is None:
        msg = f"expected {_EXPECTED}"
        raise ValueError(msg)
    return timedelta(**{unit: int(part[:-1]) for unit, part in zip(_UNITS, match.groups(), strict=True) if part})
