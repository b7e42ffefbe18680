"""Becomes a process of a container; run by root in the container's namespaces.

``python -I -S launch.py SPEC``, after ``unshare --pid``, starts a child that is process 1: it lays out the root, gives
up what the container may not do and becomes its command. The parent waits, and ends with the child's exit code.
``python -I -S launch.py SPEC COMMAND ...`` becomes a further process of a container that runs.

SPEC is a file with a :class:`Launch` in JSON. Only the standard library is imported, so that it starts fast.
"""

import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CANNOT_START = 128  # the exit code that containerd gives
_PR_SET_PDEATHSIG = 1  # all of include/uapi/linux/prctl.h
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")


@dataclass(frozen=True)
class Launch:
    """A container's root and its first process.

    *image* is the lower layer of the root and *scratch* an empty folder to mount on. *mounts* are of files and folders:
    source, path in the container, whether it is read-only. *opened* are folders that any user may pass through.
    """

    image: str
    scratch: str
    mounts: Sequence[tuple[str, str, bool]]
    opened: Sequence[str]
    hostname: str
    command: Sequence[str]
    environment: dict[str, str]
    folder: str
    user: int
    group: int
    groups: Sequence[int]
    capabilities: Sequence[int]
    no_new_privileges: bool
    read_only_root: bool

    @property
    def root(self) -> Path:
        """Where the root is mounted."""
        return Path(self.scratch, "root")


def resolve(root: Path, path: str) -> Path:
    """Return where *path* lies under *root*; symbolic links are followed as they are inside, and never lead out."""
    found, left = root, [part for part in Path(path).parts if part != "/"]
    hops = 0
    while left:
        part = left.pop(0)
        if part == "..":
            found = root if found == root else found.parent
        elif (found / part).is_symlink() and hops < 40:
            hops += 1
            target = (found / part).readlink()
            left = [each for each in target.parts if each != "/"] + left
            found = root if target.is_absolute() else found
        else:
            found /= part
    return found


def lay_out(launch: Launch) -> None:
    """Mount the root and all in it, in the mount namespace that this process has for itself."""
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", launch.scratch)
    upper, work = Path(launch.scratch, "upper"), Path(launch.scratch, "work")
    for made in (upper, work, launch.root):
        made.mkdir()
    _mount("-t", "overlay", "-o", f"lowerdir={launch.image},upperdir={upper},workdir={work}", "overlay", launch.root)
    for opened in launch.opened:
        folder = resolve(launch.root, opened)
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)
    _mount("-t", "proc", "proc", _place(launch.root, "/proc"))
    _lay_out_devices(launch.root)
    for source, path, read_only in sorted(launch.mounts, key=lambda mount: Path(mount[1]).parts):
        place = _place(launch.root, path, file=not Path(source).is_dir())
        _mount("-o", "bind,ro" if read_only else "bind", source, place)
    if launch.read_only_root:
        _mount("-o", "remount,ro", launch.root)
    socket.sethostname(launch.hostname)


def become(launch: Launch, command: Sequence[str]) -> None:
    """Become *command* as the container's user, in its root."""
    os.chroot(launch.root)
    Path(launch.folder).mkdir(parents=True, exist_ok=True)
    os.chdir(launch.folder)
    for capability in range(int(_LAST_CAPABILITY.read_text()) + 1):
        if capability not in launch.capabilities:
            _prctl(_PR_CAPBSET_DROP, capability)
    os.setgroups(list(launch.groups))
    os.setgid(launch.group)
    os.setuid(launch.user)
    os.umask(0o022)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # only now: a change of the user would undo it
    if launch.no_new_privileges:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and what it becomes would, too
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(command[0], list(command), launch.environment)  # noqa: S606  # the container's command is no shell's


def _lay_out_devices(root: Path) -> None:
    devices = _place(root, "/dev")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", devices)
    umask = os.umask(0)
    for name, (major, minor) in _DEVICES.items():
        os.mknod(devices / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    os.umask(umask)
    for name, target in {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        (devices / name).symlink_to("/proc/self/fd" if name == "fd" else f"/proc/self/{target}")
    (devices / "shm").mkdir()
    _mount("-t", "tmpfs", "-o", "mode=1777,size=64m", "tmpfs", devices / "shm")


def _place(root: Path, path: str, *, file: bool = False) -> Path:
    """Return where *path* lies under *root*, as something that can be mounted on."""
    place = resolve(root, path)
    if file:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    else:
        place.mkdir(parents=True, exist_ok=True)
    return place


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def _prctl(option: int, argument: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, argument, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option} {argument}: {os.strerror(number)}")


def main(spec: Path, command: Sequence[str]) -> int:
    """Do what the module says, for the command line; return the exit code, 128 and more where a signal ended it."""
    launch = Launch(**json.loads(spec.read_text()))
    if command:
        become(launch, command)
    child = os.fork()
    if child == 0:
        lay_out(launch)
        try:
            become(launch, launch.command)
        except OSError as error:
            sys.stderr.write(f"cannot start {launch.command[0]}: {error}\n")
            return CANNOT_START
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
