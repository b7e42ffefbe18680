"""Matching: names, labels and all that a policy's match can ask, and in words why it does not hold."""

from typing import Any

import msgspec
import pytest

from tests.reviews import Manifest, pod, review_of, workload
from webhook.policy.match import conditions_of, not_one_of
from webhook.policy.schema import Match


@pytest.mark.parametrize(
    ("selector", "labels", "fits"),
    [
        pytest.param({}, {}, True, id="nothing asked"),
        pytest.param({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True, id="equal"),
        pytest.param({"matchLabels": {"a": "1"}}, {"a": "2"}, False, id="different"),
        pytest.param({"matchLabels": {"a": ""}}, {}, False, id="absent is not empty"),
        pytest.param({"matchLabels": {"a": "1", "b": "2"}}, {"a": "1"}, False, id="all labels"),
        pytest.param({"key": "a", "operator": "In", "values": ["1", "2"]}, {"a": "2"}, True, id="In"),
        pytest.param({"key": "a", "operator": "In", "values": ["1", "2"]}, {"a": "3"}, False, id="In, another"),
        pytest.param({"key": "a", "operator": "In", "values": ["1"]}, {}, False, id="In, absent"),
        pytest.param({"key": "a", "operator": "NotIn", "values": ["1"]}, {"a": "1"}, False, id="NotIn"),
        pytest.param({"key": "a", "operator": "NotIn", "values": ["1"]}, {"a": "2"}, True, id="NotIn, another"),
        pytest.param({"key": "a", "operator": "NotIn", "values": ["1"]}, {}, True, id="NotIn, absent"),
        pytest.param({"key": "a", "operator": "Exists"}, {"a": ""}, True, id="Exists"),
        pytest.param({"key": "a", "operator": "Exists"}, {"b": ""}, False, id="Exists, absent"),
        pytest.param({"key": "a", "operator": "DoesNotExist"}, {"a": ""}, False, id="DoesNotExist"),
        pytest.param({"key": "a", "operator": "DoesNotExist"}, {"b": ""}, True, id="DoesNotExist, absent"),
    ],
)
def test_labels_match_as_in_kubernetes(selector: dict[str, Any], labels: dict[str, str], *, fits: bool) -> None:
    if "operator" in selector:
        selector = {"matchExpressions": [selector]}

    assert matches({"objectSelector": selector}, pod("nginx", labels=labels)) is fits


def test_all_of_a_selector_must_hold() -> None:
    selector = {
        "matchLabels": {"a": "1"},
        "matchExpressions": [{"key": "b", "operator": "Exists"}, {"key": "c", "operator": "DoesNotExist"}],
    }
    fits = [
        matches({"objectSelector": selector}, pod("nginx", labels=labels))
        for labels in ({"a": "1", "b": ""}, {"a": "2", "b": ""}, {"a": "1"}, {"a": "1", "b": "", "c": ""})
    ]

    assert fits == [True, False, False, False]


DEPLOYMENT = workload("Deployment", {"containers": []}, labels={"tier": "prod"})
POD = pod("nginx", labels={"tier": "test"})
AS_CI: dict[str, Any] = {"user": "ci", "groups": ["builders", "system:authenticated"]}


def matches(match: dict[str, Any], manifest: Manifest, **request: Any) -> bool:
    review = review_of(manifest, **request)
    return all(condition.holds(review) for condition in conditions_of(msgspec.convert(match, Match)))


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        pytest.param({}, True, id="nothing asked"),
        pytest.param({"kinds": ["Pod", "Deployment"]}, True, id="kind"),
        pytest.param({"kinds": ["Pod"]}, False, id="another kind"),
        pytest.param({"operations": ["CREATE"]}, True, id="operation"),
        pytest.param({"operations": ["UPDATE"]}, False, id="another operation"),
        pytest.param({"namespaces": {"include": ["shop"]}}, True, id="namespace"),
        pytest.param({"namespaces": {"include": ["sh*", "bank"]}}, True, id="namespace by pattern"),
        pytest.param({"namespaces": {"include": ["bank"]}}, False, id="another namespace"),
        pytest.param({"namespaces": {"exclude": ["kube-*"]}}, True, id="another namespace excluded"),
        pytest.param({"namespaces": {"exclude": ["shop"]}}, False, id="namespace excluded"),
        pytest.param({"namespaces": {"include": ["shop"], "exclude": ["s*"]}}, False, id="exclude wins"),
        pytest.param({"users": {"include": ["ci"]}}, True, id="user"),
        pytest.param({"users": {"include": ["jane"]}}, False, id="another user"),
        pytest.param({"users": {"exclude": ["ci"]}}, False, id="user excluded"),
        pytest.param({"groups": {"include": ["builders"]}}, True, id="one group of several"),
        pytest.param({"groups": {"include": ["admins"]}}, False, id="no such group"),
        pytest.param({"groups": {"exclude": ["builders"]}}, False, id="one group excluded"),
        pytest.param({"groups": {"exclude": ["admins"]}}, True, id="another group excluded"),
        pytest.param({"objectSelector": {"matchLabels": {"tier": "prod"}}}, True, id="label"),
        pytest.param({"objectSelector": {"matchLabels": {"tier": "test"}}}, False, id="another label"),
        pytest.param({"kinds": ["Deployment"], "users": {"include": ["jane"]}}, False, id="all must hold"),
    ],
)
def test_a_policy_matches_where_everything_holds(match: dict[str, Any], *, holds: bool) -> None:
    assert matches(match, DEPLOYMENT, **AS_CI) is holds


