"""A container: how it starts, ends and is started again, and the status that tells of it."""

import logging
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.kubelet import images
from tests.e2e.kubelet.actions import Target, act
from tests.e2e.kubelet.api import Api, Object
from tests.e2e.kubelet.environment import environment, expand
from tests.e2e.kubelet.errors import CannotStartError
from tests.e2e.kubelet.images import ImageRoot
from tests.e2e.kubelet.launch import Launch
from tests.e2e.kubelet.network import Attachment
from tests.e2e.kubelet.probes import Probes
from tests.e2e.kubelet.process import Process
from tests.e2e.kubelet.security import identity
from tests.e2e.kubelet.volumes import Volumes

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds before a restart; the kubelet's are 10 and 300
_SETTLED = 10.0  # seconds after which the pauses begin at the first again
_LAST_GRACE = 2.0  # seconds for SIGTERM after a preStop that took all the time there was, as with the kubelet
_LOG = logging.getLogger("kubelet")


def now() -> str:
    """Return the time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Sandbox:
    """What the containers of a pod share."""

    api: Api
    pod: Object
    folder: Path
    logs: Path
    network: Attachment
    volumes: Volumes
    images: Mapping[str, ImageRoot]
    variables: Mapping[str, str]
    hosts: Path
    relist: float

    @property
    def hostname(self) -> str:
        """The pod's host name."""
        return str(self.pod["spec"].get("hostname") or self.pod["metadata"]["name"])[:63]


class Container:
    """One container of a pod, over all its restarts; *restart* is the policy for it."""

    def __init__(self, sandbox: Sandbox, spec: Object, restart: str) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.restarts = 0
        self.process: Process | None = None
        self.state: Object = {"waiting": {"reason": "PodInitializing"}}
        self._last_state: Object = {}
        self._sandbox = sandbox
        self._restart = restart
        self._probes: Probes | None = None
        self._pause = FIRST_PAUSE
        self._began = 0.0
        self._due = 0.0
        self._looked = 0.0

    @property
    def exit_code(self) -> int | None:
        """The exit code of a container that is not started again; None before."""
        terminated = self.state.get("terminated")
        return int(terminated["exitCode"]) if terminated else None

    @property
    def ready(self) -> bool:
        """Whether it runs and its readiness probe, if any, passes."""
        return self.process is not None and self._probes is not None and self._probes.ready

    def status(self) -> Object:
        """Return the containerStatus."""
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": "",
            "ready": self.ready,
            "started": self.process is not None and self._probes is not None and self._probes.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self._last_state,
        }

    def wait_for(self, error: CannotStartError) -> None:
        """Say what the container waits for."""
        self.state = {"waiting": {"reason": error.reason, "message": str(error)}}

    def step(self, grace: float) -> None:
        """Do what is due: start, notice the end, restart one whose probe failed within *grace* seconds."""
        if self.process is None:
            if self.exit_code is None and time.monotonic() >= self._due:
                self._start()
        elif self._looks() and self.process.exit_code is not None:
            self._ended(self.process.exit_code)
        elif self._probes is not None and (failure := self._probes.failure):
            _LOG.info("restarting %s: %s", self.name, failure)
            self.stop(grace)

    def stop(self, grace: float) -> None:
        """End the container: preStop, SIGTERM, and SIGKILL once *grace* seconds are over."""
        process, deadline = self.process, time.monotonic() + grace
        if process is None:
            return
        if self._probes is not None:
            self._probes.keep_readiness()
        if hook := (self.spec.get("lifecycle") or {}).get("preStop"):
            failure = act(hook, Target(process, self._sandbox.network.address, self.spec), grace)
            if failure:
                _LOG.warning("preStop of %s: %s", self.name, failure)
        process.signal(signal.SIGTERM)
        if not process.wait(max(deadline - time.monotonic(), _LAST_GRACE if grace else 0.0)):
            process.kill()

    def kill(self) -> None:
        """End it at once if it runs, for good: its pod ends."""
        self._restart = "Never"
        if self.process is not None:
            self.process.kill()
            self._ended(self.process.exit_code or 0)
        elif "waiting" in self.state:
            self.state = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}

    def _start(self) -> None:
        try:
            launch = self._launch()
        except CannotStartError as error:
            self.wait_for(error)
            self._due = time.monotonic() + FIRST_PAUSE
            return
        folder = self._sandbox.folder / "containers" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        self._sandbox.logs.mkdir(parents=True, exist_ok=True)
        log = self._sandbox.logs / f"{self.name}.{self.restarts}.log"
        self.process = Process(launch, folder, self._sandbox.network.namespace, log)
        self._began = time.monotonic()
        self.state = {"running": {"startedAt": now()}}
        self._probes = Probes(self.spec, Target(self.process, self._sandbox.network.address, self.spec))

    def _looks(self) -> bool:
        """Return whether it is time to look if the process has ended."""
        due = time.monotonic() >= self._looked + self._sandbox.relist
        if due:
            self._looked = time.monotonic()
        return due

    def _ended(self, code: int) -> None:
        """Note the end, and when to start again if the policy says so."""
        if self._probes is not None:
            self._probes.stop()
        began = self.state.get("running", {}).get("startedAt", now())
        reason = "Completed" if code == 0 else "Error"
        ended = {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": now()}
        self.process = self._probes = None
        if self._restart == "Never" or (self._restart == "OnFailure" and code == 0):
            self.state = {"terminated": ended}
            return
        if time.monotonic() - self._began > _SETTLED:
            self._pause = FIRST_PAUSE
        self._due = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self.restarts += 1
        self._last_state = {"terminated": ended}
        self.state = {"waiting": {"reason": "CrashLoopBackOff", "message": f"ended with {code}"}}

    def _launch(self) -> Launch:
        sandbox, spec = self._sandbox, self.spec
        image = images.find(sandbox.images, spec["image"])
        given = {"HOSTNAME": sandbox.hostname, "HOME": "/", **image.env, **sandbox.variables}
        variables = environment(sandbox.api, sandbox.pod, spec, given)
        who = identity(sandbox.pod, spec, image)
        command = spec.get("command") or image.entrypoint
        arguments = spec.get("args") or (() if spec.get("command") else image.command)
        mounts = [*sandbox.volumes.mounts(spec, variables), (str(sandbox.hosts), "/etc/hosts", False)]
        return Launch(
            image=str(image.rootfs or "/"),
            scratch=str(sandbox.folder / "containers" / self.name / "root"),
            mounts=mounts,
            opened=image.opened,
            hostname=sandbox.hostname,
            command=[expand(each, variables) for each in (*command, *arguments)],
            environment=variables,
            folder=spec.get("workingDir") or image.folder,
            user=who.user,
            group=who.group,
            groups=who.groups,
            capabilities=who.capabilities,
            no_new_privileges=who.no_new_privileges,
            read_only_root=who.read_only_root,
        )
