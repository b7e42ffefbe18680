"""What comes to an address from a bridge goes elsewhere: connections to a Service, in both directions."""

import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress

Address = tuple[str, int]

_CHUNK = 65536


class Forward:
    """Takes connections to *address* that come from the interface *device*, and passes all on.

    *target* says where each goes to; where it raises OSError, the connection is closed.
    """

    def __init__(self, address: Address, device: str, target: Callable[[], Address]) -> None:
        """Start; other kubelets on this machine can have the same address on interfaces of their own."""
        self._server = _server(address, device, target)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="forward", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections; those under way end with either side."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _server(address: Address, device: str, target: Callable[[], Address]) -> socketserver.TCPServer:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(target(), timeout=10) as far:
                far.settimeout(None)
                back = threading.Thread(target=_pump, args=(far, self.request), daemon=True)
                back.start()
                _pump(self.request, far)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

        def server_bind(self) -> None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            super().server_bind()

    return Server(address, Handler)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what *source* sends, and that it has ended."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    for each, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            each.shutdown(how)
