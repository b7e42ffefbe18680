"""Explanations: they say what evaluate decides, and why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.image_reports import full_report, full_reports
from tests.policies import exception, policy
from tests.reviews import NOW, At, pod, review_of, workload
from webhook.checks import CHECKS
from webhook.evaluate import evaluate
from webhook.explain.explain import ExplainedCheck, Explanation, explain
from webhook.model.decision import Mode
from webhook.model.facts import Facts
from webhook.model.review import Review, parse_review
from webhook.policy.policies import Policy, PolicyException, PolicySet, policy_set

FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES = sorted((FIXTURES / "checks").glob("*/*.yaml"))
REVIEWS = sorted((FIXTURES / "reviews").glob("*.json"))
BOTH: dict[str, Any] = {"image-pinned": {}, "run-as-non-root": {}}
REPLICASETS = "system:serviceaccount:kube-system:replicaset-controller"
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5c8d", "uid": "1", "controller": True}
OF_WEB = pod("nginx", name="web-5c8d-x", ownerReferences=[OWNER], labels={"pod-template-hash": "5c8d"})


def in_force(*given: Policy | PolicyException) -> PolicySet:
    policies = [one for one in given if isinstance(one, Policy)]
    return policy_set(policies, [one for one in given if isinstance(one, PolicyException)])


def explained(review: Review, *given: Policy | PolicyException) -> Explanation:
    return explain(review, in_force(*given), At())


def checks_of(explanation: Explanation) -> Iterator[ExplainedCheck]:
    return (check for policy in explanation.policies for check in policy.checks)


def assert_it_says_what_evaluate_decides(review: Review, policies: PolicySet, facts: Facts) -> None:
    decision = evaluate(review, policies, facts)

    explanation = explain(review, policies, facts)

    assert explanation.decision == decision
    assert tuple(each.use for each in explanation.policies if not each.why_not) == decision.policies
    assert [each for check in checks_of(explanation) for each in check.violations] == list(decision.violations)
    assert [each for check in checks_of(explanation) for each in check.excused] == list(decision.excused)
    assert all(each.mode <= check.mode for check in checks_of(explanation) for each in check.violations)
    excused = {(each.exception.name, str(each.violation)) for each in decision.excused}
    assert {(one.use.name, str(each)) for one in explanation.exceptions for each in one.excuses} == excused
    if explanation.judged:
        found = len(decision.violations) + len(decision.excused)
        in_force = [one for one in explanation.exceptions if not one.why_not]
        assert all(len(one.excuses) + len(one.already) + len(one.leaves) == found for one in in_force)


# It says what evaluate decides


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_the_verdict_is_that_of_evaluate_for_every_fixture_of_a_check(case: Path) -> None:
    header, manifest = yaml.safe_load_all(case.read_text())
    facts = At(header.get("now", NOW), full_reports(header.get("reports")))
    name = case.parent.name
    manifest["metadata"].setdefault("namespace", "shop")
    excusing = exception("named", checks=[name], match={"containers": ["a", "web"]})
    policies = in_force(policy(checks={name: header["options"]}), excusing, exception("other", checks=list(CHECKS)[:1]))

    assert_it_says_what_evaluate_decides(review_of(manifest), policies, facts)


@pytest.mark.parametrize("file", REVIEWS, ids=lambda file: file.stem)
def test_the_verdict_is_that_of_evaluate_for_every_review_of_an_api_server(file: Path) -> None:
    review = parse_review(file.read_bytes())
    policies = in_force(
        policy("all", checks={**BOTH, "image-vulnerabilities": {}}),
        policy("controllers", match={"kinds": ["Deployment", "ReplicaSet"]}),
        exception("a", review.namespace or "none", checks=["image-pinned"]),
        exception("b", review.namespace or "none", match={"kinds": ["Deployment"]}),
    )

    assert_it_says_what_evaluate_decides(review, policies, At())


MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "kinds": st.sampled_from([["Pod"], ["Deployment", "Job"]]),
        "operations": st.sampled_from([["CREATE"], ["UPDATE"]]),
        "namespaces": st.sampled_from([{"include": ["s*"]}, {"exclude": ["shop"]}, {"include": ["bank"]}]),
        "users": st.sampled_from([{"include": ["jane"]}, {"exclude": ["*"]}]),
        "groups": st.sampled_from([{"include": ["a"]}, {"exclude": ["a"]}]),
        "objectSelector": st.sampled_from([{"matchLabels": {"pod-template-hash": "5c8d"}}, {"matchLabels": {"a": ""}}]),
    },
)
EXCEPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "checks": st.sampled_from([["image-pinned"], ["run-as-non-root"], ["image-pinned", "run-as-non-root"]]),
        "until": st.sampled_from(["2026-11-24T12:00:00Z", "2026-11-24T12:00:01Z"]),
        "match": st.fixed_dictionaries(
            {},
            optional={
                "kinds": st.sampled_from([["Pod"], ["Deployment"], ["Job"]]),
                "names": st.sampled_from([["web*"], ["web"], ["api"]]),
                "containers": st.sampled_from([["a"], ["b"], ["*"]]),
                "images": st.sampled_from([["nginx"], ["redis"], ["**"]]),
            },
        ),
    },
)
MANIFESTS = st.sampled_from([OF_WEB, pod("nginx", "redis:8"), workload("Deployment", {"containers": [{"name": "a"}]})])


@given(
    st.lists(MATCHES, max_size=3), st.lists(EXCEPTIONS, max_size=4), MANIFESTS, st.sampled_from(["jane", REPLICASETS])
)
def test_whatever_the_policies_it_says_what_evaluate_decides(
    matches: list[dict[str, Any]], exceptions: list[dict[str, Any]], manifest: dict[str, Any], user: str
) -> None:
    policies = [policy(f"p{index}", match=match, checks=BOTH) for index, match in enumerate(matches)]
    given_exceptions = [exception(f"e{index}", **spec) for index, spec in enumerate(exceptions)]

    assert_it_says_what_evaluate_decides(
        review_of(manifest, user=user, groups=["a"]), in_force(*policies, *given_exceptions), At()
    )


def test_what_is_never_refused_is_not_explained() -> None:
    deleting = explained(review_of(pod("nginx"), operation="DELETE"), policy(), exception(), exception("b", "bank"))

    assert not deleting.judged
    assert (deleting.policies, deleting.exceptions, deleting.decision.violations) == ((), (), ())


# And why


def test_each_policy_says_what_keeps_it_from_matching() -> None:
    explanation = explained(
        review_of(pod("nginx")), policy("a"), policy("b", match={"kinds": ["Job"], "namespaces": {"exclude": ["shop"]}})
    )

    assert [(each.use.name, each.why_not) for each in explanation.policies] == [
        ("a", ()),
        ("b", ("kinds: Pod is not one of Job", "namespaces: shop is excluded")),
    ]
    assert [[check.id for check in each.checks] for each in explanation.policies] == [["image-pinned"], []]


def test_each_check_says_its_mode_for_the_object() -> None:
    checks: dict[str, Any] = {"image-pinned": {}, "run-as-non-root": {"mode": "audit"}}

    of_pod, of_template = (
        [check.mode for check in checks_of(explained(review_of(manifest), policy(checks=checks)))]
        for manifest in (pod("nginx"), workload("Deployment", {"containers": []}))
    )

    assert of_pod == [Mode.ENFORCE, Mode.AUDIT]
    assert of_template == [Mode.WARN, Mode.AUDIT]


@pytest.mark.parametrize(
    ("check_id", "options", "shown"),
    [
        pytest.param("image-pinned", {}, {}, id="defaults"),
        pytest.param("image-pinned", {"level": "version"}, {}, id="a default that is given"),
        pytest.param("image-pinned", {"level": "digest", "mode": "warn"}, {"level": "digest"}, id="the mode is none"),
        pytest.param("image-vulnerabilities", {"onlyFixable": True}, {"onlyFixable": True}, id="in the names of YAML"),
        pytest.param(
            "image-vulnerabilities",
            {"max": {"high": 2}, "maxReportAge": "7d"},
            {"max": {"high": 2}, "maxReportAge": "7d"},
            id="in parts",
        ),
    ],
)
def test_options_are_shown_where_they_differ_from_their_defaults(
    check_id: str, options: dict[str, Any], shown: dict[str, Any]
) -> None:
    explanation = explained(review_of(pod("nginx")), policy(checks={check_id: options}))

    assert [check.options for check in checks_of(explanation)] == [shown]


def test_a_check_that_finds_nothing_has_no_violations_and_one_that_is_excused_says_by_what() -> None:
    explanation = explained(review_of(pod("nginx:1.2.3", "redis:8")), policy(checks=BOTH), exception("legacy"))

    pinned, non_root = checks_of(explanation)

    assert (pinned.violations, [each.exception.name for each in pinned.excused]) == ((), ["legacy"])
    assert [each.finding.path for each in non_root.violations] == [
        "spec.containers[0].securityContext.runAsNonRoot",
        "spec.containers[1].securityContext.runAsNonRoot",
    ]


def test_ignored_vulnerabilities_are_said_for_the_check_that_ignores_them() -> None:
    entry = {"id": "CVE-2099-1", "until": "2027-01-01T00:00:00Z", "reason": "not reachable"}
    report = full_report(
        tags=["docker.io/library/nginx:latest"], vulnerabilities=[{"id": "CVE-2099-1", "severity": "high"}]
    )
    checks = {"image-pinned": {}, "image-vulnerabilities": {"ignore": [entry]}}

    explanation = explain(review_of(pod("nginx")), in_force(policy(checks=checks)), At(NOW, [report]))

    pinned, vulnerabilities = checks_of(explanation)
    assert pinned.ignore == ()
    assert [(each.entry.id, len(each.vulnerabilities)) for each in vulnerabilities.ignore] == [("CVE-2099-1", 1)]


def test_exceptions_of_other_namespaces_are_counted() -> None:
    explanation = explained(review_of(pod("nginx")), exception("a"), exception("b", "bank"), exception("c", "bank"))

    assert [each.use.name for each in explanation.exceptions] == ["a"]
    assert explanation.elsewhere == 2


def test_an_exception_that_does_not_apply_says_why_and_nothing_of_violations() -> None:
    ended = exception(until=NOW.isoformat(), match={"kinds": ["Job"]})

    (each,) = explained(review_of(pod("nginx")), policy(), ended).exceptions

    assert each.why_not == ("until: it ended on 2026-11-24T12:00:00+00:00", "kinds: Pod is not one of Job")
    assert (each.excuses, each.already, each.leaves) == ((), (), ())


def test_an_exception_that_applies_says_of_each_violation_whether_it_excuses_it() -> None:
    review = review_of(pod("nginx", "redis:8"))
    given = (
        policy(checks=BOTH),
        exception("a", match={"containers": ["a"]}),
        exception("b", match={"images": ["nginx"]}),
    )

    first, second = explained(review, *given).exceptions

    assert [each.finding.path for each in first.excuses] == ["spec.containers[0].image"]
    assert [(each.violation.finding.path, each.why_not) for each in first.leaves] == [
        ("spec.containers[1].image", ("containers: b is not one of a",)),
        ("spec.containers[0].securityContext.runAsNonRoot", ("checks: run-as-non-root is not one of image-pinned",)),
        (
            "spec.containers[1].securityContext.runAsNonRoot",
            ("checks: run-as-non-root is not one of image-pinned", "containers: b is not one of a"),
        ),
    ]
    assert second.excuses == ()
    assert [(each.exception.name, each.violation.finding.path) for each in second.already] == [
        ("a", "spec.containers[0].image")
    ]


def test_workloads_are_the_object_and_the_owners_that_count() -> None:
    by_controller = explained(review_of(OF_WEB, user=REPLICASETS))
    by_user = explained(review_of(OF_WEB))

    assert by_controller.workloads == (("Pod", "web-5c8d-x"), ("ReplicaSet", "web-5c8d"), ("Deployment", "web"))
    assert by_controller.stranger is None
    assert by_user.workloads == (("Pod", "web-5c8d-x"),)
    assert by_user.stranger is not None
    assert (by_user.stranger.kind, by_user.stranger.name) == ("ReplicaSet", "web-5c8d")


def test_an_owner_that_is_no_controller_is_no_stranger() -> None:
    review = review_of(pod("nginx", ownerReferences=[{**OWNER, "controller": False}]))

    assert explained(review).stranger is None


def test_the_time_is_that_of_the_facts() -> None:
    assert explained(review_of(pod("nginx"))).now == NOW
