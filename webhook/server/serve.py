"""The main process: it starts the worker, and ends it gracefully."""

import functools
import logging
import multiprocessing
import os
import resource
import signal
import socket
import threading
from types import FrameType
from typing import Any

from granian import Granian
from granian.constants import Interfaces, SSLProtocols
from granian.log import LogLevels
from msgspec import Struct

from webhook.server.logs import GRANIAN_LOGGING
from webhook.server.worker import Worker, WorkerSettings

MOST_CONNECTIONS = 8192  # past these none is accepted, and idle ones count: few would be a way to lock everyone out

_log = logging.getLogger(__name__)


class AddressError(ValueError):
    """A port cannot be served on; str() says which and why."""


class ServeSettings(Struct, frozen=True):
    """Where to serve, and how long to drain (seconds) before the end."""

    host: str
    port: int
    drain_seconds: float
    worker: WorkerSettings


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises AddressError; SystemExit(1) where the worker ends by itself.

    SIGTERM: the worker is told to drain, and ends after `drain_seconds`, when load balancers have forgotten it and
    clients have moved their connections. SIGINT, or a second SIGTERM: it ends at once. Either way requests in flight
    are answered.
    """
    for host, port in ((settings.host, settings.port), (settings.worker.plain_host, settings.worker.plain_port)):
        _require_free(host, port)
    draining = multiprocessing.Event()
    # A connection is a file: the soft limit of many systems, 1,024, would be another way to lock everyone out.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    certificate = settings.worker.certificate
    server = Granian(
        "webhook.server.worker",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        websockets=False,
        ssl_cert=certificate.certificate,
        ssl_key=certificate.key,
        ssl_protocol_min=SSLProtocols.tls12,
        log_level=LogLevels.warning,
        log_dictconfig=GRANIAN_LOGGING,
        backpressure=MOST_CONNECTIONS,
    )

    def drain(_signal: int, _frame: FrameType | None) -> None:
        # Granian ends on SIGINT; a second SIGTERM finds its handler again.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        draining.set()
        timer = threading.Timer(settings.drain_seconds, os.kill, (os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()

    server.on_startup(lambda: signal.signal(signal.SIGTERM, drain))
    _log.info("serving", extra={"address": f"https://{settings.host}:{settings.port}/validate"})
    loader: Any = functools.partial(Worker, settings.worker, draining)
    server.serve(target_loader=loader, wrap_loader=False)


def _require_free(host: str, port: int) -> None:
    """Raise AddressError if *port* is taken: Granian would share it with another that listens as it does, unnoticed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = f"cannot listen on {host} port {port}: {error.strerror}"
            raise AddressError(msg) from error
