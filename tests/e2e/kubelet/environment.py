"""The environment of a container, and the references to it in command and args.

Follows `makeEnvironmentVariables` of k8s.io/kubernetes `pkg/kubelet/kubelet_pods.go` and `third_party/forked/golang/
expansion`.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.e2e.kubelet.api import Api, Object
from tests.e2e.kubelet.errors import CannotStartError, UnsupportedError
from tests.e2e.kubelet.fields import field, resource

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_MISSING = "CreateContainerConfigError"


def environment(api: Api, pod: Object, container: Object, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of *container*, on top of those that are *given* (the image's and the Services').

    Raises CannotStartError where a ConfigMap, Secret or key is missing, and UnsupportedError.
    """
    variables = dict(given)
    for source in container.get("envFrom") or []:
        variables.update(_all_of(api, pod, source))
    for entry in container.get("env") or []:
        if source := entry.get("valueFrom"):
            value = _value_from(api, pod, container, source)
            if value is not None:
                variables[entry["name"]] = value
        else:
            variables[entry["name"]] = expand(entry.get("value", ""), variables)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return *text* with `$(NAME)` replaced where NAME is known, and `$$` by `$`."""

    def replaced(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


def data(kind: str, found: Mapping[str, Any]) -> dict[str, bytes]:
    """Return what a ConfigMap or Secret holds, by key."""
    binary = found.get("data" if kind == "Secret" else "binaryData") or {}
    plain = {} if kind == "Secret" else found.get("data") or {}
    return {
        **{key: text.encode() for key, text in plain.items()},
        **{key: base64.b64decode(text) for key, text in binary.items()},
    }


def _all_of(api: Api, pod: Object, source: Object) -> Iterator[tuple[str, str]]:
    kind, reference = (
        ("ConfigMap", source["configMapRef"]) if "configMapRef" in source else ("Secret", source["secretRef"])
    )
    for key, value in _data(api, pod, kind, reference).items():
        yield source.get("prefix", "") + key, value.decode()


def _value_from(api: Api, pod: Object, container: Object, source: Object) -> str | None:
    if reference := source.get("fieldRef"):
        return field(pod, reference["fieldPath"])
    if reference := source.get("resourceFieldRef"):
        return resource(container, reference)
    for name, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if reference := source.get(name):
            value = _data(api, pod, kind, reference).get(reference["key"])
            if value is None and not reference.get("optional"):
                message = f"couldn't find key {reference['key']} in {kind} {reference['name']}"
                raise CannotStartError(_MISSING, message)
            return None if value is None else value.decode()
    message = f"env.valueFrom: {', '.join(source)}"
    raise UnsupportedError(message)


def _data(api: Api, pod: Object, kind: str, reference: Object) -> dict[str, bytes]:
    found = api.find(kind, reference["name"], pod["metadata"]["namespace"])
    if found is None and not reference.get("optional"):
        raise CannotStartError(_MISSING, f"{kind} {reference['name']} not found")
    return data(kind, found or {})
