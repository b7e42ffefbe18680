"""Images made, a registry and advisories of the tests' own: real Trivy finds in them just what the advisories say."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e import images
from tests.e2e.advisories import read_advisories
from tests.e2e.images import Image, Package, alpine, debian, python
from tests.e2e.registry import Registry
from tests.e2e.trivy import ScanError, Trivy

pytestmark = pytest.mark.e2e

OPENSSL = Package("libssl3", "openssl", "3.0.15-1~deb12u1")
ZLIB = Package("zlib1g", "zlib", "1:1.2.13.dfsg-1")
BASH = Package("bash", "bash", "5.2.15-2+b7")
FLASK = python("Flask", "2.2.2")


@pytest.fixture(scope="module")
def trivy(tmp_path_factory: pytest.TempPathFactory) -> Trivy:
    return Trivy(tmp_path_factory.mktemp("trivy"), read_advisories(), datetime(2026, 11, 20, 6, tzinfo=UTC))


@pytest.fixture
def changing_trivy(tmp_path: Path) -> Trivy:
    return Trivy(tmp_path, read_advisories())


def scan(trivy: Trivy, reference: str, *flags: str) -> dict[str, Any]:
    report: dict[str, Any] = msgspec.json.decode(trivy.scan(reference, *flags))
    return report


def found(report: dict[str, Any]) -> set[tuple[str, ...]]:
    keys = ("VulnerabilityID", "PkgName", "InstalledVersion", "FixedVersion", "Severity", "Status")
    each = [found for result in report["Results"] for found in result.get("Vulnerabilities", [])]
    return {tuple(one.get(key, "") for key in keys) for one in each}


def test_what_the_advisories_say_of_the_packages_is_found(trivy: Trivy, registry: Registry) -> None:
    digest = registry.push("trivy/web:1", Image((debian(OPENSSL, ZLIB, BASH), FLASK), user="10001:10001"))

    report = scan(trivy, f"{registry.host}/trivy/web@{digest}")

    assert found(report) == {
        ("CVE-2099-0001", "libssl3", "3.0.15-1~deb12u1", "3.0.17-1~deb12u3", "CRITICAL", "fixed"),
        ("CVE-2099-0002", "libssl3", "3.0.15-1~deb12u1", "", "HIGH", "affected"),
        ("CVE-2099-0003", "zlib1g", "1:1.2.13.dfsg-1", "", "MEDIUM", "will_not_fix"),
        ("CVE-2099-0004", "bash", "5.2.15-2+b7", "", "LOW", "affected"),
        ("CVE-2099-0006", "zlib1g", "1:1.2.13.dfsg-1", "1:1.3.1-1", "UNKNOWN", "fixed"),
        ("CVE-2099-1001", "Flask", "2.2.2", "2.2.5", "HIGH", "fixed"),
    }
    metadata = report["Metadata"]
    assert metadata["RepoDigests"] == [f"{registry.host}/trivy/web@{digest}"]
    assert metadata["OS"] == {"Family": "debian", "Name": "12.8"}
    assert metadata["ImageConfig"]["config"] == {"User": "10001:10001"}


def test_upgraded_packages_are_clean(trivy: Trivy, registry: Registry) -> None:
    packages = debian(Package("libssl3", "openssl", "3.0.17-1~deb12u3"))
    registry.push("trivy/fixed:1", Image((packages, python("Flask", "2.2.5"))))

    report = scan(trivy, f"{registry.host}/trivy/fixed:1")

    assert {severity for *_, severity, _ in found(report)} == {"HIGH"}
    assert report["Metadata"]["RepoTags"] == [f"{registry.host}/trivy/fixed:1"]


def test_packages_of_alpine_are_known(trivy: Trivy, registry: Registry) -> None:
    registry.push("trivy/alpine:1", Image((alpine(Package("busybox", "busybox", "1.36.1-r29")),), user="nobody"))

    report = scan(trivy, f"{registry.host}/trivy/alpine:1")

    assert found(report) == {("CVE-2099-2001", "busybox", "1.36.1-r29", "1.36.99-r0", "CRITICAL", "fixed")}
    assert report["Metadata"]["ImageConfig"]["config"] == {"User": "nobody"}


def test_a_changed_advisory_changes_the_result(changing_trivy: Trivy, registry: Registry) -> None:
    registry.push("trivy/openssl:1", Image((debian(OPENSSL),)))
    reference = f"{registry.host}/trivy/openssl:1"
    before = found(scan(changing_trivy, reference))

    changing_trivy.update(read_advisories().replaced("CVE-2099-0001", fixed="3.0.14-1"))

    assert {id_ for id_, *_ in before - found(scan(changing_trivy, reference))} == {"CVE-2099-0001"}


def test_the_end_of_life_of_a_distribution_is_known(trivy: Trivy, registry: Registry) -> None:
    registry.push("trivy/old:1", Image((debian(OPENSSL, release="10"),)))

    report = scan(trivy, f"{registry.host}/trivy/old:1")

    assert report["Metadata"]["OS"] == {"Family": "debian", "Name": "10.8", "EOSL": True}
    assert found(report) == set()


def test_a_distribution_without_its_package_database_gives_no_packages(trivy: Trivy, registry: Registry) -> None:
    files = {path: text for path, text in debian().items() if "dpkg" not in path}
    registry.push("trivy/no-packages:1", Image((files,)))

    report = scan(trivy, f"{registry.host}/trivy/no-packages:1")

    assert [result.get("Packages", []) for result in report["Results"]] == [[]]


def test_an_image_without_a_distribution_gives_no_results(trivy: Trivy, registry: Registry) -> None:
    registry.push("trivy/scratch:1", Image(({"app": "\x7fELF"},), user="65532"))

    report = scan(trivy, f"{registry.host}/trivy/scratch:1")

    assert "Results" not in report


def test_each_platform_of_an_index_has_a_report_of_its_own_under_one_digest(trivy: Trivy, registry: Registry) -> None:
    arm = Image((debian(BASH),), architecture="arm64")
    digest = registry.push("trivy/multi:1", Image((debian(OPENSSL),)), arm)
    reference = f"{registry.host}/trivy/multi@{digest}"

    reports = [scan(trivy, reference, f"--platform=linux/{name}") for name in ("amd64", "arm64")]

    assert [{name for _, name, *_ in found(each)} for each in reports] == [{"libssl3"}, {"bash"}]
    assert [each["Metadata"]["ImageConfig"]["architecture"] for each in reports] == ["amd64", "arm64"]
    assert [each["Metadata"]["RepoDigests"] for each in reports] == [[reference], [reference]]


def test_a_missing_image_is_an_error_that_says_so(trivy: Trivy, registry: Registry) -> None:
    with pytest.raises(ScanError, match=r"MANIFEST_UNKNOWN|NAME_UNKNOWN"):
        trivy.scan(f"{registry.host}/trivy/missing:1")


def test_the_same_image_always_has_the_same_digest(tmp_path: Path) -> None:
    image = Image((debian(OPENSSL), FLASK))

    assert images.write_layout(tmp_path / "a", image) == images.write_layout(tmp_path / "b", image)
