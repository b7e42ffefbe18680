"""Workloads: a pod, or a kind whose template becomes pods (pod-security-admission, admission/podspec_extractor.go)."""

from typing import ClassVar

from msgspec import Struct

from webhook.model.platform import platform_of
from webhook.model.pod import ContainerSpec, PodSpec, SecurityContext, Wire


class OwnerReference(Wire, frozen=True):
    """An entry of `metadata.ownerReferences`; anyone who may write the object can write it."""

    kind: str = ""
    name: str = ""
    controller: bool | None = None


class ObjectMeta(Wire, frozen=True):
    """`metadata`. Annotations are left out: they can hold secrets and no check reads them."""

    name: str = ""
    generate_name: str = ""
    labels: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    deletion_timestamp: str | None = None


class Template(Wire, frozen=True):
    """A pod template."""

    spec: PodSpec | None = None


class TemplateSpec(Wire, frozen=True):
    """The `spec` of a workload that holds a template."""

    template: Template | None = None


class JobTemplate(Wire, frozen=True):
    """`spec.jobTemplate` of a CronJob."""

    spec: TemplateSpec | None = None


class CronJobSpec(Wire, frozen=True):
    """The `spec` of a CronJob."""

    job_template: JobTemplate | None = None


class WorkloadObject(Wire, frozen=True):
    """An object that holds a pod's spec: at `path`, which is the same in every version its kind ever had."""

    path: ClassVar[str]
    metadata: ObjectMeta = ObjectMeta()

    @property
    def pod(self) -> PodSpec | None:
        """The pod's spec; None where the object has none (a template can be optional)."""
        raise NotImplementedError


class PodObject(WorkloadObject, frozen=True):
    """Pod."""

    path: ClassVar[str] = "spec"
    spec: PodSpec | None = None

    @property
    def pod(self) -> PodSpec | None:
        """The spec itself."""
        return self.spec


class ControllerObject(WorkloadObject, frozen=True):
    """Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, ReplicationController."""

    path: ClassVar[str] = "spec.template.spec"
    spec: TemplateSpec | None = None

    @property
    def pod(self) -> PodSpec | None:
        """The template's spec."""
        return _pod_in(self.spec)


class CronJobObject(WorkloadObject, frozen=True):
    """CronJob."""

    path: ClassVar[str] = "spec.jobTemplate.spec.template.spec"
    spec: CronJobSpec | None = None

    @property
    def pod(self) -> PodSpec | None:
        """The spec of the template in the job's template."""
        if self.spec is None or self.spec.job_template is None:
            return None
        return _pod_in(self.spec.job_template.spec)


class PodTemplateObject(WorkloadObject, frozen=True):
    """PodTemplate."""

    path: ClassVar[str] = "template.spec"
    template: Template | None = None

    @property
    def pod(self) -> PodSpec | None:
        """The template's spec."""
        return None if self.template is None else self.template.spec


def _pod_in(spec: TemplateSpec | None) -> PodSpec | None:
    return None if spec is None or spec.template is None else spec.template.spec


class Container(Struct, frozen=True):
    """A container and where it stands in the user's manifest, such as spec.template.spec.initContainers[0]."""

    path: str
    name: str
    image: str | None
    security_context: SecurityContext | None


class ImageUse(Struct, frozen=True):
    """A place that names an image: a container, or an image volume (container is None then)."""

    path: str
    reference: str | None
    container: Container | None


class Workload(Struct, frozen=True):
    """A pod or a pod template. `path` leads to the pod's spec: spec, or spec.template.spec, say.

    `containers` are all that the pod has: init (native sidecars too), app and ephemeral alike.
    """

    kind: str
    path: str
    metadata: ObjectMeta
    pod: PodSpec
    containers: tuple[Container, ...]

    @property
    def is_pod(self) -> bool:
        """Whether this is a Pod itself, not a template for pods."""
        return self.kind == "Pod"

    def platforms(self, among: tuple[str, ...]) -> tuple[str, ...]:
        """Return the platforms that the pod can run on: those of *among* that its os and nodeSelector leave.

        Where they leave none, it is the one that they name, with what *among* has first for the part they do not.
        """
        selector = self.pod.node_selector or {}
        system = (self.pod.os.name if self.pod.os else "") or selector.get("kubernetes.io/os", "")
        architecture = selector.get("kubernetes.io/arch", "")
        if not system and not architecture:
            return among
        parts = [platform.split("/") for platform in among]
        left = [each for each in parts if each[0] == (system or each[0]) and each[1] == (architecture or each[1])]
        first = parts[0]
        return tuple(map("/".join, left)) or (_platform_named(system or first[0], architecture or first[1]),)

    def image_uses(self) -> tuple[ImageUse, ...]:
        """Every place that names an image, in the order of the containers, image volumes last."""
        uses = [ImageUse(f"{c.path}.image", c.image, c) for c in self.containers]
        for index, volume in enumerate(self.pod.volumes or ()):
            if volume.image is not None:
                path = f"{self.path}.volumes[{index}].image.reference"
                uses.append(ImageUse(path, volume.image.reference, None))
        return tuple(uses)


def _platform_named(system: str, architecture: str) -> str:
    """Return the platform by its one name; whatever was said where that is none."""
    try:
        return platform_of(system, architecture)
    except ValueError:
        return f"{system}/{architecture}"


# Of a review that holds no workload (another kind, a DELETE): nothing in it can break a policy.
NO_WORKLOAD = Workload(kind="", path="", metadata=ObjectMeta(), pod=PodSpec(), containers=())


def workload_of(kind: str, decoded: WorkloadObject) -> Workload:
    """Return the workload in *decoded*, of kind *kind*; one without a template has an empty pod."""
    pod = decoded.pod or PodSpec()
    containers: list[Container] = []
    _add_containers(containers, f"{decoded.path}.initContainers", pod.init_containers)
    _add_containers(containers, f"{decoded.path}.containers", pod.containers)
    _add_containers(containers, f"{decoded.path}.ephemeralContainers", pod.ephemeral_containers)
    return Workload(kind=kind, path=decoded.path, metadata=decoded.metadata, pod=pod, containers=tuple(containers))


def _add_containers(into: list[Container], path: str, specs: tuple[ContainerSpec, ...] | None) -> None:
    for index, spec in enumerate(specs or ()):
        into.append(Container(f"{path}[{index}]", spec.name, spec.image, spec.security_context))
