"""The image: what is in it, and that it serves as a cluster will run it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from msgspec import Struct

from tests.e2e import tools
from tests.e2e.advisories import Advisory, read_advisories
from tests.e2e.chart import CHART, render
from tests.e2e.image_build import DOCKERFILE, ROOT, TAG, Buildah, Container, base_name, pip_settings
from tests.e2e.registry import Registry
from tests.e2e.trivy import Trivy
from webhook import __version__
from webhook.server.certificate import make_certificate

pytestmark = pytest.mark.e2e

START_SECONDS = 30
END_SECONDS = 10
SERVE = (
    "serve",
    "--policies=/etc/podgate/policies",
    "--tls-cert=/etc/podgate/certificate/tls.crt",
    "--tls-key=/etc/podgate/certificate/tls.key",
    "--drain-seconds=0.2",
)
OUTDATED = Advisory(
    id="CVE-2099-1000",
    bucket="pip::GitHub Security Advisory Pip",
    package="granian",
    severity="CRITICAL",
    fixed="99.0.0",
    vulnerable="<99.0.0",
)
READY = (
    "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2).read().decode())"
)
REPORT = ROOT / "tests/fixtures/trivy/made/arm-v7.json"
ASK = (CHART / "files/review.py").read_text()


@pytest.fixture(scope="module")
def built() -> Iterator[Buildah]:
    buildah = Buildah(Path(tempfile.mkdtemp(prefix="podgate-image-")))
    try:
        buildah.build()
        yield buildah
    finally:
        buildah.remove()


@pytest.fixture(scope="module")
def root(built: Buildah) -> Iterator[Path]:
    with built.mounted() as root:
        yield root


class Given(Struct, frozen=True):
    """What podgate is given: folders by where they are mounted; and what a client needs to ask it."""

    folders: dict[str, Path]
    question: dict[str, str]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    made = make_certificate(["localhost"])
    folder = tmp_path / "certificate"
    folder.mkdir()
    for file in made.write(folder):
        file.chmod(0o644)
    return Given(
        {"/etc/podgate/policies": ROOT / "policies", "/etc/podgate/certificate": folder},
        {"PODGATE_URL": "https://localhost:8443/validate", "PODGATE_AUTHORITY": made.authority.decode()},
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A volume for reports, the user's as fsGroup makes it."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o770)
    os.chown(folder, 0, 65532)
    folder.chmod(0o2770)
    return folder


def wait_until_healthy(container: Container, health_check: list[str]) -> None:
    wait_for(container, lambda: container.execute(*health_check).returncode == 0)


def wait_until(container: Container, reports: str) -> None:
    """Wait until podgate is ready and says that of its reports."""
    wait_for(container, lambda: f"[+]reports: {reports}\n" in container.execute("python", "-c", READY).stdout)


def wait_for(container: Container, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        assert container.process.poll() is None, container.process.communicate()
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)


def test_the_base_is_an_exact_version() -> None:
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base_name())
    assert f'org.opencontainers.image.base.name="{base_name()}"' in DOCKERFILE.read_text()


def test_what_builds_it_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(tools.BuildError, match="apt-get install buildah mmdebstrap"):
        Buildah(tmp_path)


def test_it_says_what_it_is_and_whose(built: Buildah) -> None:
    config = built.config

    assert (config["User"], config["Entrypoint"]) == ("65532:65532", ["podgate"])
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8443/tcp"}


def test_it_serves_from_a_root_that_cannot_be_written_to(built: Buildah, root: Path, given: Given) -> None:
    _, *health_check = built.config["Healthcheck"]["Test"]

    container = Container(root, built.config, SERVE, read=given.folders)
    try:
        wait_until_healthy(container, health_check)
        answer = container.execute("python", "-c", ASK, **given.question)
        written = container.execute("python", "-c", "open('/opt/podgate/x', 'w')")
        status = (Path("/proc") / str(container.process.pid) / "status").read_text()
    finally:
        code, log, errors = container.end(END_SECONDS)

    assert answer.stdout.startswith("denied: "), answer.stderr
    assert '"nginx:latest" must have the tag of an exact version' in answer.stdout
    assert "Read-only file system" in written.stderr
    assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.MULTILINE)
    assert (code, json.loads(log)["verdict"]) == (0, "denied"), errors


def test_a_report_is_imported_into_the_volume_while_it_serves(
    built: Buildah, root: Path, given: Given, store: Path
) -> None:
    container = Container(root, built.config, SERVE, read=given.folders, written={"/var/lib/podgate": store})
    try:
        wait_until(container, "none: there is no store at /var/lib/podgate/reports.db yet")
        imported = container.execute("podgate", "report", "import", "-", stdin=REPORT.read_text())
        wait_until(container, "held: 1")
    finally:
        container.end(END_SECONDS)

    assert imported.returncode == 0, imported.stderr


def test_a_store_that_is_renamed_into_place_is_read_from_a_volume_that_cannot_be_written_to(
    built: Buildah, root: Path, given: Given, store: Path
) -> None:
    elsewhere = store.parent / "elsewhere.db"
    podgate("report", "import", str(REPORT), f"--reports={elsewhere}").check_returncode()
    container = Container(root, built.config, SERVE, read={**given.folders, "/var/lib/podgate": store})
    try:
        wait_until(container, "none: there is no store at /var/lib/podgate/reports.db yet")
        shutil.copyfile(elsewhere, store / "reports.db.new")
        (store / "reports.db.new").rename(store / "reports.db")
        wait_until(container, "held: 1")
        refused = container.execute("podgate", "report", "import", "-", stdin=REPORT.read_text())
    finally:
        container.end(END_SECONDS)

    assert refused.returncode != 0
    assert sorted(path.name for path in store.iterdir()) == ["reports.db"]


def test_only_what_runs_is_in_it(root: Path) -> None:
    tools_of_others = [name for name in ("pip", "pip3", "gcc", "cc", "make", "git", "curl") if found(root, name)]
    installed = {path.name for path in (root / "opt/podgate/lib/python3.13/site-packages").iterdir()}

    assert tools_of_others == []
    assert {path.name for path in (root / "opt/podgate/bin").iterdir()} == {
        "podgate",
        "python",
        "python3",
        "python3.13",
    }
    assert {"webhook", "granian"} < installed
    assert not installed & {"pip", "setuptools", "tests", "pytest"}
    assert not (root / "src").exists()


def test_nothing_of_this_machine_is_left_in_it(root: Path, built: Buildah) -> None:
    history = built.run("inspect", "--type=image", TAG)

    assert not (root / "etc/pip.conf").exists()
    assert not (root / "etc/pip-authority.pem").exists()
    assert "SSL_CERT" not in history
    assert "PIP_" not in history


def test_all_modules_are_compiled(root: Path) -> None:
    package = root / "opt/podgate/lib/python3.13/site-packages/webhook"
    modules = {module.relative_to(package) for module in package.rglob("*.py")}
    compiled = {
        file.relative_to(package).parents[1] / f"{file.name.partition('.')[0]}.py" for file in package.rglob("*.pyc")
    }

    assert modules == compiled


def test_a_setting_of_pip_reaches_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example.com/simple")
    monkeypatch.setenv("PIP_CERT", "/somewhere/ca.pem")

    lines = pip_settings().splitlines()

    assert lines[0] == "[global]"
    assert {"index-url = https://packages.example.com/simple", "cert = /etc/pip-authority.pem"} < set(lines)
    assert not [line for line in lines if "/somewhere" in line]


def test_our_own_policies_judge_it_by_its_scan(built: Buildah, registry: Registry, tmp_path: Path) -> None:
    image = f"{registry.host}/podgate:{__version__}"
    built.run("push", "--tls-verify=false", TAG, f"docker://{image}")
    trivy = Trivy(tmp_path, read_advisories())
    clean = trivy.scan(image, "--list-all-pkgs")
    trivy.update(read_advisories().with_([OUTDATED]))
    vulnerable = trivy.scan(image)

    allowed, refused = judge(tmp_path / "clean", clean, image), judge(tmp_path / "vulnerable", vulnerable, image)

    report = json.loads(clean)
    packages = {
        package["Name"]
        for result in report["Results"]
        for package in result.get("Packages", [])
        if result["Type"] == "python-pkg"
    }
    assert report["Metadata"]["OS"]["Family"] == "debian"
    assert {"podgate", "granian", "cryptography"} <= packages
    assert "pip" not in packages
    assert (allowed.returncode, allowed.stderr) == (0, ""), allowed.stdout
    assert refused.returncode == 1
    assert "CVE-2099-1000" in refused.stdout


def found(root: Path, name: str) -> bool:
    """Return whether there is a program of that name."""
    folders = ("usr/local/bin", "usr/bin", "opt/podgate/bin", "usr/sbin", "usr/local/sbin")
    return any((root / folder / name).is_symlink() or (root / folder / name).exists() for folder in folders)


def judge(folder: Path, report: bytes, image: str) -> subprocess.CompletedProcess[str]:
    """Return what `podgate check` says of the chart with *image*, which *report* is of."""
    folder.mkdir()
    store = f"--reports={folder / 'reports.db'}"
    (folder / "report.json").write_bytes(report)
    repository, _, tag = image.rpartition(":")
    manifests = folder / "podgate.yaml"
    manifests.write_text(
        yaml.safe_dump_all(render({"image": {"repository": repository, "tag": tag}}, namespace="gate"))
    )
    podgate("report", "import", str(folder / "report.json"), store).check_returncode()
    return podgate("check", str(manifests), store, f"--policies={ROOT / 'policies'}")


def podgate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webhook", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
