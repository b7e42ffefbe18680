"""The JSON of `podgate check --output json`: one object, for programs; fields are added to it, never changed."""

import msgspec
from msgspec import Struct

from webhook.denials.record import EvidenceEntry, VulnerabilityEntry, evidence_entry, vulnerability_entries
from webhook.manifests.files import Outcome, Problem
from webhook.manifests.judge import Judged, ManifestVerdict
from webhook.model.decision import ExceptionUse, Excused, Mode


class Json(Struct, frozen=True, rename="camel"):
    """A part of the output."""


class Finding(Json, frozen=True):
    """What was found: `mode` is the hardest that it does, to the object or to what controllers make of it.

    `own_mode` is what it does when the object itself is applied, null where only its pods are asked about. `line` is
    that of `path`, or of the deepest part of it that is there.
    """

    policy: str
    check: str
    mode: str
    own_mode: str | None
    path: str
    line: int
    message: str
    fix: str
    details: tuple[str, ...]
    vulnerabilities: tuple[VulnerabilityEntry, ...]


class ExcusedFinding(Json, frozen=True):
    """What was found and excused by an exception."""

    policy: str
    check: str
    path: str
    line: int
    message: str
    exception: ExceptionUse


class Workload(Json, frozen=True):
    """An object and what becomes of it.

    `verdict` is `refused`, `podsRefused` (the object is taken, its pods are not), `warned`, `audited` or `clean`; or
    `notJudged`, where a policy or the reports could not be read and nothing refuses it already.
    `source` is the chart's template that Helm names. `evidence` is what was known of each image that was asked about.
    """

    file: str
    line: int
    source: str
    api_version: str
    kind: str
    namespace: str
    name: str
    verdict: str
    findings: tuple[Finding, ...]
    excused: tuple[ExcusedFinding, ...]
    evidence: tuple[EvidenceEntry, ...]
    contacts: tuple[str, ...]


class Summary(Json, frozen=True):
    """Counts: workloads by verdict, findings, and objects of kinds that hold no pods."""

    files: int
    workloads: int
    refused: int
    pods_refused: int
    warned: int
    audited: int
    clean: int
    not_judged: int
    findings: int
    excused: int
    other_objects: int


class CheckReport(Json, frozen=True):
    """The whole: `errors` are what could not be judged."""

    workloads: tuple[Workload, ...]
    errors: tuple[Problem, ...]
    notes: tuple[str, ...]
    summary: Summary
    exit_code: int


def as_json(outcome: Outcome, exit_code: int) -> str:
    """Return *outcome* as JSON, indented."""
    workloads = tuple(map(_workload, outcome.verdicts))
    verdicts = [workload.verdict for workload in workloads]
    report = CheckReport(
        workloads=workloads,
        errors=outcome.problems,
        notes=outcome.notes,
        summary=Summary(
            files=outcome.files,
            workloads=len(workloads),
            refused=verdicts.count("refused"),
            pods_refused=verdicts.count("podsRefused"),
            warned=verdicts.count("warned"),
            audited=verdicts.count("audited"),
            clean=verdicts.count("clean"),
            not_judged=verdicts.count("notJudged"),
            findings=sum(len(workload.findings) for workload in workloads),
            excused=sum(len(workload.excused) for workload in workloads),
            other_objects=len(outcome.others),
        ),
        exit_code=exit_code,
    )
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def _workload(verdict: ManifestVerdict) -> Workload:
    manifest = verdict.manifest
    return Workload(
        file=manifest.file,
        line=manifest.place().line,
        source=manifest.source,
        api_version=manifest.api_version,
        kind=manifest.kind,
        namespace=verdict.namespace,
        name=verdict.name,
        verdict=_verdict(verdict),
        findings=tuple(map(_finding, verdict.findings)),
        excused=tuple(_excused(verdict, excused) for excused in verdict.excused),
        evidence=tuple(map(evidence_entry, verdict.evidence)),
        contacts=verdict.contacts,
    )


def _verdict(verdict: ManifestVerdict) -> str:
    if verdict.mode is Mode.ENFORCE:
        return "refused" if verdict.refused else "podsRefused"
    if verdict.not_judged:
        return "notJudged"
    return {None: "clean", Mode.WARN: "warned", Mode.AUDIT: "audited"}[verdict.mode]


def _finding(judged: Judged) -> Finding:
    finding = judged.finding
    return Finding(
        policy=judged.policy,
        check=judged.check,
        mode=str(judged.mode),
        own_mode=None if judged.own is None else str(judged.own),
        path=finding.path,
        line=judged.line,
        message=finding.message,
        fix=finding.fix,
        details=finding.details,
        vulnerabilities=vulnerability_entries(finding),
    )


def _excused(verdict: ManifestVerdict, excused: Excused) -> ExcusedFinding:
    violation = excused.violation
    path = violation.finding.path
    return ExcusedFinding(
        policy=violation.policy,
        check=violation.check,
        path=path,
        line=verdict.manifest.place(path).line,
        message=violation.finding.message,
        exception=excused.exception,
    )
