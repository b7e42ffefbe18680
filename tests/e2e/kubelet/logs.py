"""The kubelet's own port, as far as `kubectl logs` needs it: whoever reaches it may read.

Follows `getContainerLogs` of k8s.io/kubernetes `pkg/kubelet/server/server.go`.
"""

import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from webhook.server.certificate import make_certificate

Running = Callable[[str, str, str], bool]
_POLL_SECONDS = 0.1


def instances(folder: Path, namespace: str, pod: str, container: str) -> list[Path]:
    """Return the logs of a container in *folder*, one for each time it started, the first first."""
    found = (folder / f"{namespace}_{pod}").glob(f"{container}.*.log")
    return sorted(found, key=lambda path: int(path.name.split(".")[-2]))


class LogServer:
    """Serves the logs in *folder* at *address*, on a free `port`.

    *running* says of a namespace, pod and container whether more is to come.
    """

    def __init__(self, address: str, folder: Path, scratch: Path, running: Running) -> None:
        """Start; *scratch* takes the certificate, which the API server does not verify."""
        scratch.mkdir(parents=True, exist_ok=True)
        self._server = ThreadingHTTPServer((address, 0), _handler(folder, running))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*make_certificate([address]).write(scratch))
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="logs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(folder: Path, running: Running) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            options = {name: values[-1] for name, values in parse_qs(url.query).items()}
            _, kind, *names = url.path.split("/")
            logs = instances(folder, *names) if kind == "containerLogs" and len(names) == 3 else []
            which = 2 if options.get("previous") == "true" else 1
            if len(logs) < which:
                self.send_error(404, "no such log")
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            follow = options.get("follow") == "true" and which == 1
            self._send(logs[-which], options, lambda: follow and running(names[0], names[1], names[2]))

        def _send(self, log: Path, options: dict[str, str], more: Callable[[], bool]) -> None:
            """Send *log*, and what comes as long as there is *more*."""
            with log.open("rb") as file:
                if "tailLines" in options:
                    start = len(b"".join(file.readlines()[: -int(options["tailLines"]) or None]))
                    file.seek(start)
                going = True
                while going:
                    going = more()
                    self.wfile.write(file.read())
                    self.wfile.flush()
                    time.sleep(_POLL_SECONDS if going else 0)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
