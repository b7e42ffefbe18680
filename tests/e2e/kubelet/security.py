"""Who a container runs as, and what it may do, by the security contexts of the pod and the container.

Follows k8s.io/kubernetes `pkg/securitycontext/util.go` and `pkg/kubelet/kuberuntime/security_context.go`. The
capabilities are containerd's, numbered as in Linux' `include/uapi/linux/capability.h`.
"""

from dataclasses import dataclass
from typing import Any

from tests.e2e.kubelet.api import Object
from tests.e2e.kubelet.errors import CannotStartError
from tests.e2e.kubelet.images import ImageRoot

_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
_DEFAULT = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}


@dataclass(frozen=True)
class Identity:
    """Numeric user, group and all groups, the numbers of the capabilities kept, and two switches."""

    user: int
    group: int
    groups: tuple[int, ...]
    capabilities: tuple[int, ...]
    no_new_privileges: bool
    read_only_root: bool


def identity(pod: Object, container: Object, image: ImageRoot) -> Identity:
    """Return who *container* runs as; raises CannotStartError where that is root and must not be."""
    of_pod: Object = pod["spec"].get("securityContext") or {}
    own: Object = container.get("securityContext") or {}

    def effective(name: str) -> Any:
        return own[name] if own.get(name) is not None else of_pod.get(name)

    user, group = effective("runAsUser"), effective("runAsGroup")
    if group is None:
        group = image.group if user is None else 0
    if user is None:
        user = image.user
    if user == 0 and effective("runAsNonRoot"):
        reason = "CreateContainerConfigError"
        raise CannotStartError(reason, "container has runAsNonRoot and would run as root")
    groups = [group, *(of_pod.get("supplementalGroups") or []), *([of_pod["fsGroup"]] if "fsGroup" in of_pod else [])]
    return Identity(
        user=user,
        group=group,
        groups=tuple(groups),
        capabilities=_kept(own),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
    )


def common_user(pod: Object) -> int | None:
    """Return the runAsUser that all containers share, which tokens in volumes belong to."""
    of_pod: Object = pod["spec"].get("securityContext") or {}
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    users = {(each.get("securityContext") or {}).get("runAsUser", of_pod.get("runAsUser")) for each in containers}
    return users.pop() if len(users) == 1 else None


def _kept(own: Object) -> tuple[int, ...]:
    if own.get("privileged"):
        return tuple(range(len(_CAPABILITIES)))
    changes = own.get("capabilities") or {}
    added, dropped = ({name.removeprefix("CAP_") for name in changes.get(which) or []} for which in ("add", "drop"))
    kept = (set() if "ALL" in dropped else _DEFAULT - dropped) | added
    return tuple(number for number, name in enumerate(_CAPABILITIES) if name in kept or "ALL" in added)
