"""Findings in SARIF 2.1.0 (OASIS, errata 01): what code hosts show beside the lines of a change."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from webhook import __version__
from webhook.checks import CHECKS
from webhook.checks.check import CheckType
from webhook.cli.findings import excuse, object_name
from webhook.manifests.files import Outcome, Problem
from webhook.manifests.judge import ManifestVerdict
from webhook.model.decision import Finding, Mode

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "podgate/v1"
_LEVELS = {Mode.ENFORCE: "error", Mode.WARN: "warning", Mode.AUDIT: "note"}
_RULES = {check_id: index for index, check_id in enumerate(CHECKS)}

Node = dict[str, Any]


def as_sarif(outcome: Outcome, exit_code: int) -> str:
    """Return *outcome* as a SARIF log of one run, indented; excused findings are suppressed results."""
    run = {
        "tool": {
            "driver": {
                "name": "podgate",
                "semanticVersion": __version__,
                "rules": [_rule(check) for check in CHECKS.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not outcome.problems,
                "exitCode": exit_code,
                "toolExecutionNotifications": [
                    _notification(problem) for problem in (*outcome.problems, *_not_judged(outcome))
                ],
            }
        ],
        "results": _results(outcome),
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(check: CheckType) -> Node:
    title, _, manual = check.manual.strip().partition("\n")
    return {
        "id": check.id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": manual.strip(), "markdown": manual.strip()},
        "defaultConfiguration": {"level": "error"},
    }


def _notification(problem: Problem) -> Node:
    return {
        "level": "error",
        "message": {"text": str(problem)},
        "locations": [{"physicalLocation": _physical(problem.file, problem.line)}],
    }


def _not_judged(outcome: Outcome) -> Iterator[Problem]:
    """Yield as problems the objects that there is no verdict on."""
    for verdict in outcome.verdicts:
        if verdict.not_judged:
            message = f"{object_name(verdict)} is not judged: a policy or the reports could not be read"
            yield Problem(verdict.manifest.file, message, verdict.manifest.place().line, 1)


def _results(outcome: Outcome) -> list[Node]:
    seen: Counter[str] = Counter()
    results = []
    for verdict in outcome.verdicts:
        for judged in verdict.findings:
            result = _result(verdict, judged.policy, judged.check, judged.finding, seen)
            results.append(result | {"level": _LEVELS[judged.mode]})
        for excused in verdict.excused:
            violation = excused.violation
            result = _result(verdict, violation.policy, violation.check, violation.finding, seen)
            suppression = {"kind": "external", "status": "accepted", "justification": f"excused {excuse(excused)}"}
            results.append(result | {"level": _LEVELS[violation.mode], "suppressions": [suppression]})
    return results


def _result(verdict: ManifestVerdict, policy: str, check: str, finding: Finding, seen: Counter[str]) -> Node:
    """Return a finding as a result; *seen* counts its fingerprints, so that equal ones differ by their number."""
    manifest = verdict.manifest
    name = object_name(verdict)
    place = manifest.place(finding.path)
    content = f"{policy}\n{check}\n{name}\n{finding.path}"
    seen[content] += 1
    fingerprint = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()
    lines = (f"{name}: {finding.path}: {finding.message} ({policy}/{check})", *finding.details, f"fix: {finding.fix}")
    return {
        "ruleId": check,
        "ruleIndex": _RULES[check],
        "message": {"text": "\n".join(lines)},
        "locations": [
            {
                "physicalLocation": _physical(manifest.file, place.line),
                "logicalLocations": [{"fullyQualifiedName": f"{name} {finding.path}", "kind": "member"}],
            }
        ],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }


def _physical(file: str, line: int) -> Node:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    location: Node = {"artifactLocation": {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}}
    return location | ({"region": {"startLine": line}} if line else {})
