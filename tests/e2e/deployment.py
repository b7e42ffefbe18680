"""podgate as its chart deploys it: the image really built, nodes that really run it, and Helm with nothing but values.

The image is built once for the same inputs and kept unpacked in the cache. What nobody has used for an hour is
removed by the next build.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.e2e import tools
from tests.e2e.chart import CHART, NAMESPACE, RELEASE, ROOT, Values, helm
from tests.e2e.cluster import Cluster
from tests.e2e.image_build import DOCKERFILE, PACKAGES, Buildah
from tests.e2e.kubelet import ImageRoot, Kubelet
from tests.e2e.load import UNPINNED, pod
from tests.e2e.pods import Object, endpoints, get, until
from webhook import __version__

REPOSITORY = "registry.example.com/podgate"
NODES = ("east", "west")
REPLICAS = 3
KEPT_SECONDS = 3600
RELIST_SECONDS = 1.0  # genericPlegRelistPeriod of k8s.io/kubernetes pkg/kubelet/kubelet.go
READY_SECONDS = 90
_INPUTS = (".dockerignore", "pyproject.toml", "README.md", "requirements/build.txt", "requirements/run.txt")


def built_image() -> ImageRoot:
    """Return podgate's image, which is built now unless the cache has it; raises tools.BuildError."""
    folder = tools.cache() / f"image-{_inputs()}"
    if not folder.exists():
        _remove_old(folder.parent)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="partial-image-") as scratch:
            _build(Path(scratch) / "image")
            (Path(scratch) / "image").rename(folder)
    (folder / "config.json").touch()
    return ImageRoot.unpacked(folder / "root", json.loads((folder / "config.json").read_text()))


def _inputs() -> str:
    """Return a short hash of all that the image is made of."""
    sources = sorted((ROOT / "webhook").rglob("*.*"))
    files = [DOCKERFILE, *(ROOT / name for name in _INPUTS), *(each for each in sources if each.suffix != ".pyc")]
    digest = hashlib.sha256(PACKAGES.encode())
    for file in files:
        if file.is_file():
            digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _build(folder: Path) -> None:
    folder.mkdir()
    buildah = Buildah(Path(tempfile.mkdtemp(prefix="podgate-image-")))
    try:
        buildah.build()
        with buildah.mounted() as root:
            subprocess.run(["cp", "--archive", root, folder / "root"], check=True)
        (folder / "config.json").write_text(json.dumps(buildah.config))
    finally:
        buildah.remove()


def _remove_old(cache: Path) -> None:
    for config in cache.glob("image-*/config.json"):
        if time.time() - config.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(config.parent)


