"""podgate completion: what it prints, run by the shells that this machine has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHELLS = ("bash", "zsh", "fish")


def completion(shell: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webhook", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which podgate is a command."""
    program = tmp_path / "podgate"
    start = "from webhook.cli import main; main(prog_name='podgate')"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def offered_by_bash(words: list[str], environment: dict[str, str]) -> list[str]:
    """Return what bash offers for the last of *words*, by the function that the script registers."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        'eval "$(podgate completion bash)"\n'
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        "$(complete -p podgate | sed -E 's/.*-F ([^ ]+).*/\\1/') podgate\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["podgate", "che"], ["check"]),
        (["podgate", "completion", ""], ["bash", "zsh", "fish"]),
        (["podgate", "policy", ""], ["check"]),
        (["podgate", "check", "--fail"], ["--fail-on"]),
        (["podgate", "check", "--output", "s"], ["sarif"]),
    ],
    ids=["command", "argument", "command of a group", "option", "choice"],
)
def test_bash_completes_commands_options_and_choices(
    words: list[str], expected: list[str], environment: dict[str, str]
) -> None:
    assert offered_by_bash(words, environment) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_one_that_it_can_read(shell: str) -> None:
    done = completion(shell)

    assert (done.returncode, done.stderr) == (0, "")
    assert "_PODGATE_COMPLETE=" in done.stdout
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=done.stdout, text=True, timeout=60, check=True)


def test_help_says_how_to_load_it() -> None:
    command = [sys.executable, "-m", "webhook", "completion", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert "source <(podgate completion bash)" in done.stdout


def test_a_shell_that_is_not_known_is_refused() -> None:
    assert completion("tcsh").returncode == 2
