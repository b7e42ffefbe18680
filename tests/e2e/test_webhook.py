"""podgate behind a real API server, with real kubectl and failurePolicy Fail: what users see, line by line."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.e2e.cluster import Cluster
from tests.served import Served

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/denial-log.schema.json").read_text())
PINNED = "registry.example.com/shop/app:1.4.2"
NON_ROOT = {"runAsNonRoot": True, "runAsUser": 10001}
BAD_CONTAINER = {"name": "app", "image": "nginx:latest", "securityContext": {"runAsUser": 0}}
GOOD_CONTAINER = {"name": "app", "image": PINNED, "securityContext": NON_ROOT}
POLICY = {
    "apiVersion": "podgate.io/v1",
    "kind": "ClusterPolicy",
    "metadata": {"name": "enforced-for-controllers"},
    "spec": {
        "controllers": "enforce",
        "match": {"namespaces": {"include": ["strict-*"]}},
        "checks": {"image-pinned": {}, "run-as-non-root": {}},
    },
}
REASONS = (
    (
        'spec.containers[0].image: "nginx:latest" must have the tag of an exact version, or a digest '
        "(supply-chain/image-pinned)"
    ),
    "spec.containers[0].securityContext.runAsUser: must not be 0, which is root (non-root/run-as-non-root)",
    (
        "spec.containers[0].securityContext.runAsNonRoot: must be true, here or in spec.securityContext "
        "(non-root/run-as-non-root)"
    ),
)
# kind, apiVersion, and the object around a pod's spec
CONTROLLERS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "Deployment": ("apps/v1", lambda spec: {"spec": {"replicas": 1, **_selected(spec)}}),
    "ReplicaSet": ("apps/v1", lambda spec: {"spec": {"replicas": 1, **_selected(spec)}}),
    "StatefulSet": ("apps/v1", lambda spec: {"spec": {"replicas": 1, "serviceName": "app", **_selected(spec)}}),
    "DaemonSet": ("apps/v1", lambda spec: {"spec": _selected(spec)}),
    "Job": ("batch/v1", lambda spec: {"spec": {"template": {"spec": {**spec, "restartPolicy": "Never"}}}}),
    "CronJob": (
        "batch/v1",
        lambda spec: {
            "spec": {
                "schedule": "0 0 1 1 *",
                "jobTemplate": {"spec": {"template": {"spec": {**spec, "restartPolicy": "Never"}}}},
            }
        },
    ),
    "ReplicationController": (
        "v1",
        lambda spec: {
            "spec": {
                "replicas": 1,
                "selector": {"app": "app"},
                "template": {"metadata": {"labels": {"app": "app"}}, "spec": spec},
            }
        },
    ),
    "PodTemplate": ("v1", lambda spec: {"template": {"metadata": {"labels": {"app": "app"}}, "spec": spec}}),
}
MUTABLE_TEMPLATE = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "CronJob", "ReplicationController")


def _selected(spec: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": "app"}
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}


def workload(kind: str, namespace: str, container: dict[str, Any], name: str = "app") -> dict[str, Any]:
    version, around = CONTROLLERS[kind]
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **around({"containers": [container]})}


def pod(namespace: str, container: dict[str, Any], name: str = "app", **metadata: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("podgate")
    with Served(folder, "--cluster=e2e") as running:
        (running.policies / "controllers.yaml").write_text(json.dumps(POLICY))
        running.wait_until(lambda: running.metric("podgate_policies") == 3, "loaded again", 5)
        yield running


@pytest.fixture
def registered(cluster: Cluster, served: Served) -> Iterator[Callable[[], None]]:
    """Return what registers the webhook: objects that were there before are made before it is called."""
    yield lambda: cluster.register_webhook(served.url, served.ca_bundle)
    cluster.unregister_webhook()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    cluster.create_namespace(name)
    return name


@pytest.fixture
def strict(cluster: Cluster, namespace: str) -> str:
    cluster.create_namespace(f"strict-{namespace}")
    return f"strict-{namespace}"


def create(cluster: Cluster, manifest: dict[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
    return cluster.kubectl("create", "-f", "-", *flags, stdin=json.dumps(manifest), check=False)


def patch(cluster: Cluster, namespace: str, what: str, change: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Change an object itself, by a merge patch: a plain UPDATE, which the webhook sees."""
    flags = ("--type=merge", "-p", json.dumps(change))
    return cluster.kubectl("patch", "-n", namespace, what, *flags, check=False)


