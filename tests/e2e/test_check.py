"""podgate check over the manifests that Kubernetes' own repository holds: hundreds of real ones, within seconds."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from tests.e2e import tools

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "tests" / "fixtures" / "sarif" / "sarif-schema-2.1.0.json"
FOLDERS = ("cluster", "hack", "pkg", "test")
SECONDS = 3.0


@pytest.fixture(scope="module")
def kubernetes() -> list[str]:
    """The folders of the module k8s.io/kubernetes that hold manifests; it is there to build the control plane."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"]
    environment = {**os.environ, "GOWORK": "off"}
    done = subprocess.run(
        command, cwd=tools.GO / "controlplane", env=environment, capture_output=True, text=True, check=True
    )
    return [str(Path(done.stdout.strip()) / folder) for folder in FOLDERS]


def check(output: str, folders: list[str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run podgate check; return how many seconds the process took, from its start to its end, and what it printed."""
    command = [
        sys.executable,
        "-m",
        "webhook",
        "check",
        f"--policies={ROOT / 'policies'}",
        f"--output={output}",
        *folders,
    ]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return time.monotonic() - began, done


@pytest.mark.parametrize("output", ["text", "json", "sarif"])
def test_hundreds_of_real_manifests_are_judged_within_seconds(kubernetes: list[str], output: str) -> None:
    seconds, done = check(output, kubernetes)

    print(f"{output}: {seconds:.2f} s")
    assert "Traceback" not in done.stderr
    assert done.stdout
    assert seconds < SECONDS


def test_they_are_read_but_for_templates_and_what_is_wrong_on_purpose(kubernetes: list[str]) -> None:
    said = json.loads(check("json", kubernetes)[1].stdout)

    summary, errors = said["summary"], {error["message"].partition(":")[0] for error in said["errors"]}
    assert summary["files"] - len({error["file"] for error in said["errors"]}) > 300
    assert summary["workloads"] > 200
    assert errors == {
        "it looks like a Helm template",  # or another one in Go's language of templates
        "not a Kubernetes object",
        "apiVersion",
        "not YAML",  # a template of another kind
        "the key replicas stands here twice",
        "spec",  # a pod's status alone, to be applied to that subresource
    }


def test_sarif_of_real_manifests_is_valid(kubernetes: list[str]) -> None:
    log = json.loads(check("sarif", kubernetes)[1].stdout)

    errors = list(jsonschema.Draft4Validator(json.loads(SCHEMA.read_text())).iter_errors(log))

    assert [error.message for error in errors] == []
    assert len(log["runs"][0]["results"]) > 200
