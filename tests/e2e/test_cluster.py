"""The test cluster is a real one, and leaves nothing behind."""

import json
import os
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.cluster import COMPONENTS, Cluster
from tests.e2e.component import ClusterError
from tests.e2e.recorder import Recorder
from tests.ports import free_ports

pytestmark = pytest.mark.e2e

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: rollout}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx}]
"""


def running(pid: int) -> bool:
    """Return whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_server_and_kubectl_have_the_pinned_version(cluster: Cluster) -> None:
    versions = json.loads(cluster.kubectl("version", "-o", "json").stdout)

    pinned = tools.kubernetes_version()
    assert (versions["serverVersion"]["gitVersion"], versions["clientVersion"]["gitVersion"]) == (pinned, pinned)


def test_pods_of_a_deployment_run(cluster: Cluster) -> None:
    cluster.create_namespace("rollout")

    cluster.apply(DEPLOYMENT)
    cluster.kubectl("rollout", "status", "deployment/web", "-n", "rollout", "--timeout=60s")

    phases = cluster.kubectl("get", "pods", "-n", "rollout", "-o", "jsonpath={.items[*].status.phase}").stdout
    assert phases == "Running Running Running"


def test_failed_command_says_what_kubectl_said(cluster: Cluster) -> None:
    with pytest.raises(ClusterError) as error:
        cluster.kubectl("get", "pod", "absent")

    assert str(error.value) == (
        'kubectl get pod absent failed with code 1:\nError from server (NotFound): pods "absent" not found\n'
    )


def test_others_than_the_administrator_may_do_nothing(cluster: Cluster) -> None:
    done = cluster.kubectl("get", "pods", "--as=jane", "--as-group=dev", check=False)

    assert 'User "jane" cannot list resource "pods"' in done.stderr


def test_registered_webhook_is_called_at_once_and_no_more_when_removed(cluster: Cluster, tmp_path: Path) -> None:
    cluster.create_namespace("called")
    pod = ("run", "web", "--image=nginx", "--dry-run=server", "-n", "called")
    with Recorder(tmp_path) as recorder:
        cluster.register_webhook(recorder.url, recorder.ca_bundle, name="recorder.podgate.io")
        cluster.kubectl(*pod)
        while_registered = len(recorder)

        cluster.unregister_webhook("recorder.podgate.io")
        cluster.kubectl(*pod)

        assert (while_registered, len(recorder)) == (1, 1)


def test_webhook_that_is_down_refuses_pods_but_not_those_of_excluded_namespaces(cluster: Cluster) -> None:
    cluster.create_namespace("refused")
    cluster.create_namespace("excluded")
    (port,) = free_ports(1)
    pod = ("run", "web", "--image=nginx", "--dry-run=server", "-n")

    cluster.register_webhook(
        f"https://127.0.0.1:{port}/", "", name="down.podgate.io", exclude_namespaces=["kube-system", "excluded"]
    )
    try:
        refused = cluster.kubectl(*pod, "refused", check=False)
        excluded = cluster.kubectl(*pod, "excluded", check=False)
    finally:
        cluster.unregister_webhook("down.podgate.io")

    assert 'failed calling webhook "down.podgate.io"' in refused.stderr
    assert excluded.returncode == 0


def test_stopped_cluster_leaves_no_process(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster:
        pids = cluster.pids
        while_running = [name for name, pid in pids.items() if running(pid)]

    assert while_running == list(COMPONENTS)
    assert [name for name, pid in pids.items() if running(pid)] == []


def test_failed_start_says_why_and_leaves_no_process(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, apiserver_flags=["--authorization-mode=Nonsense"])

    with pytest.raises(ClusterError) as error, cluster:
        pass

    assert str(error.value).startswith("kube-apiserver ended with code 1 before it was ready; the end of its log:\n")
    assert str(error.value).endswith(r'authorization-mode \"Nonsense\" is not a valid mode"')
    assert [name for name, pid in cluster.pids.items() if running(pid)] == []
