"""Pods for the small kubelet's node, and what the API server, their logs and this machine say of them."""

import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Cluster
from tests.e2e.kubelet import ImageRoot, Kubelet

Object = dict[str, Any]
PYTHON = sys.executable
ENDED = """
import signal, sys, time
def end(*_):
    print("asked", time.time(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
"""
# Serves the files of its folder, and ends when asked to; readiness is a file that a test can take away.
SERVER = (
    ENDED
    + """
import http.server, os
os.makedirs("/srv/state", exist_ok=True)
open("/srv/state/ready", "w").close()
open("/srv/state/host", "w").write(os.uname().nodename)
os.chdir("/srv/state")
print("began", time.time(), flush=True)
http.server.ThreadingHTTPServer(("", 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
)


@contextmanager
def worker(cluster: Cluster, folder: Path, images: dict[str, ImageRoot] | None = None) -> Iterator[Kubelet]:
    """Run a node beside the simulated one; the image `python` is this machine's own file system."""
    with Kubelet(cluster.kubeconfig, cluster.server, folder, {"python": ImageRoot(), **(images or {})}) as running:
        yield running


@contextmanager
def new_namespace(cluster: Cluster, of: str) -> Iterator[str]:
    """Make a namespace for the test named *of*; it is deleted afterwards, while other tests go on."""
    name = f"k{abs(hash(of)) % 10**8}"
    cluster.create_namespace(name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def python(code: str, **container: Any) -> Object:
    """Return a container that runs *code*."""
    return {"name": "app", "image": "python", "command": [PYTHON, "-c", code], **container}


def pod(kubelet: Kubelet, namespace: str, *containers: Object, **spec: Any) -> Object:
    """Return a pod for the kubelet's node."""
    metadata = {"name": "app", "namespace": namespace, "labels": {"app": "app", "tier": "back"}}
    placed = {**kubelet.placement, "terminationGracePeriodSeconds": 5, **spec, "containers": list(containers)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": placed}


def deployment(kubelet: Kubelet, namespace: str, container: Object, replicas: int = 2) -> Object:
    template = pod(kubelet, namespace, container)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": template["metadata"],
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": template["metadata"]["labels"]}, "spec": template["spec"]},
        },
    }


def service(namespace: str, port: int, target: int) -> Object:
    ports = [{"port": port, "targetPort": target}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": {"selector": {"app": "app"}, "ports": ports},
    }


def ready_when(action: Object, **timing: int) -> Object:
    return {"periodSeconds": 1, "failureThreshold": 1, **timing, **action}


def until(holds: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """Return what *holds* returns once that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.1)
    message = f"not {what} within {seconds:g} s"
    raise AssertionError(message)


def get(cluster: Cluster, namespace: str, kind: str = "pods") -> list[Object]:
    items: list[Object] = json.loads(cluster.kubectl("get", kind, "-n", namespace, "-o", "json").stdout)["items"]
    return items


def endpoints(cluster: Cluster, namespace: str) -> set[str]:
    """Return the addresses that requests may be sent to."""
    slices = get(cluster, namespace, "endpointslices")
    found = [each for one in slices for each in one["endpoints"] or [] if each["conditions"]["ready"]]
    return {address for each in found for address in each["addresses"]}


def inside(pid: int, path: str) -> Path:
    """Return where the container whose process is *pid* has *path*, as this machine sees it."""
    return Path(f"/proc/{pid}/root{path}")


def children(pid: int) -> list[int]:
    """Return the processes that *pid* and its children have started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children(child)]
    return found


def lines(kubelet: Kubelet, namespace: str, first: str, pod: str = "app") -> list[str]:
    """Return what follows the word *first* in the lines of the log that begin with it."""
    log = kubelet.log(namespace, pod, "app").splitlines()
    return [line.removeprefix(first).strip() for line in log if line.startswith(f"{first} ")]


def status(cluster: Cluster, namespace: str) -> Object:
    """Return the status of the pod's first container."""
    (each,) = get(cluster, namespace)
    found: Object = each["status"]["containerStatuses"][0]
    return found


def fetch(address: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}:8000{path}", timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def start(cluster: Cluster, kubelet: Kubelet, namespace: str, *containers: Object, **spec: Any) -> None:
    """Create a pod and wait until it is ready."""
    cluster.apply(pod(kubelet, namespace, *containers, **spec))
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/app", "--timeout=30s")


SERVING = python(
    SERVER,
    readinessProbe=ready_when({"httpGet": {"path": "/ready", "port": 8000}}),
)
STATE: Object = {"name": "state", "emptyDir": {}}
SCRATCH: Object = {"volumeMounts": [{"name": "state", "mountPath": "/srv/state"}]}
