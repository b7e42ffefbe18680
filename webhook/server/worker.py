"""The worker: the process that answers. All that podgate holds in memory lives in it.

Granian calls it by RSGI, its own interface, not by WSGI: reading a body then waits in the event loop. Under WSGI one
client that sends its body slowly holds up one of few threads, and all reviews behind it; enough threads to bear that
cost a third of the speed and ten times the 99th percentile (docs/adr/0002-granian.md has the figures).
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import time
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # documented there, but not re-exported by name
from msgspec import Struct
from werkzeug.test import EnvironBuilder, run_wsgi_app

from webhook.denials.log import DenialLog
from webhook.denials.sinks import DescriptorSink, FileSink, Sink
from webhook.policy.reload import PolicyFolder, PolicyState
from webhook.reports.facts import ImageFacts
from webhook.reports.index import ReportIndex
from webhook.reports.sqlite import SqliteReports
from webhook.server.admission import Admission, BadRequestError
from webhook.server.app import LONGEST_BODY, admission_app, health_app
from webhook.server.certificate import ServingCertificate
from webhook.server.metrics import Metrics
from webhook.server.plain import serve_plain
from webhook.server.readiness import Condition, Readiness

CONNECT_SECONDS = 1  # for this process to take a connection from itself
MOST_DISCARDED = 64 * 1024 * 1024  # bytes of a body that is too long
BODY_SECONDS = 10  # for a client to send its body; the API server waits no longer for an answer by default
JSON = ("content-type", "application/json")
CLOSE = ("connection", "close")

_log = logging.getLogger(__name__)


class DenialLogSettings(Struct, frozen=True):
    """Where the denial log goes: a file, or standard output where `path` is None."""

    path: Path | None
    max_bytes: int
    max_age: float
    keep: int
    log_allowed: bool

    def sink(self) -> Sink:
        """Return the sink that is asked for."""
        if self.path is None:
            return DescriptorSink(1)
        return FileSink(self.path, max_bytes=self.max_bytes, max_age=self.max_age, keep=self.keep)


class WorkerSettings(Struct, frozen=True):
    """What a worker needs to know: where it answers reviews, and the plain port, and all that it holds."""

    host: str
    port: int
    policies: Path
    reports: Path
    reports_bytes: int
    cluster: str
    plain_host: str
    plain_port: int
    denials: DenialLogSettings
    certificate: ServingCertificate


class Worker:
    """A worker at work: an RSGI application, with the policies kept fresh and the plain port served beside it."""

    def __init__(self, settings: WorkerSettings, draining: Connection) -> None:
        """Load everything, begin to serve the plain port and to watch; a message on *draining* says the end is near."""
        self._draining = self._listening = False
        self._settings = settings
        self._metrics = metrics = Metrics()
        metrics.certificate_expiry.set(settings.certificate.not_after.timestamp())
        self._policies = PolicyFolder(settings.policies, on_load=self._count_load)
        self._reports = ReportIndex(
            SqliteReports(settings.reports), settings.reports_bytes, on_look=metrics.set_reports
        )
        self._denials = DenialLog(
            settings.denials.sink(),
            log_allowed=settings.denials.log_allowed,
            on_failure=metrics.log_failures.inc,
        )
        self._denials.probe()
        facts = ImageFacts(self._reports)
        self._admission = Admission(
            lambda: self._policies.state,
            self._denials,
            metrics,
            facts,
            reports=lambda: self._reports.state,
            cluster=settings.cluster,
        )
        self._app = admission_app(self._admission)
        readiness = Readiness(
            [
                self._serving,
                self._policies_readable,
                self._reports_readable,
                self._certificate_valid,
                self._log_writable,
            ]
        )
        serve_plain(health_app(readiness, metrics.registry), settings.plain_host, settings.plain_port)
        self._policies.watch()
        self._reports.watch()
        Thread(target=self._await_drain, args=(draining,), name="drain", daemon=True).start()
        Thread(target=_end_with_parent, name="parent", daemon=True).start()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        try:
            if scope.path == "/validate" and scope.method == "POST":
                status, headers, answer = await self._validate(scope, protocol)
            else:
                status, headers, answer = self._explain(scope)
            if self._draining and scope.http_version != "2":
                headers = [*headers, CLOSE]
            protocol.response_bytes(status, headers, answer)
        except ProtocolClosed:
            _log.debug("client went away")

    async def _validate(self, scope: Any, protocol: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        try:
            body = await _read_body(scope, protocol)
            return 200, [JSON], self._admission.answer(scope.headers.get("content-type", ""), body)
        except BadRequestError as error:
            self._metrics.bad_requests.inc()
            return error.status, [JSON], error.as_json()

    def _explain(self, scope: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return what the Flask application says to a request that is no review; the request's body does not matter."""
        self._metrics.bad_requests.inc()
        builder = EnvironBuilder(method=scope.method)
        builder.path = scope.path  # as an argument it would be read as a URL, and //[ is none
        environ = builder.get_environ()
        chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        kept = [(name.lower(), value) for name, value in headers if name.lower() != "content-length"]
        return int(status.split(" ", 1)[0]), kept, b"".join(chunks)

    def _count_load(self, state: PolicyState) -> None:
        self._metrics.count_load(
            success=not state.errors,
            policies=len(state.policies.policies),
            exceptions=len(state.policies.exceptions),
        )

    def _await_drain(self, draining: Connection) -> None:
        try:
            draining.recv_bytes()
        except EOFError:
            return
        self._draining = True
        _log.info("draining: not ready, connections are closed after their next answer")

    def _serving(self) -> Condition:
        if self._draining:
            return Condition("serving", holds=False, detail="draining")
        # The plain port is there first: Granian begins to listen once the worker is made, and tells nobody.
        self._listening = self._listening or _accepts(self._settings.host, self._settings.port)
        detail = "reviews are answered" if self._listening else "not listening yet"
        return Condition("serving", self._listening, detail)

    def _policies_readable(self) -> Condition:
        state = self._policies.state
        count = f"in force: policies {len(state.policies.policies)}, exceptions {len(state.policies.exceptions)}"
        detail = "; ".join((count, *state.errors))
        return Condition("policies", not state.errors, detail, required=not state.complete)

    def _reports_readable(self) -> Condition:
        state = self._reports.state
        if not state.error and not state.held and not _is_written(self._settings.reports):
            # As after the first installation, and for good where no policy asks about images.
            return Condition("reports", holds=True, detail=f"none: there is no store at {self._settings.reports} yet")
        short = f", {state.without_details} without their vulnerabilities" if state.without_details else ""
        left_out = f", {state.left_out} more in the store than memory has room for" if state.left_out else ""
        detail = "; ".join(filter(None, (f"held: {state.held}{short}{left_out}", state.error)))
        holds = not state.error and not state.without_details and not state.left_out
        return Condition("reports", holds, detail, required=not state.complete)

    def _certificate_valid(self) -> Condition:
        certificate = self._settings.certificate
        valid = certificate.not_before.timestamp() <= time.time() < certificate.not_after.timestamp()
        return Condition("certificate", valid, f"valid from {certificate.not_before} to {certificate.not_after}")

    def _log_writable(self) -> Condition:
        failure = self._denials.failure
        detail = "can be written" if failure is None else f"cannot be written: {failure.reason}"
        return Condition("denial-log", failure is None, detail, required=False)


def _end_with_parent() -> None:
    """End when the main process is gone: killed, it tells nobody, and a second podgate would share the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _log.error("the main process is gone, the worker ends")
        os.kill(os.getpid(), signal.SIGTERM)


def _is_written(path: Path) -> bool:
    """Whether there is a file at *path* with something in it."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


async def _read_body(scope: Any, protocol: Any) -> bytes:
    """Return the body; raises BadRequestError where it is too long or too slow.

    One that is too long is read to some bound all the same, since a client that is still sending would otherwise see
    its connection reset in place of the answer.
    """
    length = scope.headers.get("content-length", "")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            if length.isdecimal() and int(length) <= LONGEST_BODY:
                return bytes(await protocol())
            body, size = bytearray(), 0
            async for chunk in protocol:
                size += len(chunk)
                if size <= LONGEST_BODY:
                    body += chunk
                elif size > MOST_DISCARDED:
                    break
    except TimeoutError:
        raise BadRequestError(408, f"the body was not sent within {BODY_SECONDS} seconds") from None
    if size > LONGEST_BODY:
        raise BadRequestError(413, f"the body must have at most {LONGEST_BODY} bytes")
    return bytes(body)


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
