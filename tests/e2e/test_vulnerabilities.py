"""Images in a registry, real Trivy, `podgate report import`, a real API server: what a scan found decides what runs."""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.advisories import Advisory, read_advisories
from tests.e2e.cluster import Cluster
from tests.e2e.gate import Gate
from tests.e2e.images import Files, Image, Package, debian, python
from tests.e2e.registry import Registry
from webhook.model.image import parse_image

pytestmark = pytest.mark.e2e

FOLLOW_SECONDS = 2  # a change of the store is known within that time
WEBHOOK = "vulnerabilities.podgate.io"
POLICIES = """
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {name: scanned}
spec:
  checks:
    image-vulnerabilities: {max: {critical: 0}, maxReportAge: 7d}
---
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {name: non-root}
spec:
  match: {namespaces: {include: [non-root]}}
  checks:
    run-as-non-root: {imageUser: true}
"""
INSTALLED, FIXED = "3.0.15-1~deb12u1", "3.0.17-1~deb12u3"
VULNERABLE: Files = debian(Package("libssl3", "openssl", INSTALLED))
CLEAN: Files = debian(Package("libssl3", "openssl", FIXED))


@pytest.fixture(scope="module")
def gate(cluster: Cluster, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(tmp_path_factory.mktemp("gate"), registry, cluster, POLICIES) as running:
        cluster.register_webhook(running.url, running.ca_bundle, name=WEBHOOK)
        yield running
        cluster.unregister_webhook(WEBHOOK)


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = f"v{abs(hash(request.node.name)) % 10**8}"
    cluster.create_namespace(name)
    return name


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Return why the API server refused, in podgate's words."""
    assert done.returncode == 1, done.stdout
    start = (
        f'Error from server (Forbidden): error when creating "STDIN": admission webhook "{WEBHOOK}" denied the request'
    )
    assert done.stderr.startswith(f"{start}: "), done.stderr
    return done.stderr.removeprefix(f"{start}: ").removesuffix("\n")


def created(done: subprocess.CompletedProcess[str]) -> bool:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout == "pod/app created\n"


def scan_of(report: dict[str, Any], gate: Gate) -> str:
    """Return how a verdict tells of the scan: when it was made, and with the database of when."""
    database = json.loads(gate.trivy.database.read_bytes())["VulnerabilityDB"]["UpdatedAt"]
    times = [each[:19] + "Z" for each in (report["CreatedAt"], database)]
    return f"scanned at {times[0]} with the vulnerability database of {times[1]}"


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_vulnerable_image_is_refused_with_what_to_upgrade(gate: Gate, namespace: str, by: str) -> None:
    tag, pinned = gate.push("shop/web:1.0.0", Image((VULNERABLE, python("Flask", "2.2.2"))))
    report = gate.scan(tag)
    image = tag if by == "tag" else pinned
    digest = pinned.partition("@")[2]

    done = gate.create(namespace, image)

    scan = scan_of(report, gate)
    which = f"the tag stood for {digest} when {scan}" if by == "tag" else f"{digest} was {scan}"
    assert refusal(done).splitlines() == [
        "podgate refuses Pod app: 1 violation",
        (
            f'  spec.containers[0].image: "{image}" must have at most 0 critical vulnerabilities, not 1 ({which}) '
            "(scanned/image-vulnerabilities)"
        ),
        f"    critical CVE-2099-0001: libssl3 {INSTALLED}, fixed in {FIXED}",
        "to fix:",
        (
            f"  upgrade libssl3 to {FIXED} in the image, push it as NEW, scan it (trivy image --scanners vuln"
            f" --format json --platform linux/amd64 {parse_image(image).name}:NEW | podgate report import -),"
            " and set spec.containers[0].image to it"
        ),
    ]
    assert "NotFound" in gate.cluster.kubectl("get", "-n", namespace, "pod/app", check=False).stderr


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_clean_image_is_created(gate: Gate, namespace: str, by: str) -> None:
    tag, pinned = gate.push("shop/web:1.0.1", Image((CLEAN, python("Flask", "2.2.5"))))
    gate.scan(tag)

    assert created(gate.create(namespace, tag if by == "tag" else pinned))


def test_the_verdict_follows_an_advisory_once_the_image_is_scanned_again(gate: Gate, namespace: str) -> None:
    tag, pinned = gate.push("shop/following:1", Image((CLEAN,), created="2026-11-02T00:00:00Z"))
    gate.scan(tag)
    assert created(gate.create(namespace, tag))

    gate.trivy.update(read_advisories().replaced("CVE-2099-0001", fixed="3.0.99-1"))
    gate.scan(tag)
    refused = [refusal(gate.create(namespace, image, "second")) for image in (tag, pinned)]

    assert all(f"critical CVE-2099-0001: libssl3 {FIXED}, fixed in 3.0.99-1" in each for each in refused)
    gate.trivy.update(read_advisories())
    gate.scan(tag)
    gate.cluster.kubectl("delete", "-n", namespace, "--now", "pod/app")
    assert created(gate.create(namespace, pinned))


def test_an_image_that_was_never_scanned_is_refused(gate: Gate, namespace: str) -> None:
    tag, pinned = gate.push("shop/unscanned:1", Image((CLEAN,), created="2026-11-03T00:00:00Z"))

    refused = [refusal(gate.create(namespace, image)) for image in (tag, pinned)]

    assert f'"{tag}" must have been scanned: no report names this tag' in refused[0]
    digest = pinned.partition("@")[2]
    assert f'"{pinned}" must have been scanned: there is no report of {digest}' in refused[1]
    command = f"trivy image --scanners vuln --format json --platform linux/amd64 {tag} | podgate report import -"
    assert f"  scan it: {command}" in refused[0]
    gate.scan(tag)
    assert created(gate.create(namespace, pinned))


def test_an_image_without_a_package_database_is_not_clean(gate: Gate, namespace: str) -> None:
    files = {path: text for path, text in CLEAN.items() if "dpkg" not in path}
    tag, _ = gate.push("shop/stripped:1", Image((files,)))
    gate.scan(tag)

    refused = refusal(gate.create(namespace, tag))

    assert f'"{tag}" must be an image that can be scanned: ' in refused
    assert gate.record(namespace)["evidence"][0]["state"] == "unscannable"


def test_a_scan_of_another_platform_does_not_count(gate: Gate, namespace: str) -> None:
    arm = Image((CLEAN,), architecture="arm64")
    tag, pinned = gate.push("shop/multi:1", Image((CLEAN, {"app": "amd64"})), arm)
    gate.scan(tag, "--platform=linux/arm64")

    refused = refusal(gate.create(namespace, pinned))

    digest = pinned.partition("@")[2]
    assert f"must have been scanned for linux/amd64: {digest} was for linux/arm64 only" in refused
    gate.scan(tag, "--platform=linux/amd64")
    assert created(gate.create(namespace, pinned))


def test_a_scan_with_an_old_database_is_stale_until_it_is_made_with_a_new_one(gate: Gate, namespace: str) -> None:
    tag, _ = gate.push("shop/stale:1", Image((CLEAN, {"app": "stale"})))
    gate.trivy.update(read_advisories(), datetime.now(UTC) - timedelta(days=8))
    report = gate.scan(tag)

    refused = refusal(gate.create(namespace, tag))

    assert f'"{tag}" must have been scanned within 7d: ' in refused
    assert scan_of(report, gate) in refused
    gate.trivy.update(read_advisories())
    gate.scan(tag)
    assert created(gate.create(namespace, tag))


def test_the_message_has_the_worst_ten_and_the_log_has_all(gate: Gate, namespace: str) -> None:
    more = [Advisory(f"CVE-2099-3{number:03}", "debian 12", "expat", "CRITICAL", fixed="9") for number in range(12)]
    gate.trivy.update(read_advisories().with_(more))
    tag, pinned = gate.push("shop/many:1", Image((debian(Package("libexpat1", "expat", "2.5.0-1")),)))
    report = gate.scan(tag)
    gate.trivy.update(read_advisories())

    lines = refusal(gate.create(namespace, tag)).splitlines()

    assert sum("critical CVE-2099-3" in line for line in lines) == 10
    assert "    and 2 more, in the denial log" in lines
    record = gate.record(namespace)
    (violation,) = record["violations"]
    assert [each["id"] for each in violation["vulnerabilities"]] == [each.id for each in more]
    (evidence,) = record["evidence"]
    assert (evidence["state"], evidence["byTag"]) == ("scanned", True)
    assert (evidence["digest"], evidence["report"]) == (pinned.partition("@")[2], report["ReportID"])


def test_a_tag_that_moved_stands_for_what_it_was_scanned_as_last(gate: Gate, namespace: str) -> None:
    tag, first = gate.push("shop/moving:1", Image((VULNERABLE, {"app": "first"})))
    gate.scan(tag)
    _, second = gate.push("shop/moving:1", Image((CLEAN, {"app": "second"})))

    moved = refusal(gate.create(namespace, tag))
    gate.scan(tag)

    assert f"the tag stood for {first.partition('@')[2]} when scanned" in moved
    assert created(gate.create(namespace, tag))
    assert f"{first.partition('@')[2]} was scanned" in refusal(gate.create(namespace, first, "old"))
    gate.cluster.kubectl("delete", "-n", namespace, "--now", "pod/app")
    assert created(gate.create(namespace, second))


def test_images_of_init_and_ephemeral_containers_count_too(gate: Gate, namespace: str) -> None:
    bad, _ = gate.push("shop/tool:1", Image((VULNERABLE, {"app": "tool"})))
    good, _ = gate.push("shop/tool:2", Image((CLEAN, {"app": "tool"})))
    gate.scan(bad)
    gate.scan(good)
    spec = {"initContainers": [{"name": "init", "image": bad}], "containers": [{"name": "app", "image": good}]}
    metadata = {"name": "init", "namespace": namespace}
    debug = ("debug", "-n", namespace, "app", "--profile=restricted", "--attach=false", f"--image={bad}")

    refused = refusal(gate.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    assert created(gate.create(namespace, good))
    debugged = gate.cluster.kubectl(*debug, check=False)

    assert f'  spec.initContainers[0].image: "{bad}" must have at most 0 critical' in refused
    assert debugged.returncode == 1
    assert f'spec.ephemeralContainers[0].image: "{bad}" must have at most 0 critical' in debugged.stderr


def test_a_truncated_report_is_an_error_and_changes_no_verdict(gate: Gate, namespace: str) -> None:
    tag, _ = gate.push("shop/truncated:1", Image((CLEAN, {"app": "truncated"})))
    gate.scan(tag)
    gate.trivy.update(read_advisories().replaced("CVE-2099-0001", fixed="3.0.99-1"))

    done = gate.import_report(gate.trivy.scan(tag)[:-100])

    gate.trivy.update(read_advisories())
    assert done.returncode == 1
    assert done.stderr.startswith(b"standard input: ")
    time.sleep(FOLLOW_SECONDS)
    assert created(gate.create(namespace, tag))


def test_a_deployment_rolls_out_once_its_image_is_fixed(gate: Gate, namespace: str) -> None:
    bad, _ = gate.push("shop/rolling:1", Image((VULNERABLE, {"app": "rolling"})))
    good, _ = gate.push("shop/rolling:2", Image((CLEAN, {"app": "rolling"})))
    gate.scan(bad)
    gate.scan(good)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": bad}]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    metadata = {"name": "web", "namespace": namespace}

    warned = gate.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    limit = ("-n", namespace, "deployment/web", "--timeout=60s")
    gate.cluster.kubectl("wait", "--for=condition=ReplicaFailure", *limit)
    mended = gate.cluster.kubectl("set", "image", "-n", namespace, "deployment/web", f"app={good}")
    gate.cluster.kubectl("rollout", "status", *limit)

    assert warned.returncode == 0, warned.stderr
    assert f'Warning: spec.template.spec.containers[0].image: "{bad}" must have at most 0 critical' in warned.stderr
    assert mended.stderr == ""
    reasons = {(each["kind"], each["verdict"]) for each in gate.records() if each["namespace"] == namespace}
    assert reasons == {("Deployment", "warned"), ("ReplicaSet", "warned"), ("Pod", "denied")}


NAMED = 'is "app", which is not a number and can be root by another name'


@pytest.mark.parametrize(("user", "doubt"), [("10001:10001", ""), ("app", NAMED), ("", "is root")])
def test_a_numeric_user_of_the_image_will_do_for_run_as_non_root(
    gate: Gate, cluster: Cluster, user: str, doubt: str
) -> None:
    cluster.create_namespace("non-root")
    _, pinned = gate.push(f"shop/user:{user.partition(':')[0] or 'none'}", Image((CLEAN, {"app": "user"}), user=user))
    gate.scan(pinned)

    done = gate.create("non-root", pinned)

    if not doubt:
        assert created(done)
        return
    required = "securityContext.runAsNonRoot: must be true, here or in spec.securityContext"
    reason = f"the user of {pinned.partition('@')[2]} {doubt}"
    assert f"{required}: {reason} (non-root/run-as-non-root)" in refusal(done)


def test_the_metrics_tell_how_many_reports_are_held_and_what_was_known(gate: Gate, namespace: str) -> None:
    unscanned = 'podgate_evidence_lookups_total{state="unscanned"}'
    before = gate.metric("podgate_reports"), gate.metric(unscanned)
    tag, _ = gate.push("shop/counted:1", Image((CLEAN, {"app": "counted"})))

    refusal(gate.create(namespace, tag))
    gate.scan(tag)

    assert (gate.metric("podgate_reports"), gate.metric(unscanned)) == (before[0] + 1, before[1] + 1)
    assert gate.metric("podgate_report_store_readable") == 1
