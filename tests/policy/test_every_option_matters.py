"""Every option of the policy format has a pair of documents that differ in it alone and come out differently.

The options are found in the Structs of the format; their pairs stand in tests/fixtures/options. A new option without a
pair fails here, and so does a new choice of an option that nothing shows.
"""

import copy
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec import Struct

from tests.image_reports import full_reports
from tests.reviews import NOW, At, review_of, workload
from webhook.evaluate import evaluate
from webhook.model.decision import Decision, Mode
from webhook.policy import schema
from webhook.policy.document import DocumentError, read_documents
from webhook.policy.load import parse_document
from webhook.policy.policies import Policy, PolicyException, policy_set

FIXTURES = Path(__file__).parents[1] / "fixtures" / "options"
READERS_OWN = {f"{name}.{field}" for name in ("Metadata", "NamespacedMetadata") for field in ("labels", "annotations")}
Option = tuple[type[Struct], str, Any]


class TextTimestamps(yaml.SafeLoader):
    """Timestamps stay text, as podgate reads them."""


TextTimestamps.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def read_cases() -> list[dict[str, Any]]:
    cases = []
    for file in sorted(FIXTURES.glob("*.yaml")):
        fixture = yaml.load(file.read_text(), TextTimestamps)  # noqa: S506  # it is a SafeLoader
        cases += [{"base": fixture["base"], "given": {}, **case} for case in fixture["cases"]]
    return cases


CASES = read_cases()


# The options, as the Structs have them


def parts_of(type_: Any) -> list[Any]:
    """Return the plain types that *type_* is made of, without annotations and alternatives."""
    if isinstance(type_, type) and issubclass(type_, Struct):
        return [type_]
    if typing.get_origin(type_) in (typing.Annotated, tuple):
        return parts_of(typing.get_args(type_)[0])
    if typing.get_origin(type_) in (typing.Union, types.UnionType):
        return [part for arg in typing.get_args(type_) for part in parts_of(arg)]
    return [type_]


def options_of(root: type[Struct]) -> dict[str, Any]:
    """Return every option that *root* holds at any depth, as Struct.field, with its type."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(root):
        found[f"{root.__name__}.{field.encode_name}"] = field.type
        for part in parts_of(field.type):
            if isinstance(part, type) and issubclass(part, Struct):
                found |= options_of(part)
    return found


OPTIONS = options_of(schema.ClusterPolicy) | options_of(schema.PolicyException)


def choices_of(type_: Any) -> set[str]:
    return {
        choice
        for part in parts_of(type_)
        if typing.get_origin(part) is typing.Literal
        for choice in typing.get_args(part)
    }


CHOICES = [(option, choice) for option, type_ in OPTIONS.items() for choice in sorted(choices_of(type_))]


# Their cases


def put(into: dict[str, Any], path: str, value: Any) -> None:
    """Set what stands at *path*, making what leads there."""
    *parents, last = path.split(".")
    for key in parents:
        into = into.setdefault(key, {})
    into[last] = value


def document_for(case: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the policy, exception, object, request and reports of *outcome*: the case's, with the option changed."""
    documents = copy.deepcopy(case["base"])
    for path, value in case["given"].items():
        put(documents, path, value)
    option = case["at"]
    assert option.startswith(("policy.", "exception."))
    if "value" in outcome:
        put(documents, option, outcome["value"])
    else:
        parent, _, key = option.rpartition(".")
        put(documents, f"{parent}.{key}", None)
        holder = documents
        for step in parent.split("."):
            holder = holder[step]
        del holder[key]
    return typing.cast("dict[str, Any]", documents)


def decide(documents: dict[str, Any]) -> Decision | None:
    """Return the decision, or None where a policy or exception is refused."""
    parsed = []
    for kind in ("policy", "exception"):
        if kind in documents:
            (document,) = read_documents(kind, yaml.safe_dump(documents[kind]).encode())
            try:
                parsed.append(parse_document(document))
            except DocumentError:
                return None
    policies = policy_set(
        [each for each in parsed if isinstance(each, Policy)],
        [each for each in parsed if isinstance(each, PolicyException)],
    )
    asked = dict(documents["request"])
    now = asked.pop("now", None)
    given = documents["object"]
    review = review_of(workload(given["kind"], given["spec"], **given["metadata"]), **asked)
    facts = At(NOW if now is None else datetime.fromisoformat(now), full_reports(documents.get("reports")))
    return evaluate(review, policies, facts)


def verdict(decision: Decision | None) -> str:
    if decision is None:
        return "refused"
    if decision.violations:
        hardest = max(violation.mode for violation in decision.violations)
        return {Mode.ENFORCE: "denied", Mode.WARN: "warned", Mode.AUDIT: "audited"}[hardest]
    return "excused" if decision.excused else "allowed"


def shown(decision: Decision | None) -> str:
    return msgspec.json.encode(decision).decode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["option"])
def test_outcomes_differ_by_the_option_alone(case: dict[str, Any]) -> None:
    decisions = [(outcome, decide(document_for(case, outcome))) for outcome in case["outcomes"]]

    assert [verdict(decision) for _, decision in decisions] == [outcome["is"] for outcome in case["outcomes"]]
    assert len({(outcome["is"], outcome.get("shows")) for outcome in case["outcomes"]}) > 1
    for text in {outcome["shows"] for outcome in case["outcomes"] if "shows" in outcome}:
        assert [text in shown(decision) for _, decision in decisions] == [
            outcome.get("shows") == text for outcome in case["outcomes"]
        ]


@pytest.mark.parametrize("option", sorted(set(OPTIONS) - READERS_OWN))
def test_every_option_has_a_case(option: str) -> None:
    assert option in {case["option"] for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["option"])
def test_every_case_is_of_an_option_and_changes_it(case: dict[str, Any]) -> None:
    struct, _, field = case["option"].rpartition(".")

    assert case["option"] in OPTIONS
    assert case["at"].endswith(f".{field}") or all(
        field in entry for outcome in case["outcomes"] for entry in outcome["value"]
    )
    assert struct


@pytest.mark.parametrize(("option", "choice"), CHOICES, ids=lambda text: text)
def test_every_choice_of_an_option_is_shown(option: str, choice: str) -> None:
    values = [
        outcome["value"]
        for case in CASES
        if case["option"] == option
        for outcome in case["outcomes"]
        if "value" in outcome
    ]
    field = option.rpartition(".")[2]

    chosen = [item.get(field) if isinstance(item, dict) else item for value in values for item in listed(value)]

    assert choice in chosen


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize("kind", ["policy", "exception"])
def test_labels_and_annotations_are_the_readers_own(kind: str, field: str) -> None:
    (base, *_) = (case["base"] for case in CASES if "exception" in case["base"])
    changed = copy.deepcopy(base)
    put(changed, f"{kind}.metadata.{field}", {"team": "a"})

    before, after = decide(base), decide(changed)

    assert before is not None
    assert after is not None
    assert before.excused == after.excused
    assert before.violations == after.violations
