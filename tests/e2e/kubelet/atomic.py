"""Files that change all at once, as in volumes of ConfigMaps, Secrets and tokens.

Follows k8s.io/kubernetes `pkg/volume/util/atomic_writer.go`: the files lie in a folder named by the time; `..data` is a
link to it that is swapped; every name that a user sees is a link through `..data`.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

DATA = "..data"


class File(NamedTuple):
    """What is in a file, its permissions and its owner."""

    data: bytes
    mode: int = 0o644
    user: int = 0


def write(folder: Path, files: Mapping[str, File], group: int | None = None) -> bool:
    """Make *folder* hold *files*, by relative path; return whether anything changed.

    Where *group* is given, all belongs to it and it may read all.
    """
    if (folder / DATA).is_symlink() and _read(folder / DATA) == {name: file.data for name, file in files.items()}:
        return False
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=folder))
    for name, file in files.items():
        _write(fresh / name, file, group)
    for made in (folder, fresh, *(each for each in fresh.rglob("*") if each.is_dir())):
        made.chmod(0o755 if group is None else 0o2775)
        os.chown(made, -1, -1 if group is None else group)
    old = (folder / DATA).resolve() if (folder / DATA).is_symlink() else None
    _link(folder / DATA, fresh.name)
    _show(folder, {Path(name).parts[0] for name in files})
    if old is not None:
        shutil.rmtree(old)
    return True


def _write(path: Path, file: File, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.data)
    os.chown(path, file.user, -1 if group is None else group)
    path.chmod(file.mode if group is None else file.mode | 0o440)


def _read(folder: Path) -> dict[str, bytes]:
    real = folder.resolve()
    return {str(each.relative_to(real)): each.read_bytes() for each in real.rglob("*") if each.is_file()}


def _link(path: Path, target: str) -> None:
    """Make *path* a link to *target*, in one step."""
    partial = path.with_name(f"{path.name}_tmp")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(path)


def _show(folder: Path, names: set[str]) -> None:
    """Make *names* the links that a user sees, and remove those that stand for nothing any more."""
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
    for each in folder.iterdir():
        if not each.name.startswith("..") and each.name not in names:
            each.unlink()
