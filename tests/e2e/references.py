"""How containerd and the kubelet read image references: the answers of their own parser.

``python -m tests.e2e.references --write`` asks distribution/reference about every line of
``tests/fixtures/references.txt`` and writes the answers to ``references.jsonl`` beside it, one JSON object a line:
``input`` and ``ok``, then ``domain``, ``path``, ``tag``, ``digest``, ``string`` and ``familiar``, or ``error``.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e import tools

FIXTURES = Path(__file__).parents[1] / "fixtures"
INPUTS = FIXTURES / "references.txt"
ANSWERS = FIXTURES / "references.jsonl"
WRITE = "python -m tests.e2e.references --write"


def inputs() -> list[str]:
    """Return every reference to ask about, in the order of the file."""
    lines = INPUTS.read_text().splitlines()
    return [json.loads(line) for line in lines if line and not line.startswith("#")]


def committed() -> list[dict[str, Any]]:
    """Return the answers that are committed."""
    return [json.loads(line) for line in ANSWERS.read_text().splitlines()]


def ask(references: list[str]) -> list[dict[str, Any]]:
    """Return the parser's answer to each of *references*."""
    questions = "".join(json.dumps(reference) + "\n" for reference in references)
    program = tools.build("references")
    done = subprocess.run([program], input=questions, capture_output=True, encoding="utf-8", check=True)
    # No splitlines(): Go prints characters as they are at which Python would break the line.
    return [json.loads(line) for line in done.stdout.removesuffix("\n").split("\n")]


def write() -> None:
    """Write the answers anew."""
    ANSWERS.write_text("".join(json.dumps(answer) + "\n" for answer in ask(inputs())))


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"usage: {WRITE}")
    write()
