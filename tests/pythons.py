"""Run the tests on every other Python that the project supports and this machine has: `make test` ends with it.

`python tests/pythons.py CURRENT` takes the Python that has been tested already. Each gets an environment of its own,
.venv-3.12, say, kept until the locks change.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ("3.11", "3.12", "3.13")
INPUTS = ("requirements/build.txt", "requirements/dev.txt", "pyproject.toml")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
PYTEST = ("-m", "pytest", "-m", "not e2e", "-q", "-p", "no:cacheprovider")


def main(current: Path) -> int:
    """Test on every other Python; return how many failed."""
    tested = version_of(current)
    others = {version: python for version, python in found().items() if version != tested}
    if not others:
        print(f"tested on Python {tested}; this machine has no other of {', '.join(SUPPORTED)}")
    failed = [version for version, python in sorted(others.items()) if not passes(version, python)]
    for version in failed:
        print(f"the tests fail on Python {version}")
    return len(failed)


def found() -> dict[str, Path]:
    """Return a Python of each supported version that this machine has."""
    pythons: dict[str, Path] = {}
    for python in candidates():
        version = version_of(python)
        if version in SUPPORTED:
            pythons.setdefault(version, python)
    return pythons


def candidates() -> Iterator[Path]:
    """Yield what may be a Python: on the PATH by its version, and what pyenv has installed."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield from (Path(folder) / f"python{version}" for version in SUPPORTED)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/*/bin/python"))


def version_of(python: Path) -> str:
    """Return the minor version of *python*, 3.12, say; nothing where it does not run, as a shim of pyenv may not."""
    if not python.exists():
        return ""
    done = subprocess.run([python, "--version"], capture_output=True, text=True, check=False, timeout=60)
    match = re.fullmatch(r"Python (3\.\d+)\.\S+", done.stdout.strip())
    return match[1] if match and not done.returncode else ""


def passes(version: str, python: Path) -> bool:
    """Return whether the tests pass on *python*."""
    print(f"testing on Python {version}", flush=True)
    environment = installed(version, python)
    return subprocess.run([environment, *PYTEST], cwd=ROOT, check=False).returncode == 0


def installed(version: str, python: Path) -> Path:
    """Return the Python of the environment for *version*, made anew when the locks have changed."""
    folder = ROOT / f".venv-{version}"
    stamp, program = folder / ".installed", folder / "bin" / "python"
    inputs = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in INPUTS)).hexdigest()
    if not stamp.exists() or stamp.read_text() != inputs:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        locks = [word for name in INPUTS[:2] for word in ("-r", name)]
        subprocess.run([program, *PIP, "--require-hashes", *locks], cwd=ROOT, check=True)
        subprocess.run([program, *PIP, "--no-deps", "--no-build-isolation", "--editable", "."], cwd=ROOT, check=True)
        stamp.write_text(inputs)
    return program


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/pythons.py CURRENT_PYTHON")
    sys.exit(main(Path(sys.argv[1])))
