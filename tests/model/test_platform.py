"""Platforms have one name each, that which containerd gives them, and run what containerd runs there."""

from pathlib import Path

import pytest

from webhook.model.platform import nearest, parse_platform, platform_of

FIXTURES = Path(__file__).parent.parent / "fixtures" / "trivy"
CONTAINERD = FIXTURES / "platforms.tsv"
RUNS = [row.split("\t") for row in (FIXTURES / "runs.tsv").read_text().splitlines()]
NAMES = [platform for platform, *_ in RUNS]


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


@pytest.mark.parametrize(("platform", "runs"), [(platform, runs) for platform, *runs in RUNS], ids=NAMES)
def test_a_node_runs_what_containerd_runs_there_and_the_best_first(platform: str, runs: list[str]) -> None:
    left = {name for name in NAMES if name.split("/")[1] != platform.split("/")[1]} | set(runs)

    chosen = []
    while (best := nearest(platform, left)) is not None:
        chosen.append(best)
        left.remove(best)

    assert chosen == runs


@pytest.mark.parametrize(
    ("platform", "among", "runs"),
    [
        pytest.param("linux/amd64", {"linux/amd64/v3", "linux/amd64/v2"}, "linux/amd64/v2", id="a higher level"),
        pytest.param("linux/arm/v5", {"linux/arm/v7"}, "linux/arm/v7", id="a later version"),
        pytest.param("linux/amd64", {"linux/amd64/v3", "linux/386"}, "linux/386", id="what is chosen before"),
        pytest.param("linux/arm64", {"linux/arm64/v9", "linux/arm/v6"}, "linux/arm/v6", id="32 bits"),
        pytest.param("linux/arm/v7", {"linux/arm64"}, None, id="64 bits"),
        pytest.param("linux/386", {"linux/amd64"}, None, id="a larger one"),
        pytest.param("linux/amd64", {"windows/amd64", "windows/386"}, None, id="another system"),
        pytest.param("linux/amd64", set(), None, id="none"),
        pytest.param("linux/arm/v999999999", {"linux/arm/v6"}, "linux/arm/v6", id="no version that there is"),
        pytest.param("a b", {"linux/amd64"}, None, id="no platform"),
    ],
)
def test_an_image_for_another_platform_can_run_where_containerd_would_start_it(
    platform: str, among: set[str], runs: str | None
) -> None:
    assert nearest(platform, among) == runs
