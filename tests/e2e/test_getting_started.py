"""docs/getting-started.md is true: every command, in order, in a shell, and all that they print."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.advisories import read_advisories
from tests.e2e.cluster import Cluster
from tests.e2e.images import Image, Package, debian
from tests.e2e.registry import Registry
from tests.e2e.trivy import Trivy
from tests.e2e.walkthrough import Shell, Step, difference, read_steps
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/getting-started.md"
FOLLOW_SECONDS = 2  # podgate knows a report within that time
CALL_SECONDS = 20


@pytest.fixture
def shell(tmp_path: Path, cluster: Cluster, registry: Registry) -> Iterator[Shell]:
    """Return a shell of somebody who has podgate, Trivy, kubectl, a cluster and two images."""
    registry.push("shop/web:1.0.0", Image((debian(Package("libssl3", "openssl", "3.0.15-1~deb12u1")),)))
    registry.push("shop/web:1.0.1", Image((debian(Package("libssl3", "openssl", "3.0.17-1~deb12u3")),)))
    trivy = Trivy(tmp_path / "trivy", read_advisories())
    home, programs = tmp_path / "home", tmp_path / "bin"
    for folder in (home / "work", programs):
        folder.mkdir(parents=True)
    (programs / "trivy").symlink_to(trivy.program)
    (programs / "podgate").symlink_to(Path(sys.executable).parent / "podgate")
    kubectl = programs / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {shlex.quote(str(tools.build("controlplane")))} kubectl "$@"\n')
    kubectl.chmod(0o755)
    port, plain_port = free_ports(2)
    environment = {
        **trivy.environment,
        "PATH": f"{programs}:{os.defpath}",
        "HOME": str(home),
        "KUBECONFIG": str(cluster.kubeconfig),
        "KUBERC": "off",
    }
    loopback = "--host 127.0.0.1 --plain-host 127.0.0.1"
    stands_for = {
        "registry.example.com": registry.host,
        "192.0.2.10": "127.0.0.1",
        "podgate serve": f"podgate serve {loopback} --port {port} --plain-port {plain_port}",
        "$HOST:8443": f"$HOST:{port}",
        "localhost:8080": f"127.0.0.1:{plain_port}",
    }
    with Shell(home / "work", environment, stands_for) as running:
        yield running
    cluster.kubectl("delete", "--ignore-not-found", "validatingwebhookconfiguration", "podgate-trial")


@pytest.mark.e2e
def test_every_command_prints_what_the_page_says(shell: Shell, cluster: Cluster) -> None:
    differences = []
    for step in read_steps(PAGE.read_text()):
        code, printed = shell.run(step.commands)
        expected = 1 if step.output.startswith("Error") else 0
        if (differs := difference(step, printed)) or code != expected:
            differences.append(f"{step.commands}{differs}\nexit code {code}, expected {expected}")
        _wait_as_a_reader_would(step, shell)

    assert not differences, "\n\n".join(differences)
    assert "podgate-trial" not in cluster.kubectl("get", "validatingwebhookconfigurations").stdout


def _wait_as_a_reader_would(step: Step, shell: Shell) -> None:
    """Wait for what takes a machine a moment, and a reader longer: to read on."""
    if "podgate report import -" in step.commands:
        time.sleep(FOLLOW_SECONDS)
    if "kind: ValidatingWebhookConfiguration" in step.commands:
        deadline = time.monotonic() + CALL_SECONDS
        while "podgate refuses" not in shell.run("kubectl apply --dry-run=server -f web.yaml")[1]:
            assert time.monotonic() < deadline, "the API server does not ask podgate"
            time.sleep(0.1)


def test_what_the_readme_shows_is_from_the_page() -> None:
    page = PAGE.read_text()
    readme = (ROOT / "README.md").read_text().partition("## Scan an image")[2].partition("\n## ")[0]

    steps = read_steps(readme)

    assert steps, "the README shows nothing of it"
    for step in steps:
        assert step.commands in page
        assert step.output in page


def test_a_step_that_prints_something_else_is_noticed() -> None:
    (step,) = read_steps("```console\necho one\n```\n\n```text\none\n```\n")

    assert difference(step, "one\n") == ""
    assert difference(step, "two\n").splitlines()[-2:] == ["-one", "+two"]


def test_only_what_differs_from_run_to_run_may_differ() -> None:
    digests = [f"sha256:{digit * 64}" for digit in "ab"]
    step = Step("", f"{digests[0]}  scanned at 2026-11-24T19:00:00Z\n")

    assert difference(step, f"{digests[1]} scanned at 2027-01-01T00:00:00Z\n") == ""
    assert difference(step, f"{digests[1]} scanned at noon\n") != ""
