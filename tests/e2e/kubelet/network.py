"""A bridge on this machine, and for each pod a network namespace with an address on it.

Pods and this machine reach each other; nothing is routed further. All names begin with ``pg`` and the process id, so
what a killed run left behind is told from what is in use, and removed by the next.
"""

import itertools
import os
import random
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.e2e.kubelet.process import require

_OURS = re.compile(r"pg(\d+)[bv]\w+")


class Attachment(NamedTuple):
    """A pod's network namespace, which is also the name of its interface on this machine, and its address."""

    namespace: str
    address: str


class Network:
    """A /24 of 10.244.0.0/16 that nothing on this machine uses."""

    def __init__(self) -> None:
        """Make the bridge; raises RuntimeError if this is not root or iproute2 is missing."""
        require("ip", "unshare", "nsenter", "setpriv", "mount")
        sweep()
        self._third = _free_third()
        self._prefix = f"pg{os.getpid()}"
        self._attached: dict[int, Attachment] = {}
        self._numbers = itertools.cycle(range(2, 255))  # an address rests before it is used again
        self.bridge = f"{self._prefix}b{self._third:02x}"
        self.gateway = f"10.244.{self._third}.1"
        _ip("link", "add", self.bridge, "address", self._hardware(1), "type", "bridge")
        try:
            _ip("address", "add", f"{self.gateway}/24", "dev", self.bridge)
            _ip("link", "set", self.bridge, "up")
        except BaseException:
            self.close()
            raise

    def add_address(self, address: str) -> None:
        """Make this machine answer to a further address, for pods."""
        _ip("address", "add", f"{address}/32", "dev", self.bridge)

    def remove_address(self, address: str) -> None:
        """Answer to it no more."""
        _ip("address", "delete", f"{address}/32", "dev", self.bridge)

    def attach(self) -> Attachment:
        """Make a namespace for a pod."""
        last = next(number for number in self._numbers if number not in self._attached)
        name = f"{self._prefix}v{self._third:02x}{last:02x}"
        made = self._attached[last] = Attachment(name, f"10.244.{self._third}.{last}")
        _ip("netns", "add", name)
        peer = ("peer", "name", "eth0", "netns", name, "address", self._hardware(last))
        _ip("link", "add", name, "type", "veth", *peer)
        _ip("link", "set", name, "master", self.bridge, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "address", "add", f"{made.address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "route", "add", "default", "via", self.gateway)
        return made

    def detach(self, attachment: Attachment) -> None:
        """Remove a pod's namespace and interface, if they are there."""
        _remove(attachment.namespace)
        self._attached = {number: each for number, each in self._attached.items() if each != attachment}

    def close(self) -> None:
        """Remove everything."""
        for attachment in list(self._attached.values()):
            self.detach(attachment)
        _remove(self.bridge)

    def _hardware(self, last: int) -> str:
        """Return a hardware address that goes with the other, so that no ARP cache is wrong when that is used again."""
        return f"02:00:0a:f4:{self._third:02x}:{last:02x}"


def ours(pid: int) -> list[str]:
    """Return the namespaces and interfaces of the run with process id *pid*."""
    return [name for name in _names() if (match := _OURS.fullmatch(name)) and int(match[1]) == pid]


def _names() -> list[str]:
    folders = (Path("/run/netns"), Path("/sys/class/net"))
    return sorted({each.name for folder in folders if folder.is_dir() for each in folder.iterdir()})


def sweep() -> None:
    """Remove what runs left behind that are no more."""
    for name in _names():
        match = _OURS.fullmatch(name)
        if match and not Path(f"/proc/{match[1]}").exists():
            _remove(name)


def _remove(name: str) -> None:
    """Remove the interface first: the namespace's own end goes with it at once, not some time later."""
    with suppress(RuntimeError):
        _ip("link", "delete", name)
    if Path("/run/netns", name).exists():
        _ip("netns", "delete", name)


def _free_third() -> int:
    used = {int(third) for third in re.findall(r"10\.244\.(\d+)\.", _ip("-4", "route") + _ip("-4", "address"))}
    return random.choice(sorted(set(range(256)) - used))  # noqa: S311  # two runs at once rarely choose the same


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"ip {' '.join(arguments)} failed: {done.stderr.strip()}"
        raise RuntimeError(message)
    return done.stdout
