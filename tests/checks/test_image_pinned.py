"""Which references are pinned, level by level."""

import pytest

from tests.reviews import At, pod, review_of
from webhook.checks.image_pinned import Options, configure

DIGEST = "@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7"
COMMIT = "4f2a9c1b6d0e8a7c5f3b2d1e0c9a8b7f6e5d4c3b"

EXACT = [
    "3.9.10",
    "3.9.10-slim",
    "3.9.10-slim-bookworm",
    "v1.2.3",
    "v1.2.3-rc.1",
    "1.2.3.4",
    "10.20.30",
    "jre-17.0.15_6",
    "jre-v17.0.15",
    "17.0.15_6-jre",
    "build_1.2.3",
    "release-1.2.3-x86",
    "1.2.3-pre4",
    "1.2.3-mylatest",
    "1.2.3-snapshots",
    "20261019",
    "19991231",
    "20260519",
    "20261029",
    "20261030",
    "bookworm-20261019",
    "bookworm-20261019-slim",
    "2026-10-19",
    "2026.01.31",
    "2026-10-19-1",
    "bookworm.2026.10.19",
    "bookworm_20261001",
    "sha-4f2a9c1",
    f"sha-{COMMIT}",
    "main-sha-4f2a9c1",
    "sha-4f2a9c1-arm64",
    COMMIT,
    f"main-{COMMIT}",
    f"{COMMIT}-arm64",
    # A day or a commit is one thing whatever else the tag says.
    "nightly-20261019",
    "latest-sha-4f2a9c1",
]
MOVING = [
    "3",
    "3.9",
    "3.9-slim",
    "v1.2",
    "v1",
    "stable",
    "lts",
    "lts-alpine",
    "main",
    "edge",
    "bookworm",
    "1.2.3-SNAPSHOT",
    "1.2.3-snapshot",
    "1.2.3.BUILD-SNAPSHOT",
    "1.2.3-SNAPSHOT-jdk21",
    "1.2.3-latest",
    "1.2.3-latest_1",
    "1.2.3-latest.1",
    "latest-1.2.3",
    "1.2.3_nightly",
    "1.2.3.nightly",
    "1.2.x",
    "1.2.X",
    "1.2.3x",
    "1.2.3.x",
    "1.2.3.X",
    "1.2.34.x",
    "1.2.34x",
    "1.2.3.4.x",
    "a1.2.3",
    "1.2-3",
    "1.2.",
    "v.1.2",
    "1..2.3",
    "x1.2.3-slim",
    # No days of any year that a tag can mean.
    "2026-10",
    "20261319",
    "20261000",
    "20261032",
    "20260019",
    "20261040",
    "18991231",
    "21000101",
    "2026-1019",
    "2026.10-19",
    "202610190",
    "120261019",
    "a20261019",
    "Z20261019",
    "2026-10-191",
    # Neither commits.
    "sha-4f2a9c",
    "sha-4F2A9C1",
    "asha-4f2a9c1",
    "sha-4f2a9c1g",
    "sha4f2a9c1",
    "4f2a9c1",
    COMMIT[:-1],
    f"{COMMIT}0",
    f"a{COMMIT}",
    COMMIT.upper(),
]


def pinned(reference: str, level: str) -> bool:
    check = configure(Options(level=level))  # type: ignore[arg-type]  # one of the levels
    return not list(check(review_of(pod(reference)), At()))


@pytest.mark.parametrize("tag", EXACT)
def test_an_exact_version_a_day_or_a_commit_is_a_version(tag: str) -> None:
    assert pinned(f"registry.example.com:5000/team/app:{tag}", "version")


@pytest.mark.parametrize("tag", MOVING)
def test_a_tag_that_moves_is_no_version(tag: str) -> None:
    assert not pinned(f"registry.example.com:5000/team/app:{tag}", "version")


@pytest.mark.parametrize("tag", [*EXACT, *MOVING])
def test_any_tag_but_latest_satisfies_the_level_tag(tag: str) -> None:
    assert pinned(f"app:{tag}", "tag")


@pytest.mark.parametrize("reference", ["app", "app:latest", "localhost:5000/app", "localhost:5000/app:latest"])
@pytest.mark.parametrize("level", ["tag", "version", "digest"])
def test_latest_or_no_tag_satisfies_no_level(reference: str, level: str) -> None:
    assert not pinned(reference, level)


@pytest.mark.parametrize("tag", ["Latest", "LATEST", "latest-alpine"])
def test_the_tag_latest_is_that_word_alone_and_in_lower_case(tag: str) -> None:
    assert pinned(f"app:{tag}", "tag")
    assert not pinned(f"app:{tag}", "version")


@pytest.mark.parametrize("level", ["tag", "version", "digest"])
@pytest.mark.parametrize("tag", ["", ":latest", ":1.2.3-SNAPSHOT", ":3.9", ":3.9.10"])
def test_a_digest_satisfies_every_level(tag: str, level: str) -> None:
    assert pinned(f"app{tag}{DIGEST}", level)


@pytest.mark.parametrize("tag", EXACT)
def test_a_version_is_no_digest(tag: str) -> None:
    assert not pinned(f"app:{tag}", "digest")


def test_the_level_is_version_where_none_is_given() -> None:
    assert Options() == Options(level="version")


def test_a_version_in_the_name_is_not_one_of_the_image() -> None:
    assert not pinned("registry.example.com/team/app-1.2.3", "version")
    assert not pinned("registry-1.2.3.example.com:20261019/team/app", "version")


def test_a_finding_names_its_container_and_image() -> None:
    manifest = pod("nginx")
    manifest["spec"]["volumes"] = [{"name": "model", "image": {"reference": "model"}}]

    found = list(configure(Options())(review_of(manifest), At()))

    assert [(f.container.name if f.container else None, f.image) for f in found] == [("a", "nginx"), (None, "model")]


def test_the_fix_keeps_the_tag_for_a_digest_and_leaves_out_a_name_longer_than_a_message_bears() -> None:
    longest = f"{'r' * 249}.io/app"  # 256 characters
    by_digest, by_version = (configure(Options(level=level)) for level in ("digest", "version"))

    fixes = [
        next(check(review_of(pod(image)), At())).fix
        for check, image in (
            (by_digest, f"{longest[2:]}:9"),
            (by_digest, f"{longest}:9"),
            (by_version, longest),
            (by_version, f"{longest}x"),
        )
    ]

    where = "set spec.containers[0].image to "
    assert len(longest) == 256
    assert fixes == [
        f"{where}{longest[2:]}:9@sha256:<digest>",
        f"{where}<image>@sha256:<digest>",
        f"{where}{longest}:<major>.<minor>.<patch>",
        f"{where}<image>:<major>.<minor>.<patch>",
    ]
