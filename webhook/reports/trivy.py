"""Reading Trivy's reports on images: the JSON of `trivy image --format json`, of Trivy 0.20 and later, and before.

Followed: trivy, pkg/types/report.go and pkg/report/json.go; for how an image comes to be unscannable, pkg/scan/local/
service.go and pkg/scan/ospkg/scan.go. Of a key that is given twice the last counts, as for Go.

Not to be seen in a report, and so the duty of whoever scans: --severity, --ignore-unfixed and ignore files leave
vulnerabilities out, and without the scanner `vuln` there are none, though all packages may be listed.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from msgspec import Struct, field, structs

from webhook.model.image import DEFAULT_TAG, Image, InvalidReferenceError, parse_image
from webhook.model.platform import parse_platform, platform_of
from webhook.model.quote import one_line, printable
from webhook.model.report import FullReport, OperatingSystem, Report, ReportDetails
from webhook.reports.foreign import Keys, kind_of_artifact, kind_of_object, unlike, why_no_json
from webhook.reports.text import LONGEST_REPORT, ReportError, decode, plain, read_report_text
from webhook.reports.trivy_findings import counts_of, suppressed_of, vulnerabilities_of, why_unscannable
from webhook.reports.trivy_schema import NOTHING, Document, ImageConfig, Metadata, Result, Time

__all__ = ["LONGEST_REPORT", "Given", "ReportError", "read_database_time", "read_report", "read_report_text"]

SCHEMA_VERSION = 2  # before it, a report was but the list of its results
LONGEST_METADATA = 4 * 1024 * 1024  # bytes; an image's configuration is most of it
MOST_VULNERABILITIES = 50_000
MOST_NAMES = 256  # references with a digest that an image may have, and as many with a tag


class Given(Struct, frozen=True):
    """What whoever imports says of a report that does not say it itself.

    `image` is a reference with a digest; where it has a tag too, that is one under which the image was scanned.
    `platform` is os/architecture[/variant]. Both times have a zone.
    """

    image: str = ""
    platform: str = ""
    scanned_at: datetime | None = None
    database_updated_at: datetime | None = None


def read_report(text: bytes, given: Given = Given()) -> tuple[FullReport, ...]:  # noqa: B008  # it is frozen
    """Return a report for each distinct digest that the JSON *text* names, completed with what is *given*.

    Raises ReportError where it is no report on an image, lacks what is not given, or says otherwise than given.
    """
    document = _document(plain(text))
    metadata = _metadata(document)
    results = document.results or []
    if sum(len(result.vulnerabilities or ()) for result in results) > MOST_VULNERABILITIES:
        msg = f"Results: expected {MOST_VULNERABILITIES} vulnerabilities or fewer"
        raise ReportError(msg)
    repositories = _repositories(metadata, given)
    vulnerabilities = vulnerabilities_of(results)
    details = ReportDetails(vulnerabilities=vulnerabilities, suppressed=suppressed_of(results))
    counts, fixable = counts_of(vulnerabilities)
    report = structs.replace(
        _header(document, metadata, given),
        id=printable(document.report_id) or f"sha256:{hashlib.sha256(text).hexdigest()}",
        unscannable=why_unscannable(document.schema_version, metadata.os, results),
        counts=counts,
        fixable=fixable,
    )
    return tuple(
        FullReport(structs.replace(report, digest=digest, tags=_tags(document, metadata, names, given)), details)
        for digest, names in repositories.items()
    )


class _Database(Struct, frozen=True, rename="pascal"):
    updated_at: Time | None = None


class _Version(Struct, frozen=True):
    database: _Database | None = field(name="VulnerabilityDB", default=None)


def read_database_time(text: bytes) -> datetime:
    """Return when the vulnerability database was made, from what `trivy version --format json` writes; in UTC.

    Raises ReportError where it does not say so, as before Trivy's first download.
    """
    version = decode(plain(text), _Version)
    path = "VulnerabilityDB.UpdatedAt"
    time = _utc(version.database.updated_at, path) if version.database else None
    if time is None:
        msg = f"{path}: expected the time of a database, as `trivy version --format json` writes it after a scan"
        raise ReportError(msg)
    return time


def _document(text: bytes) -> Document:
    """Decode *text* in any schema that there was; raises ReportError for whatever else Trivy and others write."""
    start = text.lstrip()[:1]
    if start not in (b"{", b"["):
        raise ReportError(why_no_json(text))
    if start == b"[":
        return Document(schema_version=1, results=_list(text))
    keys = decode(text, Keys)
    kind = kind_of_object(keys)
    if kind:
        raise ReportError(unlike(kind))
    version = decode(bytes(keys.schema_version), int, "SchemaVersion")
    if version != SCHEMA_VERSION:
        msg = f"SchemaVersion: expected {SCHEMA_VERSION}, the only one since Trivy 0.20, got {one_line(str(version))}"
        raise ReportError(msg)
    document = decode(text, Document)
    kind = kind_of_artifact(document.artifact_type)
    if kind:
        raise ReportError(unlike(f"a report {kind}"))
    return document


def _metadata(document: Document) -> Metadata:
    raw = bytes(document.metadata)
    if len(raw) > LONGEST_METADATA:
        msg = f"Metadata: longer than {LONGEST_METADATA // 1024 // 1024} MiB, which no image's is"
        raise ReportError(msg)
    metadata = Metadata() if raw == bytes(NOTHING) else decode(raw, Metadata, "Metadata")
    untold = document.schema_version == SCHEMA_VERSION and not document.artifact_type
    if untold and not (metadata.image_id or metadata.repo_digests):
        raise ReportError(unlike("a report that does not say on what"))
    return metadata


def _list(text: bytes) -> list[Result]:
    """Decode a report of Trivy before 0.20, which 0.19 still wrote unless TRIVY_NEW_JSON_SCHEMA was set."""
    if b'"2018-10-08"' in text[:1024]:  # the version of AWS's format, in each finding
        raise ReportError(unlike("a list of findings for AWS Security Hub"))
    results = decode(text, list[Result])
    if not results:
        msg = "this is an empty list: Trivy before 0.20 recognised nothing to scan"
        raise ReportError(msg)
    return results


def _header(document: Document, metadata: Metadata, given: Given) -> Report:
    """Return what *document* says of the image and of the scan; digest, tags and findings are yet to come."""
    config = metadata.image_config
    if config is not None and not config.architecture:
        config = None  # what Go writes for none at all
    scanned_at = _scanned_at(document, given)
    os = metadata.os
    return Report(
        id="",
        digest="",
        platform=_platform(config, given),
        name=printable(document.artifact_name or given.image),
        scanned_at=scanned_at,
        scanner=printable(f"Trivy {document.trivy.version if document.trivy else ''}".strip()),
        database_updated_at=_database_updated_at(scanned_at, given),
        user=None if config is None else printable(config.config.user if config.config else ""),
        size=metadata.size or sum(layer.size for layer in metadata.layers or ()) or None,
        layers=len(metadata.diff_ids or ()) or None,
        created_at=None if config is None else _utc(config.created, "Metadata.ImageConfig.created"),
        os=OperatingSystem(printable(os.family), printable(os.name), os.end_of_life) if os and os.is_known else None,
    )


def _repositories(metadata: Metadata, given: Given) -> dict[str, set[str]]:
    """Return the image's digests, each with the full names of the repositories where it has that digest."""
    found: dict[str, set[str]] = {}
    references = _bounded(metadata.repo_digests, "Metadata.RepoDigests")
    for index, reference in enumerate(references):
        image = _with_digest(reference, f"Metadata.RepoDigests[{index}]")
        found.setdefault(str(image.digest), set()).add(image.full_name)
    if given.image:
        image = _with_digest(given.image, "--image")
        if found and image.digest not in found:
            msg = f"--image names {image.digest}, but the report is on {', '.join(found)}"
            raise ReportError(msg)
        found.setdefault(str(image.digest), set()).add(image.full_name)
    if not found:
        msg = "it names no digest of a registry: give --image REPOSITORY@DIGEST"
        raise ReportError(msg)
    return found


