"""A container registry on loopback, that of go-containerregistry, and pushing to it."""

import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e import tools
from tests.e2e.component import Component, answers
from tests.e2e.images import Image, write_layout
from tests.ports import free_ports

START_SECONDS = 20
PUSH_SECONDS = 60


class Registry:
    """A registry that lives as long as the ``with`` block around it, and holds its images in memory.

    ``host`` is its address as an image's reference begins with it; its log goes to the folder.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        """Prepare a registry on *port*, or on a free one."""
        self._folder = folder
        self._port = port or free_ports(1)[0]
        self._crane = tools.build("crane")
        self._process: Component
        self.host = f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start it and wait until it serves."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [self._crane, "registry", "serve", "--address", self.host]
        self._process = Component("registry", command, self._folder / "registry.log")
        try:
            self._process.wait_until(lambda: answers(self._port, "/v2/"), "it served", START_SECONDS)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop it."""
        self._process.stop()

    def push(self, name: str, *images: Image) -> str:
        """Push *images*, as an index if there are several, under *name*, `shop/web:1.0.0`; return the digest."""
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            layout = Path(scratch) / "layout"
            digest = write_layout(layout, *images)
            flags = ["--index"] if len(images) > 1 else []
            command: list[str | Path] = [self._crane, "push", *flags, layout, f"{self.host}/{name}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PUSH_SECONDS)
        assert done.returncode == 0, done.stderr
        # What was pushed is named by the digest that was reckoned here, or nothing below would hold.
        assert done.stdout.strip().endswith(f"@{digest}"), done.stdout
        return digest
