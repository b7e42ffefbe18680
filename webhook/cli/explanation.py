"""Explanations as text, for people: a paragraph for every object and for what controllers make of it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click
import yaml
from msgspec import Struct

from webhook.checks.evidence import scan_of
from webhook.cli.findings import object_name
from webhook.cli.tables import show_age, show_count
from webhook.denials.record import verdict_of
from webhook.explain.explain import ExplainedCheck, ExplainedException, ExplainedPolicy, Explanation
from webhook.explain.ignored import ExplainedIgnore
from webhook.manifests.judge import ManifestVerdict
from webhook.model.decision import ExceptionUse, Mode, Violation
from webhook.model.quote import one_line
from webhook.model.report import Evidence, EvidenceState, Report, Severity

_WORDS = {Mode.ENFORCE: ("deny", "red"), Mode.WARN: ("warn", "yellow"), Mode.AUDIT: ("audit", "cyan")}
_VERDICTS = {
    "denied": ("refused", "red"),
    "warned": ("allowed, with warnings", "yellow"),
    "audited": ("allowed, with audit annotations", "cyan"),
    "excused": ("allowed, by exceptions alone", "green"),
    "allowed": ("allowed", "green"),
}
_STATES = {
    EvidenceState.SCANNED: "scanned",
    EvidenceState.STALE: "stale, scanned too long ago",
    EvidenceState.UNSCANNABLE: "unscannable",
    EvidenceState.OTHER_PLATFORM: "of another platform",
    EvidenceState.UNSCANNED: "not scanned",
}


class Explained(Struct, frozen=True):
    """A workload in a manifest: the verdict on it, and the explanations, its own first, its pods' last."""

    verdict: ManifestVerdict
    explanations: tuple[Explanation, ...]


def as_text(explained: Iterable[Explained]) -> Iterator[str]:
    """Yield lines; colours are the caller's to strip."""
    for each in explained:
        manifest = each.verdict.manifest
        yield f"{_bold(f'{one_line(manifest.file)}:{manifest.place().line}')}: {one_line(object_name(each.verdict))}"
        first, *made = each.explanations
        unsure = each.verdict.unsure
        yield from _indented([_title(first), *_explanation(first, unsure=unsure)])
        for explanation in made:
            if (explanation.judged, explanation.decision) == (first.judged, first.decision):
                yield f"  {_title(explanation)}: as {first.review.kind}"
            else:
                yield from _indented([_title(explanation), *_explanation(explanation, unsure=unsure)])
        yield ""


def _title(explanation: Explanation) -> str:
    review = explanation.review
    what = one_line(f"{review.kind} {review.name}")
    return f"{_bold(what)}, {review.operation} by {one_line(review.user.username)}"


def not_judged(explanation: Explanation, *, unsure: bool) -> bool:
    """Whether there is no verdict: a policy or the reports could not be read, and what could does not refuse."""
    return unsure and explanation.judged and explanation.decision.allowed


def _explanation(explanation: Explanation, *, unsure: bool) -> Iterator[str]:
    if not explanation.judged:
        yield "  podgate refuses no such request: no policy is asked"
    else:
        yield from _indented(_section("policies", map(_policy, explanation.policies), "there are none"))
        evidence = (_evidence(each, explanation.now) for each in explanation.decision.evidence)
        yield from _indented(_section("evidence", evidence, "no check asked for any"))
        yield from _indented(_section("exceptions", _exceptions(explanation), "there are none"))
    words, colour = _VERDICTS[verdict_of(explanation.decision)]
    if not_judged(explanation, unsure=unsure):
        words, colour = "not judged: a policy or the reports could not be read", "red"
    yield f"  verdict: {click.style(words, fg=colour)}"


def _section(title: str, parts: Iterable[Iterable[str]], nothing: str) -> Iterator[str]:
    lines = [line for part in parts for line in part] or [nothing]
    yield f"{title}:"
    yield from _indented(lines)


def _policy(policy: ExplainedPolicy) -> Iterator[str]:
    if policy.why_not:
        yield f"{policy.use.name}: does not match"
        yield from _indented(policy.why_not)
        return
    yield f"{policy.use.name}: matches"
    for check in policy.checks:
        yield from _indented(_check(check))


