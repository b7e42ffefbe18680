"""How pods on the small kubelet's node live and end, and that nothing of them stays."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.kubelet import ImageRoot, Kubelet, network
from tests.e2e.pods import (
    ENDED,
    PYTHON,
    SCRATCH,
    SERVER,
    SERVING,
    STATE,
    Object,
    children,
    endpoints,
    fetch,
    get,
    inside,
    lines,
    new_namespace,
    pod,
    python,
    ready_when,
    service,
    start,
    status,
    until,
    worker,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def kubelet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    with worker(cluster, tmp_path_factory.mktemp("kubelet")) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    with new_namespace(cluster, request.node.name) as name:
        yield name


def test_pre_stop_sleep_delays_sigterm_and_the_pod_still_answers(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    cluster.apply(service(namespace, 80, 8000))
    hook = {"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
    start(cluster, kubelet, namespace, {**SERVING, **hook}, terminationGracePeriodSeconds=20)
    (address,) = until(lambda: endpoints(cluster, namespace), "in the EndpointSlice")

    asked = time.time()
    cluster.kubectl("delete", "pod", "app", "-n", namespace, "--wait=false")
    until(lambda: not endpoints(cluster, namespace), "out of the EndpointSlice", seconds=2)
    answer = fetch(address, "/host")
    cluster.kubectl("wait", "-n", namespace, "--for=delete", "pod/app", "--timeout=20s")

    (ended,) = map(float, lines(kubelet, namespace, "asked"))
    assert answer == "app"
    assert 2.9 < ended - asked < 5
    assert time.time() - asked < 8


def test_process_that_ignores_sigterm_is_killed_when_its_time_is_over(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    code = "import time; print('runs', flush=True); time.sleep(600)"  # as process 1 it gets no signal that it ignores
    start(cluster, kubelet, namespace, python(code), terminationGracePeriodSeconds=2)

    asked = time.time()
    cluster.kubectl("delete", "pod", "app", "-n", namespace, "--timeout=20s")

    assert 2 < time.time() - asked < 6


def test_pod_that_is_not_ready_leaves_the_endpoint_slice_until_it_is_again(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    cluster.apply(service(namespace, 80, 8000))
    start(cluster, kubelet, namespace, SERVING)
    until(lambda: endpoints(cluster, namespace), "in the EndpointSlice")
    marker = inside(kubelet.pid(namespace, "app", "app"), "/srv/state/ready")

    marker.unlink()
    until(lambda: not endpoints(cluster, namespace), "out of the EndpointSlice", seconds=5)
    unready = status(cluster, namespace)
    marker.touch()
    until(lambda: endpoints(cluster, namespace), "in the EndpointSlice again", seconds=5)

    assert (unready["ready"], unready["restartCount"]) == (False, 0)


def test_killed_process_is_restarted(cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
    start(cluster, kubelet, namespace, SERVING)
    killed = kubelet.pid(namespace, "app", "app")

    os.kill(killed, signal.SIGKILL)
    until(lambda: status(cluster, namespace)["restartCount"] == 1, "restarted")
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/app", "--timeout=30s")

    now = status(cluster, namespace)
    assert now["lastState"]["terminated"]["exitCode"] == 137
    assert now["restartCount"] == 1
    assert kubelet.pid(namespace, "app", "app") != killed


def test_kubectl_shows_what_a_container_prints_and_what_it_printed_before_its_restart(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    code = "import time; print('first', time.time(), flush=True); print('last', flush=True); time.sleep(60)"
    start(cluster, kubelet, namespace, python(code))
    until(lambda: kubelet.log(namespace, "app", "app").endswith("last\n"), "printed")
    of = ("logs", "app", "-n", namespace)
    before = cluster.kubectl(*of).stdout

    os.kill(kubelet.pid(namespace, "app", "app"), signal.SIGKILL)
    until(lambda: kubelet.log(namespace, "app", "app").count("last\n") == 2, "printed again")

    assert cluster.kubectl(*of, "--previous").stdout == before
    assert before + cluster.kubectl(*of).stdout == kubelet.log(namespace, "app", "app")
    assert cluster.kubectl(*of, "--tail=1").stdout == "last\n"


def test_kubectl_follows_a_log_to_its_end(cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
    code = "import time\nfor n in range(4):\n    time.sleep(0.5)\n    print(n, flush=True)"
    start(cluster, kubelet, namespace, python(code), restartPolicy="Never")

    followed = cluster.kubectl("logs", "app", "-n", namespace, "--follow").stdout

    assert followed == "0\n1\n2\n3\n"


def test_liveness_restarts_a_container_and_startup_holds_the_others_back(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    code = ENDED + "open('/srv/n', 'a').close(); print('began', time.time(), flush=True); time.sleep(60)"
    slow = "import os; n = os.path.exists('/tmp/once'); open('/tmp/once', 'w'); raise SystemExit(not n)"
    container = python(
        code,
        startupProbe={"periodSeconds": 1, "failureThreshold": 5, "exec": {"command": [PYTHON, "-c", slow]}},
        livenessProbe=ready_when({"tcpSocket": {"port": 1}}, failureThreshold=2),
    )

    start(cluster, kubelet, namespace, container)
    until(lambda: status(cluster, namespace)["restartCount"], "restarted")

    began = [float(each) for each in lines(kubelet, namespace, "began")]
    (ended,) = (float(each) for each in lines(kubelet, namespace, "asked")[:1])
    assert 2 < ended - began[0] < 6  # a second until the startup probe passes, and one between two failures
    assert status(cluster, namespace)["lastState"]["terminated"]["exitCode"] == 0


def test_init_containers_run_before_and_a_pod_of_its_own_completes(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    first = {**python("open('/shared/order', 'w').write('init ')", **mount), "name": "first"}
    then = python("print(open('/shared/order').read() + 'main')", **mount)

    volumes = [{"name": "shared", "emptyDir": {}}]
    cluster.apply(pod(kubelet, namespace, then, initContainers=[first], volumes=volumes, restartPolicy="Never"))
    until(lambda: get(cluster, namespace)[0]["status"]["phase"] == "Succeeded", "succeeded")

    assert kubelet.log(namespace, "app", "app") == "init main\n"


@pytest.mark.parametrize(
    ("container", "reason", "message"),
    [
        ({"image": "absent"}, "ErrImageNeverPull", "absent is none of the given images: python"),
        (
            {"securityContext": {"runAsNonRoot": True}},
            "CreateContainerConfigError",
            "container has runAsNonRoot and would run as root",
        ),
        ({"envFrom": [{"secretRef": {"name": "gone"}}]}, "CreateContainerConfigError", "Secret gone not found"),
    ],
    ids=["no such image", "root where that is forbidden", "no such secret"],
)
def test_container_that_cannot_start_waits_and_says_why(  # noqa: PLR0913, PLR0917  # the table and the fixtures
    cluster: Cluster, kubelet: Kubelet, namespace: str, container: Object, reason: str, message: str
) -> None:
    cluster.apply(pod(kubelet, namespace, {**python("pass"), **container}))

    def waiting() -> Object | None:
        (each,) = get(cluster, namespace)
        found: list[Object] = each["status"].get("containerStatuses") or []
        return found[0]["state"].get("waiting") if found and "message" in found[0]["state"].get("waiting", {}) else None

    assert until(waiting, "waiting") == {"reason": reason, "message": message}


def test_pod_that_needs_more_than_the_kubelet_has_fails_and_says_what(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    cluster.apply(pod(kubelet, namespace, python("pass"), hostNetwork=True))

    failed = until(lambda: get(cluster, namespace)[0]["status"].get("message"), "failed")

    assert failed == "the small kubelet does not know hostNetwork"


def test_pod_that_does_not_choose_the_node_goes_to_the_simulated_one(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    start(cluster, kubelet, namespace, SERVING)
    cluster.kubectl("run", "other", "--image=nginx", "-n", namespace)
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/other", "--timeout=30s")

    names = {each["metadata"]["name"]: each["spec"]["nodeName"] for each in get(cluster, namespace)}
    assert names == {"app": kubelet.name, "other": "simulated"}


def test_deleted_pod_leaves_no_process_network_or_folder(cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
    start(cluster, kubelet, namespace, SERVING)
    pid = kubelet.pid(namespace, "app", "app")
    (found,) = get(cluster, namespace)
    uid, address = found["metadata"]["uid"], found["status"]["podIP"]
    last = int(address.rpartition(".")[2])
    interfaces = [name for name in network.ours(os.getpid()) if name.endswith(f"{last:02x}")]

    cluster.kubectl("delete", "pod", "app", "-n", namespace, "--timeout=20s")
    until(lambda: not (kubelet.folder / "pods" / uid).exists(), "cleaned up", seconds=5)

    assert len(interfaces) == 1
    assert interfaces[0] not in network.ours(os.getpid())
    assert not Path(f"/proc/{pid}").exists()
    assert uid not in Path("/proc/self/mountinfo").read_text()


def test_stopped_kubelet_leaves_nothing(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    with Kubelet(cluster.kubeconfig, cluster.server, tmp_path, {"python": ImageRoot()}, name="other") as kubelet:
        start(cluster, kubelet, namespace, SERVING)
        pid = kubelet.pid(namespace, "app", "app")
        bridge = kubelet.bridge
        hanging = list(Path("/sys/class/net", bridge, "brif").iterdir())

    assert len(hanging) == 1
    assert not Path(f"/proc/{pid}").exists()
    assert not {bridge, hanging[0].name}.intersection(network.ours(os.getpid()))
    assert list((tmp_path / "pods").iterdir()) == []
    assert "other" not in cluster.kubectl("get", "nodes", "-o", "name").stdout
    assert get(cluster, namespace) == []


def test_killed_kubelet_leaves_no_process_and_the_next_one_removes_its_networks(
    cluster: Cluster, kubelet: Kubelet, namespace: str, tmp_path: Path
) -> None:
    code = """
import sys, time
from pathlib import Path
from tests.e2e.kubelet import ImageRoot, Kubelet
with Kubelet(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), {"python": ImageRoot()}, name="doomed") as kubelet:
    print(kubelet.bridge, flush=True)
    time.sleep(120)
"""
    command = [PYTHON, "-c", code, str(cluster.kubeconfig), cluster.server, str(tmp_path)]
    manifest = pod(kubelet, namespace, python(SERVER, securityContext={"runAsUser": 10001}, **SCRATCH))
    manifest["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": "doomed"}, "volumes": [STATE]}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as doomed:
        try:
            assert doomed.stdout is not None
            bridge = doomed.stdout.readline().strip()
            cluster.apply(manifest)
            inner = until(
                lambda: [pid for pid in children(doomed.pid) if inside(pid, "/srv/state/host").exists()], "up"
            )
        finally:
            doomed.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inner), "ended", seconds=5)
    left = network.ours(doomed.pid)
    network.sweep()

    cluster.kubectl("delete", "node/doomed")
    cluster.kubectl("delete", "pod/app", "-n", namespace, "--grace-period=0", "--force")
    assert bridge in left
    assert len(left) == 2
    assert network.ours(doomed.pid) == []
