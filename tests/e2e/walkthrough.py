"""Pages of the documentation as a reader follows them: the commands, in one shell, and what they print."""

import difflib
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

STEP_SECONDS = 60
STOP_SECONDS = 10
_FENCE = re.compile(r"^```(console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from run to run, and a name for it.
_VOLATILE = (
    (re.compile(r"sha256:[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"), "<time>"),
    (re.compile(r"\b\d+[a-z]+(?= ago)"), "<age>"),
    (re.compile(r"[^\S\n]+"), " "),  # columns are as wide as what they hold
)


class Step(Struct, frozen=True):
    """Commands of a page, and what it says that they print: all of it, standard error included."""

    commands: str
    output: str


def read_steps(page: str) -> list[Step]:
    """Return the steps of a page in Markdown: its ```console blocks, each with the ```text block that follows it."""
    steps: list[Step] = []
    for kind, text in _FENCE.findall(page):
        if kind == "console":
            steps.append(Step(text, ""))
        else:
            assert steps, "output stands before any command"
            assert not steps[-1].output, f"two outputs of {steps[-1].commands}"
            steps[-1] = Step(steps[-1].commands, text)
    return steps


def normalised(text: str) -> str:
    """Return *text* with names for what differs from run to run."""
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    return text


def difference(step: Step, printed: str) -> str:
    """Return how *printed* differs from what the page says; empty where it does not."""
    told, seen = (normalised(text).splitlines() for text in (step.output, printed))
    return "\n".join(difflib.unified_diff(told, seen, "the page", "printed", lineterm=""))


class Shell:
    """A shell in *folder*, while the ``with`` block lasts.

    *stands_for* has what the page writes, and what is meant here: it is put into commands, and taken out of outputs.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], stands_for: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._stands_for = stands_for
        self._steps = 0
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            ["bash", "--norc"], cwd=self._folder, env=self._environment, stdin=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it, and what it still runs in the background."""
        assert self._process.stdin is not None
        self._process.stdin.write("kill $(jobs -p) 2> /dev/null; exit\n")
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, commands: str) -> tuple[int, str]:
        """Run *commands*; return the exit code and all that they print."""
        self._steps += 1
        script, printed, code = (self._folder / f"step-{self._steps}.{kind}" for kind in ("sh", "out", "code"))
        script.write_text(_replaced(commands, self._stands_for.items()))
        assert self._process.stdin is not None
        self._process.stdin.write(f". {script} < /dev/null > {printed} 2>&1; echo $? > {code}.partial\n")
        self._process.stdin.write(f"mv {code}.partial {code}\n")
        self._process.stdin.flush()
        deadline = time.monotonic() + STEP_SECONDS
        while not code.exists():
            assert self._process.poll() is None, f"the shell ended in:\n{commands}"
            assert time.monotonic() < deadline, f"not done within {STEP_SECONDS} s:\n{commands}{printed.read_text()}"
            time.sleep(0.02)
        output = _replaced(printed.read_text(), ((meant, written) for written, meant in self._stands_for.items()))
        return int(code.read_text()), output


def _replaced(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for written, meant in pairs:
        text = text.replace(written, meant)
    return text
