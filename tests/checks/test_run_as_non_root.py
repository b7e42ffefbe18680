"""Every setting of a pod with two containers, against the words of pod-security-admission."""

from itertools import product

import pytest

from tests.reviews import At, Manifest, review_of, workload
from webhook.checks.run_as_non_root import Options, configure
from webhook.model.decision import Finding

NON_ROOT = (None, True, False)
USERS = (None, 0, 1000)


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
    for pod_non_root, pod_user, non_root, user in product(NON_ROOT, USERS, NON_ROOT, USERS):
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
