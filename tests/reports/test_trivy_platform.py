"""Platforms have one name each, that which containerd gives them."""

from pathlib import Path

import pytest

from webhook.reports.platform import parse_platform, platform_of

CONTAINERD = Path(__file__).parent.parent / "fixtures" / "trivy" / "platforms.tsv"


def test_platforms_are_named_as_containerd_names_them() -> None:
    rows = [row.split("\t") for row in CONTAINERD.read_text().splitlines()]

    differing = [row for row in rows if platform_of(*row[:3]) != row[3]]

    assert len(rows) == 441
    assert differing == []


def test_a_platform_that_was_named_keeps_its_name() -> None:
    names = {row.split("\t")[3] for row in CONTAINERD.read_text().splitlines()}

    assert {parse_platform(name) for name in names} == names


@pytest.mark.parametrize(
    "text", ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux amd64", "linux/amd64\n", "linux/ämd64"]
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected os/architecture\[/variant\] such as linux/amd64, got "):
        parse_platform(text)


@pytest.mark.parametrize(("os", "architecture"), [("", "amd64"), ("linux", ""), ("linux", "a/b/c"), ("li nux", "arm")])
def test_what_an_image_says_in_vain_is_no_platform(os: str, architecture: str) -> None:
    with pytest.raises(
        ValueError, match=r"^expected an operating system and an architecture such as linux/amd64, got "
    ):
        platform_of(os, architecture)
