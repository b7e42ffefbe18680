"""Findings as text, for people: grouped by object, the file and line first."""

from collections.abc import Iterator

import click

from webhook.manifests.files import Outcome
from webhook.manifests.judge import Judged, ManifestVerdict
from webhook.model.decision import Excused, Finding, Mode
from webhook.model.quote import printable

_WORDS = {Mode.ENFORCE: ("deny", "red"), Mode.WARN: ("warn", "yellow"), Mode.AUDIT: ("audit", "cyan")}
_MARGIN = " " * 11


def as_text(outcome: Outcome) -> Iterator[str]:
    """Yield lines: every object with something found or excused, then the summary. They are coloured."""
    for verdict in outcome.verdicts:
        if verdict.findings or verdict.excused:
            yield from _of_object(verdict)
            yield ""
    yield summary(outcome)


def summary(outcome: Outcome) -> str:
    """Return how many objects there were and what would become of them, in a line."""
    verdicts = outcome.verdicts
    by_mode = [verdict.mode for verdict in verdicts if not verdict.not_judged]
    parts = {
        "would be refused": by_mode.count(Mode.ENFORCE),
        "warned about": by_mode.count(Mode.WARN),
        "audited": by_mode.count(Mode.AUDIT),
        "clean": by_mode.count(None),
        "not judged": len(verdicts) - len(by_mode),
    }
    findings = sum(len(verdict.findings) for verdict in verdicts)
    excused = sum(len(verdict.excused) for verdict in verdicts)
    became = ", ".join(f"{count} {words}" for words, count in parts.items() if count)
    text = f"{_count(len(verdicts), 'workload')} in {_count(outcome.files, 'file')}"
    text += f": {became}; {_count(findings, 'finding')}, {excused} excused" if verdicts else ""
    if outcome.others:
        kinds = ", ".join(sorted(set(outcome.others)))
        text += f"; {_count(len(outcome.others), 'other object')} passed over ({printable(kinds)})"
    return text + (f"; {_count(len(outcome.problems), 'error')}" if outcome.problems else "")


def object_name(verdict: ManifestVerdict) -> str:
    """Return kind, namespace and name: Deployment shop/web."""
    return printable(f"{verdict.manifest.kind} {verdict.namespace}/{verdict.name}")


def excuse(excused: Excused) -> str:
    """Return by which exception, until when and why."""
    exception = excused.exception
    ticket = f", {exception.ticket}" if exception.ticket else ""
    return printable(
        f"by {exception.namespace}/{exception.name} until {exception.until}: "
        f"{exception.reason} ({exception.owner}{ticket})"
    )


def _of_object(verdict: ManifestVerdict) -> Iterator[str]:
    manifest = verdict.manifest
    place = click.style(printable(f"{manifest.file}:{manifest.place().line}"), bold=True)
    source = f" ({printable(manifest.source)})" if manifest.source else ""
    yield f"{place}: {object_name(verdict)}{source}{_verdict(verdict)}"
    for judged in verdict.findings:
        yield from _of_finding(judged)
    for excused in verdict.excused:
        violation = excused.violation
        claim = _claim(violation.finding, manifest.place(violation.finding.path).line)
        yield f"  {click.style('excused', fg='green')}  {claim} ({violation.policy}/{violation.check})"
        yield f"{_MARGIN}{excuse(excused)}"
    yield from (f"  exceptions: {printable(contact)}" for contact in verdict.contacts)


def _verdict(verdict: ManifestVerdict) -> str:
    if verdict.not_judged:
        return ": not judged"
    if verdict.mode is not Mode.ENFORCE:
        return ""
    return ": refused" if verdict.refused else ": its pods are refused"


def _of_finding(judged: Judged) -> Iterator[str]:
    word, colour = _WORDS[judged.mode]
    claim = _claim(judged.finding, judged.line)
    yield f"  {click.style(f'{word:7}', fg=colour)}  {claim} ({judged.policy}/{judged.check})"
    yield from (f"{_MARGIN}  {printable(detail)}" for detail in judged.finding.details)
    yield f"{_MARGIN}fix: {printable(judged.finding.fix)}"


def _claim(finding: Finding, line: int) -> str:
    return printable(f"{finding.path} (line {line}): {finding.message}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