def _check(check: ExplainedCheck) -> Iterator[str]:
    options = {name: value for name, value in check.options.items() if name != "ignore"}
    with_options = f" {_flow(options)}" if options else ""
    yield f"{check.id}{with_options}, {check.mode}: {_outcome(check)}"
    for violation in check.violations:
        word, colour = _WORDS[violation.mode]
        yield f"  {click.style(word, fg=colour)} {violation.finding.path}: {violation.finding.message}"
        yield from (f"    {detail}" for detail in violation.finding.details)
        yield f"    fix: {violation.finding.fix}"
    for each in check.excused:
        finding = each.violation.finding
        yield f"  {click.style('excused', fg='green')} by {each.exception.name} {finding.path}: {finding.message}"
    for ignore in check.ignore:
        yield from _indented(_ignore(ignore))


def _outcome(check: ExplainedCheck) -> str:
    if not (check.violations or check.excused):
        return "passes"
    count = show_count(len(check.violations), "violation")
    return f"{count}, {len(check.excused)} excused" if check.excused else count


def _ignore(ignore: ExplainedIgnore) -> Iterator[str]:
    entry = ignore.entry
    until = f"{one_line(entry.id)} until {entry.until.isoformat()}: {one_line(entry.reason)}"
    if ignore.why_not:
        yield f"ignores nothing by {until}"
        yield from _indented(ignore.why_not)
        return
    yield f"ignores {until}"
    for each in ignore.vulnerabilities:
        yield one_line(f"  {each.path}: {each.vulnerability.package} {each.vulnerability.installed} in {each.image}")


def _evidence(evidence: Evidence, now: datetime) -> Iterator[str]:
    report = evidence.report
    yield f"{one_line(evidence.image)} on {evidence.platform}: {_state(evidence)}"
    if report is not None:
        yield f"  {scan_of(evidence, report)}"
        by = f", by {one_line(report.scanner)}" if report.scanner else ""
        yield f"  report {one_line(report.id)}{by}, {show_age(now - report.evidence_from)} old"
        yield f"  {_counts(report)}"


def _state(evidence: Evidence) -> str:
    state = _STATES[evidence.state]
    if evidence.report is not None:
        why = evidence.report.unscannable
        return f"{state}: {one_line(why)}" if why else state
    if evidence.platforms:
        of = f"what the tag stood for, {evidence.digest}," if evidence.by_tag else str(evidence.digest)
        return f"{state}: {of} was scanned for {', '.join(evidence.platforms)}"
    return f"{state}: {f'there is no report of {evidence.digest}' if evidence.digest else 'no report names this tag'}"


def _counts(report: Report) -> str:
    counts = [
        f"{report.counts[severity]} {severity}"
        + (f" ({fixable} fixable)" if (fixable := report.fixable[severity]) else "")
        for severity in reversed(Severity)
        if report.counts[severity]
    ]
    return f"vulnerabilities: {', '.join(counts) or 'none'}"


def _exceptions(explanation: Explanation) -> Iterator[Iterable[str]]:
    if explanation.exceptions:
        names = ", ".join(one_line(f"{kind} {name}") for kind, name in explanation.workloads)
        yield [f"this object goes by {names}"]
    stranger = explanation.stranger
    if explanation.exceptions and stranger is not None:
        user, kind = one_line(explanation.review.user.username), explanation.review.kind
        owner = one_line(f"{stranger.kind} {stranger.name}")
        yield [f"its owner {owner} does not count: {user} is not the controller that makes a {kind} for it"]
    yield from map(_exception, explanation.exceptions)
    if explanation.elsewhere:
        yield [f"{explanation.elsewhere} more in other namespaces, which do not count here"]


def _exception(exception: ExplainedException) -> Iterator[str]:
    yield f"{_about(exception.use)}: {'does not apply' if exception.why_not else 'applies'}"
    yield from _indented(exception.why_not)
    yield from (f"  excuses {_brief(violation)}" for violation in exception.excuses)
    for each in exception.already:
        yield f"  {each.exception.name} excuses already {_brief(each.violation)}"
    for reasons in dict.fromkeys(each.why_not for each in exception.leaves):
        yield f"  does not excuse: {'; '.join(reasons)}"
        yield from (f"    {_brief(each.violation)}" for each in exception.leaves if each.why_not == reasons)
    if not (exception.why_not or exception.excuses or exception.already or exception.leaves):
        yield "  there is nothing to excuse"


def _about(use: ExceptionUse) -> str:
    said = "; ".join(one_line(text) for text in (use.reason, use.owner, use.ticket) if text)
    return f"{use.name}, until {use.until} ({said})"


def _brief(violation: Violation) -> str:
    return f"{violation.finding.path} ({violation.policy}/{violation.check})"


def _flow(options: dict[str, Any]) -> str:
    """Return *options* as YAML on one line."""
    return yaml.safe_dump(options, default_flow_style=True, width=float("inf")).strip()


def _bold(text: str) -> str:
    return click.style(text, bold=True)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
