"""A PersistentVolume for each claim that waits for one: a folder on this machine."""

from pathlib import Path

from kubernetes.client.exceptions import ApiException

from tests.e2e.kubelet.api import CONFLICT, Api, Object


def provide(api: Api, folder: Path) -> None:
    """Make a folder and a volume for each claim without a storage class that has none; the controllers bind them."""
    claims, _ = api.list("PersistentVolumeClaim")
    for claim in claims:
        spec = claim["spec"]
        if not spec.get("volumeName") and not spec.get("storageClassName"):
            _provide(api, claim, folder)


def _provide(api: Api, claim: Object, folder: Path) -> None:
    metadata, spec = claim["metadata"], claim["spec"]
    path = folder / metadata["uid"]
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o777)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"claim-{metadata['uid']}"},
        "spec": {
            "capacity": spec["resources"]["requests"],
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {key: metadata[key] for key in ("namespace", "name", "uid")},
            "hostPath": {"path": str(path)},
        },
    }
    try:
        api.create("PersistentVolume", volume)
    except ApiException as error:
        if error.status != CONFLICT:  # made a moment ago, and not bound yet
            raise
