"""Quantities of bytes as Kubernetes writes them (apimachinery, pkg/api/resource/quantity.go): 500Mi, 1.5Gi, 2G."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Annotated

from msgspec import Meta

_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$(?!\n)"
_EXPECTED = "a quantity of bytes such as 500Mi, 1.5Gi or 2G"
Quantity = Annotated[str, Meta(pattern=_PATTERN, extra={"expected": _EXPECTED})]
"""The text of a quantity of bytes, in a Struct."""

_PARTS = re.compile(r"([0-9.]+)([A-Za-z]*)")
_UNITS = {
    "": 1,
    **{letter: 1000 ** (power + 1) for power, letter in enumerate("kMGTP")},
    **{f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate("KMGTP")},
}


def parse_bytes(text: str) -> int:
    """Return the bytes that *text* says, less what is no whole byte. Raises ValueError."""
    if not re.match(_PATTERN, text):
        msg = f"expected {_EXPECTED}"
        raise ValueError(msg)
    number, unit = _PARTS.fullmatch(text).groups()  # type: ignore[union-attr]  # the pattern is narrower
    return int(Decimal(number) * _UNITS[unit])


def show_bytes(count: int) -> str:
    """Return *count* bytes in the unit that shows it best, rounded up to a tenth: 512Mi, 1.5Gi, 20Ki.

    Rounded up, what is larger than a limit never reads as the limit.
    """
    size, unit = Decimal(count), ""
    for larger in ("Ki", "Mi", "Gi", "Ti", "Pi"):
        if size < 1024:  # noqa: PLR2004  # of a unit in the next
            break
        size, unit = size / 1024, larger
    return f"{size.quantize(Decimal('0.1'), ROUND_CEILING).normalize():f}{unit}"
