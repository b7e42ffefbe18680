"""The API server in plain JSON: objects are dictionaries, as in a manifest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes.config
import kubernetes.dynamic
import kubernetes.watch
from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
WATCH_SECONDS = 300
NOT_FOUND, CONFLICT = 404, 409
_VERSIONS = {"Lease": "coordination.k8s.io/v1", "EndpointSlice": "discovery.k8s.io/v1"}


class Api:
    """Objects by kind, namespace and name, of the API server that *kubeconfig* names.

    All raise ApiException when the server refuses, and urllib3's HTTPError when it does not answer.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """Connect; *folder* takes what is discovered about the server."""
        untyped: Any = kubernetes
        client = untyped.config.new_client_from_config(str(kubeconfig))
        self._dynamic = untyped.dynamic.DynamicClient(client, cache_file=str(folder / "discovery.json"))
        self._watch = untyped.watch.Watch()

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """Return an object."""
        found: Object = self._kind(kind).get(name=name, namespace=namespace).to_dict()
        return found

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object, or None where there is none."""
        try:
            return self.get(kind, name, namespace)
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def list(self, kind: str, selector: str = "") -> tuple[list[Object], str]:
        """Return the objects of all namespaces that the field selector takes, and the list's resourceVersion."""
        answer = self._kind(kind).get(field_selector=selector).to_dict()
        return answer["items"], answer["metadata"]["resourceVersion"]

    def create(self, kind: str, body: Object, namespace: str | None = None) -> Object:
        """Create an object and return it."""
        created: Object = self._kind(kind).create(body=body, namespace=namespace).to_dict()
        return created

    def patch(self, kind: str, name: str, body: Object, namespace: str | None = None) -> None:
        """Change an object by a strategic merge patch."""
        self._kind(kind).patch(name=name, body=body, namespace=namespace)

    def patch_status(self, kind: str, name: str, status: Object, namespace: str | None = None) -> None:
        """Change an object's status by a strategic merge patch: conditions are merged by type."""
        self._kind(kind).status.patch(name=name, namespace=namespace, body={"status": status})

    def delete(self, kind: str, name: str, namespace: str | None = None, uid: str | None = None) -> None:
        """Delete an object at once, that with *uid* if given, if it is there."""
        options: Object = {"gracePeriodSeconds": 0, **({"preconditions": {"uid": uid}} if uid else {})}
        try:
            self._kind(kind).delete(name=name, namespace=namespace, body=options)
        except ApiException as error:
            if error.status not in {NOT_FOUND, CONFLICT}:  # a conflict: it is another one of that name
                raise

    def token(self, account: str, namespace: str, request: Object) -> str:
        """Return a token of a service account, as the spec of a TokenRequest asks."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": request}
        tokens = self._kind("ServiceAccount").subresources["token"]
        answer = tokens.create(name=account, namespace=namespace, body=body)
        return str(answer.status.token)

    def watch(self, kind: str, selector: str, version: str) -> Iterator[tuple[str, Object]]:
        """Yield each change after *version* with its type, until the server or `stop` ends it."""
        source = self._kind(kind).watch(
            field_selector=selector, resource_version=version, timeout=WATCH_SECONDS, watcher=self._watch
        )
        for event in source:
            yield event["type"], event["raw_object"]

    def stop(self) -> None:
        """End the watch that is under way, if it has begun."""
        self._watch.stop()

    def _kind(self, kind: str) -> Any:
        return self._dynamic.resources.get(api_version=_VERSIONS.get(kind, "v1"), kind=kind)
