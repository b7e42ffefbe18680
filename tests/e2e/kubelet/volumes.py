"""A pod's volumes: folders on this machine that are mounted into its containers.

Follows k8s.io/kubernetes `pkg/volume`: configmap, secret, downwardapi, projected, emptydir, hostpath, and `SetVolume
Ownership` for fsGroup. A PersistentVolume is a hostPath.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.kubelet import atomic
from tests.e2e.kubelet.api import Api, Object
from tests.e2e.kubelet.atomic import File
from tests.e2e.kubelet.environment import data, expand
from tests.e2e.kubelet.errors import CannotStartError, UnsupportedError
from tests.e2e.kubelet.fields import field, resource
from tests.e2e.kubelet.security import common_user

Mount = tuple[str, str, bool]  # a source on this machine, a path in the container, whether it is read-only
_WRITTEN = ("configMap", "secret", "downwardAPI", "projected")
_WAITING = "ContainerCreating"
_RENEW_AFTER = 0.8  # of a token's life, as the kubelet does


class Volumes:
    """The volumes of *pod*, in *folder*."""

    def __init__(self, api: Api, pod: Object, folder: Path) -> None:
        self._api = api
        self._pod = pod
        self._folder = folder
        self._namespace: str = pod["metadata"]["namespace"]
        self._group: int | None = (pod["spec"].get("securityContext") or {}).get("fsGroup")
        self._volumes: dict[str, Object] = {each["name"]: each for each in pod["spec"].get("volumes") or []}
        self._tokens: dict[str, tuple[float, str]] = {}

    def lay_out(self) -> None:
        """Make all volumes; raises CannotStartError where something is missing, and UnsupportedError."""
        for name, volume in self._volumes.items():
            source = self._source(name)
            if _written(volume) is None and "hostPath" not in volume:
                self._make(source)
        self.refresh()

    def refresh(self) -> None:
        """Write anew what has changed in ConfigMaps, Secrets, tokens and the pod itself; raises CannotStartError."""
        for name, volume in self._volumes.items():
            if (kind := _written(volume)) is not None:
                source = self._source(name)
                source.mkdir(parents=True, exist_ok=True)
                files = dict(self._files(kind, volume[kind], volume[kind].get("defaultMode", 0o644)))
                atomic.write(source, files, self._group)

    def mounts(self, container: Object, environment: dict[str, str]) -> list[Mount]:
        """Return the mounts of *container*."""
        found: list[Mount] = []
        for mount in container.get("volumeMounts") or []:
            volume = self._volumes[mount["name"]]
            source = self._source(mount["name"])
            if part := mount.get("subPath") or expand(mount.get("subPathExpr", ""), environment):
                source = (source / part).resolve()
                if not source.exists():
                    self._make(source)
            read_only = bool(mount.get("readOnly")) or _written(volume) is not None
            found.append((str(source), mount["mountPath"], read_only))
        return found

    def _source(self, name: str) -> Path:
        """Return the folder of a volume."""
        volume = self._volumes[name]
        if claim := volume.get("persistentVolumeClaim"):
            return self._claimed(claim["claimName"])
        if host := volume.get("hostPath"):
            return Path(host["path"])
        if "emptyDir" in volume or _written(volume) is not None:
            return self._folder / name
        message = f"spec.volumes: {', '.join(set(volume) - {'name'})}"
        raise UnsupportedError(message)

    def _make(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        if self._group is not None and folder.is_dir():
            os.chown(folder, -1, self._group)
            folder.chmod(0o2777 & (folder.stat().st_mode | 0o2770))

    def _claimed(self, name: str) -> Path:
        claim = self._api.find("PersistentVolumeClaim", name, self._namespace) or {}
        volume = claim.get("spec", {}).get("volumeName")
        if not volume:
            raise CannotStartError(_WAITING, f"PersistentVolumeClaim {name} is not bound")
        return Path(self._api.get("PersistentVolume", volume)["spec"]["hostPath"]["path"])

    def _files(self, kind: str, source: Object, mode: int) -> Iterator[tuple[str, File]]:
        read: dict[str, Callable[[Object, int], Iterator[tuple[str, File]]]] = {
            "configMap": lambda source, mode: self._keys("ConfigMap", source, mode),
            "secret": lambda source, mode: self._keys("Secret", source, mode),
            "downwardAPI": self._fields,
            "serviceAccountToken": self._token,
        }
        if kind != "projected":
            yield from read[kind](source, mode)
            return
        for projection in source.get("sources") or []:
            for each, inner in projection.items():
                if each not in read:
                    message = f"spec.volumes.projected.sources: {each}"
                    raise UnsupportedError(message)
                yield from read[each](inner, mode)

    def _keys(self, kind: str, source: Object, mode: int) -> Iterator[tuple[str, File]]:
        name = source.get("secretName") or source["name"]
        optional = source.get("optional")
        found = self._api.find(kind, name, self._namespace)
        if found is None and not optional:
            raise CannotStartError(_WAITING, f"{kind} {name} not found")
        values = data(kind, found or {})
        items = source.get("items") or [{"key": key, "path": key} for key in values]
        for item in items:
            if item["key"] in values:
                yield item["path"], File(values[item["key"]], item.get("mode", mode))
            elif not optional:
                raise CannotStartError(_WAITING, f"{kind} {name} has no key {item['key']}")

    def _fields(self, source: Object, mode: int) -> Iterator[tuple[str, File]]:
        for item in source.get("items") or []:
            if reference := item.get("fieldRef"):
                text = field(self._pod, reference["fieldPath"])
            else:
                reference = item["resourceFieldRef"]
                containers = {each["name"]: each for each in self._pod["spec"]["containers"]}
                text = resource(containers[reference["containerName"]], reference)
            yield item["path"], File(text.encode(), item.get("mode", mode))

    def _token(self, source: Object, mode: int) -> Iterator[tuple[str, File]]:
        """Yield a token that ends with the pod; it is renewed when most of its life is over."""
        path = source["path"]
        renew_at, token = self._tokens.get(path, (0.0, ""))
        if time.monotonic() > renew_at:
            seconds = source.get("expirationSeconds", 3600)
            token = self._api.token(self._pod["spec"]["serviceAccountName"], self._namespace, self._request(source))
            self._tokens[path] = (time.monotonic() + seconds * _RENEW_AFTER, token)
        owner = common_user(self._pod)
        private = owner is not None or self._group is not None
        yield path, File(token.encode(), 0o600 if private else mode, owner or 0)

    def _request(self, source: Object) -> Object:
        metadata = self._pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        audiences = [source["audience"]] if source.get("audience") else []
        return {
            "audiences": audiences,
            "expirationSeconds": source.get("expirationSeconds", 3600),
            "boundObjectRef": bound,
        }


def _written(volume: Object) -> str | None:
    """Return the kind of a volume whose files the kubelet writes and no container may."""
    return next((kind for kind in _WRITTEN if kind in volume), None)
