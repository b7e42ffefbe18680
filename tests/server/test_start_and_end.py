"""How podgate starts and ends beside others: taken ports, signals, and a main process that is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.served import POLICIES, Served

REVIEWS = Path(__file__).parents[1] / "fixtures/reviews"
GOOD = (REVIEWS / "pod-create-pinned-nonroot.json").read_bytes()


def start(*flags: str) -> tuple[int, str]:
    """Run a podgate that is to fail at its start; return its exit code and the last line of what it said."""
    command = [sys.executable, "-m", "webhook", "serve", "--self-signed", f"--policies={POLICIES}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def worker_of(served: Served) -> Iterator[int]:
    """Give the id of the worker, which is killed in the end if it is still there."""
    worker = children(served.process.pid)[0]
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_regression_a_second_podgate_shared_the_port_of_the_first(served: Served) -> None:
    plain, port = free_ports(1)[0], served.port

    code, said = start("--host=127.0.0.1", f"--port={port}", "--plain-host=127.0.0.1", f"--plain-port={plain}")

    assert (code, said) == (1, f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use")


def test_regression_one_port_for_both_ended_in_a_panic() -> None:
    (port,) = free_ports(1)

    code, said = start("--host=127.0.0.1", f"--port={port}", "--plain-host=127.0.0.1", f"--plain-port={port}")

    assert (code, said) == (1, f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use")


def test_an_address_that_is_none_is_named() -> None:
    code, said = start("--host=256.1.1.1", "--port=8443")

    assert code == 1
    assert said.startswith("Error: cannot listen on 256.1.1.1 port 8443: ")


def test_regression_a_host_by_name_ended_in_a_traceback(tmp_path: Path) -> None:
    with Served(tmp_path, "--host=localhost") as served:
        assert served.ask(GOOD)["allowed"] is True


def test_regression_sighup_ended_it(tmp_path: Path) -> None:
    with Served(tmp_path) as served, worker_of(served) as worker:
        served.process.send_signal(signal.SIGHUP)
        os.kill(worker, signal.SIGHUP)
        time.sleep(1)

        assert served.process.poll() is None
        assert served.ask(GOOD)["allowed"] is True
        assert served.stop() == 0


def test_regression_the_worker_outlived_a_main_process_that_was_killed(tmp_path: Path) -> None:
    with Served(tmp_path) as served, worker_of(served) as worker:
        served.process.kill()
        served.process.wait(10)

        deadline = time.monotonic() + 10
        while is_there(worker) and time.monotonic() < deadline:
            time.sleep(0.05)

        assert not is_there(worker)
    assert "the main process is gone, the worker ends" in served.errors.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_regression_a_signal_while_policies_were_read_was_lost(tmp_path: Path, number: signal.Signals) -> None:
    policies = tmp_path / "policies.yaml"
    os.mkfifo(policies)  # nobody writes to it: the worker does not get past reading it

    with Served(tmp_path / "served", f"--policies={policies}", wait=False) as served:
        served.wait_until(lambda: children(served.process.pid), "started", 20)
        with worker_of(served):
            time.sleep(0.3)
            served.process.send_signal(number)

            assert served.process.wait(15) == 0


def test_it_ends_in_peace_when_all_its_processes_are_interrupted_as_by_a_terminal(tmp_path: Path) -> None:
    with Served(tmp_path, "--drain-seconds=60") as served, worker_of(served) as worker:
        os.kill(worker, signal.SIGINT)
        served.process.send_signal(signal.SIGINT)

        assert served.process.wait(20) == 0
    assert "Traceback" not in served.errors.read_text()


def test_it_is_told_to_drain_when_all_its_processes_are_terminated(tmp_path: Path) -> None:
    with Served(tmp_path) as served, worker_of(served) as worker:
        os.kill(worker, signal.SIGTERM)
        served.process.send_signal(signal.SIGTERM)

        code = served.process.wait(20)
    assert code in (0, 1)  # the worker may be gone before the main process is told
    assert "Traceback" not in served.errors.read_text()


@pytest.mark.parametrize("attempt", range(3))
def test_regression_it_was_ready_before_it_listened(tmp_path: Path, attempt: int) -> None:
    with Served(tmp_path / str(attempt)) as served:  # waits for the first 200 of /readyz, and no longer
        assert served.ask(GOOD)["allowed"] is True
        assert "[+]serving: reviews are answered\n" in served.get("/readyz")[1]


def test_regression_sigterm_hung_when_the_worker_was_dead(tmp_path: Path) -> None:
    with Served(tmp_path) as served, worker_of(served) as worker:
        served.process.send_signal(signal.SIGSTOP)
        os.kill(worker, signal.SIGKILL)
        served.process.send_signal(signal.SIGTERM)
        served.process.send_signal(signal.SIGCONT)

        assert served.process.wait(15) in (0, 1)
