"""What a probe or a hook does: a request, a connection, or a command in the container.

Follows k8s.io/kubernetes `pkg/probe` and `pkg/kubelet/lifecycle/handlers.go`.
"""

import http.client
import socket
import ssl
from dataclasses import dataclass

from tests.e2e.kubelet.api import Object
from tests.e2e.kubelet.errors import UnsupportedError
from tests.e2e.kubelet.process import Process

KINDS = ("httpGet", "tcpSocket", "exec", "sleep")


@dataclass(frozen=True)
class Target:
    """A container that runs, at the pod's address."""

    process: Process
    address: str
    container: Object

    def port(self, port: int | str) -> int:
        """Return the number of a port, which can be given by its name."""
        if isinstance(port, int):
            return port
        return next(int(each["containerPort"]) for each in self.container["ports"] if each.get("name") == port)


def require_known(action: Object, field: str) -> None:
    """Raise UnsupportedError where *action*, that of *field*, is none of KINDS."""
    if not any(kind in action for kind in KINDS):
        message = f"{field}: {', '.join(action)}"
        raise UnsupportedError(message)


def act(action: Object, target: Target, seconds: float) -> str | None:
    """Do *action*, *seconds* long at most; return why it failed, or None if it did not."""
    if command := action.get("exec"):
        code, output = target.process.run(command["command"], seconds)
        return None if code == 0 else f"command ended with {code}: {output[-500:]}"
    if pause := action.get("sleep"):
        target.process.wait(min(pause["seconds"], seconds))
        return None
    try:
        if get := action.get("httpGet"):
            return _get(get, target, seconds)
        address = (action["tcpSocket"].get("host") or target.address, target.port(action["tcpSocket"]["port"]))
        socket.create_connection(address, timeout=seconds).close()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _get(get: Object, target: Target, seconds: float) -> str | None:
    """Send a GET; as with the kubelet, the server's certificate is not verified."""
    host, port = get.get("host") or target.address, target.port(get["port"])
    connection: http.client.HTTPConnection
    if get.get("scheme") == "HTTPS":
        tls = ssl._create_unverified_context()  # noqa: S323, SLF001  # a probe has no authority to verify by
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=tls)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        headers = {each["name"]: each["value"] for each in get.get("httpHeaders") or []}
        connection.request("GET", get.get("path") or "/", headers={"User-Agent": "kube-probe/e2e", **headers})
        status = connection.getresponse().status
    finally:
        connection.close()
    return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"