def eventually(seen: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the first true thing that *seen* returns."""
    deadline = time.monotonic() + seconds
    while not (found := seen()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found, f"not seen within {seconds} s"
    return found


def records_of(served: Served, namespace: str) -> list[dict[str, Any]]:
    """Return the denial log's lines about *namespace*, each checked against the published schema."""
    records = [record for record in served.records() if record["namespace"] == namespace]
    for record in records:
        jsonschema.validate(record, SCHEMA)
    return records


def test_a_pinned_non_root_pod_is_created(
    cluster: Cluster, served: Served, namespace: str, registered: Callable[[], None]
) -> None:
    registered()

    done = create(cluster, pod(namespace, GOOD_CONTAINER))

    assert done.returncode == 0, done.stderr
    assert done.stdout == "pod/app created\n"
    assert done.stderr == ""
    assert records_of(served, namespace) == []


def test_a_latest_root_pod_is_refused_with_all_reasons_in_one_message(
    cluster: Cluster, served: Served, namespace: str, registered: Callable[[], None]
) -> None:
    registered()

    done = create(cluster, pod(namespace, BAD_CONTAINER))

    assert done.returncode == 1
    assert "Error from server (Forbidden)" in done.stderr
    assert 'admission webhook "validate.podgate.io" denied the request: podgate refuses Pod app' in done.stderr
    for reason in REASONS:
        assert reason in done.stderr
    assert "set spec.containers[0].image to nginx:<major>.<minor>.<patch>" in done.stderr
    (record,) = records_of(served, namespace)
    assert (record["verdict"], record["cluster"], record["user"], record["dryRun"]) == ("denied", "e2e", "admin", False)
    assert len(record["violations"]) == len(REASONS)
    missing = cluster.kubectl("get", "-n", namespace, "pod/app", check=False)
    assert "NotFound" in missing.stderr


def test_a_deployment_is_warned_and_its_replica_set_shows_why_no_pod_comes(
    cluster: Cluster, served: Served, namespace: str, registered: Callable[[], None]
) -> None:
    registered()

    done = create(cluster, workload("Deployment", namespace, BAD_CONTAINER))

    assert done.returncode == 0, done.stderr
    template = "spec.template.spec.containers[0]"
    assert f'Warning: {template}.image: "nginx:latest" must have the tag of an exact version' in done.stderr
    assert f"Warning: {template}.securityContext.runAsUser: must not be 0, which is root" in done.stderr
    event = eventually(lambda: _failed_create(cluster, namespace))
    assert "podgate refuses Pod app-" in event
    for reason in REASONS:
        assert reason in event
    verdicts = {(record["kind"], record["verdict"]) for record in records_of(served, namespace)}
    assert ("Deployment", "warned") in verdicts
    denied = next(record for record in records_of(served, namespace) if record["verdict"] == "denied")
    assert (denied["kind"], denied["owner"]["kind"]) == ("Pod", "ReplicaSet")
    assert denied["user"] == "system:serviceaccount:kube-system:replicaset-controller"


def _failed_create(cluster: Cluster, namespace: str) -> str:
    flags = ("--field-selector=reason=FailedCreate,involvedObject.kind=ReplicaSet", "-o", "json")
    events = json.loads(cluster.kubectl("get", "events", "-n", namespace, *flags).stdout)["items"]
    return next((event["message"] for event in events), "")


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_a_template_is_warned_about_or_refused_as_the_policy_says(
    cluster: Cluster, namespace: str, strict: str, registered: Callable[[], None], kind: str
) -> None:
    registered()
    path = {"CronJob": "spec.jobTemplate.spec.template.spec", "PodTemplate": "template.spec"}

    warned = create(cluster, workload(kind, namespace, BAD_CONTAINER))
    refused = create(cluster, workload(kind, strict, BAD_CONTAINER))
    accepted = create(cluster, workload(kind, strict, GOOD_CONTAINER))

    where = f"{path.get(kind, 'spec.template.spec')}.containers[0].image:"
    assert warned.returncode == 0, warned.stderr
    assert f"Warning: {where}" in warned.stderr
    assert refused.returncode == 1
    assert where in refused.stderr
    assert "(enforced-for-controllers/image-pinned)" in refused.stderr
    assert accepted.returncode == 0, accepted.stderr
    assert accepted.stderr == ""


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_what_was_there_before_can_be_changed_and_deleted_but_not_to_another_violation(
    cluster: Cluster, served: Served, strict: str, registered: Callable[[], None], kind: str
) -> None:
    manifest = workload(kind, strict, BAD_CONTAINER)
    manifest["metadata"]["finalizers"] = ["example.com/kept"]
    assert create(cluster, manifest).returncode == 0
    registered()
    what = f"{kind.lower()}/app"

    relabelled = patch(cluster, strict, what, {"metadata": {"labels": {"team": "billing"}}})
    # Jobs and PodTemplates do not scale; a CronJob is suspended by the same kind of update.
    scaled = {"CronJob": {"suspend": True}, "Job": {"parallelism": 2}, "DaemonSet": {"minReadySeconds": 1}}
    changed = patch(cluster, strict, what, {"spec": scaled.get(kind, {"replicas": 2})} if kind != "PodTemplate" else {})
    dry = cluster.kubectl("annotate", "--dry-run=server", "-n", strict, what, "note=x", check=False)
    worse = _with_image(manifest, "nginx:stable")
    violating = patch(cluster, strict, what, worse)
    mended = patch(cluster, strict, what, _with_container(manifest, GOOD_CONTAINER))
    cluster.kubectl("delete", "--wait=false", "-n", strict, what)
    finalized = patch(cluster, strict, what, {"metadata": {"finalizers": None}})

    for done in (relabelled, changed, dry, finalized):
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert violating.returncode == 1
    if kind in MUTABLE_TEMPLATE or kind == "PodTemplate":
        assert '"nginx:stable" must have the tag of an exact version' in violating.stderr
        assert mended.returncode == 0, mended.stderr
    eventually(lambda: "NotFound" in cluster.kubectl("get", "-n", strict, what, check=False).stderr)
    mine = [record for record in records_of(served, strict) if record["kind"] == kind]
    refusals = 1 if kind in MUTABLE_TEMPLATE or kind == "PodTemplate" else 0
    assert [record["operation"] for record in mine if record["verdict"] == "denied"] == ["UPDATE"] * refusals


def _with_image(manifest: dict[str, Any], image: str) -> dict[str, Any]:
    return _with_container(manifest, {**BAD_CONTAINER, "image": image})


def _with_container(manifest: dict[str, Any], container: dict[str, Any]) -> dict[str, Any]:
    """Return the merge patch that gives the template in *manifest* this one container."""
    spec = {"spec": {"containers": [container]}}
    if manifest["kind"] == "PodTemplate":
        return {"template": spec}
    if manifest["kind"] == "CronJob":
        return {"spec": {"jobTemplate": {"spec": {"template": spec}}}}
    return {"spec": {"template": spec}}


def test_a_deployment_from_before_scales_by_kubectl_and_its_new_pods_are_judged(
    cluster: Cluster, served: Served, strict: str, registered: Callable[[], None]
) -> None:
    assert create(cluster, workload("Deployment", strict, BAD_CONTAINER)).returncode == 0
    cluster.kubectl("rollout", "status", "-n", strict, "deployment/app", "--timeout=60s")
    registered()

    up = cluster.kubectl("scale", "-n", strict, "deployment/app", "--replicas=3", check=False)
    event = eventually(lambda: _failed_create(cluster, strict))
    down = cluster.kubectl("scale", "-n", strict, "deployment/app", "--replicas=0", check=False)

    assert up.returncode == 0, up.stderr
    assert "podgate refuses Pod app-" in event
    assert down.returncode == 0, down.stderr
    eventually(lambda: not cluster.kubectl("get", "pods", "-n", strict, "-o", "name").stdout)
    assert {record["kind"] for record in records_of(served, strict) if record["verdict"] == "denied"} == {"Pod"}


def test_kubectl_debug_with_a_bad_ephemeral_container_is_refused(
    cluster: Cluster, served: Served, namespace: str, registered: Callable[[], None]
) -> None:
    registered()
    assert create(cluster, pod(namespace, GOOD_CONTAINER)).returncode == 0
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/app", "--timeout=60s")
    debug = ("debug", "-n", namespace, "app", "--profile=restricted", "--attach=false")

    refused = cluster.kubectl(*debug, "--image=busybox", "-c", "bad", check=False)
    accepted = cluster.kubectl(*debug, "--image=busybox:1.37.0", "-c", "good", check=False)

    assert refused.returncode == 1
    assert 'spec.ephemeralContainers[0].image: "busybox" must have the tag of an exact version' in refused.stderr
    assert accepted.returncode == 0, accepted.stderr
    (record,) = records_of(served, namespace)
    assert (record["operation"], record["subresource"]) == ("UPDATE", "ephemeralcontainers")


def test_a_violating_pod_from_before_takes_label_and_finalizer_updates_and_can_be_deleted(
    cluster: Cluster, served: Served, namespace: str, registered: Callable[[], None]
) -> None:
    assert create(cluster, pod(namespace, BAD_CONTAINER, finalizers=["example.com/kept"])).returncode == 0
    registered()

    done = [
        cluster.kubectl("label", "-n", namespace, "pod/app", "team=billing", check=False),
        patch(cluster, namespace, "pod/app", {"metadata": {"finalizers": ["example.com/kept", "example.com/more"]}}),
        cluster.kubectl("delete", "--wait=false", "--now", "-n", namespace, "pod/app", check=False),
        patch(cluster, namespace, "pod/app", {"metadata": {"finalizers": None}}),
    ]

    assert [each.returncode for each in done] == [0, 0, 0, 0], [each.stderr for each in done]
    eventually(lambda: "NotFound" in cluster.kubectl("get", "-n", namespace, "pod/app", check=False).stderr)
    assert records_of(served, namespace) == []


def test_changing_a_pods_image_to_a_violating_one_is_refused(
    cluster: Cluster, served: Served, namespace: str, registered: Callable[[], None]
) -> None:
    registered()
    assert create(cluster, pod(namespace, GOOD_CONTAINER)).returncode == 0

    done = cluster.kubectl("set", "image", "-n", namespace, "pod/app", "app=nginx:latest", check=False)

    assert done.returncode == 1
    assert '"nginx:latest" must have the tag of an exact version' in done.stderr
    assert [record["operation"] for record in records_of(served, namespace)] == ["UPDATE"]


@pytest.mark.parametrize("kind", ["Pod", *CONTROLLERS])
def test_a_dry_run_leaves_no_trace_but_its_line(
    cluster: Cluster, served: Served, strict: str, registered: Callable[[], None], kind: str
) -> None:
    registered()
    manifest = pod(strict, BAD_CONTAINER) if kind == "Pod" else workload(kind, strict, BAD_CONTAINER)

    done = create(cluster, manifest, "--dry-run=server")

    assert done.returncode == 1
    assert "podgate refuses" in done.stderr
    (record,) = records_of(served, strict)
    assert (record["kind"], record["verdict"], record["dryRun"]) == (kind, "denied", True)
    assert cluster.kubectl("get", kind.lower(), "-n", strict, "-o", "name").stdout == ""
    assert cluster.kubectl("get", "events", "-n", strict, "-o", "name").stdout == ""


def test_an_exception_for_a_deployment_excuses_its_pods_until_it_ends(
    cluster: Cluster, served: Served, namespace: str, registered: Callable[[], None]
) -> None:
    registered()
    file = served.policies / f"{namespace}.yaml"
    file.write_text(
        f"""
        apiVersion: podgate.io/v1
        kind: PolicyException
        metadata: {{name: legacy, namespace: {namespace}}}
        spec:
          match: {{kinds: [Deployment], names: [legacy-*]}}
          checks: [image-pinned, run-as-non-root]
          until: 2099-01-31T00:00:00Z
          reason: waiting for the vendor
          owner: team-billing
        """.replace("\n        ", "\n")
    )
    served.wait_until(lambda: served.metric("podgate_policy_exceptions") == 1, "loaded again", 5)

    done = create(cluster, workload("Deployment", namespace, BAD_CONTAINER, "legacy-billing"))

    assert (done.returncode, done.stderr) == (0, "")
    cluster.kubectl("rollout", "status", "-n", namespace, "deployment/legacy-billing", "--timeout=60s")
    record = next(record for record in records_of(served, namespace) if record["kind"] == "Pod")
    assert record["verdict"] == "excused"
    assert record["excused"][0]["exception"]["name"] == "legacy"
    forged = pod(namespace, BAD_CONTAINER, "legacy-billing-forged")
    assert create(cluster, forged).returncode == 1
    file.unlink()
    served.wait_until(lambda: served.metric("podgate_policy_exceptions") == 0, "loaded again", 5)


def test_with_podgate_down_a_pod_is_refused_under_fail(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        cluster.register_webhook(served.url, served.ca_bundle, name="down.podgate.io", timeout=2)
    try:
        done = create(cluster, pod(namespace, GOOD_CONTAINER))

        assert done.returncode == 1
        assert 'failed calling webhook "down.podgate.io"' in done.stderr
    finally:
        cluster.unregister_webhook("down.podgate.io")
