"""The pod, as far as any check reads it (k8s.io/api core/v1 types.go). An unset field is None, never a default.

Two pods that are equal here get the same verdict: that is how an update that changes nothing of interest is known.
A field belongs here when a check reads it, and goes when none does.
"""

from msgspec import Struct


class Wire(Struct, frozen=True, rename="camel"):
    """What comes from the API server: unknown fields are passed over, since Kubernetes adds some."""


class SecurityContext(Wire, frozen=True):
    """`securityContext` of a pod or of a container."""

    run_as_non_root: bool | None = None
    run_as_user: int | None = None


class ContainerSpec(Wire, frozen=True):
    """An init, app or ephemeral container."""

    name: str = ""
    image: str | None = None
    security_context: SecurityContext | None = None


class ImageSource(Wire, frozen=True):
    """The image of an image volume."""

    reference: str | None = None


class Volume(Wire, frozen=True):
    """A volume; only its image is read."""

    name: str = ""
    image: ImageSource | None = None


class OperatingSystemName(Wire, frozen=True):
    """`os` of a pod: the operating system of its containers."""

    name: str = ""


class PodSpec(Wire, frozen=True):
    """`spec` of a pod or of a pod template. The lists can be null."""

    init_containers: tuple[ContainerSpec, ...] | None = None
    containers: tuple[ContainerSpec, ...] | None = None
    ephemeral_containers: tuple[ContainerSpec, ...] | None = None
    volumes: tuple[Volume, ...] | None = None
    security_context: SecurityContext | None = None
    host_users: bool | None = None
    os: OperatingSystemName | None = None
    node_selector: dict[str, str] | None = None
