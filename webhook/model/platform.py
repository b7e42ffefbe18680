"""Platforms as containerd has them (platforms v1.0.0-rc.5): one name for each, and whose images a node runs."""

import re
from collections.abc import Collection, Iterator

from webhook.model.quote import one_line

# By the architecture as written: its name, and the variant that the name says too, whatever else is said (database.go).
_NAMES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
# By the architecture's name and the variant as written: what is implied is not said.
_VARIANTS = {
    ("amd64", "v1"): "",
    ("arm64", "8"): "",
    ("arm64", "v8"): "",
    ("arm64", "v8.0"): "",
    ("arm64", "9"): "v9",
    ("arm64", "9.0"): "v9",
    ("arm64", "v9.0"): "v9",
    ("arm", ""): "v7",
    ("arm", "5"): "v5",
    ("arm", "6"): "v6",
    ("arm", "7"): "v7",
    ("arm", "8"): "v8",
}
PATTERN = r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,2}"
_PLATFORM = re.compile(PATTERN)
# Of any one digit, so that a text has an end; there is none of two.
_LEVEL = re.compile(r"v(?P<major>[0-9])(?:\.(?P<minor>[0-9]))?")


def platform_of(os: str, architecture: str, variant: str = "") -> str:
    """Return os/architecture or os/architecture/variant: linux/amd64, linux/arm64 (never linux/arm64/v8), linux/arm/v7.

    Raises ValueError where that is no platform.
    """
    os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
    if architecture in _NAMES:
        architecture, said = _NAMES[architecture]
        variant = variant if said is None else said
    variant = _VARIANTS.get((architecture, variant), variant)
    platform = "/".join(part for part in ("darwin" if os == "macos" else os, architecture, variant) if part)
    if not os or not architecture or not _PLATFORM.fullmatch(platform):
        msg = f'expected an operating system and an architecture such as linux/amd64, got "{one_line(platform)}"'
        raise ValueError(msg)
    return platform


def parse_platform(text: str) -> str:
    """Return the one name of the platform *text*, os/architecture[/variant]; raises ValueError for anything else."""
    if not _PLATFORM.fullmatch(text):
        msg = f'expected os/architecture[/variant] such as linux/amd64, got "{one_line(text)}"'
        raise ValueError(msg)
    return platform_of(*text.split("/"))


def nearest(platform: str, among: Collection[str]) -> str | None:
    """Return which of *among*, platforms by their names, an image must be for so that a node of *platform* runs it.

    That is what containerd would choose (platforms.Only, compare.go): linux/386 on linux/amd64, linux/arm/v7 on
    linux/arm64. Next is any variant of the same architecture, such as linux/amd64/v3 on linux/amd64: containerd chooses
    among several, but runs an image that is for one platform only without a look at it (images.Manifest). None where
    there is neither.
    """
    os, architecture, variant = (*platform.split("/"), "", "")[:3]
    for each in ("/".join(part for part in (os, *lesser) if part) for lesser in _lesser(architecture, variant)):
        if each in among:
            return each
    return min((each for each in among if each.split("/")[:2] == [os, architecture]), default=None)


def _lesser(architecture: str, variant: str) -> Iterator[tuple[str, str]]:
    """Yield architecture and variant of what runs there too, the best first (platformVector, compare.go)."""
    level = _LEVEL.fullmatch(variant)
    major, minor = (int(level["major"]), int(level["minor"] or 0)) if level else (0, 0)
    if architecture == "amd64":
        yield from (("amd64", f"v{lower}" if lower > 1 else "") for lower in range(major - 1, 0, -1))
        yield "386", ""
    elif architecture == "arm":
        yield from (("arm", f"v{lower}") for lower in range(major - 1, 4, -1))
    elif architecture == "arm64":
        if major > 8:  # noqa: PLR2004  # ARMv9
            yield from (("arm64", f"v9.{lower}" if lower else "v9") for lower in range(minor - 1, -1, -1))
            minor = min(minor + 6, 10)  # v9.0 has all of v8.5
        yield from (("arm64", f"v8.{lower}" if lower else "") for lower in range(minor - 1, -1, -1))
        yield from (("arm", f"v{lower}") for lower in range(8, 4, -1))
