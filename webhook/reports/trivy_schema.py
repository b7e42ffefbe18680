"""Trivy's JSON, as much of it as is read: what `trivy image --format json` writes (trivy, pkg/types/report.go).

Go writes null for an empty list, leaves out most of what is empty, and later versions add keys: those are ignored.
Bounds are part of the types; a text that is longer than any real one is an error.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Raw, Struct, field

Short = Annotated[str, Meta(max_length=512)]
Long = Annotated[str, Meta(max_length=4096)]  # paths, references, lists of versions
Time = Annotated[datetime, Meta(tz=True)]
Bytes = Annotated[int, Meta(ge=0, le=2**50)]  # a pebibyte
NOTHING = Raw(b"null")


class Wire(Struct, frozen=True, rename="pascal", gc=False):
    """What comes from Go, where a name such as ID is upper case throughout: those are spelt out."""


class DetectedVulnerability(Wire, frozen=True, gc=False):
    """`Results[].Vulnerabilities[]` (pkg/types/vulnerability.go). Old versions have neither status nor path."""

    id: Short = field(name="VulnerabilityID")
    package: Short = field(name="PkgName")
    installed: Short = field(name="InstalledVersion", default="")
    fixed: Long = field(name="FixedVersion", default="")
    path: Long = field(name="PkgPath", default="")
    status: Short = ""
    severity: Short = ""
    title: str = ""


class SuppressedVulnerability(Wire, frozen=True, gc=False):
    """`Finding` where that is a vulnerability; of any other finding both are empty."""

    id: Short = field(name="VulnerabilityID", default="")
    package: Short = field(name="PkgName", default="")


class ModifiedFinding(Wire, frozen=True):
    """`Results[].ExperimentalModifiedFindings[]` (pkg/types/finding.go)."""

    type: Short
    status: Short
    statement: str = ""
    source: str = ""
    finding: SuppressedVulnerability | None = None


class Result(Wire, frozen=True):
    """`Results[]`: what was found in one place. Versions before 0.19 give no class. Packages are only ever counted."""

    target: Long
    class_: Short = field(name="Class", default="")
    type: Short = ""
    packages: Raw = NOTHING
    vulnerabilities: list[DetectedVulnerability] | None = None
    modified: list[ModifiedFinding] | None = field(name="ExperimentalModifiedFindings", default=None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is listed in it: neither a package nor a vulnerability."""
        packages = bytes(self.packages)
        return not self.vulnerabilities and not (packages[:1] == b"[" and packages.strip(b"[] \t\r\n"))


class OS(Wire, frozen=True):
    """`Metadata.OS` (pkg/fanal/types/artifact.go)."""

    family: Short = ""
    name: Short = ""
    end_of_life: bool = field(name="EOSL", default=False)

    @property
    def is_known(self) -> bool:
        """Whether Trivy recognised one; "none" stands where it found a package database, and no system of it."""
        return self.family not in ("", "none")


class Layer(Wire, frozen=True):
    """`Metadata.Layers[]`; the size is that of the uncompressed layer."""

    size: Bytes = 0


class ContainerConfig(Wire, frozen=True):
    """`Metadata.ImageConfig.config`: what a container of the image is started with."""

    user: Short = ""


class ImageConfig(Struct, frozen=True):
    """`Metadata.ImageConfig`, the image's own (OCI image specification v1.1, config.md), so in lower case."""

    architecture: Short = ""
    os: Short = ""
    variant: Short = ""
    created: Time | None = None
    config: ContainerConfig | None = None


class Metadata(Wire, frozen=True):
    """`Metadata`: what is known of the image."""

    size: Bytes = 0
    os: OS | None = field(name="OS", default=None)
    image_id: Short = field(name="ImageID", default="")
    diff_ids: list[str] | None = field(name="DiffIDs", default=None)
    repo_tags: list[Long] | None = None
    repo_digests: list[Long] | None = None
    image_config: ImageConfig | None = None
    layers: Annotated[list[Layer], Meta(max_length=1024)] | None = None


class Trivy(Wire, frozen=True):
    """`Trivy`: who scanned."""

    version: Short = ""


class Document(Wire, frozen=True):
    """A report of schema 2, all since Trivy 0.20. Before that a report was but a list of Results: schema 1."""

    schema_version: int
    trivy: Trivy | None = None
    report_id: Short = field(name="ReportID", default="")
    created_at: Time | None = None
    artifact_name: Long = ""
    artifact_type: Short = ""
    metadata: Raw = NOTHING  # decoded on its own, after its length is known
    results: list[Result] | None = None
