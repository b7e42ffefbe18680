"""The JSON of `podgate explain --output json`: one object, for programs; fields are added to it, never changed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from webhook.cli.check_json import Json
from webhook.cli.explanation import Explained, not_judged
from webhook.denials.record import verdict_of
from webhook.explain.explain import ExplainedCheck, ExplainedException, ExplainedPolicy, Explanation
from webhook.explain.ignored import ExplainedIgnore
from webhook.manifests.files import Outcome, Problem
from webhook.model.decision import ExceptionUse, Violation
from webhook.model.report import Evidence, Report, Severity


class Found(Json, frozen=True):
    """A violation; `excused_by` names the exception that excuses it, null where it stands."""

    mode: str
    path: str
    message: str
    fix: str
    details: tuple[str, ...]
    excused_by: str | None


class Ignored(Json, frozen=True):
    """A vulnerability that does not count: its package, and the image that stands at `path`."""

    path: str
    image: str
    package: str
    installed: str


class Ignore(Json, frozen=True):
    """An entry of `ignore`: what it leaves out, or why nothing."""

    id: str
    until: datetime
    reason: str
    why_not: tuple[str, ...]
    vulnerabilities: tuple[Ignored, ...]


class Check(Json, frozen=True):
    """A check: `mode` is what it does to this object at most, `options` are those that differ from their defaults."""

    id: str
    mode: str
    options: dict[str, Any]
    violations: tuple[Found, ...]
    ignore: tuple[Ignore, ...]


class Policy(Json, frozen=True):
    """A policy; where it does not match, `why_not` says why and no check is run."""

    name: str
    hash: str
    matches: bool
    why_not: tuple[str, ...]
    checks: tuple[Check, ...]


class Scan(Json, frozen=True):
    """The report that was used: `age_seconds` counts from the scan, or from its database where that is older.

    `counts` and `fixable` count vulnerabilities, and those with a fixed version, by severity.
    """

    id: str
    scanner: str
    scanned_at: datetime
    database_updated_at: datetime | None
    age_seconds: int
    unscannable: str
    counts: dict[str, int]
    fixable: dict[str, int]


class Known(Json, frozen=True):
    """What is known of an image on a platform; `platforms` are those that there are reports for instead."""

    image: str
    platform: str
    state: str
    digest: str | None
    by_tag: bool
    platforms: tuple[str, ...]
    report: Scan | None


class Excusable(Json, frozen=True):
    """A violation, and what an exception that applies is to it.

    It excuses it, where `why_not` is empty and `excused_already_by` null.
    """

    policy: str
    check: str
    path: str
    why_not: tuple[str, ...]
    excused_already_by: str | None


class PolicyException(Json, frozen=True):
    """An exception of the object's namespace; where it does not apply, `why_not` says why."""

    exception: ExceptionUse
    applies: bool
    why_not: tuple[str, ...]
    violations: tuple[Excusable, ...]


class Workload(Json, frozen=True):
    """A kind and name that exceptions can name an object by."""

    kind: str
    name: str


class Request(Json, frozen=True):
    """What is asked of the API server: for the object itself, or for what a controller makes of it.

    `verdict` is as in the denial log, or `notJudged` where a policy or the reports could not be read. `judged` is false
    for what is never refused. `workloads` are the object and its owners that count; `uncounted_owner` is one that
    anyone could have written. `exceptions_elsewhere` counts those in other namespaces.
    """

    operation: str
    kind: str
    namespace: str
    name: str
    user: str
    groups: tuple[str, ...]
    judged: bool
    verdict: str
    policies: tuple[Policy, ...]
    evidence: tuple[Known, ...]
    workloads: tuple[Workload, ...]
    uncounted_owner: Workload | None
    exceptions: tuple[PolicyException, ...]
    exceptions_elsewhere: int


class Object(Json, frozen=True):
    """A workload in a manifest: the request for it, then those of the controllers, for its pods last."""

    file: str
    line: int
    kind: str
    namespace: str
    name: str
    requests: tuple[Request, ...]


class ExplainReport(Json, frozen=True):
    """The whole: `errors` are what could not be read."""

    objects: tuple[Object, ...]
    errors: tuple[Problem, ...]
    notes: tuple[str, ...]


