"""What the API server fills in before it asks, as far as it can change a verdict.

That is little: checks read an unset field as what it means in Kubernetes. A null is an unset field, and where it is an
item of a list an empty one, as Go's decoder has it. Policies may match by labels, and an object of two kinds that has
none takes those of its template (k8s.io/kubernetes v1.37, pkg/apis/batch/v1/defaults.go, pkg/apis/core/v1/defaults.go).
"""

from typing import Any

_LABELS_OF_TEMPLATE = ("Job", "ReplicationController")


def defaulted(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return the object *value*, of kind *kind*, as the API server would send it; it is not changed itself."""
    sent: dict[str, Any] = _without_nulls(value)
    if kind in _LABELS_OF_TEMPLATE and not labels_at(sent) and (labels := labels_at(sent, "spec", "template")):
        metadata = sent.get("metadata", {})
        return sent | {"metadata": metadata | {"labels": labels}} if isinstance(metadata, dict) else sent
    return sent


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [{} if item is None else _without_nulls(item) for item in value]
    return value


def labels_at(value: Any, *path: str) -> dict[str, str]:
    """Return the labels in the metadata of what stands at *path* of *value*; none where that cannot be."""
    for key in (*path, "metadata", "labels"):
        value = value.get(key) if isinstance(value, dict) else None
    return {key: label for key, label in value.items() if isinstance(label, str)} if isinstance(value, dict) else {}
