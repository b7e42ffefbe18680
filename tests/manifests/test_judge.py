"""The verdict on a manifest: the object's own and that on what is made of it, told as one."""

from typing import Any

import msgspec
import pytest

from tests.policies import exception, policy
from tests.reviews import NOW, At, workload
from webhook.manifests.judge import ManifestVerdict, judge
from webhook.manifests.read import Manifest, read_manifests
from webhook.manifests.review import Asking
from webhook.model.decision import Mode
from webhook.policy.document import DocumentError
from webhook.policy.policies import Policy, PolicyException, policy_set

SPEC = {"containers": [{"name": "a", "image": "nginx"}]}


def verdict(
    manifest: dict[str, Any], *items: Policy | PolicyException, text: bytes = b"", **asking: Any
) -> ManifestVerdict:
    policies = policy_set(
        [item for item in items if isinstance(item, Policy)],
        [item for item in items if isinstance(item, PolicyException)],
    )
    (read,) = read_manifests("a.yaml", text or msgspec.json.encode(manifest))
    assert isinstance(read, Manifest)
    return judge(read, policies, At(), Asking(now=NOW, **asking))


def told(found: ManifestVerdict) -> list[tuple[str, Mode, Mode | None]]:
    return [(judged.finding.path, judged.mode, judged.own) for judged in found.findings]


PATH = "spec.template.spec.containers[0].image"


def test_what_warns_in_a_template_and_refuses_its_pods_is_one_finding() -> None:
    found = verdict(workload("Deployment", SPEC), policy())

    assert told(found) == [(PATH, Mode.ENFORCE, Mode.WARN)]
    assert (found.mode, found.refused) == (Mode.ENFORCE, False)


def test_a_pod_is_judged_once() -> None:
    found = verdict(workload("Pod", SPEC), policy())

    assert told(found) == [("spec.containers[0].image", Mode.ENFORCE, Mode.ENFORCE)]
    assert (found.mode, found.refused) == (Mode.ENFORCE, True)


def test_a_policy_for_pods_only_speaks_of_a_template_with_its_paths() -> None:
    found = verdict(workload("CronJob", SPEC), policy(match={"kinds": ["Pod"]}))

    path = "spec.jobTemplate.spec.template.spec.containers[0].image"
    assert told(found) == [(path, Mode.ENFORCE, None)]
    assert found.findings[0].finding.fix.startswith(f"set {path} to nginx:")


def test_a_policy_for_templates_only_does_what_it_says_of_them() -> None:
    found = verdict(workload("Deployment", SPEC), policy(match={"kinds": ["Deployment"]}))

    assert told(found) == [(PATH, Mode.WARN, Mode.WARN)]
    assert (found.mode, found.refused) == (Mode.WARN, False)


def test_what_is_made_on_the_way_to_pods_is_judged_too() -> None:
    found = verdict(workload("Deployment", SPEC), policy(controllers="enforce", match={"kinds": ["ReplicaSet"]}))

    assert told(found) == [(PATH, Mode.ENFORCE, None)]


def test_a_template_that_is_refused_itself_says_so() -> None:
    found = verdict(workload("Deployment", SPEC), policy(controllers="enforce"))

    assert told(found) == [(PATH, Mode.ENFORCE, Mode.ENFORCE)]
    assert found.refused


def test_users_of_a_policy_are_the_one_who_applies_and_the_controllers() -> None:
    by_jane = policy(match={"users": {"include": ["jane"]}})
    by_controllers = policy("b", match={"users": {"include": ["system:serviceaccount:kube-system:*"]}})

    found = verdict(workload("Deployment", SPEC), by_jane, by_controllers, user="jane")

    assert [(judged.policy, judged.mode, judged.own) for judged in found.findings] == [
        ("a", Mode.WARN, Mode.WARN),
        ("b", Mode.ENFORCE, None),
    ]


def test_nothing_found_is_no_mode() -> None:
    found = verdict(workload("Deployment", {"containers": [{"name": "a", "image": "nginx:1.29.3"}]}), policy())

    assert (found.findings, found.excused, found.mode, found.refused) == ((), (), None, False)


def test_an_exception_for_a_deployment_excuses_its_pods() -> None:
    found = verdict(
        workload("Deployment", SPEC), policy(), exception(match={"kinds": ["Deployment"], "names": ["web"]})
    )

    assert told(found) == []
    assert [(each.violation.finding.path, each.exception.name) for each in found.excused] == [(PATH, "a")]


def test_an_exception_for_pods_excuses_them_and_not_the_template() -> None:
    found = verdict(workload("Deployment", SPEC), policy(), exception(match={"kinds": ["Pod"], "names": ["web-*"]}))

    assert told(found) == [(PATH, Mode.WARN, Mode.WARN)]
    assert found.excused == ()


def test_an_exception_that_has_ended_excuses_nothing() -> None:
    found = verdict(workload("Deployment", SPEC), policy(), exception(until="2026-11-24T12:00:00Z"))

    assert told(found) == [(PATH, Mode.ENFORCE, Mode.WARN)]


def test_the_same_finding_of_two_policies_is_two() -> None:
    found = verdict(workload("Deployment", SPEC), policy("a"), policy("b"))

    assert [judged.policy for judged in found.findings] == ["a", "b"]


def test_contacts_are_told_once() -> None:
    found = verdict(workload("Deployment", SPEC), policy(contact="#platform", controllers="enforce"))

    assert found.contacts == ("#platform",)


def test_evidence_is_told_once() -> None:
    checks = {"image-vulnerabilities": {"unscanned": "warn"}}

    found = verdict(workload("Deployment", SPEC), policy(checks=checks))

    assert [(each.image, str(each.state)) for each in found.evidence] == [("nginx", "unscanned")]
    assert found.mode is Mode.WARN


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(b"spec:\n  containers:\n  - name: a\n    image: nginx", 6, id="where it stands"),
        pytest.param(b"spec:\n  containers:\n  - name: a", 5, id="where it should stand"),
        pytest.param(
            b"x: &x\n  image: nginx\nspec:\n  containers:\n  - <<: *x\n    name: a", 4, id="where it is merged from"
        ),
    ],
)
def test_a_finding_has_the_line_of_its_path(text: bytes, line: int) -> None:
    found = verdict({}, policy(checks={"image-pinned": {}}), text=b"apiVersion: v1\nkind: Pod\n" + text)

    assert [judged.line for judged in found.findings] == [line]


@pytest.mark.parametrize(
    "spec", ["{}", "{Containers: [{name: a, image: a}]}", "{initContainers: [{name: a, image: a:1.0}]}"]
)
def test_a_pod_without_containers_is_not_taken_for_clean(spec: str) -> None:
    with pytest.raises(DocumentError, match=r"a\.yaml:3:7: spec: no containers: is a field misspelt\?"):
        verdict({}, policy(checks={"image-pinned": {}}), text=f"apiVersion: v1\nkind: Pod\nspec: {spec}".encode())


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("apps/v1\nkind: Deployment", "{template: {spec: {}}}", "spec.template.spec"),
        ("batch/v1\nkind: CronJob", "{}", "spec.jobTemplate.spec.template.spec"),
    ],
)
def test_a_template_without_containers_is_not_taken_for_clean(kind: str, spec: str, path: str) -> None:
    with pytest.raises(DocumentError, match=f": {path}: no containers: is a field misspelt"):
        verdict({}, policy(), text=f"apiVersion: {kind}\nspec: {spec}".encode())
