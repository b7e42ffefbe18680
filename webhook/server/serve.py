"""The main process: it starts the worker, and ends it gracefully."""

import functools
import logging
import multiprocessing
import os
import resource
import signal
import socket
import threading
from contextlib import ExitStack
from multiprocessing.connection import Connection
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
    """What to serve, and how long to drain (seconds) before the end."""

    drain_seconds: float
    worker: WorkerSettings


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises AddressError; SystemExit(1) where the worker ends by itself.

    SIGTERM: the worker is told to drain, and ends after `drain_seconds`, when load balancers have forgotten it and
    clients have moved their connections. SIGINT, or a second SIGTERM: it ends at once. Either way requests in flight
    are answered.
    """
    with ExitStack() as held:
        address = _free_address(settings.worker.host, settings.worker.port, held)
        _free_address(settings.worker.plain_host, settings.worker.plain_port, held)
    # A pipe, not an Event: setting an Event waits for those who wait for it to wake, for ever if the worker is dead.
    draining, drainer = multiprocessing.Pipe(duplex=False)
    # A connection is a file: the soft limit of many systems, 1,024, would be another way to lock everyone out.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    server = _granian(settings, address)
    server.on_startup(functools.partial(_take_signals, settings.drain_seconds, drainer))
    _log.info("serving", extra={"address": f"https://{settings.worker.host}:{settings.worker.port}/validate"})
    loader: Any = functools.partial(Worker, settings.worker, draining)
    server.serve(target_loader=loader, wrap_loader=False)


def _granian(settings: ServeSettings, address: str) -> Any:  # which class Granian is depends on the interpreter
    certificate = settings.worker.certificate
    return Granian(
        "webhook.server.worker",
        address=address,
        port=settings.worker.port,
        interface=Interfaces.RSGI,
        websockets=False,
        ssl_cert=certificate.certificate,
        ssl_key=certificate.key,
        ssl_protocol_min=SSLProtocols.tls12,
        log_level=LogLevels.warning,
        log_dictconfig=GRANIAN_LOGGING,
        backpressure=MOST_CONNECTIONS,
    )


def _take_signals(drain_seconds: float, drainer: Connection) -> None:
    """Take SIGTERM over from Granian, which ends on SIGINT, too; a second SIGTERM finds its handler again."""
    main = os.getpid()

    def drain(_signal: int, _frame: FrameType | None) -> None:
        if os.getpid() != main:
            # The worker, which has this handler until it begins to serve: it is told to end, and answers nobody yet.
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        drainer.send_bytes(b"drain")
        timer = threading.Timer(drain_seconds, os.kill, (os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, drain)
    # Granian would start a second worker beside the first, on the same ports.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _free_address(host: str, port: int, held: ExitStack) -> str:
    """Return the IP address of *host*, and hold *port* there until *held* ends; raises AddressError if it is taken.

    Granian would share a port with another process that listens as it does, unnoticed.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        probe = held.enter_context(socket.socket(family))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()
    except OSError as error:
        msg = f"cannot listen on {host} port {port}: {error.strerror}"
        raise AddressError(msg) from error
    return str(address[0])