def _with_digest(reference: str, path: str) -> Image:
    try:
        image = parse_image(reference)
    except InvalidReferenceError as error:
        msg = f'{path}: "{one_line(reference)}": {error}'
        raise ReportError(msg) from error
    if image.digest is None:
        msg = f'{path}: "{one_line(reference)}": expected a digest, REPOSITORY@sha256:…'
        raise ReportError(msg)
    return image


def _tags(document: Document, metadata: Metadata, repositories: set[str], given: Given) -> tuple[str, ...]:
    """Return the tags of the image, of those *repositories* alone.

    A local image or an archive may be tagged with names that no registry knows, or knows for another image.
    """
    tags = set()
    for reference in (*_bounded(metadata.repo_tags, "Metadata.RepoTags"), document.artifact_name):
        try:
            image = parse_image(reference)
        except InvalidReferenceError:
            continue  # a path, an image's id, Docker's <none>:<none>
        if image.digest is None and image.full_name in repositories:
            tags.add(f"{image.full_name}:{image.tag or DEFAULT_TAG}")
    if given.image:
        image = parse_image(given.image)
        if image.tag is not None and image.full_name in repositories:
            tags.add(f"{image.full_name}:{image.tag}")
    return tuple(sorted(tags))


def _bounded(references: list[str] | None, path: str) -> list[str]:
    if references is not None and len(references) > MOST_NAMES:
        msg = f"{path}: expected {MOST_NAMES} or fewer"
        raise ReportError(msg)
    return references or []


