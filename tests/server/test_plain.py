"""The plain port: health, readiness and metrics over HTTP."""

import errno
import http.client
import json
import logging
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.ports import free_ports
from webhook.server.app import health_app
from webhook.server.metrics import Metrics
from webhook.server.plain import serve_plain
from webhook.server.readiness import Condition, Readiness

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class State:
    """What the readiness of the port under test depends on."""

    holds = True
    detail = "seen"

    def condition(self) -> Condition:
        return Condition("thing", self.holds, self.detail)


@pytest.fixture(scope="module")
def shared() -> State:
    return State()


@pytest.fixture(scope="module")
def port(shared: State) -> Iterator[int]:
    (port,) = free_ports(1)
    stop = serve_plain(health_app(Readiness([shared.condition]), Metrics().registry), "127.0.0.1", port)
    yield port
    stop()


@pytest.fixture
def state(shared: State) -> Iterator[State]:
    yield shared
    shared.holds, shared.detail = State.holds, State.detail


def ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex(("::1", 9)) in (0, errno.ECONNREFUSED)


def seen(caplog: pytest.LogCaptureFixture, message: str) -> list[logging.LogRecord]:
    """Return the plain port's records that say *message*, after waiting for the first."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = [record for record in caplog.records if record.getMessage() == message]
        if found:
            return found
        time.sleep(0.02)
    return []


def ask(port: int, method: str, path: str) -> tuple[int, str | None, bytes]:
    """Return status, content type and body of the answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type"), answer.read()


def test_healthz_answers(port: int) -> None:
    assert ask(port, "GET", "/healthz") == (200, "text/plain", b"ok\n")


def test_readyz_says_what_holds(port: int) -> None:
    assert ask(port, "GET", "/readyz") == (200, "text/plain; charset=utf-8", b"[+]thing: seen\nready\n")


def test_readyz_is_503_while_something_required_does_not_hold(port: int, state: State) -> None:
    state.holds = False

    assert ask(port, "GET", "/readyz") == (503, "text/plain; charset=utf-8", b"[-]thing: seen\nnot ready\n")


def test_regression_readyz_was_a_500_where_a_file_name_is_not_utf_8(port: int, state: State) -> None:
    state.detail = "policies/\udcff.yaml:1:1: no"

    assert ask(port, "GET", "/readyz")[2] == b"[+]thing: policies/\\udcff.yaml:1:1: no\nready\n"


def test_metrics_are_in_the_text_format(port: int) -> None:
    status, content_type, body = ask(port, "GET", "/metrics")

    assert status == 200
    assert content_type is not None
    assert content_type.startswith("text/plain; version=")
    assert b"\npodgate_bad_requests_total 0.0\n" in body


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_head_is_get_without_a_body(port: int, path: str) -> None:
    status, content_type, body = ask(port, "HEAD", path)

    assert (status, content_type, body) == (*ask(port, "GET", path)[:2], b"")


@pytest.mark.parametrize("path", ["/", "/validate", "/healthz/", "/%ff", "/metrics/x"])
def test_an_unknown_path_is_a_404_in_json(port: int, path: str) -> None:
    status, content_type, body = ask(port, "GET", path)

    assert (status, content_type) == (404, "application/json")
    assert json.loads(body)["reason"].startswith("The requested URL was not found on the server.")


def test_another_method_is_a_405_in_json(port: int) -> None:
    status, content_type, body = ask(port, "POST", "/healthz")

    assert (status, content_type) == (405, "application/json")
    assert json.loads(body) == {"reason": "The method is not allowed for the requested URL."}


def test_a_client_that_sends_nothing_holds_up_nobody(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10):
        began = time.monotonic()

        assert ask(port, "GET", "/healthz")[0] == 200
        assert time.monotonic() - began < 5


def test_regression_a_connection_that_was_reset_left_a_traceback_on_standard_error(
    port: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.sendall(b"GET /hea")
        time.sleep(0.1)

    assert [record.levelno for record in seen(caplog, "plain port: client went away")] == [logging.DEBUG]
    assert capfd.readouterr().err == ""
    assert ask(port, "GET", "/healthz")[0] == 200


def test_requests_are_logged_at_debug_only(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    ask(port, "GET", "/healthz?once")

    wanted = '"GET /healthz?once HTTP/1.1" 200 3'
    levels: list[int] = []
    for _ in range(500):  # it is logged by another thread, once the answer is out
        levels = [record.levelno for record in caplog.records if vars(record).get("request") == wanted]
        if levels:
            break
        time.sleep(0.01)
    assert levels == [logging.DEBUG]


def test_a_port_that_is_taken_is_an_error(port: int) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        serve_plain(health_app(Readiness([]), Metrics().registry), "127.0.0.1", port)


def test_once_stopped_the_port_is_free_again() -> None:
    (port,) = free_ports(1)

    for _ in range(2):
        stop = serve_plain(health_app(Readiness([]), Metrics().registry), "127.0.0.1", port)
        assert ask(port, "GET", "/healthz")[0] == 200
        stop()

    with pytest.raises(ConnectionRefusedError):
        ask(port, "GET", "/healthz")


def test_ipv6_is_served() -> None:
    (port,) = free_ports(1)
    if not ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    stop = serve_plain(health_app(Readiness([]), Metrics().registry), "::1", port)
    try:
        with closing(http.client.HTTPConnection("::1", port, timeout=10)) as connection:
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
    finally:
        stop()
