"""What upstream's own code says of texts: the answers that tests/fixtures holds, and the programs that give them.

``references`` is how containerd and the kubelet read image references: distribution/reference answers each with
``input`` and ``ok``, then ``domain``, ``path``, ``tag``, ``digest``, ``string`` and ``familiar``, or ``error``.
``manifests`` is how kubectl reads manifest files: k8s.io/apimachinery answers with ``input``, the ``documents`` before
the first that is wrong, and ``error`` where one is.

``python -m tests.e2e.oracles`` asks them about every line of ``tests/fixtures/NAME.txt`` and writes the answers to
``NAME.jsonl`` beside it, one JSON object a line.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e import tools

FIXTURES = Path(__file__).parents[1] / "fixtures"
ORACLES = ("references", "manifests")
WRITE = "python -m tests.e2e.oracles"


def inputs(oracle: str) -> list[str]:
    """Return every text to ask *oracle* about, in the order of the file."""
    lines = (FIXTURES / f"{oracle}.txt").read_text().splitlines()
    return [json.loads(line) for line in lines if line and not line.startswith("#")]


def committed(oracle: str) -> list[dict[str, Any]]:
    """Return the answers that are committed."""
    return [json.loads(line) for line in (FIXTURES / f"{oracle}.jsonl").read_text().splitlines()]


def ask(oracle: str, texts: list[str]) -> list[dict[str, Any]]:
    """Return the answer of *oracle* to each of *texts*."""
    questions = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([tools.build(oracle)], input=questions, capture_output=True, encoding="utf-8", check=True)
    # No splitlines(): Go prints characters as they are at which Python would break the line.
    return [json.loads(line) for line in done.stdout.removesuffix("\n").split("\n")]


def write(oracle: str) -> None:
    """Write the answers anew."""
    answers = ask(oracle, inputs(oracle))
    (FIXTURES / f"{oracle}.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))


if __name__ == "__main__":
    for each in ORACLES:
        write(each)
