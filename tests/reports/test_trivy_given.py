"""What whoever imports says of a report: it completes what the report does not say, and never contradicts it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from webhook.model.report import FullReport, Severity, Suppressed
from webhook.reports.trivy import Given, ReportError, read_report

A, B = (f"sha256:{each * 64}" for each in "ab")
SCANNED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OS = {"Family": "alpine", "Name": "3.20.3"}
CONFIG = {"os": "linux", "architecture": "amd64", "config": {}}


def text(
    results: list[dict[str, Any]] | None = None, *, name: str = "registry.example.com/app:1", **metadata: object
) -> bytes:
    """Return a report that says all but the digest."""
    document = {
        "SchemaVersion": 2,
        "CreatedAt": SCANNED.isoformat(),
        "ArtifactName": name,
        "ArtifactType": "container_image",
        "Metadata": {"OS": OS, "ImageConfig": CONFIG, **metadata},
        "Results": results or [],
    }
    return json.dumps(document).encode()


def read_one(report: bytes, given: Given = Given()) -> FullReport:  # noqa: B008  # it is frozen
    (full,) = read_report(report, given)
    return full


def refusal(report: bytes, given: Given = Given()) -> str:  # noqa: B008  # it is frozen
    with pytest.raises(ReportError) as refused:
        read_report(report, given)
    return str(refused.value)


# The image


def test_a_report_without_a_digest_needs_one() -> None:
    assert refusal(text()) == "it names no digest of a registry: give --image REPOSITORY@DIGEST"


def test_a_given_digest_is_the_images() -> None:
    full = read_one(text(), Given(image=f"registry.example.com/app@{A}"))

    assert (full.report.digest, full.report.tags) == (A, ("registry.example.com/app:1",))


def test_a_given_tag_is_one_of_the_images() -> None:
    full = read_one(text(name="app.tar"), Given(image=f"nginx:1.29@{A}"))

    assert full.report.tags == ("docker.io/library/nginx:1.29",)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("registry.example.com/app:1", '--image: "registry.example.com/app:1": expected a digest, REPOSITORY@sha256:…'),
        (f"App@{A}", f'--image: "App@{A}": the repository\'s name must be in lower case'),
        (f"app@{A[:-1]}", f'--image: "app@{A[:-1]}": a sha256 digest must have 64 lower-case hexadecimal digits'),
    ],
)
def test_a_given_image_must_be_a_reference_with_a_digest(image: str, reason: str) -> None:
    assert refusal(text(), Given(image=image)) == reason


def test_a_given_digest_must_be_among_the_reports() -> None:
    report = text(RepoDigests=[f"registry.example.com/app@{A}"])

    assert refusal(report, Given(image=f"app@{B}")) == f"--image names {B}, but the report is on {A}"
    assert read_one(report, Given(image=f"mirror.example.com/app:2@{A}")).report.tags == (
        "mirror.example.com/app:2",
        "registry.example.com/app:1",
    )


def test_a_digest_of_several_repositories_is_one_report_with_the_tags_of_all() -> None:
    names = ["registry.example.com/app", "mirror.example.com/app"]
    report = text(RepoDigests=[f"{name}@{A}" for name in names], RepoTags=[f"{name}:7" for name in names])

    assert read_one(report).report.tags == (
        "mirror.example.com/app:7",
        "registry.example.com/app:1",
        "registry.example.com/app:7",
    )


def test_each_digest_has_a_report_with_the_tags_of_its_own_repositories() -> None:
    report = text(
        RepoDigests=[f"registry.example.com/app@{A}", f"mirror.example.com/app@{B}"],
        RepoTags=["mirror.example.com/app:7", "registry.example.com/app:1"],
    )

    first, second = read_report(report)

    assert (first.report.digest, first.report.tags) == (A, ("registry.example.com/app:1",))
    assert (second.report.digest, second.report.tags) == (B, ("mirror.example.com/app:7",))
    assert first.details == second.details


@pytest.mark.parametrize(
    "name",
    [f"registry.example.com/app:1@{A}", f"registry.example.com/app@{A}", "other.example.com/app:1", "a b", A[7:]],
)
def test_a_name_that_proves_no_tag_gives_none(name: str) -> None:
    assert read_one(text(name=name, RepoDigests=[f"registry.example.com/app@{A}"])).report.tags == ()


def test_a_tag_left_out_is_latest() -> None:
    report = text(name="registry.example.com:5000/app", RepoDigests=[f"registry.example.com:5000/app@{A}"])

    assert read_one(report).report.tags == ("registry.example.com:5000/app:latest",)


# The platform


@pytest.mark.parametrize(
    "config", [None, {"os": "", "architecture": "", "created": "0001-01-01T00:00:00Z", "config": {}}]
)
def test_a_report_without_a_platform_needs_one_and_does_not_know_the_user(config: object) -> None:
    report = text(ImageConfig=config, RepoDigests=[f"app@{A}"])

    assert refusal(report) == "it names no platform: give --platform OS/ARCHITECTURE"
    full = read_one(report, Given(platform="linux/aarch64"))
    assert (full.report.platform, full.report.user, full.report.created_at) == ("linux/arm64", None, None)


def test_a_given_platform_must_be_the_reports() -> None:
    report = text(RepoDigests=[f"app@{A}"])

    assert (
        refusal(report, Given(platform="linux/arm64"))
        == "--platform names linux/arm64, but the report is on linux/amd64"
    )
    assert read_one(report, Given(platform="linux/x86_64")).report.platform == "linux/amd64"


def test_a_platform_must_be_one() -> None:
    report = text(RepoDigests=[f"app@{A}"])
    unnamed = text(RepoDigests=[f"app@{A}"], ImageConfig={"architecture": "amd64"})

    assert refusal(report, Given(platform="arm64")).startswith("--platform: expected os/architecture[/variant] such as")
    assert refusal(unnamed).startswith("Metadata.ImageConfig: expected an operating system and an architecture such as")


# Times


def test_a_report_without_a_time_needs_one() -> None:
    report = text(RepoDigests=[f"app@{A}"]).replace(SCANNED.isoformat().encode(), b"0001-01-01T00:00:00Z")

    assert refusal(report) == "it does not say when it was made, as before Trivy 0.48: give --scanned-at TIME"
    given = Given(scanned_at=SCANNED.astimezone(timezone(timedelta(hours=5))))
    assert read_one(report, given).report.scanned_at.isoformat() == "2026-01-02T03:04:05+00:00"


def test_a_given_time_must_be_the_reports_to_the_second() -> None:
    report = text(RepoDigests=[f"app@{A}"])

    assert read_one(report, Given(scanned_at=SCANNED + timedelta(milliseconds=999))).report.scanned_at == SCANNED
    assert refusal(report, Given(scanned_at=SCANNED + timedelta(seconds=1))) == (
        "--scanned-at names 2026-01-02T03:04:06+00:00, but the report is of 2026-01-02T03:04:05+00:00"
    )


def test_a_given_time_must_have_a_zone() -> None:
    given = Given(scanned_at=SCANNED.replace(tzinfo=None))

    assert refusal(text(RepoDigests=[f"app@{A}"]), given) == "--scanned-at: expected a time with its zone"


def test_a_database_that_is_newer_than_the_scan_was_not_the_scans() -> None:
    report = text(RepoDigests=[f"app@{A}"])

    assert read_one(report, Given(database_updated_at=SCANNED)).report.evidence_from == SCANNED
    assert refusal(report, Given(database_updated_at=SCANNED + timedelta(hours=1))) == (
        "--database is of 2026-01-02T04:04:05+00:00, later than the scan, 2026-01-02T03:04:05+00:00"
    )


# Severities


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("CRITICAL", Severity.CRITICAL),
        ("high", Severity.HIGH),
        ("Medium", Severity.MEDIUM),
        ("LOW", Severity.LOW),
        ("UNKNOWN", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
        ("IMPORTANT", Severity.UNKNOWN),
    ],
)
def test_a_severity_is_one_of_trivys_in_whatever_case(word: str, severity: Severity) -> None:
    vulnerability = {"VulnerabilityID": "CVE-2099-0001", "PkgName": "a", "Severity": word}
    results = [{"Target": "a (alpine 3.20.3)", "Class": "os-pkgs", "Vulnerabilities": [vulnerability]}]

    full = read_one(text(results, RepoDigests=[f"app@{A}"]))

    assert full.details.vulnerabilities[0].severity is severity
    assert full.report.counts[severity] == 1


# Whether it proves anything


@pytest.mark.parametrize("packages", [None, [], "package", {"a": 1}])
def test_what_lists_no_packages_is_not_scanned(packages: object) -> None:
    results = [{"Target": "a (alpine 3.20.3)", "Class": "os-pkgs", "Packages": packages}]

    assert read_one(text(results, RepoDigests=[f"app@{A}"])).report.unscannable.startswith(
        "no package of alpine 3.20.3"
    )


def test_one_result_with_packages_of_the_system_is_enough() -> None:
    results: list[dict[str, Any]] = [
        {"Target": "a (alpine 3.20.3)", "Class": "os-pkgs"},
        {"Target": "b (alpine 3.20.3)", "Class": "os-pkgs", "Packages": [{"Name": "musl"}]},
    ]

    assert read_one(text(results, RepoDigests=[f"app@{A}"])).report.unscannable == ""


def test_packages_of_a_language_do_not_stand_for_those_of_the_system() -> None:
    results: list[dict[str, Any]] = [
        {"Target": "a (alpine 3.20.3)", "Class": "os-pkgs"},
        {"Target": "Python", "Class": "lang-pkgs", "Packages": [{"Name": "flask"}]},
    ]

    assert read_one(text(results, RepoDigests=[f"app@{A}"])).report.unscannable.startswith(
        "no package of alpine 3.20.3"
    )


def test_secrets_alone_prove_nothing() -> None:
    results = [{"Target": "/app/.env", "Class": "secret", "Secrets": [{}]}]

    assert read_one(text(results, OS=None, RepoDigests=[f"app@{A}"])).report.unscannable == (
        "Trivy recognised no operating system and no packages in it, or ran without its scanner vuln"
    )


# What a report says of the rest


def test_the_size_is_the_images_and_only_without_it_that_of_the_layers() -> None:
    layers = [{"Size": 100}, {"Size": 50}, {}]
    names = [f"app@{A}"]

    assert read_one(text(Size=160, Layers=layers, RepoDigests=names)).report.size == 160
    assert read_one(text(Layers=layers, RepoDigests=names)).report.size == 150
    assert read_one(text(RepoDigests=names)).report.size is None


def test_keys_that_later_versions_add_are_left_aside() -> None:
    document = json.loads(text(RepoDigests=[f"app@{A}"]))

    later = json.dumps({**document, "Findings": [], "vulnerabilities": 1, "runs": {}, "Title": "x", "apiVersion": "v9"})

    assert read_one(later.encode()).report.digest == A


def test_only_vulnerabilities_are_listed_as_suppressed() -> None:
    vulnerability = {"VulnerabilityID": "CVE-2099-0001", "PkgName": "musl"}
    modified = [
        {"Type": "secret", "Status": "ignored", "Finding": {"RuleID": "private-key"}},
        {
            "Type": "vulnerability",
            "Status": "not_affected",
            "Statement": "a\nb",
            "Source": "VEX",
            "Finding": vulnerability,
        },
        {"Type": "vulnerability", "Status": "ignored", "Finding": None},
    ]
    results = [{"Target": "a (alpine 3.20.3)", "Class": "os-pkgs", "ExperimentalModifiedFindings": modified}]

    (suppressed,) = read_one(text(results, RepoDigests=[f"app@{A}"])).details.suppressed

    assert suppressed == Suppressed("CVE-2099-0001", "musl", "not_affected", "a b", "VEX")
