"""The node that the pods run on, as the API server knows it."""

import logging
import threading
from datetime import UTC, datetime

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.e2e.kubelet.api import Api, Object
from tests.e2e.kubelet.container import now
from tests.e2e.kubelet.fields import ALLOCATABLE

TAINT = {"key": "e2e.podgate.io/kubelet", "value": "small", "effect": "NoSchedule"}
HEARTBEAT_SECONDS = 5.0
_LEASES = "kube-node-lease"
_LOG = logging.getLogger("kubelet")


class Node:
    """A node that takes the pods alone that choose it, ready as long as its lease is renewed."""

    def __init__(self, api: Api, name: str, address: str, port: int) -> None:
        """Register the node, whose kubelet serves logs at *address* and *port*, and start to renew its lease."""
        self.name = name
        self._api = api
        self._stopped = threading.Event()
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        api.create("Node", {"metadata": {"name": name, "labels": labels}, "spec": {"taints": [TAINT]}})
        api.patch_status("Node", name, _status(address, port))
        api.create("Lease", {"metadata": {"name": name, "namespace": _LEASES}, "spec": self._lease()}, _LEASES)
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    @property
    def placement(self) -> Object:
        """What puts a pod on this node: nodeSelector and tolerations of its spec."""
        toleration = {"key": TAINT["key"], "operator": "Exists", "effect": TAINT["effect"]}
        return {"nodeSelector": {"kubernetes.io/hostname": self.name}, "tolerations": [toleration]}

    def remove(self) -> None:
        """Take the node out of the cluster."""
        self._stopped.set()
        self._thread.join()
        self._api.delete("Lease", self.name, _LEASES)
        self._api.delete("Node", self.name)

    def _lease(self) -> Object:
        renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": renewed}

    def _renew(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self._api.patch("Lease", self.name, {"spec": self._lease()}, _LEASES)
            except (ApiException, HTTPError) as error:
                _LOG.warning("lease: %s", error)


def _status(address: str, port: int) -> Object:
    times = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", **times}
    return {
        "capacity": ALLOCATABLE,
        "allocatable": ALLOCATABLE,
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "conditions": [ready],
    }
