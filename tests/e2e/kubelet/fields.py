"""What a pod can be told about itself: fieldRef and resourceFieldRef.

Follows k8s.io/kubernetes `pkg/fieldpath/fieldpath.go` and `pkg/api/v1/resource/helpers.go`.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any

import kubernetes.utils.quantity

from tests.e2e.kubelet.api import Object
from tests.e2e.kubelet.errors import UnsupportedError

ALLOCATABLE = {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "64Gi", "pods": "110"}
_SUBSCRIPT = re.compile(r"metadata\.(annotations|labels)\['(.+)'\]")


def field(pod: Object, path: str) -> str:
    """Return the pod's field at *path*, such as `metadata.name` or `metadata.labels['app']`; empty where it is not."""
    if subscript := _SUBSCRIPT.fullmatch(path):
        return str((pod["metadata"].get(subscript[1]) or {}).get(subscript[2], ""))
    value: Any = pod
    for name in path.split("."):
        value = (value or {}).get(name)
    if path in {"metadata.labels", "metadata.annotations"}:
        return "\n".join(f"{key}={json.dumps(text)}" for key, text in sorted((value or {}).items()))
    if path in {"status.podIPs", "status.hostIPs"}:
        return ",".join(each["ip"] for each in value or [])
    return "" if value is None else str(value)


def resource(container: Object, reference: Object) -> str:
    """Return a limit or request of *container* in units of the divisor, rounded up.

    A limit that is not set is what the node has.
    """
    group, _, name = reference["resource"].partition(".")
    if group not in {"limits", "requests"}:
        message = f"resourceFieldRef.resource: {reference['resource']}"
        raise UnsupportedError(message)
    given = (container.get("resources") or {}).get(group, {}).get(name)
    if given is None:
        given = ALLOCATABLE[name] if group == "limits" else "0"
    divisor = _quantity(reference.get("divisor") or "0")
    return str(math.ceil(_quantity(given) / (divisor or Decimal(1))))


def _quantity(text: str) -> Decimal:
    parse: Any = kubernetes.utils.quantity.parse_quantity
    return Decimal(parse(text))
