"""Real Trivy, without the internet: it speaks to the registry of the image that it scans, and to nobody else."""

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e import tools
from tests.e2e.advisories import Advisories, write_database

SCAN_SECONDS = 60
# Without either of the last two it looks names up: its own version's, and that of where it counts its users.
OFFLINE = {
    "TRIVY_IMAGE_SRC": "remote",
    "TRIVY_SKIP_DB_UPDATE": "true",
    "TRIVY_SKIP_JAVA_DB_UPDATE": "true",
    "TRIVY_OFFLINE_SCAN": "true",
    "TRIVY_SKIP_VERSION_CHECK": "true",
    "TRIVY_DISABLE_TELEMETRY": "true",
}


class ScanError(RuntimeError):
    """Trivy did not scan; the message is what it printed."""


class Trivy:
    """Trivy with its cache and vulnerability database in a folder.

    ``database`` is a file with what `trivy version --format json` prints, which says how old the database is.
    """

    def __init__(self, folder: Path, advisories: Advisories, updated_at: datetime | None = None) -> None:
        """Write a database of *advisories* that says it is of *updated_at*, or of now."""
        self.folder = folder
        self.program = tools.build("trivy")
        self.database = folder / "version.json"
        self.update(advisories, updated_at)

    def update(self, advisories: Advisories, updated_at: datetime | None = None) -> None:
        """Replace the database."""
        write_database(self.folder / "cache", advisories, updated_at or datetime.now(UTC))
        self.database.write_bytes(self._run("version", "--format=json"))

    @property
    def environment(self) -> Mapping[str, str]:
        """What a shell needs in its environment for `trivy image` to work with this database, offline."""
        return {**OFFLINE, "TRIVY_CACHE_DIR": str(self.folder / "cache"), "TRIVY_NO_PROGRESS": "true"}

    def scan(self, reference: str, *flags: str) -> bytes:
        """Return the report of `trivy image --format json` on *reference*; raise ScanError if there is none."""
        return self._run("image", "--format=json", "--scanners=vuln", *flags, reference)

    def _run(self, *arguments: str) -> bytes:
        environment = {"PATH": os.defpath, "HOME": str(self.folder), "TMPDIR": str(self.folder), **self.environment}
        # Trivy's own --timeout does not end a wait for the registry.
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            check=False,
            timeout=SCAN_SECONDS,
        )
        if done.returncode:
            raise ScanError(done.stderr.decode())
        return done.stdout
