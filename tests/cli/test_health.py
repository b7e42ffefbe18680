"""podgate health: what a container's health check runs."""

import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.ports import free_ports
from tests.served import Served
from webhook.cli import main


def health(port: int, *flags: str) -> Result:
    return CliRunner().invoke(main, ["health", f"--plain-port={port}", *flags], prog_name="podgate")


def test_a_podgate_that_serves_is_well_and_says_what_of_it_is_ready(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        alive, ready = health(served.plain_port), health(served.plain_port, "--ready")

    assert (alive.exit_code, alive.output) == (0, "ok\n")
    assert ready.exit_code == 0
    assert ready.output.endswith("\nready\n")
    assert "[+]policies:" in ready.output


def test_one_that_is_not_ready_is_alive(tmp_path: Path) -> None:
    policies = tmp_path / "none"
    policies.mkdir()

    with Served(tmp_path / "served", f"--policies={policies}", wait=False) as served:
        served.wait_until(lambda: served.get("/healthz")[0] == 200, "alive", 20)
        alive, ready = health(served.plain_port), health(served.plain_port, "--ready")

    assert (alive.exit_code, ready.exit_code) == (0, 1)
    assert "no ClusterPolicy found" in ready.output


def test_nobody_there_is_an_error_that_names_the_address() -> None:
    (port,) = free_ports(1)

    result = health(port)

    assert result.exit_code == 1
    assert result.stderr == f"Error: http://127.0.0.1:{port}/healthz: [Errno 111] Connection refused\n"


@pytest.mark.parametrize("said", [b"", b"220 not HTTP\r\n\r\n"])
def test_something_else_that_listens_there_is_an_error(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        result = health(server.getsockname()[1])
        thread.join(10)

    assert result.exit_code == 1
    assert "/healthz: " in result.stderr
