"""How kubectl reads the text of manifest files: the answers of its own decoder.

``python -m tests.e2e.manifests --write`` asks k8s.io/apimachinery about every line of ``tests/fixtures/manifests.txt``
and writes the answers to ``manifests.jsonl`` beside it, one JSON object a line: ``input``, the ``documents`` before the
first that is wrong, and ``error`` where one is.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e import tools

FIXTURES = Path(__file__).parents[1] / "fixtures"
INPUTS = FIXTURES / "manifests.txt"
ANSWERS = FIXTURES / "manifests.jsonl"
WRITE = "python -m tests.e2e.manifests --write"


def inputs() -> list[str]:
    """Return every text to ask about, in the order of the file."""
    lines = INPUTS.read_text().splitlines()
    return [json.loads(line) for line in lines if line and not line.startswith("#")]


def committed() -> list[dict[str, Any]]:
    """Return the answers that are committed."""
    return [json.loads(line) for line in ANSWERS.read_text().splitlines()]


def ask(texts: list[str]) -> list[dict[str, Any]]:
    """Return the decoder's answer to each of *texts*."""
    questions = "".join(json.dumps(text) + "\n" for text in texts)
    program = tools.build("manifests")
    done = subprocess.run([program], input=questions, capture_output=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in done.stdout.removesuffix("\n").split("\n")]


def write() -> None:
    """Write the answers anew."""
    ANSWERS.write_text("".join(json.dumps(answer) + "\n" for answer in ask(inputs())))


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"usage: {WRITE}")
    write()