class Deployment:
    """The release podgate in the namespace podgate, on *nodes*."""

    def __init__(self, cluster: Cluster, nodes: Sequence[Kubelet]) -> None:
        self._cluster = cluster
        self._nodes = {node.name: node for node in nodes}

    @property
    def values(self) -> dict[str, Any]:
        """What every release here needs: the image, and the nodes that have it."""
        wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": [*self._nodes]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
        return {
            "image": {"repository": REPOSITORY},
            "tolerations": next(iter(self._nodes.values())).placement["tolerations"],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        }

    def install(self) -> None:
        """Install the release, which is not there yet, and wait until all replicas are ready."""
        self._install("install")

    def upgrade(self, changes: Values | None = None) -> None:
        """Change the release, or install it, and wait until all replicas are ready."""
        self._install("upgrade", "--install", changes=changes)

    def _install(self, *command: str, changes: Values | None = None) -> None:
        values = json.dumps(self.values | dict(changes or {}))
        self.helm(*command, RELEASE, CHART, "--wait", "--values=-", stdin=values)
        self.wait()

    def helm(self, *arguments: str | Path, stdin: str = "") -> str:
        """Run Helm in podgate's namespace; raises HelmError."""
        flags = (f"--namespace={NAMESPACE}", f"--timeout={READY_SECONDS}s")
        return helm(*arguments, *flags, stdin=stdin, kubeconfig=self._cluster.kubeconfig)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in podgate's namespace and return what it printed; raises ClusterError."""
        return self._cluster.kubectl(*arguments, f"--namespace={NAMESPACE}").stdout

    def wait(self) -> None:
        """Wait until all replicas are ready, and the API server is told so."""
        self.kubectl("rollout", "status", f"deployment/{RELEASE}", f"--timeout={READY_SECONDS}s")
        until(lambda: len(endpoints(self._cluster, NAMESPACE)) == REPLICAS, "in the EndpointSlice")

    def replicas(self) -> list[Object]:
        """Return the replicas that are not about to end."""
        mine = {"app.kubernetes.io/name": "podgate", "app.kubernetes.io/instance": RELEASE}.items()
        found = get(self._cluster, NAMESPACE)
        return [
            each
            for each in found
            if "deletionTimestamp" not in each["metadata"] and mine <= each["metadata"]["labels"].items()
        ]

    def pid(self, replica: Object) -> int:
        """Return the process id of a replica, as this machine counts."""
        return self._node(replica).pid(NAMESPACE, replica["metadata"]["name"], "podgate")

    def log(self, replica: Object) -> str:
        """Return all that a replica has printed."""
        return self._node(replica).log(NAMESPACE, replica["metadata"]["name"], "podgate")

    def _node(self, replica: Object) -> Kubelet:
        return self._nodes[replica["spec"]["nodeName"]]

    def remove(self) -> None:
        """Take away what is left of the release, whatever state it is in."""
        name = f"validatingwebhookconfiguration/{RELEASE}"
        self._cluster.kubectl("delete", "--ignore-not-found", name)
        self.helm("uninstall", RELEASE, "--ignore-not-found", "--wait")


def identities(pods: list[Object]) -> set[tuple[str, int]]:
    """Return what changes where a container is started anew."""
    return {(each["metadata"]["uid"], each["status"]["containerStatuses"][0]["restartCount"]) for each in pods}


def opened(pid: int) -> list[str]:
    """Return the connections in the network of *pid*, open or closed a moment ago, but those to it and to itself."""
    command = ["nsenter", f"--target={pid}", "--net", "ss", "--no-header", "--tcp", "--all", "--numeric"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert listed
    sockets = [line.split() for line in listed]
    return [
        f"{local} to {peer}"
        for _, _, _, local, peer, *_ in sockets
        if not local.endswith((":8443", ":8080")) and not peer.startswith("127.")
    ]


def create(cluster: Cluster, namespace: str, image: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Create a pod, or try to."""
    manifest = json.dumps(pod("try", image))
    return cluster.kubectl("create", "-f", "-", "-n", namespace, *flags, stdin=manifest, check=False)


def in_force(cluster: Cluster, release: Deployment, namespace: str, verdict: str) -> list[Object]:
    """Return the replicas, once each has given *verdict* on an image that is not pinned."""
    replicas = release.replicas()
    seen = {each["metadata"]["name"]: len(release.log(each)) for each in replicas}

    def given() -> bool:
        create(cluster, namespace, UNPINNED, "--dry-run=server")
        return all(f'"verdict":"{verdict}"' in release.log(each)[seen[each["metadata"]["name"]] :] for each in replicas)

    until(given, f"{verdict} by every replica", seconds=30)
    return replicas


@contextmanager
def deployment(cluster: Cluster, folder: Path) -> Iterator[Deployment]:
    """Give a place for the release: its namespace, under the restricted standard, and two nodes with the image."""
    image = built_image()
    cluster.create_namespace(NAMESPACE, {"pod-security.kubernetes.io/enforce": "restricted"})
    with ExitStack() as undo:
        undo.callback(partial(cluster.kubectl, "delete", "namespace", NAMESPACE))
        images = {f"{REPOSITORY}:{__version__}": image}
        nodes = [
            undo.enter_context(
                Kubelet(cluster.kubeconfig, cluster.server, folder / name, images, name, relist=RELIST_SECONDS)
            )
            for name in NODES
        ]
        made = Deployment(cluster, nodes)
        undo.callback(made.remove)
        yield made
