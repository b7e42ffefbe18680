"""`podgate serve` as a process: TLS, limits, slow clients, a graceful end, and errors at start."""

import http.client
import json
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.image_reports import full_report
from tests.served import Served
from webhook.reports.sqlite import SqliteReports
from webhook.server.app import LONGEST_BODY
from webhook.server.certificate import make_certificate
from webhook.server.worker import BODY_SECONDS

REVIEWS = Path(__file__).parents[1] / "fixtures" / "reviews"
GOOD = (REVIEWS / "pod-create-pinned-nonroot.json").read_bytes()
BAD = (REVIEWS / "pod-create-latest-root.json").read_bytes()
JSON = {"content-type": "application/json"}


def request(served: Served, method: str, path: str, body: Any = None, headers: Any = None) -> tuple[int, Any]:
    connection = served.connect()
    try:
        connection.request(method, path, body, headers or JSON, encode_chunked=not isinstance(body, bytes | None))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def connected(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), 30)


def unfinished(served: Served) -> ssl.SSLSocket:
    """Return a connection on which all of a review but its last bytes has been sent."""
    connection = served.tls().wrap_socket(connected(served), server_hostname="localhost")
    head = (
        f"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(GOOD)}\r\n\r\n"
    )
    connection.sendall(head.encode() + GOOD[:-10])
    return connection


def answer_on(connection: ssl.SSLSocket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_the_certificate_verifies_against_the_printed_ca_bundle(served: Served, name: str) -> None:
    with connected(served) as raw, served.tls().wrap_socket(raw, server_hostname=name) as connection:
        assert connection.version() == "TLSv1.3"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(served: Served, version: ssl.TLSVersion) -> None:
    context = served.tls()
    context.minimum_version = context.maximum_version = version
    with connected(served) as raw, context.wrap_socket(raw, server_hostname="localhost") as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_1_1_is_refused_by_the_server(served: Served) -> None:
    context = served.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would not even offer it
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with connected(served) as raw, pytest.raises(ssl.SSLError, match=r"alert (protocol version|handshake failure)"):
        context.wrap_socket(raw, server_hostname="localhost")


def test_http_2_is_chosen_where_the_client_speaks_it(served: Served) -> None:
    context = served.tls()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connected(served) as raw, context.wrap_socket(raw, server_hostname="localhost") as connection:
        assert connection.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "reason"),
    [
        ("GET", "/validate", None, JSON, 405, "The method is not allowed for the requested URL."),
        ("POST", "/", b"{}", JSON, 404, "The requested URL was not found on the server."),
        ("GET", "/healthz", None, JSON, 404, "The requested URL was not found on the server."),
        ("POST", "/validate", GOOD, {"content-type": "text/plain"}, 415, "the content type must be application/json"),
        ("POST", "/validate", b"", JSON, 400, "the body is no AdmissionReview of admission.k8s.io/v1: "),
        ("POST", "/validate", b"\xff\x00", JSON, 400, "the body is no AdmissionReview of admission.k8s.io/v1: "),
        (
            "POST",
            "/validate",
            GOOD.replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
            JSON,
            400,
            "the body is no AdmissionReview of admission.k8s.io/v1: Invalid enum value 'admission.k8s.io/v1beta1'",
        ),
    ],
)
def test_what_is_no_review_gets_a_4xx_with_its_reason(  # noqa: PLR0913, PLR0917  # a table
    served: Served, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, reason: str
) -> None:
    got, answer = request(served, method, path, body, headers)

    assert got == status
    assert answer["reason"].startswith(reason)


