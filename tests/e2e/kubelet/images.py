"""Where the root of an image is found: nothing is pulled."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.e2e.kubelet.errors import CannotStartError


@dataclass(frozen=True)
class ImageRoot:
    """An image: the folder it is unpacked in, or None for this machine's own file system, and what its config says.

    No container writes there: each has a layer of its own above. *user* is a number, *entrypoint*, *command*, *env* and
    *folder* stand for ENTRYPOINT, CMD, ENV and WORKDIR.
    """

    rootfs: Path | None = None
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    user: int = 0
    group: int = 0
    folder: str = "/"

    @classmethod
    def unpacked(cls, rootfs: Path, config: Mapping[str, Any]) -> Self:
        """Return the image that is unpacked in *rootfs*, with the `config` of its OCI configuration.

        Raises ValueError where the user is not numeric: none is looked up in the image.
        """
        user, _, group = (config.get("User") or "0").partition(":")
        if not (user.isdecimal() and (group or "0").isdecimal()):
            message = f"config.User: {config['User']} must be numeric"
            raise ValueError(message)
        return cls(
            rootfs=rootfs,
            entrypoint=config.get("Entrypoint") or (),
            command=config.get("Cmd") or (),
            env=dict(each.split("=", 1) for each in config.get("Env") or ()),
            user=int(user),
            group=int(group or 0),
            folder=config.get("WorkingDir") or "/",
        )

    @property
    def opened(self) -> tuple[str, ...]:
        """The folders that any user may pass through: on this machine's file system, those above Python.

        They can be root's alone, as a home folder is; only the container's own layer is changed.
        """
        if self.rootfs is not None:
            return ()
        pythons = (Path(sys.prefix), Path(sys.base_prefix))
        return tuple(sorted({str(folder) for python in pythons for folder in python.parents}))


def find(images: Mapping[str, ImageRoot], name: str) -> ImageRoot:
    """Return the image *name*; raises CannotStartError."""
    try:
        return images[name]
    except KeyError:
        reason = "ErrImageNeverPull"
        raise CannotStartError(reason, f"{name} is none of the given images: {', '.join(images)}") from None
