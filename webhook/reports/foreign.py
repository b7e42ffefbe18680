"""What a text is that is no report on an image: told by a few of its words, so that the error can name it."""

import re

from msgspec import Raw, Struct, field

from webhook.model.quote import one_line

COMMAND = "trivy image --scanners vuln --format json --output report.json IMAGE"

_ABSENT = Raw(b"")
_LOG = re.compile(
    rb"(?:\x1b\[[0-9;]*m)?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\s+(?:\x1b\[[0-9;]*m)?(?:DEBUG|INFO|WARN|ERROR|FATAL)\b"
)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"[\0", b"\0{", b"\0[")
_ARTIFACTS = {
    "filesystem": "on files",
    "repository": "on a repository of source code",
    "cyclonedx": "on an SBOM",
    "spdx": "on an SBOM",
    "vm": "on a virtual machine",
    "aws_account": "on an account in a cloud",
}
_TEXTS = (
    (re.compile(rb"\A<"), "XML or HTML"),
    (re.compile(rb"\ASPDXVersion:"), "an SPDX SBOM"),
    (re.compile(rb"^apiVersion:", re.MULTILINE), "a Kubernetes object in YAML"),
    (re.compile(rb"^Total: \d+ \(|^Report Summary", re.MULTILINE), "a table"),
    (re.compile(rb"\A\x1f\x8b"), "compressed with gzip"),
)


class Keys(Struct, frozen=True):
    """The keys of a JSON object that tell what it is."""

    schema_version: Raw = field(name="SchemaVersion", default=_ABSENT)
    artifact_name: Raw = field(name="ArtifactName", default=_ABSENT)
    runs: Raw = _ABSENT
    bom_format: Raw = field(name="bomFormat", default=_ABSENT)
    spdx_version: Raw = field(name="spdxVersion", default=_ABSENT)
    graph: Raw = field(name="@graph", default=_ABSENT)
    invocation: Raw = _ABSENT
    predicate_type: Raw = field(name="predicateType", default=_ABSENT)
    payload_type: Raw = field(name="payloadType", default=_ABSENT)
    cluster_name: Raw = field(name="ClusterName", default=_ABSENT)
    title: Raw = field(name="Title", default=_ABSENT)
    summary_controls: Raw = field(name="SummaryControls", default=_ABSENT)
    related_resources: Raw = field(name="RelatedResources", default=_ABSENT)
    detector: Raw = _ABSENT
    manifests: Raw = _ABSENT
    findings: Raw = field(name="Findings", default=_ABSENT)
    vulnerabilities: Raw = _ABSENT
    api_version: Raw = field(name="apiVersion", default=_ABSENT)
    kind: Raw = _ABSENT
    database: Raw = field(name="VulnerabilityDB", default=_ABSENT)
    next_update: Raw = field(name="NextUpdate", default=_ABSENT)
    matches: Raw = _ABSENT
    descriptor: Raw = _ABSENT


# The first whose keys are all there is what it is.
_KINDS = (
    (("runs",), "SARIF"),
    (("bom_format",), "a CycloneDX SBOM"),
    (("spdx_version",), "an SPDX SBOM"),
    (("graph",), "an SPDX SBOM"),
    (("predicate_type",), "an in-toto statement"),
    (("payload_type",), "a signed in-toto statement (DSSE)"),
    (("invocation",), "a vulnerability predicate for cosign"),
    (("cluster_name",), "a report of trivy k8s on a cluster"),
    (("title", "summary_controls"), "a compliance report"),
    (("title", "related_resources"), "a compliance report"),
    (("detector", "manifests"), "a dependency snapshot for GitHub"),
    (("findings",), "a list of findings for AWS Security Hub"),
    (("database",), "what `trivy version` writes"),
    (("next_update",), "metadata of Trivy's database"),
    (("matches", "descriptor"), "a report of Grype"),
    (("vulnerabilities",), "a report for GitLab"),
)


def kind_of_object(keys: Keys) -> str:
    """Return what the JSON object with those *keys* seems to be; "" for a report in Trivy's own JSON."""
    if keys.schema_version is not _ABSENT and keys.artifact_name is not _ABSENT:
        return ""
    if keys.api_version is not _ABSENT and keys.kind is not _ABSENT:
        return f"a Kubernetes object ({one_line(bytes(keys.kind)[1:-1].decode())})"
    for names, kind in _KINDS:
        if all(getattr(keys, name) is not _ABSENT for name in names):
            return kind
    return "" if keys.schema_version is not _ABSENT else "JSON of another kind, without a SchemaVersion"


def kind_of_artifact(artifact_type: str) -> str:
    """Return what a report with that ArtifactType is about, with its preposition; "" for an image or nothing."""
    if artifact_type in ("", "container_image"):
        return ""
    return _ARTIFACTS.get(artifact_type, f"on something else ({one_line(artifact_type)})")


def why_no_json(text: bytes) -> str:
    """Return what to say of *text*, which does not begin as JSON does."""
    start = text[:1024].lstrip()
    if start.startswith(_UTF_16):
        return "this is UTF-16, as PowerShell's > writes it: let Trivy's --output write the file"
    if start.rstrip() == b"null":
        return "this is null: Trivy before 0.20 recognised nothing to scan"
    if _LOG.match(start):
        return "this begins with Trivy's log: let --output write the report, without 2>&1"
    kind = next((kind for pattern, kind in _TEXTS if pattern.search(start)), "no JSON")
    return unlike(kind)


def unlike(kind: str) -> str:
    """Return what to say of a text of that *kind*."""
    return f"this is {kind}, not a report of Trivy on an image: make one with `{COMMAND}`"
