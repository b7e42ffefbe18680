"""Matching: names, labels, images and all that a policy's match can ask."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reviews import Manifest, pod, review_of, workload
from webhook.model.image import parse_image
from webhook.policy.match import conditions_of, image_matcher, label_matcher, name_matcher
from webhook.policy.schema import LabelSelector, Match

SHA = "sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7"
OTHER_SHA = SHA.replace("9", "8")


def fits(pattern: str, name: str) -> bool:
    """Return whether *name* fits *pattern*, by the definition of `*` alone."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(fits(pattern[1:], name[start:]) for start in range(len(name) + 1))
    return name[:1] == pattern[0] and fits(pattern[1:], name[1:])


@pytest.mark.parametrize(
    ("patterns", "matching", "others"),
    [
        pytest.param(["shop"], ["shop"], ["", "shop-2", "my-shop", "Shop"], id="exact"),
        pytest.param(["shop", "bank"], ["shop", "bank"], ["shopbank"], id="several"),
        pytest.param(["*"], ["", "shop", "a\nb"], [], id="everything"),
        pytest.param(["**"], ["", "shop"], [], id="two stars"),
        pytest.param(["shop-*"], ["shop-", "shop-1", "shop-a-b"], ["shop", "my-shop-1"], id="prefix"),
        pytest.param(["*-shop"], ["-shop", "my-shop"], ["shop", "my-shop-1"], id="suffix"),
        pytest.param(["a*b*c"], ["abc", "a1b2c", "abbcc"], ["ac", "acb", "ab", "bc"], id="inside"),
        pytest.param(["a*b*c*d*e"], ["abcde", "a1b2c3d4e"], ["abde", "abcd", "acbde"], id="many parts"),
        pytest.param(["a*a"], ["aa", "aba"], ["a"], id="parts do not overlap"),
        pytest.param(["a*ab*b"], ["aabb", "aXabXb"], ["aab", "abb"], id="inner parts do not overlap"),
        pytest.param(["a.c", "a*.c"], ["a.c", "ab.c"], ["abc", "axc"], id="nothing else is special"),
        pytest.param(["a?", "[a]*", "(a*"], ["a?", "[a]", "[a]b", "(a", "(ab"], ["a", "ab"], id="nor brackets"),
        pytest.param(["a", "b*", "*c"], ["a", "b", "bx", "c", "xc"], ["ab", "cx"], id="exact and wild"),
        pytest.param(["a*"], ["a\nb"], ["\na"], id="line break"),
        pytest.param([], [], ["", "a"], id="none"),
    ],
)
def test_names_match_by_pattern(patterns: list[str], matching: list[str], others: list[str]) -> None:
    matches = name_matcher(patterns)

    assert [name for name in [*matching, *others] if matches(name)] == matching


@given(st.text("ab*", max_size=8), st.text("abc", max_size=8))
def test_a_star_stands_for_any_characters(pattern: str, name: str) -> None:
    assert name_matcher([pattern])(name) == fits(pattern, name)


def test_many_stars_do_not_take_long() -> None:
    # Backtracking over each star would take longer than the age of the universe.
    assert not name_matcher(["*a" * 250 + "*b"])("a" * 253)


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
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
def test_labels_match_as_in_kubernetes(selector: dict[str, Any], labels: Mapping[str, str], *, matches: bool) -> None:
    if "operator" in selector:
        selector = {"matchExpressions": [selector]}

    assert label_matcher(msgspec.convert(selector, LabelSelector))(labels) is matches


