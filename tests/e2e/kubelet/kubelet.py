"""The kubelet itself: it watches for pods that are bound to its node, and runs each."""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.e2e.kubelet import claims
from tests.e2e.kubelet.api import Api, Object
from tests.e2e.kubelet.container import Container
from tests.e2e.kubelet.images import ImageRoot
from tests.e2e.kubelet.logs import LogServer, instances
from tests.e2e.kubelet.network import Network
from tests.e2e.kubelet.node import Node
from tests.e2e.kubelet.pod import Host, Pod
from tests.e2e.kubelet.services import Services

PROVIDE_SECONDS = 1.0
STOP_SECONDS = 20.0
_LOG = logging.getLogger("kubelet")


class Kubelet:
    """A node that lives as long as the ``with`` block around it, in the cluster at *server*.

    *images* are by name, as pods write it. State and logs go to *folder*. `placement` is what puts pods there. After
    *relist* seconds at most it notices that a container has ended by itself; the real kubelet's take is a second.
    """

    def __init__(  # noqa: PLR0913  # what differs between nodes is named where it is given
        self,
        kubeconfig: Path,
        server: str,
        folder: Path,
        images: Mapping[str, ImageRoot],
        name: str = "worker",
        *,
        relist: float = 0.1,
    ) -> None:
        """Prepare the node *name*; nothing runs yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.folder = folder.absolute()
        self._logs = self.folder / "logs"
        self._api = Api(kubeconfig, self.folder)
        self._server = urlsplit(server)
        self._images = images
        self._relist = relist
        self._pods: dict[str, Pod] = {}
        self._stopped = threading.Event()
        self._running = ExitStack()
        self._host: Host
        self._node: Node

    def __enter__(self) -> Self:
        """Register the node and run what is bound to it; raises RuntimeError if this machine lacks something."""
        with ExitStack() as undo:
            self._start(undo)
            self._running = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End all pods at once and remove the node; what was mounted, and the networks, go too."""
        self._running.close()

    @property
    def placement(self) -> Object:
        """What puts a pod on this node: nodeSelector and tolerations of its spec."""
        return self._node.placement

    @property
    def bridge(self) -> str:
        """The interface that all pods hang on."""
        return self._host.network.bridge

    def pid(self, namespace: str, pod: str, container: str) -> int:
        """Return the process id of a container that runs, as this machine counts."""
        process = self._container(namespace, pod, container).process
        if process is None:
            message = f"{container} of {namespace}/{pod} does not run"
            raise LookupError(message)
        return process.pid

    def log(self, namespace: str, pod: str, container: str) -> str:
        """Return all that a container has printed, over all its restarts; it is there after the pod's end, too."""
        found = instances(self._logs, namespace, pod, container)
        return "".join(each.read_text(errors="replace") for each in found)

    def _start(self, undo: ExitStack) -> None:
        service = self._api.get("Service", "kubernetes", "default")["spec"]
        address, port = service["clusterIP"], service["ports"][0]["port"]
        network = Network()
        undo.callback(network.close)
        services = Services(self._api, network, (self._server.hostname or "", self._server.port or 443))
        undo.callback(services.close)
        self._host = Host(self._api, network, services, self._images, self.folder)
        self._host.relist = self._relist
        self._host.variables |= {"KUBERNETES_SERVICE_HOST": address, "KUBERNETES_SERVICE_PORT": str(port)}
        logs = LogServer(network.gateway, self._logs, self.folder / "certificate", self._runs)
        undo.callback(logs.close)
        self._node = Node(self._api, self.name, network.gateway, logs.port)
        undo.callback(self._end_pods)
        undo.callback(self._node.remove)
        threads = [threading.Thread(target=run, name="kubelet", daemon=True) for run in (self._watch, self._provide)]
        undo.callback(self._stop, threads)
        for thread in threads:
            thread.start()

    def _stop(self, threads: Sequence[threading.Thread]) -> None:
        self._stopped.set()
        while any(thread.is_alive() for thread in threads):
            self._api.stop()
            threads[0].join(0.1)

    def _end_pods(self) -> None:
        """End all pods and delete them: nobody else would soon, once their node is gone."""
        for pod in self._pods.values():
            pod.forget()
        for pod in self._pods.values():
            pod.join(STOP_SECONDS)
        for pod in self._pods.values():
            pod.delete()

    def _watch(self) -> None:
        """List the pods and follow their changes; begin anew when the API server ends it."""
        selector = f"spec.nodeName={self.name}"
        while not self._stopped.is_set():
            try:
                pods, version = self._api.list("Pod", selector)
                self._retain({pod["metadata"]["uid"] for pod in pods})
                for pod in pods:
                    self._take("ADDED", pod)
                for change, pod in self._api.watch("Pod", selector, version):
                    if self._stopped.is_set():
                        return
                    self._take(change, pod)
            except (ApiException, HTTPError, OSError) as error:
                if not self._stopped.wait(0.5):
                    _LOG.warning("watch: %s", error)

    def _retain(self, uids: set[str]) -> None:
        """Forget pods that went while nobody watched."""
        for uid, pod in list(self._pods.items()):
            if uid not in uids:
                pod.forget()

    def _take(self, change: str, pod: Object) -> None:
        """Take a change of a pod."""
        uid = pod["metadata"]["uid"]
        self._pods = {known: each for known, each in self._pods.items() if each.alive}
        running = self._pods.get(uid)
        if change == "DELETED":
            if running is not None:
                running.forget()
        elif running is not None:
            running.update(pod)
        elif change == "ADDED":
            running = self._pods[uid] = Pod(self._host, pod)
            running.start()

    def _provide(self) -> None:
        """Give each claim a volume, and each Service its address."""
        while not self._stopped.wait(PROVIDE_SECONDS):
            try:
                claims.provide(self._api, self.folder / "claims")
                self._host.services.refresh()
            except (ApiException, HTTPError) as error:
                _LOG.warning("claims and Services: %s", error)

    def _runs(self, namespace: str, pod: str, container: str) -> bool:
        try:
            return self._container(namespace, pod, container).process is not None
        except LookupError:
            return False

    def _container(self, namespace: str, pod: str, container: str) -> Container:
        for each in self._pods.values():
            metadata = each.object["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, pod) and each.alive:
                return next(found for found in each.containers if found.name == container)
        message = f"no pod {namespace}/{pod} runs here"
        raise LookupError(message)
