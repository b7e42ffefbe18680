"""What entries of image-vulnerabilities' `ignore` leave out, and why nothing."""

from typing import Any

import msgspec
import pytest

from tests.image_reports import full_report
from tests.reviews import NOW, At, pod, review_of
from webhook.checks.image_vulnerabilities import Options
from webhook.explain.ignored import ExplainedIgnore, explain_ignore

OTHER = "sha256:" + "b" * 64
REPORTS = [
    full_report(
        tags=["docker.io/library/nginx:1.2"],
        vulnerabilities=[
            {"id": "CVE-2099-1", "severity": "high", "package": "openssl"},
            {"id": "CVE-2099-1", "severity": "high", "package": "libssl"},
            {"id": "CVE-2099-2", "severity": "low", "package": "zlib", "fixed": "2"},
        ],
    ),
    full_report(
        digest=OTHER,
        tags=["docker.io/library/redis:8"],
        vulnerabilities=[{"id": "CVE-2099-1", "severity": "critical", "package": "curl"}],
    ),
]
LATER = "2027-01-01T00:00:00Z"


def ignored(*entries: dict[str, Any], **options: Any) -> tuple[ExplainedIgnore, ...]:
    full = [{"until": LATER, "reason": "not reachable", **entry} for entry in entries]
    given = msgspec.convert({"ignore": full, **options}, Options)
    return explain_ignore(given, review_of(pod("nginx:1.2", "redis:8")), At(NOW, REPORTS))


def packages(explained: ExplainedIgnore) -> list[str]:
    return [f"{each.path} {each.image} {each.vulnerability.package}" for each in explained.vulnerabilities]


NGINX, REDIS = "spec.containers[0].image nginx:1.2", "spec.containers[1].image redis:8"


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        pytest.param({}, [f"{NGINX} libssl", f"{NGINX} openssl", f"{REDIS} curl"], id="by id alone"),
        pytest.param({"packages": ["*ssl"]}, [f"{NGINX} libssl", f"{NGINX} openssl"], id="in packages"),
        pytest.param({"images": ["redis"]}, [f"{REDIS} curl"], id="in images"),
        pytest.param({"images": ["nginx"], "packages": ["openssl"]}, [f"{NGINX} openssl"], id="in both"),
    ],
)
def test_an_entry_says_which_vulnerabilities_it_leaves_out(entry: dict[str, Any], found: list[str]) -> None:
    (explained,) = ignored({"id": "CVE-2099-1", **entry})

    assert packages(explained) == found
    assert explained.why_not == ()


@pytest.mark.parametrize(
    ("entry", "reasons"),
    [
        pytest.param({"id": "CVE-2099-9"}, ["id: no image has CVE-2099-9 among what counts"], id="another id"),
        pytest.param({"until": NOW.isoformat()}, ["until: it ended on 2026-11-24T12:00:00+00:00"], id="it has ended"),
        pytest.param(
            {"packages": ["zlib", "x*"]}, ["packages: none of libssl, openssl, curl is one of zlib, x*"], id="package"
        ),
        pytest.param(
            {"images": ["team/**"]}, ["images: none of nginx:1.2, redis:8 is one of team/**"], id="another image"
        ),
        pytest.param(
            {"images": ["redis"], "packages": ["openssl"]},
            ["packages, images: no image of these has it in a package of these"],
            id="package of another image",
        ),
        pytest.param(
            {"until": "2026-01-01T00:00:00Z", "packages": ["zlib"], "images": ["app"]},
            [
                "until: it ended on 2026-01-01T00:00:00+00:00",
                "packages: none of libssl, openssl, curl is one of zlib",
                "images: none of nginx:1.2, redis:8 is one of app",
            ],
            id="everything",
        ),
    ],
)
def test_an_entry_that_leaves_nothing_out_says_why(entry: dict[str, Any], reasons: list[str]) -> None:
    (explained,) = ignored({"id": "CVE-2099-1", **entry})

    assert list(explained.why_not) == reasons
    assert explained.vulnerabilities == ()


def test_each_entry_is_told_by_itself_in_order() -> None:
    first, second = ignored({"id": "CVE-2099-1"}, {"id": "CVE-2099-1", "packages": ["curl"]})

    assert len(first.vulnerabilities) == 3
    assert packages(second) == [f"{REDIS} curl"]


def test_what_does_not_count_anyway_is_not_left_out() -> None:
    (unfixable, fixable) = ignored({"id": "CVE-2099-1"}, {"id": "CVE-2099-2"}, onlyFixable=True)

    assert unfixable.why_not == ("id: no image has CVE-2099-1 among what counts",)
    assert packages(fixable) == [f"{NGINX} zlib"]


@pytest.mark.parametrize("severity", ["critical", "high", "medium", "low", "unknown"])
def test_vulnerabilities_of_every_severity_are_told(severity: str) -> None:
    report = full_report(vulnerabilities=[{"id": "CVE-2099-1", "severity": severity}])
    entry = {"id": "CVE-2099-1", "until": LATER, "reason": "not reachable"}
    options = msgspec.convert({"max": {"critical": 5}, "ignore": [entry]}, Options)

    (explained,) = explain_ignore(options, review_of(pod(f"app@{report.report.digest}")), At(NOW, [report]))

    assert [each.vulnerability.id for each in explained.vulnerabilities] == ["CVE-2099-1"]


def test_a_vulnerability_found_for_several_platforms_is_told_once() -> None:
    found = [{"id": "CVE-2099-1", "severity": "high"}]
    both = [full_report(platform=platform, vulnerabilities=found) for platform in ("linux/amd64", "linux/arm64")]
    digest = both[0].report.digest
    options = msgspec.convert(
        {
            "platforms": ["linux/amd64", "linux/arm64"],
            "ignore": [{"id": "CVE-2099-1", "until": LATER, "reason": "not reachable"}],
        },
        Options,
    )

    (explained,) = explain_ignore(options, review_of(pod(f"app@{digest}")), At(NOW, both))

    assert packages(explained) == [f"spec.containers[0].image app@{digest} openssl"]


def test_without_entries_there_is_nothing_to_say() -> None:
    assert ignored() == ()
