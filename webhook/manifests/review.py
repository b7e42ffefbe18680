"""Reviews from manifests: what the API server would ask when an object is applied, and when its pods are created."""

import json
import re
from datetime import datetime
from typing import cast

import msgspec
from msgspec import Struct, structs

from webhook.manifests.defaults import defaulted, labels_at
from webhook.manifests.read import Manifest
from webhook.model.review import WORKLOADS, ObjectError, Operation, Review, UserInfo, parse_review
from webhook.model.workload import ObjectMeta, OwnerReference
from webhook.policy.expected import in_words
from webhook.policy.owner import CREATORS

AUTHENTICATED = "system:authenticated"  # the group that the API server adds to everyone who logged in
USER = "podgate-check"
# What YAML took for something else than the text that was meant: 1.30, on, 0644.
_SCALAR = re.compile("^expected text, got (?:a whole number|a number|true or false)$")
_IN_QUOTES = ": put it in quotes"
_UID = "00000000-0000-0000-0000-000000000000"
# The API server and the controllers end names with what nobody can know beforehand; x is a character that they use.
_SUFFIX = "xxxxx"
_HASH = "xxxxxxxxxx"
# What a controller creates from an object of the first kind, and as whom.
_MADE = {owner: (kind, controller) for (kind, owner), controller in CREATORS.items()}
_TEMPLATE = ("spec", "template")
_JOB_TEMPLATE = ("spec", "jobTemplate")


class Asking(Struct, frozen=True):
    """Who applies manifests, how, where an object without a namespace goes, and when."""

    now: datetime
    user: str = USER
    groups: tuple[str, ...] = ()
    operation: Operation = "CREATE"
    namespace: str = "default"


def is_workload(manifest: Manifest) -> bool:
    """Whether the object is of a kind that podgate judges."""
    return (manifest.group, manifest.kind) in WORKLOADS


def reviews_of(manifest: Manifest, asking: Asking) -> list[Review]:
    """Return the review of the object, then those of what controllers make of it, its pods last.

    The latter have the paths of the object, so that findings read as its author wrote it. Raises DocumentError.
    """
    reviews = [_review(manifest, asking)]
    while reviews[-1].kind in _MADE:
        reviews.append(_made(reviews[-1], manifest, asking.now))
    return reviews


def _review(manifest: Manifest, asking: Asking) -> Review:
    group, _, version = manifest.api_version.rpartition("/")
    generate_name = str(manifest.metadata.get("generateName") or "")
    request = {
        "uid": _UID,
        "kind": {"group": group, "version": version, "kind": manifest.kind},
        "name": str(manifest.metadata.get("name") or (generate_name and generate_name + _SUFFIX)),
        "namespace": str(manifest.metadata.get("namespace") or asking.namespace),
        "operation": asking.operation,
        "userInfo": {"username": asking.user, "groups": [*asking.groups, AUTHENTICATED]},
        "object": defaulted(manifest.kind, manifest.value),
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    try:
        return parse_review(json.dumps(review).encode())
    except ObjectError as error:
        # A mapping that was read from YAML is JSON: it can only be of another shape than its kind.
        cause = cast("msgspec.ValidationError", error.__cause__)
        path, message = in_words(cause, WORKLOADS[manifest.group, manifest.kind])
        raise manifest.error(path, f"{message}{_IN_QUOTES}" if _SCALAR.search(message) else message) from error


def _made(owner: Review, manifest: Manifest, now: datetime) -> Review:
    """Return the review of what its controller creates for the object of *owner*, which *manifest* describes."""
    kind, controller = _MADE[owner.kind]
    template = (*_JOB_TEMPLATE, *_TEMPLATE) if manifest.kind == "CronJob" else _TEMPLATE
    labels = labels_at(manifest.value, *template)
    name, generate_name = f"{owner.name}-{_SUFFIX}", f"{owner.name}-"
    if manifest.kind == "Deployment":
        labels["pod-template-hash"] = _HASH
    if owner.kind == "Deployment":
        name, generate_name = f"{owner.name}-{_HASH}", ""
    elif owner.kind == "CronJob":
        name, generate_name = f"{owner.name}-{int(now.timestamp()) // 60}", ""
        labels = labels_at(manifest.value, *_JOB_TEMPLATE) or labels  # as defaulted() has it
    elif owner.kind == "Job":
        labels |= {"job-name": owner.name, "batch.kubernetes.io/job-name": owner.name}
    elif owner.kind == "StatefulSet":
        name = f"{owner.name}-0"
        labels |= {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": "0"}
    metadata = ObjectMeta(
        name=name,
        generate_name=generate_name,
        labels=labels or None,
        owner_references=(OwnerReference(kind=owner.kind, name=owner.name, controller=True),),
    )
    return structs.replace(
        owner,
        operation="CREATE",
        kind=kind,
        name=name,
        user=UserInfo(
            username=f"system:serviceaccount:kube-system:{controller}",
            groups=("system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED),
        ),
        workload=structs.replace(owner.workload, kind=kind, metadata=metadata),
    )
