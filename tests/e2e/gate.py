"""podgate before the API server, with reports of images that were scanned by real Trivy."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from tests.e2e.advisories import read_advisories
from tests.e2e.cluster import Cluster
from tests.e2e.images import Image
from tests.e2e.registry import Registry
from tests.e2e.trivy import Trivy
from tests.served import Served

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/denial-log.schema.json").read_text())
IMPORT_SECONDS = 30
FOLLOW_SECONDS = 5


class Gate(Served):
    """podgate with *policies* and a store of reports, and what fills that: a registry and Trivy."""

    def __init__(self, folder: Path, registry: Registry, cluster: Cluster, policies: str) -> None:
        self.registry = registry
        self.cluster = cluster
        self.store = folder / "reports.db"
        self.trivy = Trivy(folder, read_advisories())
        given = folder / "given"
        given.mkdir()
        (given / "policies.yaml").write_text(policies)
        super().__init__(folder, f"--reports={self.store}", policies=given)

    def push(self, name: str, *images: Image) -> tuple[str, str]:
        """Push an image; return the references to it by tag and by digest."""
        digest = self.registry.push(name, *images)
        repository = f"{self.registry.host}/{name.partition(':')[0]}"
        return f"{self.registry.host}/{name}", f"{repository}@{digest}"

    def scan(self, reference: str, *flags: str) -> dict[str, Any]:
        """Scan an image, import the report and wait until podgate knows it; return it."""
        output = self.trivy.scan(reference, *flags)
        done = self.import_report(output)
        assert done.returncode == 0, done.stderr.decode()
        report: dict[str, Any] = msgspec.json.decode(output)
        scanned_at = datetime.fromisoformat(report["CreatedAt"][:26] + "+00:00").timestamp()
        newest = "podgate_report_newest_timestamp_seconds"
        self.wait_until(lambda: self.metric(newest) >= scanned_at - 1e-3, "known", FOLLOW_SECONDS)
        return report

    def import_report(self, report: bytes) -> subprocess.CompletedProcess[bytes]:
        """Hand *report* to `podgate report import`."""
        command = [sys.executable, "-m", "webhook", "report", "import", "-", f"--reports={self.store}"]
        return subprocess.run(
            [*command, f"--database={self.trivy.database}"],
            input=report,
            capture_output=True,
            check=False,
            timeout=IMPORT_SECONDS,
        )

    def create(self, namespace: str, image: str, name: str = "app") -> subprocess.CompletedProcess[str]:
        """Create a pod of *image*."""
        metadata = {"name": name, "namespace": namespace}
        spec = {"containers": [{"name": "app", "image": image}]}
        return self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def apply(self, manifest: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Create the object that *manifest* is of."""
        return self.cluster.kubectl("create", "-f", "-", stdin=json.dumps(manifest), check=False)

    def record(self, namespace: str) -> dict[str, Any]:
        """Return the one line of the denial log about *namespace*, checked against the published schema."""
        (record,) = (each for each in self.records() if each["namespace"] == namespace)
        jsonschema.validate(record, SCHEMA)
        return record
