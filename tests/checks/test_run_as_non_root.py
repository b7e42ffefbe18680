"""Every setting of a pod with two containers, against the words of pod-security-admission."""

from itertools import product

import pytest

from tests.image_reports import full_report
from tests.reviews import At, Manifest, review_of, workload
from webhook.checks.run_as_non_root import Options, configure
from webhook.model.decision import Finding, Mode

NON_ROOT = (None, True, False)
USERS_SET = (None, 0, 1000)


def context(*, non_root: bool | None, user: int | None) -> Manifest:
    settings = {"runAsNonRoot": non_root, "runAsUser": user}
    return {key: value for key, value in settings.items() if value is not None}


def find(spec: Manifest, kind: str = "Pod") -> list[Finding]:
    return list(configure(Options())(review_of(workload(kind, spec)), At()))


@pytest.mark.parametrize("host_users", [None, True, False], ids=lambda value: f"hostUsers={value}")
@pytest.mark.parametrize("kind", ["initContainers", "containers", "ephemeralContainers"])
def test_a_pod_is_refused_exactly_where_upstream_refuses_it(kind: str, *, host_users: bool | None) -> None:
    # checkRunAsNonRoot 1.35: no explicit false; every container true, or unset below a true pod.
    # checkRunAsUser 1.35: no explicit 0. Both: hostUsers false allows anything.
    for pod_non_root, pod_user, non_root, user in product(NON_ROOT, USERS_SET, NON_ROOT, USERS_SET):
        other = {"name": "other", "securityContext": {"runAsNonRoot": True}}
        spec = {
            "hostUsers": host_users,
            "securityContext": context(non_root=pod_non_root, user=pod_user),
            "containers": [other],
        }
        spec[kind] = [other, {"name": "a", "securityContext": context(non_root=non_root, user=user)}]

        allowed = host_users is False or (
            pod_non_root is not False
            and non_root is not False
            and (non_root or pod_non_root is True)
            and pod_user != 0
            and user != 0
        )

        assert (not find(spec)) == bool(allowed), spec


def test_a_finding_about_a_container_names_it_and_one_about_the_pod_names_none() -> None:
    spec = {
        "securityContext": context(non_root=None, user=0),
        "containers": [{"name": "a"}, {"name": "b", "securityContext": context(non_root=False, user=0)}],
    }

    found = find(spec)

    assert [(f.path, f.container.name if f.container else None) for f in found] == [
        ("spec.securityContext.runAsUser", None),
        ("spec.containers[0].securityContext.runAsNonRoot", "a"),
        ("spec.containers[1].securityContext.runAsNonRoot", "b"),
        ("spec.containers[1].securityContext.runAsUser", "b"),
    ]
    assert {f.image for f in found} == {None}


# The user of the image

DIGEST = "sha256:" + "a" * 64
IMAGE = f"app@{DIGEST}"
NO_NUMBER = "which is not a number and can be root by another name"
NO_USER_ID = "which is no user id and can be taken for root"
# What an image can say of its user, and what that is; "" where it is surely another than root. The kubelet's words for
# them are in pkg/kubelet/kuberuntime/security_context_others.go of Kubernetes 1.37.
USERS = {
    "10001": "",
    "10001:0": "",
    "1": "",
    "0010001": "",
    "+10001": "",
    "2147483647": "",
    f"{'0' * 5000}1": "",
    "2147483648": f'"2147483648", {NO_USER_ID}',
    "4294967296:1": f'"4294967296:1", {NO_USER_ID}',
    "99999999999999999999": f'"99999999999999999999", {NO_USER_ID}',
    "9" * 5000: f'"{"9" * 256}…", {NO_USER_ID}',
    "-1": f'"-1", {NO_USER_ID}',
    "": "root",
    ":1000": "root",
    "root": "root",
    "root:app": "root",
    "0": "root",
    "000:1000": "root",
    "-0": "root",
    "+0": "root",
    "app": f'"app", {NO_NUMBER}',
    "app:1000": f'"app:1000", {NO_NUMBER}',
    "Root": f'"Root", {NO_NUMBER}',
    "+": f'"+", {NO_NUMBER}',
    "1e3": f'"1e3", {NO_NUMBER}',
    "0x10": f'"0x10", {NO_NUMBER}',
    "1_000": f'"1_000", {NO_NUMBER}',
    " 1000": f'" 1000", {NO_NUMBER}',
    "1000\n": rf'"1000\n", {NO_NUMBER}',
    "١٢٣": f'"١٢٣", {NO_NUMBER}',
}


def find_with_image(user: str | None, spec: Manifest) -> list[Finding]:
    facts = At(reports=[full_report(user=user)])
    containers = [{"name": "a", "image": IMAGE}]
    check = configure(Options(image_user=True))
    return list(check(review_of(workload("Pod", {"containers": containers, **spec})), facts))


@pytest.mark.parametrize(("user", "doubt"), USERS.items(), ids=lambda text: repr(text[:16]))
def test_the_image_of_a_container_is_proof_where_its_user_is_a_number_other_than_0(user: str, doubt: str) -> None:
    found = find_with_image(user, {})

    assert [finding.message for finding in found] == (
        [f"must be true, here or in spec.securityContext: the user of {DIGEST} is {doubt}"] if doubt else []
    )


@pytest.mark.parametrize(("user", "doubt"), USERS.items(), ids=lambda text: repr(text[:16]))
def test_what_the_kubelet_will_refuse_is_warned_about(user: str, doubt: str) -> None:
    found = find_with_image(user, {"securityContext": {"runAsNonRoot": True}})

    words = f'the user of "{IMAGE}" is {doubt}, and the kubelet will refuse to start it, since runAsNonRoot is true'
    assert [(finding.message, finding.mode) for finding in found] == (
        [(f"must be set: {words}", Mode.WARN)] if doubt else []
    )


def test_an_image_of_an_unknown_user_is_no_proof_and_nothing_is_said_of_the_kubelet() -> None:
    (finding,) = find_with_image(None, {})

    assert finding.message.endswith(f": no report says which user {DIGEST} has on linux/amd64")
    assert find_with_image(None, {"securityContext": {"runAsNonRoot": True}}) == []


@pytest.mark.parametrize("user", [user for user, doubt in USERS.items() if not doubt])
@pytest.mark.parametrize("pod_non_root", NON_ROOT)
@pytest.mark.parametrize("non_root", NON_ROOT)
def test_the_image_excuses_nothing_but_what_is_unset(
    user: str, *, pod_non_root: bool | None, non_root: bool | None
) -> None:
    for pod_user, own_user in product(USERS_SET, USERS_SET):
        own = {"name": "a", "image": IMAGE, "securityContext": context(non_root=non_root, user=own_user)}
        spec = {"securityContext": context(non_root=pod_non_root, user=pod_user), "containers": [own]}

        allowed = pod_non_root is not False and non_root is not False and pod_user != 0 and own_user != 0

        assert (not find_with_image(user, spec)) == allowed, spec


def test_a_finding_about_the_kubelet_names_its_container() -> None:
    (finding,) = find_with_image("app", {"securityContext": {"runAsNonRoot": True}})

    assert finding.container
    assert finding.container.name == "a"
