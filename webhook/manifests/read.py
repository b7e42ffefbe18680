"""The objects in manifest files."""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from msgspec import Struct

from webhook.manifests.documents import Part, read_manifest_documents
from webhook.policy.document import Document, DocumentError, Place

LONGEST_FILE = 64 * 1024 * 1024  # bytes
_SOURCE = re.compile(rb"^# Source: (\S+)", re.MULTILINE)
_NO_OBJECT = "not a Kubernetes object: expected apiVersion and kind"
_UNRENDERED = "it looks like a Helm template: render it first: helm template . | podgate check -"


class Manifest(Struct, frozen=True):
    """An object in a file: the document it is in, at which path there, and what it says.

    `source` is the chart's template that Helm made it from, empty where it did not.
    """

    document: Document
    path: str
    value: dict[str, Any]
    api_version: str
    kind: str
    source: str = ""

    @property
    def file(self) -> str:
        """The file it is in."""
        return self.document.file

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata, empty where it has none that is a mapping."""
        metadata = self.value.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def group(self) -> str:
        """The API group, empty for the core's."""
        return self.api_version.rpartition("/")[0]

    def place(self, path: str = "") -> Place:
        """Return where *path* of the object stands, or the deepest part of it that exists."""
        return self.document.place(f"{self.path}.{path}")

    def error(self, path: str, message: str) -> DocumentError:
        """Return the error that *path* of the object is wrong."""
        return DocumentError(self.place(path), path, message)


def read_manifests(file: str, text: bytes) -> Iterator[Manifest | DocumentError]:
    """Yield the objects in *text*, those of lists one by one, and an error for each document that cannot be read."""
    for part, document in read_manifest_documents(file, text):
        if isinstance(document, DocumentError):
            yield _unrendered(document, part)
        else:
            found = _SOURCE.search(part.text)
            source = found[1].decode("utf-8", "replace") if found else ""
            yield from _objects(document, "", document.value, source)


def read_bounded(stream: BinaryIO) -> bytes:
    """Return what *stream* holds; raises OSError, or ValueError where that is too much."""
    text = stream.read(LONGEST_FILE + 1)
    if len(text) > LONGEST_FILE:
        msg = f"more than {LONGEST_FILE} bytes"
        raise ValueError(msg)
    return text


def _unrendered(error: DocumentError, part: Part) -> DocumentError:
    """Return *error*, in other words where the document is a chart's template."""
    if b"{{" not in part.text:
        return error
    line = part.above + part.text[: part.text.index(b"{{")].count(b"\n") + 1
    return DocumentError(Place(error.place.file, line, 1), "", _UNRENDERED)


def _objects(document: Document, path: str, value: Any, source: str) -> Iterator[Manifest | DocumentError]:
    """Yield the object *value*, or the items of the list that it is."""
    api_version, kind = _named(value, "apiVersion"), _named(value, "kind")
    if not api_version or not kind:
        place = document.place(path)
        yield DocumentError(place, path, _NO_OBJECT)
        return
    items = value.get("items")
    if not (kind.endswith("List") and isinstance(items, list)):
        yield Manifest(document, path, value, api_version, kind, source)
        return
    # The items of a DeploymentList, say, need not say what they are.
    typed = {} if kind == "List" else {"apiVersion": api_version, "kind": kind.removesuffix("List")}
    for index, item in enumerate(items):
        named = typed | item if isinstance(item, dict) else item
        yield from _objects(document, f"{path}.items[{index}]".removeprefix("."), named, source)


def _named(value: Any, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
