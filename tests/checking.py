"""podgate check as a user runs it, in a folder with policies and manifests as users have them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Done = subprocess.CompletedProcess[str]

PINNED = """\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {name: pinned}
spec:
  contact: "#platform"
  checks: {image-pinned: {}}
"""
WARN = PINNED.replace("contact", "mode: warn\n  contact")
AUDIT = PINNED.replace("contact", "mode: audit\n  contact")
SCANNED = """\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {name: scanned}
spec:
  checks: {image-vulnerabilities: {maxReportAge: 7d}}
"""
EXCEPTION = """\
apiVersion: podgate.io/v1
kind: PolicyException
metadata: {name: moving, namespace: shop}
spec:
  checks: [image-pinned]
  match: {kinds: [Deployment], names: [web]}
  until: 2027-01-31T00:00:00Z
  reason: waiting for the vendor
  owner: team-shop
  ticket: SEC-1234
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      initContainers:
        - name: setup
          image: busybox:1.37.0
      containers:
        - name: web
          image: nginx:latest
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  containers:
    - name: one
      image: nginx:1.29.3
"""
IMAGE = "spec.template.spec.containers[0].image"
MESSAGE = '"nginx:latest" must have the tag of an exact version, or a digest'
FIX = f"set {IMAGE} to nginx:<major>.<minor>.<patch>"
NO_OBJECT = "not a Kubernetes object: expected apiVersion and kind"


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in *folder*, with a policy in p.yaml, where no reports are kept and nothing is set in the environment."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    for name in ("PODGATE_POLICIES", "PODGATE_REPORTS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    write(p=PINNED)


def check(*words: str, policies: str = "p.yaml", given: str = "") -> Done:
    """Run podgate check in the folder, with *given* as its standard input."""
    options = (f"--policies={policies}",) if policies else ()
    return podgate("check", *options, *words, given=given)


def podgate(*words: str, given: str = "") -> Done:
    """Run podgate in the folder, with *given* as its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "webhook", *words],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def as_json(*words: str, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(check("--output=json", *words, **more).stdout)
    return said


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text)
