"""Which workload a review is about: the object itself, and the workloads it was verifiably made from.

Anyone who may create a pod can write any ownerReferences into it. An owner counts only where the very controller that
makes such objects asks, since it writes the owner that it works for.
"""

import re

from webhook.model.review import Review

CREATORS = {
    ("Pod", "ReplicaSet"): "replicaset-controller",
    ("Pod", "StatefulSet"): "statefulset-controller",
    ("Pod", "DaemonSet"): "daemon-set-controller",
    ("Pod", "Job"): "job-controller",
    ("Pod", "ReplicationController"): "replication-controller",
    ("ReplicaSet", "Deployment"): "deployment-controller",
    ("Job", "CronJob"): "cronjob-controller",
}
"""The controller of the controller manager that creates objects of the first kind for owners of the second."""

# A controller manager without --use-service-account-credentials asks as itself.
_MANAGER = "system:kube-controller-manager"
_CRON_SUFFIX = re.compile(r"-[0-9]+")


def identities(review: Review) -> tuple[tuple[str, str], ...]:
    """Return kind and name of the object of *review* and of its verified owners, the object first."""
    metadata = review.workload.metadata
    found = [(review.kind, review.name or metadata.generate_name)]
    owner = next((owner for owner in metadata.owner_references or () if owner.controller), None)
    if owner is None:
        return tuple(found)
    creator = CREATORS.get((review.kind, owner.kind))
    if creator is None or review.user.username not in (f"system:serviceaccount:kube-system:{creator}", _MANAGER):
        return tuple(found)
    found.append((owner.kind, owner.name))
    if owner.kind == "ReplicaSet":
        suffix = f"-{(metadata.labels or {}).get('pod-template-hash', '')}"
        if owner.name.endswith(suffix) and suffix != "-":
            found.append(("Deployment", owner.name.removesuffix(suffix)))
    elif owner.kind == "Job":
        name, dash, minute = owner.name.rpartition("-")
        if dash and _CRON_SUFFIX.fullmatch(f"-{minute}"):
            found.append(("CronJob", name))
    return tuple(found)