def as_json(explained: Iterable[Explained], outcome: Outcome) -> str:
    """Return what was explained, and what could not be, as JSON, indented."""
    report = ExplainReport(tuple(map(_object, explained)), outcome.problems, outcome.notes)
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def _object(explained: Explained) -> Object:
    verdict = explained.verdict
    manifest = verdict.manifest
    return Object(
        file=manifest.file,
        line=manifest.place().line,
        kind=manifest.kind,
        namespace=verdict.namespace,
        name=verdict.name,
        requests=tuple(_request(each, unsure=verdict.unsure) for each in explained.explanations),
    )


def _request(explanation: Explanation, *, unsure: bool) -> Request:
    review, owner = explanation.review, explanation.stranger
    return Request(
        operation=review.operation,
        kind=review.kind,
        namespace=review.namespace,
        name=review.name,
        user=review.user.username,
        groups=review.user.groups or (),
        judged=explanation.judged,
        verdict="notJudged" if not_judged(explanation, unsure=unsure) else verdict_of(explanation.decision),
        policies=tuple(map(_policy, explanation.policies)),
        evidence=tuple(_known(each, explanation.now) for each in explanation.decision.evidence),
        workloads=tuple(Workload(kind, name) for kind, name in explanation.workloads),
        uncounted_owner=None if owner is None else Workload(owner.kind, owner.name),
        exceptions=tuple(map(_exception, explanation.exceptions)),
        exceptions_elsewhere=explanation.elsewhere,
    )


def _policy(policy: ExplainedPolicy) -> Policy:
    use = policy.use
    return Policy(use.name, use.hash, not policy.why_not, policy.why_not, tuple(map(_check, policy.checks)))


def _check(check: ExplainedCheck) -> Check:
    return Check(
        id=check.id,
        mode=str(check.mode),
        options=check.options,
        violations=(
            *(_found(each, None) for each in check.violations),
            *(_found(each.violation, each.exception.name) for each in check.excused),
        ),
        ignore=tuple(map(_ignore, check.ignore)),
    )


def _found(violation: Violation, excused_by: str | None) -> Found:
    finding = violation.finding
    return Found(str(violation.mode), finding.path, finding.message, finding.fix, finding.details, excused_by)


def _ignore(ignore: ExplainedIgnore) -> Ignore:
    entry = ignore.entry
    vulnerabilities = tuple(
        Ignored(each.path, each.image, each.vulnerability.package, each.vulnerability.installed)
        for each in ignore.vulnerabilities
    )
    return Ignore(entry.id, entry.until, entry.reason, ignore.why_not, vulnerabilities)


def _known(evidence: Evidence, now: datetime) -> Known:
    return Known(
        image=evidence.image,
        platform=evidence.platform,
        state=evidence.state,
        digest=evidence.digest,
        by_tag=evidence.by_tag,
        platforms=evidence.platforms,
        report=None if evidence.report is None else _scan(evidence.report, now),
    )


def _scan(report: Report, now: datetime) -> Scan:
    return Scan(
        id=report.id,
        scanner=report.scanner,
        scanned_at=report.scanned_at,
        database_updated_at=report.database_updated_at,
        age_seconds=int((now - report.evidence_from).total_seconds()),
        unscannable=report.unscannable,
        counts={str(severity): report.counts[severity] for severity in reversed(Severity)},
        fixable={str(severity): report.fixable[severity] for severity in reversed(Severity)},
    )


def _exception(exception: ExplainedException) -> PolicyException:
    return PolicyException(
        exception=exception.use,
        applies=not exception.why_not,
        why_not=exception.why_not,
        violations=(
            *(_excusable(each) for each in exception.excuses),
            *(_excusable(each.violation, already_by=each.exception.name) for each in exception.already),
            *(_excusable(each.violation, why_not=each.why_not) for each in exception.leaves),
        ),
    )


def _excusable(violation: Violation, *, why_not: tuple[str, ...] = (), already_by: str | None = None) -> Excusable:
    return Excusable(violation.policy, violation.check, violation.finding.path, why_not, already_by)
