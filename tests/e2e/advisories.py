"""A vulnerability database for Trivy, from advisories of the tests' own.

The layout is version 2 of trivy-db: pkg/db, pkg/types and pkg/metadata of github.com/aquasecurity/trivy-db. The file
itself is written by bbolt, in ``go/trivydb``.
"""

import json
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tests.e2e import tools

FILE = Path(__file__).parent / "advisories.yaml"
SCHEMA_VERSION = 2
VALID = timedelta(days=1)
WRITE_SECONDS = 30

Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
_SEVERITIES: dict[Severity, int] = {"LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}
_STATUSES = {"affected": 2, "will_not_fix": 5}


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Who issues advisories, and the bucket that they stand in: of a distribution, or ``<ecosystem>::<name>``."""

    bucket: str
    id: str
    name: str
    url: str

    @property
    def of_language(self) -> bool:
        """Whether the advisories are about a language's packages, which are given as ranges of versions."""
        return "::" in self.bucket


class Advisory(Struct, frozen=True, forbid_unknown_fields=True):
    """A vulnerability of a package: a source package of a distribution, or a language's (then with `vulnerable`).

    Without a severity, the database knows no more of the vulnerability than its id.
    """

    id: str
    bucket: str
    package: str
    severity: Severity | None = None
    distribution_severity: Severity | None = None
    fixed: str = ""
    vulnerable: str = ""
    status: Literal["affected", "will_not_fix"] = "affected"
    title: str = ""


class Advisories(Struct, frozen=True, forbid_unknown_fields=True):
    """What a database is made of."""

    sources: tuple[Source, ...]
    advisories: tuple[Advisory, ...]

    def replaced(self, id_: str, **changes: Any) -> "Advisories":
        """Return a copy in which *changes* are made to the advisory *id_*."""
        changed = [msgspec.structs.replace(each, **changes) if each.id == id_ else each for each in self.advisories]
        assert changed != list(self.advisories), f"nothing changes in {id_}"
        return Advisories(self.sources, tuple(changed))

    def with_(self, advisories: Iterable[Advisory]) -> "Advisories":
        """Return a copy with further ones."""
        return Advisories(self.sources, (*self.advisories, *advisories))


def read_advisories(file: Path = FILE) -> Advisories:
    """Read *file*."""
    return msgspec.yaml.decode(file.read_bytes(), type=Advisories)


def write_database(cache: Path, what: Advisories, updated_at: datetime) -> None:
    """Put a database in Trivy's *cache* folder, in place of what is there."""
    folder = cache / "db"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "trivy.db.partial"
    partial.unlink(missing_ok=True)
    command = [tools.build("trivydb"), partial]
    subprocess.run(command, input=json.dumps([*_entries(what)]).encode(), check=True, timeout=WRITE_SECONDS)
    partial.replace(folder / "trivy.db")
    times = {"UpdatedAt": updated_at, "NextUpdate": updated_at + VALID, "DownloadedAt": datetime.now(UTC)}
    (folder / "metadata.json").write_bytes(msgspec.json.encode({"Version": SCHEMA_VERSION, **times}))


def _entries(what: Advisories) -> Iterator[dict[str, Any]]:
    """Yield keys and values, with the buckets that hold them."""
    sources = {source.bucket: source for source in what.sources}
    for source in what.sources:
        value = {"ID": source.id, "Name": source.name, "URL": source.url}
        yield {"buckets": ["data-source"], "key": source.bucket, "value": value}
    for each in what.advisories:
        source = sources[each.bucket]
        value = _of_language(each) if source.of_language else _of_distribution(each)
        yield {"buckets": [each.bucket, each.package], "key": each.id, "value": value}
        if each.severity:
            by = {source.id if source.of_language else "nvd": _SEVERITIES[each.severity]}
            detail = {"Title": each.title, "Severity": each.severity, "VendorSeverity": by}
            yield {"buckets": ["vulnerability"], "key": each.id, "value": detail}


def _of_language(each: Advisory) -> dict[str, Any]:
    return {"VulnerableVersions": [each.vulnerable], "PatchedVersions": [each.fixed] if each.fixed else []}


def _of_distribution(each: Advisory) -> dict[str, Any]:
    value: dict[str, Any] = {"FixedVersion": each.fixed} if each.fixed else {"Status": _STATUSES[each.status]}
    if each.distribution_severity:
        value["Severity"] = _SEVERITIES[each.distribution_severity]
    return value
