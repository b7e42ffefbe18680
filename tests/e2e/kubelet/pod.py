"""A pod on this node, in a thread of its own from its start to its end."""

import logging
import shutil
import threading
import time
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.e2e.kubelet.actions import require_known
from tests.e2e.kubelet.api import Api, Object
from tests.e2e.kubelet.container import Container, Sandbox, now
from tests.e2e.kubelet.errors import CannotStartError, UnsupportedError
from tests.e2e.kubelet.images import ImageRoot
from tests.e2e.kubelet.network import Attachment, Network
from tests.e2e.kubelet.services import Services
from tests.e2e.kubelet.status import Conditions, failed, phase
from tests.e2e.kubelet.volumes import Volumes

STEP_SECONDS = 0.1
REFRESH_SECONDS = 1.0
_LOG = logging.getLogger("kubelet")


class Host:
    """What the pods of a node share: the API, the network, Services, images, a folder, and variables for all."""

    def __init__(
        self, api: Api, network: Network, services: Services, images: Mapping[str, ImageRoot], folder: Path
    ) -> None:
        self.api = api
        self.network = network
        self.services = services
        self.images = images
        self.folder = folder
        self.variables: dict[str, str] = {}
        self.relist = 0.0
        self.attaching = threading.Lock()


class Pod:
    """A pod that runs, or is about to end."""

    def __init__(self, host: Host, pod: Object) -> None:
        """Prepare to run *pod*, in a folder named by its uid."""
        self.object = pod
        self.containers: list[Container] = []
        self._before: list[Container] = []
        self._host = host
        self._metadata: Object = pod["metadata"]
        self._folder = host.folder / "pods" / self._metadata["uid"]
        self._network: Attachment | None = None
        self._conditions = Conditions()
        self._started_at = now()
        self._published: Object = {}
        self._wake = threading.Event()
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pod {self._metadata['name']}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def update(self, pod: Object) -> None:
        """Take the pod as the API server has it now: it may be about to end."""
        self.object = pod
        self._wake.set()

    def forget(self) -> None:
        """End all at once: the pod is no more."""
        self._gone.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def delete(self) -> None:
        """Delete it at the API server, at once."""
        self._host.api.delete("Pod", self._metadata["name"], self._metadata["namespace"], self._metadata["uid"])

    @property
    def alive(self) -> bool:
        """Whether anything of it is left on this machine."""
        return self._thread.is_alive()

    @property
    def _ending(self) -> bool:
        return self._gone.is_set() or "deletionTimestamp" in self.object["metadata"]

    def _run(self) -> None:
        try:
            try:
                self._serve()
            except UnsupportedError as error:
                self._publish(failed(f"the small kubelet does not know {error}"))
                while not self._ending:
                    self._pause()
            if not self._gone.is_set():
                self.delete()
        except (ApiException, HTTPError):
            if not self._gone.is_set():  # else the node is being stopped, and the cluster may be, too
                _LOG.exception("pod %s", self._metadata["name"])
        finally:
            self._clean_up()

    def _serve(self) -> None:
        """Run the pod until it is deleted."""
        sandbox = self._prepare()
        _require_supported(sandbox.pod)
        spec = sandbox.pod["spec"]
        policy = spec["restartPolicy"]
        self.containers = [Container(sandbox, each, policy) for each in spec["containers"]]
        before_policy = "Never" if policy == "Never" else "OnFailure"
        self._before = [Container(sandbox, each, before_policy) for each in spec.get("initContainers") or []]
        refresh_at, laid_out = 0.0, False
        while not self._ending:
            if time.monotonic() >= refresh_at:
                sandbox.pod["metadata"].update(self.object["metadata"])  # labels and annotations can change
                laid_out = self._refresh(sandbox.volumes, laid_out=laid_out)
                refresh_at = time.monotonic() + REFRESH_SECONDS
            if laid_out:
                self._step(spec["terminationGracePeriodSeconds"])
            self._publish(self._status())
            self._pause()
        if not self._gone.is_set():
            self._terminate()

    def _prepare(self) -> Sandbox:
        with self._host.attaching:
            network = self._network = self._host.network.attach()
        pod = deepcopy(self.object)
        gateway = self._host.network.gateway
        pod["status"] |= {"podIP": network.address, "podIPs": [{"ip": network.address}], "hostIP": gateway}
        pod["status"]["hostIPs"] = [{"ip": gateway}]
        self._folder.mkdir(parents=True)
        hosts = self._folder / "hosts"
        name = f"{self._metadata['namespace']}_{self._metadata['name']}"
        sandbox = Sandbox(
            api=self._host.api,
            pod=pod,
            folder=self._folder,
            logs=self._host.folder / "logs" / name,
            network=network,
            volumes=Volumes(self._host.api, pod, self._folder / "volumes"),
            images=self._host.images,
            variables=self._host.variables,
            hosts=hosts,
            relist=self._host.relist,
        )
        named = self._host.services.refresh()
        hosts.write_text(f"127.0.0.1 localhost\n{network.address} {sandbox.hostname}\n{named}")
        return sandbox

    def _refresh(self, volumes: Volumes, *, laid_out: bool) -> bool:
        """Bring the volumes up to date; return whether they were ever whole."""
        try:
            if laid_out:
                volumes.refresh()
            else:
                volumes.lay_out()
        except CannotStartError as error:
            if not laid_out:
                for container in (*self._before, *self.containers):
                    container.wait_for(error)
            return laid_out
        except (ApiException, HTTPError) as error:
            _LOG.warning("volumes of %s: %s", self._metadata["name"], error)
            return laid_out
        return True

    def _step(self, grace: float) -> None:
        """Run the init containers one after another, then the others at once."""
        try:
            for container in self._before:
                container.step(grace)
                if container.exit_code != 0:
                    return
            for container in self.containers:
                container.step(grace)
        except (ApiException, HTTPError) as error:  # of a ConfigMap or Secret: tried again with the next step
            _LOG.warning("containers of %s: %s", self._metadata["name"], error)

    def _terminate(self) -> None:
        grace = float(self.object["metadata"].get("deletionGracePeriodSeconds") or 0)
        running = [each for each in (*self._before, *self.containers) if each.process is not None]
        enders = [threading.Thread(target=each.stop, args=(grace,), daemon=True) for each in running]
        for ender in enders:
            ender.start()
        while any(ender.is_alive() for ender in enders) and not self._gone.is_set():
            self._publish(self._status())
            self._pause()
        for container in (*self._before, *self.containers):
            container.kill()
        if not self._gone.is_set():
            self._publish(self._status())

    def _status(self) -> Object:
        state = phase(self._before, self.containers)
        initialized = all(each.exit_code == 0 for each in self._before)
        ready = initialized and all(each.ready for each in self.containers)
        address = self._network.address if self._network else ""
        return {
            "phase": state,
            "hostIP": self._host.network.gateway,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": self._started_at,
            "conditions": deepcopy(self._conditions.update(initialized=initialized, ready=ready)),
            "initContainerStatuses": [each.status() for each in self._before],
            "containerStatuses": [each.status() for each in self.containers],
        }

    def _publish(self, status: Object) -> None:
        """Write the status if it has changed; what fails is tried again with the next."""
        if status == self._published:
            return
        try:
            self._host.api.patch_status("Pod", self._metadata["name"], status, self._metadata["namespace"])
        except (ApiException, HTTPError) as error:
            _LOG.warning("status of %s: %s", self._metadata["name"], error)
        else:
            self._published = status

    def _pause(self) -> None:
        self._wake.wait(STEP_SECONDS)
        self._wake.clear()

    def _clean_up(self) -> None:
        for container in (*self._before, *self.containers):
            container.kill()
        if self._network is not None:
            with self._host.attaching:
                self._host.network.detach(self._network)
        shutil.rmtree(self._folder, ignore_errors=True)


def _require_supported(pod: Object) -> None:
    """Raise UnsupportedError where a pod asks for what would silently be missing."""
    spec = pod["spec"]
    for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(name):
            raise UnsupportedError(name)
    for container in (*(spec.get("initContainers") or []), *spec["containers"]):
        where = f"containers[{container['name']}]"
        if container.get("restartPolicy"):
            message = f"{where}.restartPolicy"
            raise UnsupportedError(message)
        lifecycle = container.get("lifecycle") or {}
        if "postStart" in lifecycle:
            message = f"{where}.lifecycle.postStart"
            raise UnsupportedError(message)
        if hook := lifecycle.get("preStop"):
            require_known(hook, f"{where}.lifecycle.preStop")
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe := container.get(name):
                require_known(probe, f"{where}.{name}")
