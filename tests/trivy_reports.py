"""Trivy's reports in numbers: a real one, with another image each."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "fixtures/trivy/samples"
REAL = SAMPLES / "web-root.json"


def image_digest(number: int) -> str:
    """Return the digest of the image *number*."""
    return f"sha256:{sha256(str(number).encode()).hexdigest()}"


def image_tag(number: int) -> str:
    """Return the tag under which the image *number* was scanned."""
    return f"registry.example.com/team/app-{number:04}:v1"


def trivy_report(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a real report as one on the image *number*, with *changes* at its top."""
    report: dict[str, Any] = json.loads(REAL.read_bytes())
    tag, digest = image_tag(number), image_digest(number)
    report |= {"ReportID": f"{number:032}", "ArtifactName": tag}
    report["Metadata"] |= {"RepoTags": [tag], "RepoDigests": [f"{tag.rpartition(':')[0]}@{digest}"], "Reference": tag}
    vulnerabilities = report["Results"][0]["Vulnerabilities"]
    report["Results"][0]["Vulnerabilities"] = vulnerabilities[: 1 + number % len(vulnerabilities)]
    return report | changes


def write_reports(folder: Path, count: int) -> list[Path]:
    """Write *count* reports on as many images into *folder*; return the files in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:04}.json" for number in range(count)]
    for number, file in enumerate(files):
        file.write_text(json.dumps(trivy_report(number)))
    return files
