"""Pods on the small kubelet's node answer through their Service, to the API server, too."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.kubelet import Kubelet
from tests.e2e.pods import (
    PYTHON,
    SERVING,
    Object,
    deployment,
    endpoints,
    fetch,
    get,
    new_namespace,
    pod,
    python,
    ready_when,
    service,
    until,
    worker,
)
from tests.e2e.registration import SYSTEM_NAMESPACES, configuration, workload_rules
from webhook.server.certificate import SelfSigned, make_certificate

pytestmark = pytest.mark.e2e

PODGATE = {
    "name": "app",
    "image": "python",
    "command": [PYTHON, "-m", "webhook", "serve"],
    "args": [
        "--policies=/policies",
        "--tls-cert=/tls/tls.crt",
        "--tls-key=/tls/tls.key",
        "--reports=/scratch/reports.db",
    ],
    # Not /tmp: the project, and its Python with it, may be below that.
    "env": [{"name": "TMPDIR", "value": "/scratch"}],
    "readinessProbe": ready_when({"httpGet": {"path": "/readyz", "port": 8080}}),
    "securityContext": {"runAsUser": 10001, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
    "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in ("policies", "tls", "scratch")],
}
# Asks often enough that each of two endpoints is chosen, but for one time in 500,000.
ASKING = """
import urllib.request
for _ in range(20):
    print(urllib.request.urlopen("http://app.{namespace}.svc/host", timeout=5).read().decode(), flush=True)
"""


@pytest.fixture(scope="module")
def kubelet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    with worker(cluster, tmp_path_factory.mktemp("kubelet")) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    with new_namespace(cluster, request.node.name) as name:
        yield name


def test_replicas_become_ready_and_answer_at_the_addresses_of_their_service(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    cluster.apply(service(namespace, 80, 8000))

    cluster.apply(deployment(kubelet, namespace, SERVING))
    cluster.kubectl("rollout", "status", "deployment/app", "-n", namespace, "--timeout=60s")

    pods = {each["status"]["podIP"]: each["metadata"]["name"] for each in get(cluster, namespace)}
    until(lambda: endpoints(cluster, namespace) == set(pods), "in the EndpointSlice")
    assert len(pods) == 2
    assert {address: fetch(address, "/host") for address in pods} == pods


def test_pod_reaches_all_endpoints_by_the_name_of_their_service(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    cluster.apply(service(namespace, 80, 8000))
    cluster.apply(deployment(kubelet, namespace, SERVING))
    cluster.kubectl("rollout", "status", "deployment/app", "-n", namespace, "--timeout=60s")
    serving = {each["metadata"]["name"] for each in get(cluster, namespace)}
    until(lambda: len(endpoints(cluster, namespace)) == 2, "in the EndpointSlice")
    client = pod(kubelet, namespace, python(ASKING.format(namespace=namespace)), restartPolicy="Never")
    client["metadata"] |= {"name": "client", "labels": {}}

    cluster.apply(client)
    ended = ("--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    cluster.kubectl("wait", "-n", namespace, *ended, "pod/client")

    assert set(kubelet.log(namespace, "client", "app").split()) == serving


def podgate(cluster: Cluster, kubelet: Kubelet, namespace: str, certificate: SelfSigned) -> Object:
    """Make what podgate reads, and its Service; return its Deployment."""
    of = {"namespace": namespace}
    keys = {"tls.crt": certificate.certificate.decode(), "tls.key": certificate.key.decode()}
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls", **of}, "stringData": keys})
    shipped = {each.name: each.read_text() for each in (Path(__file__).parents[2] / "policies").glob("*.yaml")}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "policies", **of}, "data": shipped})
    cluster.apply(service(namespace, 443, 8443))
    replica = deployment(kubelet, namespace, PODGATE)
    replica["spec"]["template"]["spec"]["volumes"] = [
        {"name": "policies", "configMap": {"name": "policies"}},
        {"name": "tls", "secret": {"secretName": "tls"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    return replica


def test_webhook_is_called_through_its_service_at_the_pods(cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
    certificate = make_certificate([f"app.{namespace}.svc"])
    cluster.apply(podgate(cluster, kubelet, namespace, certificate))
    cluster.kubectl("rollout", "status", "deployment/app", "-n", namespace, "--timeout=60s")
    until(lambda: len(endpoints(cluster, namespace)) == 2, "in the EndpointSlice")
    webhook = {
        "clientConfig": {
            "service": {"name": "app", "namespace": namespace, "path": "/validate"},
            "caBundle": base64.b64encode(certificate.authority).decode(),
        },
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        "rules": workload_rules(),
    }
    excluded = [*SYSTEM_NAMESPACES, namespace]
    cluster.create_namespace(f"{namespace}-user")

    def create() -> str:
        command = ("run", "bad", "--image=nginx:latest", "-n", f"{namespace}-user", "--dry-run=server")
        return cluster.kubectl(*command, check=False).stderr

    cluster.apply(configuration("service.podgate.io", webhook, excluded, "service"))
    try:
        until(lambda: "image-pinned" in create(), "refused")
        refused = [create() for _ in range(8)]
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", "service.podgate.io")

    assert [each for each in refused if "(supply-chain/image-pinned)" not in each] == []
    answered = [kubelet.log(namespace, each["metadata"]["name"], "app") for each in get(cluster, namespace)]
    assert ['"verdict":"denied"' in log for log in answered] == [True, True]
