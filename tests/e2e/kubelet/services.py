"""Services as pods reach them: by name, and at their own addresses.

The part of kube-proxy and of the cluster's DNS. A connection from a pod goes to a ready endpoint, chosen at random, as
kube-proxy's iptables rules do. Names are in the /etc/hosts of each pod: those of the Services that are there when it
starts.
"""

import random
import threading
from collections.abc import Callable
from functools import partial

from tests.e2e.kubelet.api import Api, Object
from tests.e2e.kubelet.forward import Address, Forward
from tests.e2e.kubelet.network import Network

_API_SERVER = ("default", "kubernetes")


class Services:
    """The Services of all namespaces, for the pods on *network*; *server* is where the API server really is."""

    def __init__(self, api: Api, network: Network, server: Address) -> None:
        self._api = api
        self._network = network
        self._server = server
        self._forwards: dict[tuple[str, int], Forward] = {}
        self._lock = threading.Lock()

    def refresh(self) -> str:
        """Follow what the API server has; return the lines of /etc/hosts. Raises what Api does."""
        with self._lock:
            listed, _ = self._api.list("Service")
            services = [each for each in listed if each["spec"].get("clusterIP", "None") != "None"]
            wanted = {
                (service["spec"]["clusterIP"], port["port"]): self._target(service["metadata"], port.get("name", ""))
                for service in services
                for port in service["spec"]["ports"]
                if port["protocol"] == "TCP"
            }
            self._follow(wanted)
        return "".join(_names(each) for each in services)

    def close(self) -> None:
        """Take no more connections."""
        with self._lock:
            self._follow({})

    def _follow(self, wanted: dict[Address, Callable[[], Address]]) -> None:
        before = {address for address, _ in self._forwards}
        for gone in set(self._forwards) - set(wanted):
            self._forwards.pop(gone).close()
        after = {address for address, _ in wanted}
        for address in before - after:
            self._network.remove_address(address)
        for address in after - before:
            self._network.add_address(address)
        for new in set(wanted) - set(self._forwards):
            self._forwards[new] = Forward(new, self._network.bridge, wanted[new])

    def _target(self, service: Object, port: str) -> Callable[[], Address]:
        if (service["namespace"], service["name"]) == _API_SERVER:
            return lambda: self._server
        return partial(self._endpoint, service["namespace"], service["name"], port)

    def _endpoint(self, namespace: str, name: str, port: str) -> Address:
        """Return a ready endpoint; raises ConnectionRefusedError where there is none."""
        found: list[Address] = []
        for one in self._api.list("EndpointSlice", f"metadata.namespace={namespace}")[0]:
            if one["metadata"]["labels"].get("kubernetes.io/service-name") == name:
                numbers = [each["port"] for each in one["ports"] or [] if each.get("name", "") == port]
                ready = [each for each in one["endpoints"] or [] if each["conditions"]["ready"]]
                found += [(each["addresses"][0], number) for each in ready for number in numbers]
        if not found:
            message = f"no endpoint of {namespace}/{name} is ready"
            raise ConnectionRefusedError(message)
        return random.choice(found)  # noqa: S311  # nothing is kept secret by it


def _names(service: Object) -> str:
    """Return the line of a Service in /etc/hosts: the names that need no search list."""
    full = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    return f"{service['spec']['clusterIP']} {full} {full}.cluster.local\n"