def _platform(config: ImageConfig | None, given: Given) -> str:
    try:
        said = parse_platform(given.platform) if given.platform else ""
    except ValueError as error:
        msg = f"--platform: {error}"
        raise ReportError(msg) from error
    if config is None:
        if not said:
            msg = "it names no platform: give --platform OS/ARCHITECTURE"
            raise ReportError(msg)
        return said
    try:
        platform = platform_of(config.os, config.architecture, config.variant)
    except ValueError as error:
        msg = f"Metadata.ImageConfig: {error}"
        raise ReportError(msg) from error
    if said not in ("", platform):
        msg = f"--platform names {said}, but the report is on {platform}"
        raise ReportError(msg)
    return platform


def _scanned_at(document: Document, given: Given) -> datetime:
    time, said = _utc(document.created_at, "CreatedAt"), _utc(given.scanned_at, "--scanned-at")
    if time is None:
        if said is None:
            msg = "it does not say when it was made, as before Trivy 0.48: give --scanned-at TIME"
            raise ReportError(msg)
        return said
    if said is not None and abs(time - said) >= timedelta(seconds=1):
        msg = f"--scanned-at names {said.isoformat()}, but the report is of {time.isoformat()}"
        raise ReportError(msg)
    return time


def _database_updated_at(scanned_at: datetime, given: Given) -> datetime | None:
    time = _utc(given.database_updated_at, "--database")
    if time is not None and time > scanned_at:
        msg = f"--database is of {time.isoformat()}, later than the scan, {scanned_at.isoformat()}"
        raise ReportError(msg)
    return time


def _utc(time: datetime | None, path: str) -> datetime | None:
    """Return *time* in UTC; None for none and for Go's zero. The Unix epoch stays: reproducible builds are of then."""
    if time is None or time.year == 1:
        return None
    if time.tzinfo is None:
        msg = f"{path}: expected a time with its zone"
        raise ReportError(msg)
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        msg = f"{path}: expected a time before the year 10000"
        raise ReportError(msg) from error
