"""Container images made of a few files, without a container engine, as OCI image layouts (image-spec v1.1)."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

Files = Mapping[str, str]
_MEDIA_TYPE = "application/vnd.oci.image"


class Image(Struct, frozen=True):
    """What an image of one platform holds: the files of each layer, and its configuration."""

    layers: tuple[Files, ...]
    user: str = ""
    architecture: str = "amd64"
    created: str = "2026-11-01T00:00:00Z"


class Package(Struct, frozen=True):
    """An installed package of a distribution, and the source package that it was built from."""

    name: str
    source: str
    version: str


def debian(*packages: Package, release: str = "12") -> Files:
    """Return the files by which Trivy knows Debian *release* with *packages*."""
    status = (
        f"Package: {each.name}\nStatus: install ok installed\nArchitecture: all\nSource: {each.source}\n"
        f"Version: {each.version}\n"
        for each in packages
    )
    return {
        "etc/os-release": f'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="{release}"\n',
        "etc/debian_version": f"{release}.8\n",
        "var/lib/dpkg/status": "\n".join(status),
    }


def alpine(*packages: Package) -> Files:
    """Return the files by which Trivy knows Alpine 3.20 with *packages*."""
    installed = (
        f"C:Q1\nP:{each.name}\nV:{each.version}\nA:x86_64\nS:1\nI:1\nT:{each.name}\nL:MIT\no:{each.source}\n"
        for each in packages
    )
    return {
        "etc/os-release": 'ID=alpine\nNAME="Alpine Linux"\nVERSION_ID=3.20.3\n',
        "etc/alpine-release": "3.20.3\n",
        "lib/apk/db/installed": "\n".join(installed) + "\n",
    }


def python(name: str, version: str) -> Files:
    """Return the files by which Trivy knows an installed Python distribution."""
    folder = f"usr/local/lib/python3.11/site-packages/{name}-{version}.dist-info"
    return {f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: BSD-3-Clause\n"}


def write_layout(folder: Path, *images: Image) -> str:
    """Write an image layout to *folder*, of an index where there are several images; return the digest to pin it by.

    The same images always have the same digest.
    """
    (folder / "blobs/sha256").mkdir(parents=True)
    manifests = [_image(folder, image) for image in images]
    index = json.dumps({"schemaVersion": 2, "mediaType": f"{_MEDIA_TYPE}.index.v1+json", "manifests": manifests})
    (folder / "index.json").write_text(index)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return manifests[0]["digest"] if len(manifests) == 1 else _digest(index.encode())


def _image(folder: Path, image: Image) -> dict[str, Any]:
    """Write the blobs of *image* and return the descriptor of its manifest."""
    tars = [_tar(files) for files in image.layers]
    platform = {"architecture": image.architecture, "os": "linux"}
    configuration = {
        "created": image.created,
        **platform,
        "config": {"User": image.user} if image.user else {},
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
        "history": [{"created": image.created, "created_by": "COPY . /"} for _ in tars],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA_TYPE}.manifest.v1+json",
        "config": _blob(folder, "config.v1+json", json.dumps(configuration).encode()),
        "layers": [_blob(folder, "layer.v1.tar+gzip", gzip.compress(tar, mtime=0)) for tar in tars],
    }
    return {**_blob(folder, "manifest.v1+json", json.dumps(manifest).encode()), "platform": platform}


def _tar(files: Files) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _blob(folder: Path, kind: str, content: bytes) -> dict[str, Any]:
    """Write a blob and return its descriptor."""
    digest = _digest(content)
    (folder / "blobs" / digest.replace(":", "/")).write_bytes(content)
    return {"mediaType": f"{_MEDIA_TYPE}.{kind}", "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