@pytest.mark.parametrize("size", [LONGEST_BODY + 1, 5 * LONGEST_BODY])
@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_a_body_over_7_mib_is_a_413_that_its_sender_gets_to_read(served: Served, size: int, *, chunked: bool) -> None:
    body = b" " * size

    status, answer = request(
        served, "POST", "/validate", iter([body[: size // 2], body[size // 2 :]]) if chunked else body
    )

    assert status == 413
    assert answer == {"reason": f"the body must have at most {LONGEST_BODY} bytes"}


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_a_review_of_just_under_7_mib_is_judged(served: Served, *, chunked: bool) -> None:
    body = GOOD + b" " * (LONGEST_BODY - len(GOOD))

    status, answer = request(served, "POST", "/validate", iter([body]) if chunked else body)

    assert status == 200
    assert answer["response"]["allowed"] is True


def test_odd_bodies_never_drop_the_connection(served: Served) -> None:
    bodies = [GOOD[:cut] for cut in range(0, len(GOOD), 97)] + [bytes([byte]) * 40 for byte in range(0, 256, 5)]
    connection = served.connect()
    connection.connect()
    kept = connection.sock

    for body in bodies:
        connection.request("POST", "/validate", body, JSON)
        answer = connection.getresponse()
        assert 400 <= answer.status < 500
        assert json.loads(answer.read())["reason"]

    assert connection.sock is kept
    connection.close()


def test_a_slow_client_holds_up_nobody_and_is_told_after_10_s(served: Served) -> None:
    slow = [unfinished(served) for _ in range(100)]
    began = time.monotonic()

    assert served.ask(GOOD)["allowed"] is True
    assert time.monotonic() - began < BODY_SECONDS / 2

    answer = answer_on(slow[0])
    assert (answer.status, json.loads(answer.read())) == (408, {"reason": "the body was not sent within 10 seconds"})
    for connection in slow:
        connection.close()


def test_at_sigterm_it_drains_and_answers_what_is_in_flight(tmp_path: Path) -> None:
    with Served(tmp_path, "--drain-seconds=4") as served:
        kept, in_flight, longer = served.connect(), unfinished(served), unfinished(served)
        kept.request("POST", "/validate", GOOD, JSON)
        first = kept.getresponse()
        first.read()

        told = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        served.wait_until(lambda: served.get("/readyz")[0] == 503, "not ready", 3)
        ready = served.get("/readyz")[1]
        kept.request("POST", "/validate", GOOD, JSON)
        second = kept.getresponse()
        second.read()
        fresh = served.ask(GOOD)
        in_flight.sendall(GOOD[-10:])
        during = answer_on(in_flight)
        time.sleep(max(0, told + 4.5 - time.monotonic()))
        longer.sendall(GOOD[-10:])
        after = answer_on(longer)
        code = served.process.wait(10)
        for connection in (kept, in_flight, longer, during, after):
            connection.close()

    assert first.getheader("connection") is None
    assert "[-]serving: draining" in ready
    assert (second.status, second.getheader("connection")) == (200, "close")
    assert fresh["allowed"] is True
    assert (during.status, after.status) == (200, 200)
    assert code == 0
    assert "Traceback" not in served.errors.read_text()


def test_sigint_and_a_second_sigterm_end_it_at_once(tmp_path: Path) -> None:
    with Served(tmp_path / "a", "--drain-seconds=60") as served:
        began = time.monotonic()
        assert served.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 10
    with Served(tmp_path / "b", "--drain-seconds=60") as served:
        served.process.send_signal(signal.SIGTERM)
        served.wait_until(lambda: served.get("/readyz")[0] == 503, "draining", 5)
        assert served.stop(signal.SIGTERM) == 0


def test_a_worker_that_dies_ends_the_command_with_a_failure(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        pid = served.process.pid
        worker = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        subprocess.run(["kill", "-9", worker], check=True)

        assert served.process.wait(20) == 1


def test_a_bad_policy_at_start_leaves_it_not_ready_and_refusing(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "bad.yaml").write_text("apiVersion: podgate.io/v1\nkind: ClusterPolicies\n")

    with Served(tmp_path / "served", policies=policies, wait=False) as served:
        served.wait_until(lambda: served.get("/readyz")[0] == 503, "up", 20)
        where = f"{served.policies}/bad.yaml:2:7: kind: expected ClusterPolicy or PolicyException"
        ready = served.get("/readyz")[1]
        response = served.ask(GOOD)
        (served.policies / "bad.yaml").write_text((Path(__file__).parents[2] / "policies/non-root.yaml").read_text())
        served.wait_until(lambda: served.get("/readyz")[0] == 200, "mended", 5)
        mended = served.ask(GOOD)

    assert f"[-]policies: in force: policies 0, exceptions 0; {where}" in ready
    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert where in response["status"]["message"]
    assert mended["allowed"] is True


def test_a_store_that_cannot_be_read_at_start_leaves_it_not_ready_and_refusing(tmp_path: Path) -> None:
    store = tmp_path / "reports.db"
    store.write_bytes(b"{}" * 1000)

    with Served(tmp_path / "served", f"--reports={store}", wait=False) as served:
        served.wait_until(lambda: served.get("/readyz")[0] == 503, "up", 20)
        ready = served.get("/readyz")[1]
        served.wait_until(lambda: served.ask(GOOD), "listening", 5)
        response = served.ask(GOOD)
        store.unlink()
        served.wait_until(lambda: served.get("/readyz")[0] == 200, "mended", 5)

    reason = f"{store}: not a store of reports, nor any file of SQLite"
    assert f"[-]reports: held: 0; {reason}\n" in ready
    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert reason in response["status"]["message"]


def test_reports_that_are_held_without_their_vulnerabilities_show_and_leave_it_ready(tmp_path: Path) -> None:
    store = tmp_path / "reports.db"
    titles = [{"id": f"CVE-2099-{n}", "severity": "low", "title": secrets.token_hex(8192)} for n in range(3)]
    SqliteReports(store).put(
        [full_report(digest=f"sha256:{number:064x}", vulnerabilities=titles) for number in range(50)]
    )

    with Served(tmp_path, f"--reports={store}", "--reports-memory=1") as served:
        status, ready = served.get("/readyz")

    assert status == 200
    found = re.search(r"^\[!\]reports: held: 50, (\d+) without their vulnerabilities$", ready, re.MULTILINE)
    assert found
    assert 0 < int(found[1]) < 50


@pytest.mark.parametrize("empty", [False, True], ids=["no file", "an empty file"])
def test_a_store_that_is_not_there_yet_shows_and_leaves_it_ready(tmp_path: Path, *, empty: bool) -> None:
    store = tmp_path / "reports.db"
    if empty:
        store.touch()

    with Served(tmp_path, f"--reports={store}") as served:
        before = served.get("/readyz")
        SqliteReports(store).put([full_report()])
        served.wait_until(lambda: "[+]reports: held: 1\n" in served.get("/readyz")[1], "followed", 2)

    assert before[0] == 200
    assert f"[+]reports: none: there is no store at {store} yet\n" in before[1]


def test_a_denial_log_that_cannot_be_written_shows_from_the_start_and_refuses_nobody(tmp_path: Path) -> None:
    with Served(tmp_path, f"--denial-log={tmp_path}/missing/denials.jsonl") as served:
        before = served.get("/readyz")
        response = served.ask(BAD)
        allowed = served.ask(GOOD)
        failures = served.metric("podgate_denial_log_failures_total")
        (tmp_path / "missing").mkdir()
        served.ask(BAD)
        after = served.get("/readyz")

    assert before[0] == 200
    assert "[!]denial-log: cannot be written: [Errno 2] No such file or directory" in before[1]
    assert response["status"]["code"] == 403
    assert allowed["allowed"] is True
    assert failures == 1
    assert "[+]denial-log: can be written" in after[1]


def test_health_and_metrics_are_on_the_plain_port_alone(served: Served) -> None:
    assert served.get("/healthz") == (200, "ok\n")
    assert served.get("/validate")[0] == 404
    assert "podgate_certificate_not_after_timestamp_seconds 1." in served.get("/metrics")[1]


def run(*flags: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "webhook", "serve", "--policies=policies", *flags],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def test_what_is_wrong_at_start_is_said_in_a_line_and_ends_it(tmp_path: Path, served: Served) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        make_certificate(["localhost"]).write(folder)
    (tmp_path / "no.crt").write_text("no certificate")
    files = (f"--tls-cert={one}/tls.crt", f"--tls-key={other}/tls.key")

    assert run() == (2, _usage("a certificate is needed: give --tls-cert and --tls-key, or --self-signed"))
    assert run("--self-signed", *files)[1].endswith("leave out --tls-cert and --tls-key\n")
    code, mismatch = run(*files)
    assert code == 1
    assert mismatch.startswith(f"Error: {other}/tls.key: no key in PEM for {one}/tls.crt can be read: ")
    assert run(f"--tls-cert={tmp_path}/no.crt", files[1])[1].startswith(
        f"Error: {tmp_path}/no.crt: no certificate can be served from it: "
    )
    assert run(f"--tls-cert={tmp_path}/gone", files[1])[1].endswith(
        "gone: no certificate can be served from it: No such file or directory\n"
    )
    assert run("--self-signed", "--name=exämple")[1] == "Error: exämple: neither a DNS name nor an IP address\n"
    for flag, port in (("--port", served.port), ("--plain-port", served.plain_port)):
        code, taken = run("--self-signed", "--host=127.0.0.1", "--plain-host=127.0.0.1", f"{flag}={port}")
        assert code == 1
        assert taken.endswith(f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use\n")


def _usage(message: str) -> str:
    command = "python -m webhook serve"
    return f"Usage: {command} [OPTIONS]\nTry '{command} --help' for help.\n\nError: {message}\n"
