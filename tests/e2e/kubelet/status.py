"""The status of a pod, from that of its containers.

Follows `generateAPIPodStatus` and `getPhase` of k8s.io/kubernetes `pkg/kubelet/kubelet_pods.go`, and
`pkg/kubelet/status/generate.go`.
"""

from collections.abc import Sequence

from tests.e2e.kubelet.api import Object
from tests.e2e.kubelet.container import Container, now


class Conditions:
    """A pod's conditions, with the time of each one's last change."""

    def __init__(self) -> None:
        self._known: dict[str, Object] = {}

    def update(self, initialized: bool, ready: bool) -> list[Object]:  # noqa: FBT001  # both are always given by name
        """Return the conditions that the kubelet writes."""
        for kind, holds in (("Initialized", initialized), ("ContainersReady", ready), ("Ready", ready)):
            status = "True" if holds else "False"
            if self._known.get(kind, {}).get("status") != status:
                reason = {} if holds else {"reason": "ContainersNotReady"}
                self._known[kind] = {"type": kind, "status": status, "lastTransitionTime": now(), **reason}
        return list(self._known.values())


def phase(before: Sequence[Container], containers: Sequence[Container]) -> str:
    """Return the phase of a pod whose init containers are *before*."""
    if any(each.exit_code for each in before):
        return "Failed"
    if any(each.exit_code is None for each in before):
        return "Pending"
    codes = [each.exit_code for each in containers]
    if None not in codes:
        return "Failed" if any(codes) else "Succeeded"
    started = any("waiting" not in each.state or each.restarts for each in containers)
    return "Running" if started else "Pending"


def failed(message: str) -> Object:
    """Return the status of a pod that this kubelet cannot run."""
    return {"phase": "Failed", "reason": "Unsupported", "message": message}
