"""Admission reviews as the API server sends them (k8s.io/api admission/v1 types.go), parsed into a Review."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from webhook.model.pod import Wire
from webhook.model.workload import (
    NO_WORKLOAD,
    ControllerObject,
    CronJobObject,
    PodObject,
    PodTemplateObject,
    Workload,
    WorkloadObject,
    workload_of,
)

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
_NULL = Raw(b"null")


class ReviewError(ValueError):
    """The body is no AdmissionReview of admission.k8s.io/v1 that podgate can answer; str() says why."""


class GroupVersionKind(Wire, frozen=True):
    """`request.kind`."""

    group: str = ""
    version: str = ""
    kind: str = ""


class UserInfo(Wire, frozen=True):
    """`request.userInfo`: who asks."""

    username: str = ""
    groups: tuple[str, ...] | None = None


class AdmissionRequest(Wire, frozen=True):
    """`request`. The objects stay raw until their kind is known."""

    uid: str
    kind: GroupVersionKind
    operation: Operation
    name: str = ""
    namespace: str = ""
    sub_resource: str = ""
    user_info: UserInfo = UserInfo()
    object: Raw = _NULL
    old_object: Raw = _NULL
    dry_run: bool | None = None


class AdmissionReview(Wire, frozen=True):
    """The envelope."""

    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: AdmissionRequest


class Review(Struct, frozen=True):
    """What is asked: whether *user* may do *operation* to this object.

    `workload` is NO_WORKLOAD where the object holds no pod (another kind, a subresource such as scale, a DELETE).
    `old` is what an UPDATE starts from, None otherwise. `name` is empty where the API server has yet to make one.
    """

    uid: str
    operation: Operation
    kind: str
    subresource: str
    namespace: str
    name: str
    user: UserInfo
    dry_run: bool
    workload: Workload = NO_WORKLOAD
    old: Workload | None = None


class ObjectError(ValueError):
    """The review is sound, but the object in it cannot be read: str() names the path.

    `review` has all but the workload.
    """

    def __init__(self, review: Review, message: str) -> None:
        super().__init__(message)
        self.review = review


# Group and kind to type. The version does not matter: their templates stand at one place in all that ever were.
WORKLOADS: dict[tuple[str, str], type[WorkloadObject]] = {
    ("", "Pod"): PodObject,
    ("apps", "Deployment"): ControllerObject,
    ("apps", "ReplicaSet"): ControllerObject,
    ("apps", "StatefulSet"): ControllerObject,
    ("apps", "DaemonSet"): ControllerObject,
    ("batch", "Job"): ControllerObject,
    ("batch", "CronJob"): CronJobObject,
    ("", "ReplicationController"): ControllerObject,
    ("", "PodTemplate"): PodTemplateObject,
}
WORKLOAD_KINDS = tuple(kind for _, kind in WORKLOADS)

_DECODERS = {key: msgspec.json.Decoder(type_ | None) for key, type_ in WORKLOADS.items()}
# What msgspec raises for bytes that are no JSON of the type, are not UTF-8, or are nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_REVIEW = msgspec.json.Decoder(AdmissionReview)


def parse_review(body: bytes) -> Review:
    """Parse the body of a request.

    Raises ReviewError where the answer cannot carry a uid (the caller is wrong), ObjectError where it can.
    """
    try:
        request = _REVIEW.decode(body).request
    except UNREADABLE as error:
        msg = f"the body is no AdmissionReview of admission.k8s.io/v1: {_in_words(error)}"
        raise ReviewError(msg) from error
    if not request.uid:
        msg = "the body is no AdmissionReview of admission.k8s.io/v1: request.uid must not be empty"
        raise ReviewError(msg)
    decoder = _DECODERS.get((request.kind.group, request.kind.kind))
    if decoder is None or request.operation not in ("CREATE", "UPDATE"):
        return _review(request, NO_WORKLOAD, None)
    workload = _workload(request, decoder, request.object, "request.object")
    if workload is None:
        raise ObjectError(_review(request, NO_WORKLOAD, None), "request.object must be set")
    old = None
    if request.operation == "UPDATE":
        old = _workload(request, decoder, request.old_object, "request.oldObject")
    return _review(request, workload, old)


def _workload(
    request: AdmissionRequest, decoder: msgspec.json.Decoder[WorkloadObject | None], raw: Raw, where: str
) -> Workload | None:
    try:
        decoded = decoder.decode(raw)
    except UNREADABLE as error:
        msg = f"{where} is no {request.kind.kind} that can be read: {_in_words(error)}"
        raise ObjectError(_review(request, NO_WORKLOAD, None), msg) from error
    return None if decoded is None else workload_of(request.kind.kind, decoded)


def _review(request: AdmissionRequest, workload: Workload, old: Workload | None) -> Review:
    return Review(
        uid=request.uid,
        operation=request.operation,
        kind=request.kind.kind,
        subresource=request.sub_resource,
        namespace=request.namespace,
        name=workload.metadata.name or request.name,
        user=request.user_info,
        dry_run=bool(request.dry_run),
        workload=workload,
        old=old,
    )


def _in_words(error: Exception) -> str:
    """Return what msgspec found wrong; for text that is not UTF-8, without the bytes, which may hold anything."""
    if isinstance(error, UnicodeDecodeError):
        return "it holds text that is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error)
