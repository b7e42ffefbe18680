"""The record of a verdict, as it stands in the denial log. Its JSON Schema is docs/denial-log.schema.json.

Only what is named here is ever written: environment values, arguments, commands and annotations of a pod are not even
parsed (webhook/model/pod.py), so that none can reach the log.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from webhook.model.decision import Decision, ExceptionUse, Excused, Finding, Mode, PolicyUse, Violation
from webhook.model.report import Evidence, Severity
from webhook.model.review import Review

Verdict = Annotated[
    Literal["denied", "warned", "audited", "excused", "allowed", "error"],
    Meta(description="The hardest thing that happened. excused: nothing but what exceptions excuse."),
]


class Entry(Struct, frozen=True, rename="camel"):
    """A part of a record."""


class Owner(Entry, frozen=True):
    """The controller that the object names as its owner; whoever creates an object can write one."""

    kind: Annotated[str, Meta(description="ReplicaSet, say.")]
    name: Annotated[str, Meta(description="The owner's name.")]


class VulnerabilityEntry(Entry, frozen=True):
    """A known vulnerability of a package in an image."""

    id: Annotated[str, Meta(description="As Trivy gives it: CVE-2024-3094, GHSA-….")]
    severity: Annotated[
        Literal["unknown", "low", "medium", "high", "critical"], Meta(description="As Trivy's report gives it.")
    ]
    package: Annotated[str, Meta(description="The package's name.")]
    installed: Annotated[str, Meta(description="The package's version in the image.")]
    fixed: Annotated[str, Meta(description="The version, or versions, that mend it; empty where there is none.")]
    status: Annotated[str, Meta(description="Trivy's: fixed, affected, will_not_fix and so on.")]
    path: Annotated[str, Meta(description="The file in the image that holds the package, where Trivy says it.")]


class EvidenceEntry(Entry, frozen=True):
    """What was known of an image on a platform when the verdict was reached."""

    image: Annotated[str, Meta(description="As written.")]
    platform: Annotated[str, Meta(description="linux/amd64, say.")]
    state: Annotated[
        Literal["scanned", "stale", "unscannable", "otherPlatform", "unscanned"], Meta(description="Of the evidence.")
    ]
    digest: Annotated[str | None, Meta(description="Which image it is; null where no report tells.")]
    by_tag: Annotated[bool, Meta(description="Whether the digest is what the tag stood for when it was last scanned.")]
    report: Annotated[str | None, Meta(description="The id of the report that was used; null without one.")]
    scanned_at: Annotated[datetime | None, Meta(description="When that scan was made.")]
    database_updated_at: Annotated[datetime | None, Meta(description="Of when its vulnerability database was.")]


class ViolationEntry(Entry, frozen=True):
    """A violation: of which check of which policy, what it did, where in the manifest, and what to do."""

    policy: Annotated[str, Meta(description="The policy's name.")]
    check: Annotated[str, Meta(description="The check's id.")]
    mode: Annotated[Literal["enforce", "warn", "audit"], Meta(description="enforce: it refused the object.")]
    path: Annotated[str, Meta(description="In the manifest: spec.containers[0].image, say.")]
    message: Annotated[str, Meta(description="What must hold there.")]
    fix: Annotated[str, Meta(description="What to do.")]
    vulnerabilities: Annotated[tuple[VulnerabilityEntry, ...], Meta(description="All that it is about.")]


class ExcusedEntry(Entry, frozen=True):
    """A violation that did not count, and the exception that excused it."""

    policy: Annotated[str, Meta(description="The policy's name.")]
    check: Annotated[str, Meta(description="The check's id.")]
    path: Annotated[str, Meta(description="In the manifest: spec.containers[0].image, say.")]
    message: Annotated[str, Meta(description="What must hold there.")]
    exception: Annotated[ExceptionUse, Meta(description="By which it does not count.")]
    vulnerabilities: Annotated[tuple[VulnerabilityEntry, ...], Meta(description="All that it is about.")]


class Record(Entry, frozen=True):
    """A verdict on a review."""

    time: Annotated[datetime, Meta(tz=True, description="When the verdict was reached.")]
    verdict: Verdict
    uid: Annotated[str, Meta(description="The review's, as in the API server's audit log of webhooks.")]
    cluster: Annotated[str, Meta(description="As given to podgate serve --cluster.")]
    namespace: Annotated[str, Meta(description="The object's.")]
    kind: Annotated[str, Meta(description="The object's, without its group: Pod, Deployment.")]
    name: Annotated[str, Meta(description="The object's; empty where the API server has yet to make one.")]
    generate_name: Annotated[str, Meta(description="What its name was or will be made from; empty where it was given.")]
    subresource: Annotated[str, Meta(description="What was written of the object, ephemeralcontainers, say, or empty.")]
    operation: Annotated[Literal["CREATE", "UPDATE", "DELETE", "CONNECT"], Meta(description="What was asked for.")]
    dry_run: Annotated[bool, Meta(description="Whether nothing would have been stored either way.")]
    owner: Annotated[Owner | None, Meta(description="The object's controller, as the object says; null without one.")]
    user: Annotated[str, Meta(description="Who asked.")]
    groups: Annotated[tuple[str, ...], Meta(description="The groups of who asked.")]
    policies: Annotated[tuple[PolicyUse, ...], Meta(description="Those applied, with the SHA-256 of their content.")]
    violations: Annotated[tuple[ViolationEntry, ...], Meta(description="Those that no exception excuses, in any mode.")]
    excused: Annotated[tuple[ExcusedEntry, ...], Meta(description="Those that an exception excuses.")]
    images: Annotated[tuple[str, ...], Meta(description="Every image of the pod, as written.")]
    evidence: Annotated[tuple[EvidenceEntry, ...], Meta(description="What was known of the images checks asked about.")]
    duration_microseconds: Annotated[int, Meta(ge=0, description="From the parsing to the verdict.")]
    error: Annotated[str, Meta(description="With the verdict error: why none could be reached. Empty otherwise.")] = ""


def verdict_of(decision: Decision) -> Verdict:
    """Return the verdict that *decision* amounts to."""
    if decision.violations:
        hardest = max(violation.mode for violation in decision.violations)
        return _VERDICTS[hardest]
    return "excused" if decision.excused else "allowed"


def record_of(  # noqa: PLR0913  # each is a part of the record
    review: Review, decision: Decision, *, time: datetime, cluster: str, duration_microseconds: int, error: str
) -> Record:
    """Return the record of *decision* on *review*; where *error* is not empty, of a verdict not reached."""
    metadata = review.workload.metadata
    owner = next((owner for owner in metadata.owner_references or () if owner.controller), None)
    return Record(
        time=time,
        verdict="error" if error else verdict_of(decision),
        uid=review.uid,
        cluster=cluster,
        namespace=review.namespace,
        kind=review.kind,
        name=review.name,
        generate_name=metadata.generate_name,
        subresource=review.subresource,
        operation=review.operation,
        dry_run=review.dry_run,
        owner=None if owner is None else Owner(owner.kind, owner.name),
        user=review.user.username,
        groups=review.user.groups or (),
        policies=decision.policies,
        violations=tuple(map(_violation_entry, decision.violations)),
        excused=tuple(map(_excused_entry, decision.excused)),
        images=tuple(use.reference for use in review.workload.image_uses() if use.reference),
        evidence=tuple(map(evidence_entry, decision.evidence)),
        duration_microseconds=duration_microseconds,
        error=error,
    )


def _violation_entry(violation: Violation) -> ViolationEntry:
    finding = violation.finding
    return ViolationEntry(
        violation.policy,
        violation.check,
        _MODES[violation.mode],
        finding.path,
        finding.message,
        finding.fix,
        vulnerability_entries(finding),
    )


def _excused_entry(excused: Excused) -> ExcusedEntry:
    violation, finding = excused.violation, excused.violation.finding
    return ExcusedEntry(
        violation.policy,
        violation.check,
        finding.path,
        finding.message,
        excused.exception,
        vulnerability_entries(finding),
    )


def vulnerability_entries(finding: Finding) -> tuple[VulnerabilityEntry, ...]:
    """Return the vulnerabilities that *finding* is about."""
    return tuple(
        VulnerabilityEntry(
            each.id, _SEVERITIES[each.severity], each.package, each.installed, each.fixed, each.status, each.path
        )
        for each in finding.vulnerabilities
    )


def evidence_entry(evidence: Evidence) -> EvidenceEntry:
    """Return *evidence* without the report itself."""
    report = evidence.report
    return EvidenceEntry(
        evidence.image,
        evidence.platform,
        evidence.state.value,
        evidence.digest,
        evidence.by_tag,
        report.id if report else None,
        report.scanned_at if report else None,
        report.database_updated_at if report else None,
    )


_VERDICTS: dict[Mode, Verdict] = {Mode.ENFORCE: "denied", Mode.WARN: "warned", Mode.AUDIT: "audited"}
_MODES: dict[Mode, Literal["enforce", "warn", "audit"]] = {
    Mode.ENFORCE: "enforce",
    Mode.WARN: "warn",
    Mode.AUDIT: "audit",
}
_SEVERITIES: dict[Severity, Literal["unknown", "low", "medium", "high", "critical"]] = {
    Severity.UNKNOWN: "unknown",
    Severity.LOW: "low",
    Severity.MEDIUM: "medium",
    Severity.HIGH: "high",
    Severity.CRITICAL: "critical",
}
