"""The plain port: a WSGI application over HTTP, in threads of its own, for probes and Prometheus."""

import logging
import socket
import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

_log = logging.getLogger(__name__)


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds for a client to send its request

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            _log.debug("plain port: client went away")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the standard library's
        _log.debug("plain port", extra={"request": format % args})


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _ServerV6(_Server):
    address_family = socket.AF_INET6


def serve_plain(app: Callable[..., Any], host: str, port: int) -> Callable[[], None]:
    """Serve *app* on *host* and *port* from now on; return what stops it. Raises OSError where the port is taken."""
    server = make_server(host, port, app, server_class=_ServerV6 if ":" in host else _Server, handler_class=_Handler)
    threading.Thread(target=server.serve_forever, name="plain-port", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
