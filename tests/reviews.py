"""Reviews of objects as a user would apply them, parsed from the JSON that the API server would send."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from tests.image_reports import Held
from webhook.model.report import FullReport
from webhook.model.review import Review, parse_review
from webhook.model.workload import Workload
from webhook.reports.facts import ImageFacts

if TYPE_CHECKING:
    from webhook.reports.index import ReportIndex

Manifest = dict[str, Any]
NOW = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
PATHS_TO_POD = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
API_VERSIONS = {
    "Pod": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "ReplicationController": "v1",
    "PodTemplate": "v1",
}


class At(ImageFacts):
    """Facts at a given time, from reports."""

    def __init__(self, time: datetime = NOW, reports: Iterable[FullReport] = ()) -> None:
        super().__init__(cast("ReportIndex", Held(reports)), lambda: time)


def workload(kind: str, spec: Manifest, **metadata: object) -> Manifest:
    """Return the manifest of a *kind* whose pods have *spec*."""
    inner: Manifest = {"spec": spec}
    for key in reversed(PATHS_TO_POD.get(kind, ("spec", "template"))):
        inner = {key: inner}
    return {
        "apiVersion": API_VERSIONS[kind],
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop", **metadata},
        **inner,
    }


def pod(*images: str, **metadata: object) -> Manifest:
    """Return the manifest of a pod with a container for each of *images*, named a, b, c…"""
    containers = [{"name": chr(ord("a") + index), "image": image} for index, image in enumerate(images)]
    return workload("Pod", {"containers": containers}, **metadata)


def body_of(  # noqa: PLR0913  # each is a part of the request
    manifest: Manifest,
    *,
    operation: str = "CREATE",
    old: Manifest | None = None,
    user: str = "jane",
    groups: Sequence[str] | None = ("system:authenticated",),
    subresource: str = "",
) -> bytes:
    """Return the body of the API server's request to admit *manifest*."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": group, "version": version, "kind": manifest["kind"]},
        "resource": {"group": group, "version": version, "resource": f"{manifest['kind'].lower()}s"},
        "subResource": subresource,
        "name": manifest["metadata"].get("name", ""),
        "namespace": manifest["metadata"].get("namespace", ""),
        "operation": operation,
        "userInfo": {"username": user, "groups": groups},
        "object": None if operation == "DELETE" else manifest,
        "oldObject": old,
        "dryRun": False,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(review).encode()


def review_of(manifest: Manifest, **request: Any) -> Review:
    """Return the review of *manifest*; *request* as for body_of."""
    return parse_review(body_of(manifest, **request))


def workload_in(manifest: Manifest) -> Workload:
    """Return the workload in *manifest*."""
    return review_of(manifest).workload
