"""How podgate ends where it cannot go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from webhook.cli.exits import Commands

PODGATE = [sys.executable, "-m", "webhook"]
PRINTING = [("--help",), ("check", "--help"), ("completion", "bash")]


@click.group(cls=Commands)
def commands() -> None:
    """Commands that fail."""


@commands.command()
def at_fault() -> None:
    """Raise what nobody expects."""
    msg = "a\nb"
    raise ValueError(msg)


@commands.command()
@click.argument("file")
def unreadable(file: str) -> None:
    """Read a file."""
    Path(file).read_bytes()


@commands.command()
def asking() -> None:
    """Ask."""
    click.confirm("Go on?", abort=True)


def podgate(*words: str, stdout: int) -> subprocess.CompletedProcess[str]:
    # With buffers, as Python has them by default: what is left in one at the end must not change the exit code.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [*PODGATE, *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_full_disk_is_one_line_and_exit_code_2(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = podgate(*words, stdout=full.fileno())

    assert (done.returncode, done.stderr) == (2, "Error: standard input or output: No space left on device\n")


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_reader_that_went_away_ends_podgate_quietly_as_the_signal_would(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = podgate(*words, stdout=writing)

    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_an_interrupt_is_exit_code_130_and_no_traceback(tmp_path: Path) -> None:
    command = [*PODGATE, "check", f"--policies={tmp_path}", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"#" * 1024 * 1024)  # more than a pipe holds: it returns when podgate reads
        process.stdin.flush()
        time.sleep(0.5)  # for the rest: a signal between two reads waits for the end of the second
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
        said = process.stderr.read()

    assert (code, said) == (130, b"")


def test_a_fault_of_podgates_own_is_one_line_that_says_where() -> None:
    result = CliRunner().invoke(commands, ["at-fault"])

    assert result.exit_code == 2
    assert result.stderr.startswith(r"Error: a fault in podgate: ValueError: a\nb (")
    assert "test_exits.py:" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_a_command_did_not_expect_to_be_unreadable_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(commands, ["unreadable", str(tmp_path)])

    assert (result.exit_code, result.stderr) == (2, f"Error: {tmp_path}: Is a directory\n")


def test_what_click_ends_stays_as_it_is() -> None:
    declined, misused = (CliRunner().invoke(commands, words, input="n\n") for words in (["asking"], ["asking", "-x"]))

    assert (declined.exit_code, misused.exit_code) == (1, 2)
    assert declined.stderr == "Aborted!\n"
    assert misused.stderr.startswith("Usage: ")
