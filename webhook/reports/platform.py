"""Platforms by one name each, as containerd's platforms.Normalize has them (platforms v1.0.0-rc.5, database.go)."""

import re

from webhook.model.quote import one_line

# By the architecture as written: its name, and the variant that the name says too, whatever else is said.
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
_PLATFORM = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+){1,2}")


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
