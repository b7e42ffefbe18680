"""Containers must be required to run as a user other than root.

## What it does
Means by non-root what the restricted Pod Security Standard means by its controls runAsNonRoot and runAsUser, in their
newest version (both changed last in v1.35):

- `runAsNonRoot` must be true for every init, app and ephemeral container, set on the container or, where a container
  leaves it unset, on the pod; false is refused wherever it stands;
- `runAsUser` must not be 0, on the pod or on a container; unset is accepted;
- a pod in a user namespace (`hostUsers: false`) may do as it likes: its root is nobody on the node;
- Windows pods are not exempt: the kubelet honours `runAsNonRoot` there too, and refuses ContainerAdministrator.

## Why
A process that runs as root in a container is root to the kernel. One flaw in the runtime or the kernel, one mount too
many, and it is root on the node.

## Options
None.

## How to fix
Set `runAsNonRoot: true` in the pod's `securityContext`. The kubelet then refuses to start an image whose user is root
or is not a number; such an image needs a `USER 10001` line, or the pod needs `runAsUser: 10001`.
"""

from collections.abc import Iterator

from msgspec import Struct

from webhook.checks.check import Check
from webhook.model.decision import Finding
from webhook.model.facts import Facts
from webhook.model.pod import SecurityContext
from webhook.model.review import Review
from webhook.model.workload import Container

ID = "run-as-non-root"
_UNSET = SecurityContext()


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """The check has no options."""


def configure(_options: Options) -> Check:
    """Return the check (pod-security-admission v0.37, policy/check_runAsNonRoot.go and check_runAsUser.go)."""

    def check(review: Review, _facts: Facts) -> Iterator[Finding]:
        workload = review.workload
        if workload.pod.host_users is False:
            return
        pod = workload.pod.security_context or _UNSET
        path = f"{workload.path}.securityContext"
        yield from _explicit(pod, path, None)
        for container in workload.containers:
            own = container.security_context or _UNSET
            yield from _explicit(own, f"{container.path}.securityContext", container)
            # Where the pod says false, that finding says all: mending it mends the containers that leave it unset.
            if own.run_as_non_root is None and pod.run_as_non_root is None:
                yield Finding(
                    f"{container.path}.securityContext.runAsNonRoot",
                    f"must be true, here or in {path}",
                    f"set {path}.runAsNonRoot: true",
                    container,
                )

    return check


def _explicit(context: SecurityContext, path: str, container: Container | None) -> Iterator[Finding]:
    """Yield what is set and must not be."""
    if context.run_as_non_root is False:
        where = f"{path}.runAsNonRoot"
        yield Finding(where, "must be true, not false", f"set {where}: true", container)
    if context.run_as_user == 0:
        where = f"{path}.runAsUser"
        yield Finding(where, "must not be 0, which is root", f"set {where} to another user, or remove it", container)