def test_an_object_without_labels_has_none() -> None:
    absent = {"objectSelector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}

    assert matches(absent, pod("nginx"))
    assert not matches(absent, POD)


@pytest.mark.parametrize("groups", [None, []])
def test_a_user_of_no_group_is_in_none_and_excluded_by_none(groups: list[str] | None) -> None:
    assert matches({"groups": {"exclude": ["admins"]}}, POD, groups=groups)
    assert matches({"groups": {"exclude": ["*"]}}, POD, groups=groups)
    assert not matches({"groups": {"include": ["admins"]}}, POD, groups=groups)


def test_an_object_in_no_namespace_is_in_the_one_of_no_name() -> None:
    manifest = pod("nginx", namespace="")

    assert matches({"namespaces": {"exclude": ["shop"]}}, manifest)
    assert not matches({"namespaces": {"include": ["shop"]}}, manifest)


def test_what_always_holds_costs_nothing() -> None:
    assert conditions_of(Match()) == ()


def why_not(match: dict[str, Any], manifest: Manifest, **request: Any) -> list[str]:
    review = review_of(manifest, **request)
    conditions = conditions_of(msgspec.convert(match, Match))
    return [condition.words(review) for condition in conditions if not condition.holds(review)]


def expression(operator: str, *values: str) -> dict[str, Any]:
    return {"objectSelector": {"matchExpressions": [{"key": "tier", "operator": operator, "values": list(values)}]}}


@pytest.mark.parametrize(
    ("match", "words"),
    [
        pytest.param({"kinds": ["Pod", "Job"]}, "kinds: Deployment is not one of Pod, Job", id="kinds"),
        pytest.param({"operations": ["UPDATE"]}, "operations: CREATE is not one of UPDATE", id="operations"),
        pytest.param({"namespaces": {"include": ["bank", "b-*"]}}, "namespaces: shop is not one of bank, b-*", id="in"),
        pytest.param({"namespaces": {"exclude": ["s*"]}}, "namespaces: shop is excluded", id="excluded"),
        pytest.param(
            {"namespaces": {"include": ["bank"], "exclude": ["shop"]}}, "namespaces: shop is excluded", id="both"
        ),
        pytest.param({"users": {"include": ["jane"]}}, "users: ci is not one of jane", id="users"),
        pytest.param(
            {"groups": {"include": ["admins"]}},
            "groups: none of builders, system:authenticated is one of admins",
            id="groups",
        ),
        pytest.param({"groups": {"exclude": ["builders"]}}, "groups: builders is excluded", id="a group excluded"),
        pytest.param(
            {"groups": {"exclude": ["*"]}}, "groups: builders and system:authenticated are excluded", id="all excluded"
        ),
        pytest.param(
            {"objectSelector": {"matchLabels": {"tier": "test"}}}, "objectSelector: label tier is not test", id="label"
        ),
        pytest.param(
            {"objectSelector": {"matchLabels": {"tier": ""}}}, 'objectSelector: label tier is not ""', id="empty label"
        ),
        pytest.param(expression("In", "a", "b"), "objectSelector: label tier is not one of a, b", id="In"),
        pytest.param(expression("NotIn", "prod", "b"), "objectSelector: label tier is one of prod, b", id="NotIn"),
        pytest.param(expression("DoesNotExist"), "objectSelector: label tier must not be there", id="DoesNotExist"),
    ],
)
def test_what_does_not_hold_is_said_in_words(match: dict[str, Any], words: str) -> None:
    assert why_not(match, DEPLOYMENT, **AS_CI) == [words]


def test_everything_that_does_not_hold_is_said() -> None:
    match = {
        "kinds": ["Deployment"],
        "namespaces": {"exclude": ["shop"]},
        "users": {"include": ["jane"]},
        "objectSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    }

    assert why_not(match, pod("nginx"), **AS_CI) == [
        "kinds: Pod is not one of Deployment",
        "namespaces: shop is excluded",
        "users: ci is not one of jane",
        "objectSelector: label tier must be there",
    ]


def test_a_user_of_no_group_has_none_that_is_included() -> None:
    assert why_not({"groups": {"include": ["a", "b"]}}, POD, groups=[]) == ["groups: none is one of a, b"]


def test_words_are_one_line_whatever_a_name_holds() -> None:
    assert not_one_of("users", ["a\n\x1b[2J"], ["b\n", ""]) == r'users: a\n\x1b[2J is not one of b\n, ""'
