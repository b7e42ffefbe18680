"""Policies and exceptions as evaluate uses them: modes, hashes, order, and what an exception excuses."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.policies import exception, policy
from tests.reviews import NOW, pod, review_of, workload
from webhook.model.decision import ExceptionUse, Finding, Mode
from webhook.model.workload import Container
from webhook.policy.policies import policy_set


def about(container: str | None, image: str | None = None, own_image: str | None = None) -> Finding:
    found = None if container is None else Container("spec.containers[0]", container, own_image, None)
    return Finding("spec.containers[0]", "must be", "set it", container=found, image=image)


@pytest.mark.parametrize(
    ("mode", "controllers", "own", "in_pods", "in_templates"),
    [
        pytest.param(None, None, None, Mode.ENFORCE, Mode.WARN, id="defaults"),
        pytest.param("enforce", "enforce", None, Mode.ENFORCE, Mode.ENFORCE, id="controllers as hard"),
        pytest.param("warn", "enforce", None, Mode.WARN, Mode.WARN, id="controllers never harder than the policy"),
        pytest.param("audit", None, None, Mode.AUDIT, Mode.AUDIT, id="audit"),
        pytest.param("enforce", "audit", None, Mode.ENFORCE, Mode.AUDIT, id="controllers softer"),
        pytest.param("enforce", "enforce", "warn", Mode.WARN, Mode.WARN, id="check softer"),
        pytest.param("audit", "enforce", "enforce", Mode.ENFORCE, Mode.ENFORCE, id="check harder"),
        pytest.param("audit", "warn", "enforce", Mode.ENFORCE, Mode.WARN, id="check harder than controllers"),
    ],
)
def test_a_check_has_the_mode_of_its_own_or_its_policy_and_the_softer_in_templates(
    mode: str | None, controllers: str | None, own: str | None, in_pods: Mode, in_templates: Mode
) -> None:
    given = {"mode": mode, "controllers": controllers}
    settings = {} if own is None else {"mode": own}
    spec = {key: value for key, value in given.items() if value is not None}

    (check,) = policy(checks={"image-pinned": settings}, **spec).checks

    assert (check.id, check.mode, check.template_mode) == ("image-pinned", in_pods, in_templates)


def test_checks_run_in_the_order_of_the_registry() -> None:
    checks = policy(checks={"run-as-non-root": {}, "image-pinned": {}}).checks

    assert [check.id for check in checks] == ["image-pinned", "run-as-non-root"]


def test_a_contact_is_none_where_none_is_given() -> None:
    assert policy().contact is None
    assert policy(contact="#platform").contact == "#platform"


def test_a_hash_changes_with_what_a_policy_says_and_not_with_how() -> None:
    said = policy(checks={"image-pinned": {"level": "tag"}, "run-as-non-root": {}}, mode="warn").use.hash
    again = policy(mode="warn", checks={"run-as-non-root": {}, "image-pinned": {"level": "tag"}}).use.hash

    labels = {"objectSelector": {"matchLabels": {"a": "1", "b": "2"}}}
    reordered = {"objectSelector": {"matchLabels": {"b": "2", "a": "1"}}}

    assert said == again
    assert policy(match=labels).use.hash == policy(match=reordered).use.hash
    assert len(said) == 64
    assert said != policy(checks={"image-pinned": {"level": "digest"}, "run-as-non-root": {}}, mode="warn").use.hash
    assert policy("a").use.hash != policy("b").use.hash


def test_a_set_is_in_the_order_of_names() -> None:
    ordered = policy_set([policy("b"), policy("a")], [exception("b", "x"), exception("a", "y"), exception("a", "x")])

    assert [policy.use.name for policy in ordered.policies] == ["a", "b"]
    assert [(e.use.namespace, e.use.name) for e in ordered.exceptions] == [("x", "a"), ("x", "b"), ("y", "a")]


def test_an_exception_says_who_why_and_until_when() -> None:
    assert exception("legacy", ticket="SEC-1").use == ExceptionUse(
        name="legacy",
        namespace="shop",
        until="2027-01-31T00:00:00+00:00",
        reason="waiting for the vendor",
        owner="team-shop",
        ticket="SEC-1",
    )
    assert exception().use.ticket == ""


@pytest.mark.parametrize(
    ("until", "applies"),
    [
        pytest.param(NOW - timedelta(seconds=1), False, id="a second ago"),
        pytest.param(NOW, False, id="now"),
        pytest.param(NOW + timedelta(microseconds=1), True, id="the next moment"),
        pytest.param(NOW + timedelta(seconds=1), True, id="in a second"),
    ],
)
def test_an_exception_ends_at_its_second(until: datetime, *, applies: bool) -> None:
    assert exception(until=until.isoformat()).applies(review_of(pod("nginx")), NOW) is applies


def test_an_end_in_another_zone_is_the_same_moment() -> None:
    review = review_of(pod("nginx"))

    assert not exception(until="2026-11-24T14:00:00+02:00").applies(review, NOW)
    assert exception(until="2026-11-24T14:00:01+02:00").applies(review, NOW)


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        pytest.param({}, True, id="nothing asked"),
        pytest.param({"kinds": ["Pod"]}, True, id="kind"),
        pytest.param({"kinds": ["Job", "Deployment"]}, False, id="other kinds"),
        pytest.param({"names": ["web"]}, True, id="name"),
        pytest.param({"names": ["w*"]}, True, id="name by pattern"),
        pytest.param({"names": ["api"]}, False, id="another name"),
        pytest.param({"kinds": ["Pod"], "names": ["api"]}, False, id="both must hold"),
        pytest.param({"kinds": ["Job"], "names": ["web"]}, False, id="both must hold, the other way round"),
    ],
)
def test_an_exception_applies_to_kinds_and_names(match: dict[str, Any], *, applies: bool) -> None:
    assert exception(match=match).applies(review_of(pod("nginx")), NOW) is applies


def test_an_exception_counts_in_its_namespace_alone() -> None:
    review = review_of(pod("nginx", namespace="bank"))

    assert exception(namespace="bank").applies(review, NOW)
    assert not exception(namespace="shop").applies(review, NOW)
    assert not exception(namespace="bank").applies(review_of(pod("nginx", namespace="")), NOW)


OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5c8d", "uid": "1", "controller": True}


def test_an_exception_for_a_deployment_applies_to_its_pods_too() -> None:
    manifest = pod("nginx", name="web-5c8d-x", ownerReferences=[OWNER], labels={"pod-template-hash": "5c8d"})
    for_deployment = exception(match={"kinds": ["Deployment"], "names": ["web"]})
    creator = "system:serviceaccount:kube-system:replicaset-controller"

    assert for_deployment.applies(review_of(manifest, user=creator), NOW)
    assert not for_deployment.applies(review_of(manifest, user="jane"), NOW)
    assert for_deployment.applies(review_of(workload("Deployment", {"containers": []})), NOW)


def test_kind_and_name_must_be_those_of_one_workload() -> None:
    manifest = pod("nginx", name="web-5c8d-x", ownerReferences=[OWNER], labels={"pod-template-hash": "5c8d"})
    review = review_of(manifest, user="system:kube-controller-manager")

    assert not exception(match={"kinds": ["Deployment"], "names": ["web-5c8d"]}).applies(review, NOW)


@pytest.mark.parametrize(
    ("match", "finding", "excused"),
    [
        pytest.param({}, about("a"), True, id="nothing asked"),
        pytest.param({}, about(None), True, id="nothing asked, of the pod"),
        pytest.param({"containers": ["a", "b*"]}, about("a"), True, id="container"),
        pytest.param({"containers": ["a", "b*"]}, about("bc"), True, id="container by pattern"),
        pytest.param({"containers": ["a", "b*"]}, about("c"), False, id="another container"),
        pytest.param({"containers": ["*"]}, about(None), False, id="of the pod, not of a container"),
        pytest.param({"images": ["nginx"]}, about("a", "nginx:1"), True, id="image"),
        pytest.param({"images": ["nginx", "team/*"]}, about("a", "team/app"), True, id="one image of several"),
        pytest.param({"images": ["nginx"]}, about("a", "team/app"), False, id="another image"),
        pytest.param({"images": ["nginx"]}, about(None, "nginx"), True, id="image of a volume"),
        pytest.param({"images": ["nginx"]}, about("a", None, "nginx"), True, id="image of the container"),
        pytest.param({"images": ["nginx"]}, about("a", None, "team/app"), False, id="another image of the container"),
        pytest.param({"images": ["**"]}, about(None), False, id="no image at all"),
        pytest.param({"images": ["**"]}, about("a"), False, id="container without an image"),
        pytest.param({"images": ["**"]}, about("a", "NGINX"), False, id="image that is none"),
        pytest.param({"containers": ["a"], "images": ["nginx"]}, about("a", "nginx"), True, id="both"),
        pytest.param({"containers": ["a"], "images": ["nginx"]}, about("b", "nginx"), False, id="image alone"),
        pytest.param({"containers": ["a"], "images": ["nginx"]}, about("a", "app"), False, id="container alone"),
    ],
)
def test_an_exception_excuses_containers_and_images(
    match: dict[str, Any],
    finding: Finding,
    *,
    excused: bool,
) -> None:
    assert exception(match=match).excuses("image-pinned", finding) is excused


def test_an_exception_excuses_its_checks_alone() -> None:
    assert exception().excuses("image-pinned", about("a"))
    assert not exception().excuses("run-as-non-root", about("a"))
    assert exception(checks=["image-pinned", "run-as-non-root"]).excuses("run-as-non-root", about("a"))


REPLICASETS = "system:serviceaccount:kube-system:replicaset-controller"
OF_WEB = pod("nginx", name="web-5c8d-x", ownerReferences=[OWNER], labels={"pod-template-hash": "5c8d"})


@pytest.mark.parametrize(
    ("spec", "namespace", "reasons"),
    [
        pytest.param({}, "shop", [], id="it applies"),
        pytest.param({"match": {"kinds": ["Deployment"], "names": ["web"]}}, "shop", [], id="for an owner"),
        pytest.param({}, "bank", ["namespace: shop is not one of bank"], id="another namespace"),
        pytest.param(
            {"until": NOW.isoformat()}, "shop", ["until: it ended on 2026-11-24T12:00:00+00:00"], id="it has ended"
        ),
        pytest.param(
            {"match": {"kinds": ["Job", "CronJob"]}},
            "shop",
            ["kinds: none of Pod, ReplicaSet, Deployment is one of Job, CronJob"],
            id="other kinds",
        ),
        pytest.param(
            {"match": {"names": ["api", "b*"]}},
            "shop",
            ["names: none of web-5c8d-x, web-5c8d, web is one of api, b*"],
            id="other names",
        ),
        pytest.param(
            {"match": {"kinds": ["Deployment"], "names": ["web-5c8d"]}},
            "shop",
            ["names: web is not one of web-5c8d"],
            id="kind and name of two workloads",
        ),
        pytest.param(
            {"match": {"kinds": ["Job"]}, "until": "2026-01-01T00:00:00Z"},
            "bank",
            [
                "namespace: shop is not one of bank",
                "until: it ended on 2026-01-01T00:00:00+00:00",
                "kinds: none of Pod, ReplicaSet, Deployment is one of Job",
            ],
            id="everything",
        ),
    ],
)
def test_an_exception_says_why_it_does_not_apply(spec: dict[str, Any], namespace: str, reasons: list[str]) -> None:
    given, review = exception(namespace=namespace, **spec), review_of(OF_WEB, user=REPLICASETS)

    assert list(given.why_not(review, NOW)) == reasons
    assert given.applies(review, NOW) is (not reasons)


@pytest.mark.parametrize(
    ("match", "check", "finding", "reasons"),
    [
        pytest.param({}, "image-pinned", about("a"), [], id="it is excused"),
        pytest.param(
            {}, "run-as-non-root", about("a"), ["checks: run-as-non-root is not one of image-pinned"], id="check"
        ),
        pytest.param(
            {"containers": ["a", "b*"]},
            "image-pinned",
            about("c"),
            ["containers: c is not one of a, b*"],
            id="container",
        ),
        pytest.param(
            {"containers": ["a"]}, "image-pinned", about(None), ["containers: none is one of a"], id="of no container"
        ),
        pytest.param(
            {"images": ["nginx"]},
            "image-pinned",
            about("a", "app:1"),
            ["images: app:1 is not one of nginx"],
            id="image",
        ),
        pytest.param(
            {"images": ["nginx"]},
            "image-pinned",
            about("a", None, "app"),
            ["images: app is not one of nginx"],
            id="own",
        ),
        pytest.param({"images": ["**"]}, "image-pinned", about(None), ["images: none is one of **"], id="of no image"),
        pytest.param(
            {"containers": ["b"], "images": ["app"]},
            "run-as-non-root",
            about("a", "nginx"),
            [
                "checks: run-as-non-root is not one of image-pinned",
                "containers: a is not one of b",
                "images: nginx is not one of app",
            ],
            id="everything",
        ),
    ],
)
def test_an_exception_says_why_it_does_not_excuse(
    match: dict[str, Any], check: str, finding: Finding, reasons: list[str]
) -> None:
    given = exception(match=match)

    assert list(given.why_not_excused(check, finding)) == reasons
    assert given.excuses(check, finding) is (not reasons)


def test_a_policy_says_why_it_does_not_match() -> None:
    given = policy(match={"kinds": ["Pod"], "namespaces": {"include": ["bank"]}})

    assert given.why_not(review_of(pod("nginx"))) == ("namespaces: shop is not one of bank",)
    assert given.why_not(review_of(pod("nginx", namespace="bank"))) == ()


def test_a_check_keeps_its_options_and_its_mode_for_a_review() -> None:
    (check,) = policy(checks={"image-pinned": {"level": "digest"}}).checks

    assert getattr(check.options, "level", None) == "digest"
    assert check.mode_for(review_of(pod("nginx"))) is Mode.ENFORCE
    assert check.mode_for(review_of(workload("Deployment", {"containers": []}))) is Mode.WARN