def test_all_of_a_selector_must_hold() -> None:
    selector = {
        "matchLabels": {"a": "1"},
        "matchExpressions": [{"key": "b", "operator": "Exists"}, {"key": "c", "operator": "DoesNotExist"}],
    }
    matches = label_matcher(msgspec.convert(selector, LabelSelector))

    assert matches({"a": "1", "b": ""})
    assert not matches({"a": "2", "b": ""})
    assert not matches({"a": "1"})
    assert not matches({"a": "1", "b": "", "c": ""})


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        pytest.param(
            "nginx",
            ["nginx", "nginx:1.29.3", f"nginx@{SHA}", "library/nginx", "docker.io/nginx", "index.docker.io/nginx"],
            ["nginx2", "team/nginx", "registry.example.com/nginx", "registry.example.com/library/nginx"],
            id="official image",
        ),
        pytest.param("docker.io/library/nginx", ["nginx", "docker.io/library/nginx:1"], ["team/nginx"], id="full name"),
        pytest.param("team/app", ["team/app", "docker.io/team/app"], ["team/app/part", "app"], id="Docker Hub's team"),
        pytest.param(
            "registry.example.com/team/*",
            ["registry.example.com/team/app", "registry.example.com/team/app:1"],
            [
                "registry.example.com/team/app/part",
                "registry.example.com/teams/app",
                "registry.example.com.evil.example/team/app",
                "registry.example.com/evil/team/app",
                "team/app",
            ],
            id="one segment",
        ),
        pytest.param(
            "registry.example.com/**",
            ["registry.example.com/app", "registry.example.com/team/app", "registry.example.com/a/b/c/d"],
            ["registry.example.com.evil.example/app", "app"],
            id="any depth",
        ),
        pytest.param(
            "registry.example.com/team/**",
            ["registry.example.com/team/app", "registry.example.com/team/app/part"],
            ["registry.example.com/team", "registry.example.com/other/app"],
            id="any depth below a team, but not the team",
        ),
        pytest.param(
            "registry.example.com/*/app",
            ["registry.example.com/team/app"],
            ["registry.example.com/app", "registry.example.com/a/b/app"],
            id="inner segment",
        ),
        pytest.param(
            "*.example.com/app",
            ["registry.example.com/app", "a.b.example.com/app"],
            ["example.com/app", "registry.example.org/app", "registry.example.com/team/app"],
            id="part of the registry",
        ),
        pytest.param(
            "localhost:5000/app",
            ["localhost:5000/app", "localhost:5000/app:1"],
            ["localhost/app", "localhost:5001/app", "app:5000"],
            id="port",
        ),
        pytest.param("localhost:*/app", ["localhost:5000/app"], ["localhost/app"], id="any port"),
        pytest.param("localhost:5000/app:1", ["localhost:5000/app:1"], ["localhost:5000/app"], id="port and tag"),
        pytest.param("[2001:db8::1]:5000/*", ["[2001:db8::1]:5000/app"], ["[2001:db8::2]:5000/app"], id="IPv6"),
        pytest.param("nginx:1.*", ["nginx:1.29.3", f"nginx:1.2@{SHA}"], ["nginx", "nginx:2", f"nginx@{SHA}"], id="tag"),
        pytest.param("nginx:*", ["nginx:1"], ["nginx", f"nginx@{SHA}"], id="any tag, but one"),
        pytest.param("nginx:latest", ["nginx:latest"], ["nginx"], id="the tag as it is written"),
        pytest.param(
            f"nginx@{SHA}",
            [f"nginx@{SHA}", f"nginx:1@{SHA}"],
            ["nginx", f"nginx@{OTHER_SHA}", f"app@{SHA}"],
            id="digest",
        ),
        pytest.param(f"nginx:1@{SHA}", [f"nginx:1@{SHA}"], [f"nginx@{SHA}", "nginx:1"], id="tag and digest"),
        pytest.param("team/**:1", ["team/a:1", "team/a/b:1"], ["team/a:2", "team/a"], id="depth and tag"),
        pytest.param("**", ["nginx", "library/nginx"], ["team/app", "localhost/app"], id="official images alone"),
        pytest.param("*/*", ["team/app"], ["team/app/part", "localhost/app", "localhost:5/app"], id="Docker Hub's"),
        pytest.param(
            "under_score.example/app", ["under_score.example/app"], ["under_score/app"], id="a registry that is a path"
        ),
    ],
)
def test_images_match_segment_by_segment(pattern: str, matching: list[str], others: list[str]) -> None:
    matches = image_matcher(pattern)

    assert [image for image in [*matching, *others] if matches(parse_image(image))] == matching


DEPLOYMENT = workload("Deployment", {"containers": []}, labels={"tier": "prod"})
POD = pod("nginx", labels={"tier": "test"})
AS_CI: dict[str, Any] = {"user": "ci", "groups": ["builders", "system:authenticated"]}


def matches(match: dict[str, Any], manifest: Manifest, **request: Any) -> bool:
    review = review_of(manifest, **request)
    return all(condition(review) for condition in conditions_of(msgspec.convert(match, Match)))


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
