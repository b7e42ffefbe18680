"""The verdict: what is refused, warned about, audited, excused and let pass."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.image_reports import DIGEST, full_report
from tests.policies import exception, policy
from tests.reviews import API_VERSIONS, NOW, At, Manifest, body_of, pod, review_of, workload
from webhook.evaluate import evaluate
from webhook.model.decision import Decision, Excused, Finding, Mode, PolicyUse, Violation
from webhook.model.facts import Facts
from webhook.model.image import Image
from webhook.model.report import Evidence, EvidenceState, Report, Vulnerability
from webhook.model.review import ObjectError, Review, ReviewError, parse_review
from webhook.policy.policies import Policy, PolicyCheck, PolicyException, PolicySet, policy_set

BOTH: dict[str, Any] = {"image-pinned": {}, "run-as-non-root": {}}
GOOD = workload("Pod", {"securityContext": {"runAsNonRoot": True}, "containers": [{"name": "a", "image": "app:1.2.3"}]})
BAD = pod("nginx", "app:1.2.3", "redis:8")
TODAY = At()
PINNED = "must have the tag of an exact version, or a digest"
REQUIRED = "must be true, here or in spec.securityContext"
REPLICASET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5c8d", "uid": "1", "controller": True}
BY_REPLICASET: dict[str, Any] = {"ownerReferences": [REPLICASET], "labels": {"pod-template-hash": "5c8d"}}
REPLICASET_CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"


def in_force(*given: Policy | PolicyException) -> PolicySet:
    policies = [one for one in given if isinstance(one, Policy)]
    return policy_set(policies, [one for one in given if isinstance(one, PolicyException)])


def decide(review: Review, *given: Policy | PolicyException, facts: At = TODAY) -> Decision:
    return evaluate(review, in_force(*given), facts)


def lines(decision: Decision) -> list[str]:
    """Return the violations that stand, each with its mode."""
    return [f"{violation.mode}: {violation}" for violation in decision.violations]


def excused(decision: Decision) -> list[str]:
    return [f"{each.violation} by {each.exception.name}" for each in decision.excused]


# What stands and what it does


def test_what_breaks_no_policy_is_allowed() -> None:
    decision = decide(review_of(GOOD), policy(checks=BOTH))

    assert decision.allowed
    assert decision.violations == ()
    assert decision.policies == (policy(checks=BOTH).use,)


def test_without_policies_everything_is_allowed() -> None:
    assert decide(review_of(BAD)) == Decision()


def test_all_violations_are_found_at_once_each_with_policy_check_and_path() -> None:
    decision = decide(review_of(pod("nginx", "redis:8")), policy("supply-chain", checks=BOTH))

    assert not decision.allowed
    assert lines(decision) == [
        f'enforce: spec.containers[0].image: "nginx" {PINNED} (supply-chain/image-pinned)',
        f'enforce: spec.containers[1].image: "redis:8" {PINNED} (supply-chain/image-pinned)',
        f"enforce: spec.containers[0].securityContext.runAsNonRoot: {REQUIRED} (supply-chain/run-as-non-root)",
        f"enforce: spec.containers[1].securityContext.runAsNonRoot: {REQUIRED} (supply-chain/run-as-non-root)",
    ]


def test_a_violation_holds_the_whole_finding() -> None:
    review = review_of(pod("nginx"))

    decision = decide(review, policy("supply-chain"))

    assert decision.violations == (
        Violation(
            policy="supply-chain",
            check="image-pinned",
            mode=Mode.ENFORCE,
            finding=Finding(
                path="spec.containers[0].image",
                message=f'"nginx" {PINNED}',
                fix="set spec.containers[0].image to nginx:<major>.<minor>.<patch>",
                container=review.workload.containers[0],
                image="nginx",
            ),
        ),
    )


@pytest.mark.parametrize(("mode", "allowed"), [(Mode.ENFORCE, False), (Mode.WARN, True), (Mode.AUDIT, True)], ids=str)
def test_only_what_is_enforced_refuses(mode: Mode, *, allowed: bool) -> None:
    decision = decide(review_of(BAD), policy(mode=str(mode)))

    assert decision.allowed is allowed
    assert len(decision.of(mode)) == 2
    assert {violation.mode for violation in decision.violations} == {mode}
    assert sum(len(decision.of(each)) for each in Mode) == 2


@pytest.mark.parametrize("kind", [kind for kind in API_VERSIONS if kind != "Pod"])
def test_a_template_is_judged_by_the_mode_of_controllers(kind: str) -> None:
    review = review_of(workload(kind, {"containers": [{"name": "a", "image": "nginx"}]}))

    assert [v.mode for v in decide(review, policy()).violations] == [Mode.WARN]
    assert [v.mode for v in decide(review, policy(controllers="enforce")).violations] == [Mode.ENFORCE]
    assert [v.mode for v in decide(review, policy(controllers="audit")).violations] == [Mode.AUDIT]
    assert [v.mode for v in decide(review, policy(mode="audit", controllers="enforce")).violations] == [Mode.AUDIT]


def test_a_pod_is_not_judged_by_the_mode_of_controllers() -> None:
    assert not decide(review_of(BAD), policy(controllers="audit")).allowed
    assert decide(review_of(BAD), policy(mode="warn", controllers="enforce")).allowed


def test_a_check_can_be_softer_or_harder_than_its_policy() -> None:
    soft = policy(checks={"image-pinned": {"mode": "audit"}, "run-as-non-root": {}})
    hard = policy(mode="audit", checks={"image-pinned": {"mode": "enforce"}, "run-as-non-root": {}})

    assert [v.check for v in decide(review_of(BAD), soft).of(Mode.AUDIT)] == ["image-pinned"] * 2
    assert [v.check for v in decide(review_of(BAD), soft).of(Mode.ENFORCE)] == ["run-as-non-root"] * 3
    assert [v.check for v in decide(review_of(BAD), hard).of(Mode.ENFORCE)] == ["image-pinned"] * 2
    assert [v.check for v in decide(review_of(BAD), hard).of(Mode.AUDIT)] == ["run-as-non-root"] * 3


def test_a_policy_that_does_not_match_is_not_run() -> None:
    elsewhere = policy("elsewhere", match={"namespaces": {"include": ["bank"]}})
    here = policy("here", match={"namespaces": {"include": ["shop"]}})

    decision = decide(review_of(BAD), elsewhere, here)

    assert decision.policies == (here.use,)
    assert {violation.policy for violation in decision.violations} == {"here"}


# What must pass


def update(new: Manifest, old: Manifest | None, **request: Any) -> Review:
    return review_of(new, operation="UPDATE", old=old, **request)


def test_an_update_that_leaves_the_pod_alone_passes() -> None:
    relabelled = {**BAD, "metadata": {**BAD["metadata"], "labels": {"a": "b"}}}

    assert decide(update(relabelled, BAD), policy()) == Decision()


@pytest.mark.parametrize("kind", API_VERSIONS)
def test_an_update_that_leaves_alone_what_checks_read_passes_for_every_kind(kind: str) -> None:
    old = workload(kind, {"containers": [{"name": "a", "image": "nginx", "command": ["a"]}]})
    new = workload(kind, {"containers": [{"name": "a", "image": "nginx", "command": ["b"]}]}, labels={"a": "b"})
    changed = workload(kind, {"containers": [{"name": "a", "image": "nginx:1"}]})

    assert decide(update(new, old), policy()) == Decision()
    assert len(decide(update(changed, old), policy()).violations) == 1


def test_scaling_passes() -> None:
    old = workload("ReplicaSet", {"containers": [{"name": "a", "image": "nginx"}]})
    new = {**old, "spec": {**old["spec"], "replicas": 3}}

    assert decide(update(new, old), policy(controllers="enforce")) == Decision()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"image": "nginx:2"}, id="image"),
        pytest.param({"securityContext": {"runAsNonRoot": False}}, id="securityContext"),
        pytest.param({"name": "b"}, id="name, which exceptions read"),
    ],
)
def test_an_update_of_what_checks_read_is_judged(change: Manifest) -> None:
    old = workload("Pod", {"containers": [{"name": "a", "image": "nginx"}]})
    new = workload("Pod", {"containers": [{"name": "a", "image": "nginx", **change}]})

    assert not decide(update(new, old), policy()).allowed


def test_an_update_that_adds_an_ephemeral_container_is_judged() -> None:
    old = workload("Pod", {"containers": [{"name": "a", "image": "app:1.2.3"}]})
    new = workload("Pod", {**old["spec"], "ephemeralContainers": [{"name": "debug", "image": "busybox"}]})

    decision = decide(update(new, old, subresource="ephemeralcontainers"), policy("p"))

    assert lines(decision) == [f'enforce: spec.ephemeralContainers[0].image: "busybox" {PINNED} (p/image-pinned)']


def test_an_update_from_nothing_known_is_judged() -> None:
    assert not decide(update(BAD, None), policy()).allowed


def test_an_update_of_what_is_being_deleted_passes() -> None:
    deleted = pod("nginx", deletionTimestamp="2026-11-24T12:00:00Z")

    assert decide(update(deleted, GOOD), policy()) == Decision()


def test_a_create_cannot_pass_as_being_deleted_nor_as_unchanged() -> None:
    deleted = pod("nginx", deletionTimestamp="2026-11-24T12:00:00Z")

    assert not decide(review_of(deleted), policy()).allowed
    assert not decide(review_of(BAD, old=BAD), policy()).allowed


def test_a_delete_passes() -> None:
    assert decide(review_of(BAD, operation="DELETE", old=BAD), policy()) == Decision()


def test_another_kind_passes_even_with_containers() -> None:
    other = {**BAD, "apiVersion": "example.com/v1"}

    assert decide(review_of(other), policy()) == Decision()


# Exceptions


def test_an_exception_excuses_what_it_names_and_the_rest_stands() -> None:
    legacy = exception("legacy", match={"containers": ["a"]})

    decision = decide(review_of(BAD), policy("p"), legacy)

    assert not decision.allowed
    assert lines(decision) == [f'enforce: spec.containers[2].image: "redis:8" {PINNED} (p/image-pinned)']
    assert excused(decision) == [f'spec.containers[0].image: "nginx" {PINNED} (p/image-pinned) by legacy']
    assert decision.excused[0].exception == legacy.use
    assert decision.excused[0].violation.mode is Mode.ENFORCE


def test_what_is_excused_altogether_is_allowed() -> None:
    decision = decide(review_of(BAD), policy(), exception())

    assert decision.allowed
    assert decision.violations == ()
    assert len(decision.excused) == 2
    assert decision.policies == (policy().use,)


@pytest.mark.parametrize(
    ("given", "stand"),
    [
        pytest.param({}, 0, id="all of its namespace"),
        pytest.param({"match": {"kinds": ["Pod"]}}, 0, id="kind"),
        pytest.param({"match": {"kinds": ["Job"]}}, 2, id="another kind"),
        pytest.param({"match": {"names": ["we*"]}}, 0, id="name"),
        pytest.param({"match": {"names": ["api"]}}, 2, id="another name"),
        pytest.param({"match": {"containers": ["a", "c"]}}, 0, id="both containers"),
        pytest.param({"match": {"containers": ["b"]}}, 2, id="a container that is fine"),
        pytest.param({"match": {"images": ["nginx"]}}, 1, id="one image"),
        pytest.param({"match": {"images": ["**"]}}, 0, id="official images"),
        pytest.param({"match": {"containers": ["c"], "images": ["nginx"]}}, 2, id="image in another container"),
        pytest.param({"checks": ["run-as-non-root"]}, 2, id="another check"),
        pytest.param({"checks": ["run-as-non-root", "image-pinned"]}, 0, id="several checks"),
        pytest.param({"namespace": "bank"}, 2, id="another namespace"),
    ],
)
def test_an_exception_excuses_no_more_than_it_names(given: dict[str, Any], stand: int) -> None:
    decision = decide(review_of(BAD), policy(), exception(**given))

    assert len(decision.violations) == stand
    assert len(decision.excused) == 2 - stand


def test_an_exception_from_one_check_leaves_the_other() -> None:
    decision = decide(review_of(pod("nginx")), policy(checks=BOTH), exception(checks=["run-as-non-root"]))

    assert [violation.check for violation in decision.violations] == ["image-pinned"]
    assert [each.violation.check for each in decision.excused] == ["run-as-non-root"]


def test_an_exception_excuses_from_a_check_in_every_policy() -> None:
    decision = decide(review_of(pod("nginx")), policy("a"), policy("b"), exception())

    assert [each.violation.policy for each in decision.excused] == ["a", "b"]


def test_an_exception_for_a_deployment_excuses_its_pods_where_their_controller_asks() -> None:
    legacy = exception(match={"kinds": ["Deployment"], "names": ["web"]})
    made = pod("nginx", name="web-5c8d-x", **BY_REPLICASET)

    assert decide(review_of(made, user=REPLICASET_CONTROLLER), policy(), legacy).allowed
    assert not decide(review_of(made, user="jane"), policy(), legacy).allowed


def test_an_exception_ends_at_its_second() -> None:
    ends = exception(until=NOW.isoformat())
    review = review_of(BAD)

    assert decide(review, policy(), ends, facts=At(NOW - timedelta(microseconds=1))).allowed
    assert not decide(review, policy(), ends, facts=At(NOW)).allowed


def test_of_several_exceptions_the_first_by_name_is_named() -> None:
    decision = decide(review_of(pod("nginx")), policy(), exception("b"), exception("c"), exception("a"))

    assert [each.exception.name for each in decision.excused] == ["a"]


def test_the_time_is_asked_only_where_something_was_found() -> None:
    class Timeless:
        def now(self) -> Any:
            raise AssertionError

        def evidence(self, image: Image, platform: str, max_age: timedelta | None = None) -> Evidence:
            raise AssertionError(image, platform, max_age)

        def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
            raise AssertionError(report)

    assert evaluate(review_of(GOOD), in_force(policy(), exception()), Timeless()).allowed


def test_a_check_is_given_the_review_and_the_facts() -> None:
    asked = []

    def check(review: Review, facts: Facts) -> Iterator[Finding]:
        asked.append((review, facts.now()))
        yield from ()

    plain = policy()
    asking = Policy(plain.use, (), (PolicyCheck("asking", Mode.ENFORCE, Mode.WARN, check),), None)
    review = review_of(BAD)

    decide(review, asking)

    assert asked == [(review, NOW)]


# Contacts


def test_a_refusal_names_the_contacts_of_the_policies_that_refuse_each_once() -> None:
    decision = decide(
        review_of(BAD),
        policy("a", contact="#platform"),
        policy("b", contact="#platform", checks={"run-as-non-root": {}}),
        policy("c", contact="#registry"),
        policy("d", contact="#warns", mode="warn"),
        policy("e", contact="#elsewhere", match={"kinds": ["Job"]}),
        policy("f", contact="#content", checks={"image-pinned": {"level": "tag"}}, match={"kinds": ["CronJob"]}),
        policy("g"),
    )

    assert decision.contacts == ("#platform", "#registry")


def test_contacts_are_in_the_order_of_policies() -> None:
    assert decide(review_of(BAD), policy("b", contact="2"), policy("a", contact="1")).contacts == ("1", "2")


def test_what_is_not_refused_names_no_contact() -> None:
    assert decide(review_of(GOOD), policy(contact="#platform")).contacts == ()
    assert decide(review_of(BAD), policy(contact="#platform", mode="warn")).contacts == ()
    assert decide(review_of(BAD), policy(contact="#platform"), exception()).contacts == ()


# Evidence

BY_DIGEST = f"app@{DIGEST}"
ABOUT_IMAGES: dict[str, Any] = {"image-vulnerabilities": {}, "image-size": {}, "image-end-of-life": {}}
VULNERABLE = full_report(
    tags=["docker.io/library/app:1.2"], vulnerabilities=[{"id": "CVE-2024-3094", "severity": "critical"}]
)


class Counting(At):
    """Facts that count what they are asked."""

    def __init__(self) -> None:
        super().__init__(reports=[VULNERABLE])
        self.asked: list[Any] = []

    def now(self) -> Any:
        self.asked.append("now")
        return super().now()

    def evidence(self, image: Image, platform: str, max_age: timedelta | None = None) -> Evidence:
        self.asked.append((str(image), platform, max_age))
        return super().evidence(image, platform, max_age)


def test_a_decision_holds_what_was_known_of_each_image_once_and_in_order() -> None:
    checks = {**ABOUT_IMAGES, "image-vulnerabilities": {"platforms": ["linux/arm64", "linux/amd64"]}}
    review = review_of(pod("redis:8", "app:1.2", BY_DIGEST, BY_DIGEST))

    decision = decide(review, policy("a", checks=checks), policy("b", checks=ABOUT_IMAGES), facts=At(NOW, [VULNERABLE]))

    known = [(each.image, each.platform, each.state, each.by_tag) for each in decision.evidence]
    assert known == [
        ("app:1.2", "linux/amd64", EvidenceState.SCANNED, True),
        ("app:1.2", "linux/arm64", EvidenceState.OTHER_PLATFORM, True),
        (BY_DIGEST, "linux/amd64", EvidenceState.SCANNED, False),
        (BY_DIGEST, "linux/arm64", EvidenceState.OTHER_PLATFORM, False),
        ("redis:8", "linux/amd64", EvidenceState.UNSCANNED, False),
        ("redis:8", "linux/arm64", EvidenceState.UNSCANNED, False),
    ]
    assert decision.evidence[2].report == VULNERABLE.report


def test_evidence_that_is_stale_to_one_check_and_not_to_another_is_held_both_ways() -> None:
    checks = {"image-vulnerabilities": {"maxReportAge": "1h"}, "image-size": {}}

    decision = decide(review_of(pod(BY_DIGEST)), policy(checks=checks), facts=At(NOW, [VULNERABLE]))

    assert [each.state for each in decision.evidence] == [EvidenceState.SCANNED, EvidenceState.STALE]


def test_what_is_allowed_holds_its_evidence_too() -> None:
    decision = decide(review_of(pod(BY_DIGEST)), policy(checks={"image-size": {}}), facts=At(NOW, [VULNERABLE]))

    assert decision.allowed
    assert [each.digest for each in decision.evidence] == [DIGEST]


def test_no_evidence_is_held_where_none_was_asked_for() -> None:
    assert decide(review_of(BAD), policy(checks=BOTH), facts=At(NOW, [VULNERABLE])).evidence == ()


def test_each_thing_is_asked_once_for_all_checks_and_policies() -> None:
    facts = Counting()
    checks = {**ABOUT_IMAGES, "image-age": {}, "run-as-non-root": {"imageUser": True}}

    decision = decide(
        review_of(pod(BY_DIGEST, BY_DIGEST)), policy("a", checks=checks), policy("b", checks=checks), facts=facts
    )

    assert len(decision.violations) == 12
    assert sorted(map(str, facts.asked)) == [str((BY_DIGEST, "linux/amd64", None)), "now"]


def test_evidence_is_asked_again_for_another_age_platform_or_image() -> None:
    facts = Counting()
    options = {"platforms": ["linux/amd64", "linux/arm64"]}
    checks = {"image-size": options, "image-vulnerabilities": {**options, "maxReportAge": "1h"}}

    decide(review_of(pod(BY_DIGEST, "app:1.2")), policy(checks=checks), facts=facts)

    asked = [each for each in facts.asked if each != "now"]
    assert len(asked) == len(set(asked)) == 8


def test_a_check_is_given_the_vulnerabilities_of_a_report() -> None:
    given_: list[tuple[Vulnerability, ...]] = []

    def check(_review: Review, facts: Facts) -> Iterator[Finding]:
        given_.append(facts.vulnerabilities(VULNERABLE.report))
        yield from ()

    asking = Policy(policy().use, (), (PolicyCheck("asking", Mode.ENFORCE, Mode.WARN, check),), None)

    decide(review_of(BAD), asking, facts=At(NOW, [VULNERABLE]))

    assert given_ == [VULNERABLE.details.vulnerabilities]


@pytest.mark.parametrize(
    ("mode", "controllers", "of_a_pod", "of_a_template"),
    [
        ("enforce", "enforce", Mode.WARN, Mode.WARN),
        ("enforce", "audit", Mode.WARN, Mode.AUDIT),
        ("warn", "warn", Mode.WARN, Mode.WARN),
        ("audit", "enforce", Mode.AUDIT, Mode.AUDIT),
    ],
)
def test_a_finding_does_no_more_than_it_says_nor_than_the_policy_says(
    mode: str, controllers: str, of_a_pod: Mode, of_a_template: Mode
) -> None:
    warns = policy(mode=mode, controllers=controllers, checks={"image-size": {"unscanned": "warn"}})
    spec = {"containers": [{"name": "a", "image": BY_DIGEST}]}

    for kind, does in (("Pod", of_a_pod), ("Deployment", of_a_template)):
        decision = decide(review_of(workload(kind, spec)), warns)

        assert [violation.mode for violation in decision.violations] == [does]
        assert decision.allowed


def test_an_update_of_the_platform_is_judged() -> None:
    spec = {"containers": [{"name": "a", "image": BY_DIGEST}]}
    old = workload("Deployment", spec)
    checks = policy(checks={"image-size": {}}, controllers="enforce")
    facts = At(NOW, [VULNERABLE])

    for change in ({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, {"os": {"name": "windows"}}):
        assert not decide(update(workload("Deployment", {**spec, **change}), old), checks, facts=facts).allowed
    assert (
        decide(update({**old, "metadata": {**old["metadata"], "labels": {}}}, old), checks, facts=facts) == Decision()
    )


# Words


def test_a_mode_reads_as_in_a_policy() -> None:
    assert [str(mode) for mode in sorted(Mode)] == ["audit", "warn", "enforce"]


# Laws

IMAGES = st.sampled_from(["nginx", "nginx:1", "app:1.2.3", BY_DIGEST, "app:1.2", "NGINX", "", None])
CONTEXTS = st.fixed_dictionaries(
    {}, optional={"runAsNonRoot": st.sampled_from([True, False, None]), "runAsUser": st.sampled_from([0, 1, None])}
)
CONTAINERS = st.fixed_dictionaries(
    {"name": st.sampled_from("abc")}, optional={"image": IMAGES, "securityContext": CONTEXTS | st.none()}
)
LISTS = ("initContainers", "containers", "ephemeralContainers")
PODS = st.fixed_dictionaries(
    {},
    optional={
        **{key: st.lists(CONTAINERS, max_size=3) | st.none() for key in LISTS},
        "securityContext": CONTEXTS,
        "hostUsers": st.sampled_from([True, False, None]),
        "os": st.fixed_dictionaries({"name": st.sampled_from(["linux", "windows"])}),
        "nodeSelector": st.fixed_dictionaries({"kubernetes.io/arch": st.sampled_from(["amd64", "arm64"])}),
        "volumes": st.lists(st.fixed_dictionaries({"image": st.fixed_dictionaries({"reference": IMAGES})}), max_size=2),
    },
)
KINDS = st.sampled_from(list(API_VERSIONS))
MODES = st.sampled_from(["enforce", "warn", "audit"])
POLICIES = st.lists(
    st.builds(
        policy,
        st.sampled_from("pqrs"),
        mode=MODES,
        controllers=MODES,
        contact=st.sampled_from(["#a", "#b"]),
        checks=st.sampled_from(
            [
                BOTH,
                {"image-pinned": {"level": "digest"}},
                {"run-as-non-root": {"mode": "audit", "imageUser": True}},
                {"image-vulnerabilities": {"maxReportAge": "1h", "stale": "warn"}, "image-age": {}},
                {"image-vulnerabilities": {"platforms": ["linux/amd64", "linux/arm64"], "unscanned": "warn"}},
                {"image-size": {"unscanned": "allow"}, "image-end-of-life": {"otherPlatform": "warn"}},
            ]
        ),
        match=st.sampled_from([{}, {"kinds": ["Pod"]}, {"namespaces": {"exclude": ["shop"]}}]),
    ),
    max_size=4,
    unique_by=lambda each: each.use.name,
)
EXCEPTIONS = st.lists(
    st.builds(
        exception,
        st.sampled_from("xyz"),
        st.sampled_from(["shop", "bank"]),
        checks=st.sampled_from([["image-pinned"], ["run-as-non-root"], list(BOTH), list(ABOUT_IMAGES), ["image-age"]]),
        until=st.sampled_from([NOW.isoformat(), "2027-01-31T00:00:00Z"]),
        match=st.sampled_from([{}, {"containers": ["a"]}, {"images": ["nginx", "app"]}, {"names": ["api"]}]),
    ),
    max_size=4,
    unique_by=lambda each: (each.use.namespace, each.use.name),
)


FACTS = st.builds(
    lambda **report: At(NOW, [full_report(tags=["docker.io/library/app:1.2"], **report)]),
    vulnerabilities=st.lists(
        st.fixed_dictionaries({"id": st.just("CVE-1"), "severity": st.sampled_from(["critical", "low"])}), max_size=3
    ),
    user=st.sampled_from(["", "app", "10001", None]),
    platform=st.sampled_from(["linux/amd64", "linux/arm64", "windows/amd64"]),
    endOfLife=st.booleans(),
    unscannable=st.sampled_from(["", "no packages"]),
    size=st.sampled_from([None, 1, 2**40]),
) | st.just(TODAY)


@given(KINDS, PODS, st.sampled_from(LISTS), CONTAINERS, st.tuples(POLICIES, FACTS))
def test_adding_a_container_never_removes_a_violation(
    kind: str, spec: Manifest, where: str, container: Manifest, judged: tuple[list[Policy], At]
) -> None:
    policies, facts = judged
    more = {**spec, where: [*(spec.get(where) or []), container]}

    before = decide(review_of(workload(kind, spec)), *policies, facts=facts)
    after = decide(review_of(workload(kind, more)), *policies, facts=facts)

    assert set(before.violations) <= set(after.violations)
    assert before.allowed or not after.allowed


@given(st.builds(workload, KINDS, PODS), POLICIES, EXCEPTIONS, FACTS, st.randoms(use_true_random=False))
def test_the_order_of_policies_and_exceptions_does_not_change_the_decision(
    manifest: Manifest, policies: list[Policy], exceptions: list[PolicyException], facts: At, random: Any
) -> None:
    review = review_of(manifest)
    decision = decide(review, *policies, *exceptions, facts=facts)

    random.shuffle(policies)
    random.shuffle(exceptions)

    assert decide(review, *exceptions, *policies, facts=facts) == decision


@given(st.builds(workload, KINDS, PODS), POLICIES, EXCEPTIONS, FACTS)
def test_exceptions_lose_no_violation_and_make_none(
    manifest: Manifest, policies: list[Policy], exceptions: list[PolicyException], facts: At
) -> None:
    review = review_of(manifest)

    strict, lenient = decide(review, *policies, facts=facts), decide(review, *policies, *exceptions, facts=facts)

    assert sorted(map(str, strict.violations)) == sorted(
        [*map(str, lenient.violations), *(str(each.violation) for each in lenient.excused)]
    )
    assert strict.policies == lenient.policies
    assert strict.evidence == lenient.evidence


@given(KINDS, PODS, POLICIES)
def test_an_update_to_the_same_is_allowed_whatever_the_policies(
    kind: str, spec: Manifest, policies: list[Policy]
) -> None:
    manifest = workload(kind, spec)

    assert decide(update(manifest, manifest), *policies) == Decision()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("request",),
    *(("request", key) for key in ("uid", "kind", "operation", "name", "namespace", "userInfo", "object", "oldObject")),
    *(("request", "object", key) for key in ("metadata", "spec", "template")),
    *(("request", "object", "metadata", key) for key in ("name", "labels", "ownerReferences", "deletionTimestamp")),
    *(
        ("request", "object", "spec", key)
        for key in (*LISTS, "volumes", "securityContext", "hostUsers", "template", "os", "nodeSelector")
    ),
]


@given(KINDS, PODS, st.sampled_from(PLACES), JSON, st.tuples(POLICIES, EXCEPTIONS))
def test_any_review_gets_a_decision_or_is_refused_as_unreadable(
    kind: str, spec: Manifest, place: tuple[str, ...], value: Any, rules: tuple[list[Policy], list[PolicyException]]
) -> None:
    policies, exceptions = rules
    review = json.loads(body_of(workload(kind, spec)))
    parent = review
    for key in place[:-1]:
        parent = parent.setdefault(key, {})
    parent[place[-1]] = value

    try:
        decision = decide(parse_review(json.dumps(review).encode()), *policies, *exceptions)
    except (ReviewError, ObjectError):
        return

    assert isinstance(decision.allowed, bool)


@given(JSON)
def test_any_json_is_refused_as_no_review(value: Any) -> None:
    with pytest.raises(ReviewError):
        parse_review(json.dumps(value).encode())


def test_a_use_and_an_excuse_are_plain_values() -> None:
    decision = decide(review_of(pod("nginx")), policy(), exception())

    assert isinstance(decision.policies[0], PolicyUse)
    assert isinstance(decision.excused[0], Excused)
    assert hash(decision) == hash(decide(review_of(pod("nginx")), policy(), exception()))
