"""A webhook that allows everything and keeps what it was asked."""

import base64
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.credentials import write_serving_certificate

Review = dict[str, Any]


class Recorder:
    """An HTTPS server on loopback that records AdmissionReviews while its ``with`` block lasts."""

    def __init__(self, folder: Path) -> None:
        """Prepare a server whose certificate is made in *folder*."""
        certificate, key = write_serving_certificate(folder)
        self.ca_bundle = base64.b64encode(certificate.read_bytes()).decode()
        self._reviews: list[Review] = []
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._record))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        # The handshake waits for the first read, so that it happens in the thread of the connection.
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, name="recorder")
        self.url = f"https://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop serving, once what is under way is answered."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __len__(self) -> int:
        """Return how many reviews have arrived."""
        with self._arrived:
            return len(self._reviews)

    def find(self, wanted: Callable[[Review], bool], *, since: int = 0, seconds: float = 30) -> Review:
        """Return the first review from number *since* on that is *wanted*; wait for it. Raises TimeoutError."""

        def first() -> Review | None:
            return next(filter(wanted, self._reviews[since:]), None)

        with self._arrived:
            review = self._arrived.wait_for(first, seconds)
        if review is None:
            message = f"no such review among {len(self) - since} within {seconds:.0f} s"
            raise TimeoutError(message)
        return review

    def _record(self, review: Review) -> None:
        with self._arrived:
            self._reviews.append(review)
            self._arrived.notify_all()


def _handler(record: Callable[[Review], None]) -> type[BaseHTTPRequestHandler]:
    """Return a handler that passes each review to *record*; it speaks HTTP/1.0, one request a connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            record(review)
            response = {"uid": review["request"]["uid"], "allowed": True}
            answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing: what arrives is recorded."""

    return Handler
