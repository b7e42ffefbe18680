"""What is known of an image: each state of evidence, by digest and by tag."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.image_reports import Held, full_report
from webhook.model.image import parse_image
from webhook.model.report import Evidence, EvidenceState, FullReport
from webhook.reports.facts import ImageFacts, utc_now
from webhook.reports.index import ReportIndex
from webhook.reports.sqlite import SqliteReports

T0 = datetime(2026, 11, 24, 6, tzinfo=UTC)
DAY = timedelta(days=1)
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
AMD64, ARM64 = "linux/amd64", "linux/arm64"
APP = f"registry.example.com/app@{DIGEST}"


def facts(*reports: FullReport, now: datetime = T0) -> ImageFacts:
    return ImageFacts(Held(reports), lambda: now)


def evidence(facts: ImageFacts, image: str = APP, platform: str = AMD64, max_age: timedelta | None = None) -> Evidence:
    return facts.evidence(parse_image(image), platform, max_age)


def test_a_scanned_digest_is_scanned() -> None:
    scanned = full_report(digest=DIGEST, scannedAt=T0)

    found = evidence(facts(scanned))

    assert found == Evidence(
        image=APP, platform=AMD64, state=EvidenceState.SCANNED, digest=DIGEST, report=scanned.report
    )


def test_a_digest_without_a_report_is_unscanned() -> None:
    found = evidence(facts(full_report(digest=OTHER)))

    assert found == Evidence(image=APP, platform=AMD64, state=EvidenceState.UNSCANNED, digest=DIGEST)


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("registry.example.com/app:v1", "registry.example.com/app:v1"),
        ("nginx:1.29", "docker.io/library/nginx:1.29"),
        ("nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
    ],
)
def test_a_tag_stands_for_the_digest_under_which_it_was_scanned(image: str, tag: str) -> None:
    scanned = full_report(digest=DIGEST, scannedAt=T0, tags=[tag])

    found = evidence(facts(scanned), image)

    assert found == Evidence(
        image=image, platform=AMD64, state=EvidenceState.SCANNED, digest=DIGEST, by_tag=True, report=scanned.report
    )


def test_a_tag_that_was_never_scanned_is_unscanned_and_stands_for_nothing() -> None:
    found = evidence(facts(full_report(tags=["registry.example.com/app:v1"])), "registry.example.com/app:v2")

    assert found == Evidence(image="registry.example.com/app:v2", platform=AMD64, state=EvidenceState.UNSCANNED)


def test_the_digest_counts_where_there_is_a_tag_too() -> None:
    tagged = full_report(digest=OTHER, tags=["registry.example.com/app:v1"])
    scanned = full_report(digest=DIGEST)

    found = evidence(facts(tagged, scanned), f"registry.example.com/app:v1@{DIGEST}")

    assert (found.digest, found.by_tag, found.report) == (DIGEST, False, scanned.report)


def test_a_report_of_other_platforms_names_them() -> None:
    scanned = [full_report(digest=DIGEST, platform=platform) for platform in (ARM64, "linux/s390x", "linux/arm/v7")]

    found = evidence(facts(*scanned))

    assert found == Evidence(
        image=APP,
        platform=AMD64,
        state=EvidenceState.OTHER_PLATFORM,
        digest=DIGEST,
        platforms=("linux/arm/v7", ARM64, "linux/s390x"),
    )


@pytest.mark.parametrize(
    ("platform", "others", "runs"),
    [
        (AMD64, ["linux/386", ARM64], "linux/386"),
        (AMD64, ["linux/amd64/v3"], "linux/amd64/v3"),
        (ARM64, ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
    ],
)
def test_regression_the_report_of_another_platform_that_runs_there_was_passed_over(
    platform: str, others: list[str], runs: str
) -> None:
    scanned = {other: full_report(digest=DIGEST, platform=other) for other in others}

    found = evidence(facts(*scanned.values()), platform=platform)

    assert found == Evidence(
        image=APP,
        platform=platform,
        state=EvidenceState.OTHER_PLATFORM,
        digest=DIGEST,
        report=scanned[runs].report,
        platforms=tuple(sorted(others)),
    )
    assert found.own_report is None


def test_each_platform_has_a_report_of_its_own() -> None:
    amd64, arm64 = full_report(platform=AMD64), full_report(platform=ARM64)

    assert evidence(facts(amd64, arm64), platform=AMD64).own_report == amd64.report
    assert evidence(facts(amd64, arm64), platform=ARM64).own_report == arm64.report


@pytest.mark.parametrize(
    ("scanned_at", "database", "state"),
    [
        pytest.param(T0 - 7 * DAY, None, EvidenceState.SCANNED, id="just as old as it may be"),
        pytest.param(T0 - 7 * DAY - timedelta(microseconds=1), None, EvidenceState.STALE, id="older"),
        pytest.param(T0, T0 - 7 * DAY, EvidenceState.SCANNED, id="a database just as old"),
        pytest.param(T0, T0 - 8 * DAY, EvidenceState.STALE, id="a database that is older"),
        pytest.param(T0 - 8 * DAY, T0, EvidenceState.STALE, id="a database newer than the scan"),
        pytest.param(T0 + DAY, None, EvidenceState.SCANNED, id="yet to come"),
    ],
)
def test_a_report_grows_stale_with_the_older_of_scan_and_database(
    scanned_at: datetime, database: datetime | None, state: EvidenceState
) -> None:
    scanned = full_report(digest=DIGEST, scannedAt=scanned_at, databaseUpdatedAt=database)

    found = evidence(facts(scanned), max_age=7 * DAY)

    assert (found.state, found.report) == (state, scanned.report)
    assert found.stale is (state is EvidenceState.STALE)


def test_without_a_greatest_age_nothing_is_stale() -> None:
    found = evidence(facts(full_report(digest=DIGEST, scannedAt=T0 - 10_000 * DAY)))

    assert found.state is EvidenceState.SCANNED


@pytest.mark.parametrize("age", [0 * DAY, 100 * DAY])
def test_what_could_not_be_scanned_is_unscannable_however_old(age: timedelta) -> None:
    scanned = full_report(digest=DIGEST, scannedAt=T0 - age, unscannable="no package database")

    found = evidence(facts(scanned), max_age=DAY)

    assert (found.state, found.report) == (EvidenceState.UNSCANNABLE, scanned.report)
    assert found.stale is (age > DAY)


@pytest.mark.parametrize(("days", "stale"), [(0, False), (2, True)])
def test_a_report_of_another_platform_grows_stale_too(days: int, *, stale: bool) -> None:
    scanned = full_report(digest=DIGEST, platform="linux/386", scannedAt=T0 - days * DAY)

    found = evidence(facts(scanned), max_age=DAY)

    assert (found.state, found.stale) == (EvidenceState.OTHER_PLATFORM, stale)


def test_vulnerabilities_are_those_of_the_report() -> None:
    scanned = full_report(vulnerabilities=[{"id": "CVE-2099-0001", "severity": "high"}])

    assert facts(scanned).vulnerabilities(scanned.report) == scanned.details.vulnerabilities


def test_the_time_is_the_clocks() -> None:
    assert facts(now=T0).now() == T0


def test_the_clock_is_the_systems_in_utc_where_none_is_given() -> None:
    before = datetime.now(UTC)

    now = ImageFacts(Held()).now()

    assert before <= now <= utc_now()
    assert now.utcoffset() == timedelta(0)


def test_asking_takes_microseconds(tmp_path: Path) -> None:
    store = SqliteReports(tmp_path / "reports.db")
    tags = [f"registry.example.com/app:{number}" for number in range(500)]
    store.put(full_report(digest=f"sha256:{number:064x}", tags=[tag]) for number, tag in enumerate(tags))
    known = ImageFacts(ReportIndex(store))
    images = [parse_image(tag) for tag in tags]

    began = time.perf_counter()
    states = [known.evidence(image, AMD64, 10_000 * DAY).state for image in images]
    took = time.perf_counter() - began

    assert set(states) == {EvidenceState.SCANNED}
    assert took / len(images) < 0.0005
