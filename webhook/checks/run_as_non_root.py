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
- `imageUser` (default false): take the user of the image into account, as Trivy reported it.
    - A container that nothing requires to run as non-root passes where its image is named by a digest, and the report
      of that very digest says that its user is a number other than 0.
    - A container that is required to run as non-root gets a warning where the kubelet will refuse to start it: it has
      no `runAsUser`, and the user of its image is root, or a name, which the kubelet cannot tell from root.
- `platforms` (default `[linux/amd64]`): those of the cluster's nodes, whose images `imageUser` asks about.

## How to fix
Set `runAsNonRoot: true` in the pod's `securityContext`. The kubelet then refuses to start an image whose user is root
or is not a number; such an image needs a `USER 10001` line, or the pod needs `runAsUser: 10001`.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from webhook.checks.check import Check
from webhook.checks.evidence import PlatformOptions
from webhook.model.decision import Finding, Mode
from webhook.model.facts import Facts
from webhook.model.image import Image, InvalidReferenceError, parse_image
from webhook.model.pod import SecurityContext
from webhook.model.quote import one_line, quote
from webhook.model.report import Evidence
from webhook.model.review import Review
from webhook.model.workload import Container, Workload

ID = "run-as-non-root"
_UNSET = SecurityContext()
_NUMBER = re.compile("[+-]?[0-9]+")
_LARGEST_USER = 2**31 - 1


class Options(PlatformOptions, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Whether the image's own user counts."""

    image_user: bool = False


def configure(options: Options) -> Check:
    """Return the check (pod-security-admission v0.37, policy/check_runAsNonRoot.go and check_runAsUser.go)."""

    def check(review: Review, facts: Facts) -> Iterator[Finding]:
        workload = review.workload
        if workload.pod.host_users is False:
            return
        pod = workload.pod.security_context or _UNSET
        path = f"{workload.path}.securityContext"
        yield from _explicit(pod, path, None)
        images = _ImageUsers(workload, facts, options.platforms) if options.image_user else None
        for container in workload.containers:
            own = container.security_context or _UNSET
            yield from _explicit(own, f"{container.path}.securityContext", container)
            required = pod.run_as_non_root if own.run_as_non_root is None else own.run_as_non_root
            # Where the pod says false, that finding says all: mending it mends the containers that leave it unset.
            if required is None:
                yield from _required(container, path, images)
            elif required and images and own.run_as_user is None and pod.run_as_user is None:
                yield from images.refused_by_kubelet(container)

    return check


def _explicit(context: SecurityContext, path: str, container: Container | None) -> Iterator[Finding]:
    """Yield what is set and must not be."""
    if context.run_as_non_root is False:
        where = f"{path}.runAsNonRoot"
        yield Finding(where, "must be true, not false", f"set {where}: true", container)
    if context.run_as_user == 0:
        where = f"{path}.runAsUser"
        yield Finding(where, "must not be 0, which is root", f"set {where} to another user, or remove it", container)


def _required(container: Container, pod_path: str, images: "_ImageUsers | None") -> Iterator[Finding]:
    """Yield that the container must be required to run as non-root, unless its image does so by itself."""
    why_not = images.why_not_non_root(container) if images else None
    if why_not == "":
        return
    message = f"must be true, here or in {pod_path}"
    yield Finding(
        f"{container.path}.securityContext.runAsNonRoot",
        f"{message}: {why_not}" if why_not else message,
        f"set {pod_path}.runAsNonRoot: true",
        container,
    )


class _ImageUsers(Struct, frozen=True):
    """The users of a pod's images, as far as reports tell."""

    workload: Workload
    facts: Facts
    platforms: tuple[str, ...]

    def why_not_non_root(self, container: Container) -> str:
        """Return why the container's image is no proof of a user other than root; empty where it is one."""
        found = self._evidence(container)
        for image, evidence in found:
            if image.digest is None:
                return f"{quote(str(image))} names no digest, so its user may change"
            user = evidence.own_report.user if evidence.own_report else None
            if user is None:
                return f"no report says which user {image.digest} has on {one_line(evidence.platform)}"
            doubt = _doubt(user)
            if doubt:
                return f"the user of {image.digest} is {doubt}"
        return "" if found else "its image is no valid reference"

    def refused_by_kubelet(self, container: Container) -> Iterator[Finding]:
        """Yield that the kubelet will not start the container (kubelet, kuberuntime/security_context_others.go)."""
        for image, evidence in self._evidence(container):
            user = evidence.own_report.user if evidence.own_report else None
            # On Windows the kubelet minds one name alone, that of ContainerAdministrator.
            if user is None or not _doubt(user) or evidence.platform.startswith("windows/"):
                continue
            where = f"{container.path}.securityContext.runAsUser"
            yield Finding(
                where,
                f"must be set: the user of {quote(str(image))} is {_doubt(user)}, and the kubelet will refuse to start"
                " it, since runAsNonRoot is true",
                f"set {where} to the number of a user other than root, or build the image with USER 10001, say",
                container,
                mode=Mode.WARN,
            )
            return

    def _evidence(self, container: Container) -> list[tuple[Image, Evidence]]:
        """Return what is known of the container's image, on each platform; nothing where the reference is invalid."""
        try:
            image = parse_image(container.image or "")
        except InvalidReferenceError:
            return []
        return [(image, self.facts.evidence(image, platform)) for platform in self.workload.platforms(self.platforms)]


def _doubt(user: str) -> str:
    """Return what the user of an image, user[:group], is, where it is not surely another than root; empty where it is.

    A number is one as containerd reads it (getUserFromImage, by Go's ParseInt). Kubernetes takes no user id past
    2^31 - 1 (apimachinery, validation.IsValidUserID); containerd used to run such a user as root (CVE-2024-40635,
    CVE-2026-46680).
    """
    name = user.partition(":")[0]
    if name in ("", "root"):
        return "root"
    if not _NUMBER.fullmatch(name):
        return f"{quote(user)}, which is not a number and can be root by another name"
    digits = name.lstrip("+-").lstrip("0")
    if not digits:
        return "root"
    if name[0] == "-" or len(digits) > len(str(_LARGEST_USER)) or int(digits) > _LARGEST_USER:
        return f"{quote(user)}, which is no user id and can be taken for root"
    return ""
