"""The documents of a manifest file, as kubectl parts and reads them.

A line of `---` parts them before YAML is read at all, so that one that is broken does not spoil the others
(k8s.io/apimachinery, pkg/util/yaml/decoder.go); each is read as sigs.k8s.io/yaml does, but for keys that stand twice:
kubectl keeps one of them, here they are an error.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml
from msgspec import Struct

from webhook.manifests.scalars import BOOL, FLOAT, INT, NULL, STR, Scalar, resolve
from webhook.policy.document import LOADER, MERGE, Dialect, Document, DocumentError, Place, read_documents

_BINARY = "tag:yaml.org,2002:binary"
_MAP = "tag:yaml.org,2002:map"
_SEQ = "tag:yaml.org,2002:seq"
_BOM = b"\xef\xbb\xbf"
_SEPARATOR = b"---"
_JSON = json.JSONDecoder()
_MOST_EXACT = 2**53  # whole floats below it are whole numbers, which a field for integers takes
# JSON spells characters past U+FFFF in two halves, which YAML does not know.
_SURROGATES = re.compile(rb"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")


class _Loader(LOADER):  # type: ignore[misc]  # which of the two loaders it is, is known at run time only
    """PyYAML's loader with the plain scalars of Kubernetes."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is yaml.ScalarNode:
            return resolve(value)[0] if implicit[0] else STR
        return _MAP if kind is yaml.MappingNode else _SEQ


class KubernetesYAML(Dialect):
    """YAML as sigs.k8s.io/yaml turns it into JSON."""

    loader = _Loader
    most_nodes = 1_000_000
    deepest = 128
    tags: ClassVar = {
        _MAP: yaml.MappingNode,
        _SEQ: yaml.SequenceNode,
        **dict.fromkeys((STR, INT, FLOAT, BOOL, NULL, MERGE, _BINARY), yaml.ScalarNode),
    }

    def scalar(self, node: yaml.Node) -> Scalar:
        """Return the value of a scalar; raises DocumentError."""
        if node.tag == STR:
            return node.value  # type: ignore[no-any-return]  # PyYAML's stubs leave it open
        if node.tag == _BINARY:
            return self._binary(node)
        tag, value = resolve(node.value)
        if node.tag == FLOAT and tag in (INT, FLOAT):
            tag, value = FLOAT, float(value or 0)
        if tag != node.tag:
            raise self.error(node, f"not a value of {node.tag}")
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self.error(node, "not a number that JSON has")
            return int(value) if value.is_integer() and abs(value) < _MOST_EXACT else value
        return value

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        """Return the value of a mapping; a merge counts where it stands: what comes later wins."""
        merged: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                merged |= self._merge(value_node, depth)
                continue
            key = self.key(key_node, depth)
            if key in own:
                raise self.error(key_node, f"the key {key} stands here twice")
            own.add(key)
            merged[key] = self.of(value_node, depth + 1)
        return merged

    def key(self, node: yaml.Node, depth: int) -> str:
        """Return the key that *node* is: a boolean or whole number becomes text; raises DocumentError."""
        key = self.of(node, depth + 1)
        if isinstance(key, bool):
            return "true" if key else "false"
        if isinstance(key, int):
            return str(key)
        if not isinstance(key, str):
            raise self.error(node, "a key must be text: put it in quotes")
        return key

    def _merge(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for each in reversed(nodes):  # of several, the first wins
            if not isinstance(each, yaml.MappingNode):
                raise self.error(each, "only a mapping can be merged")
            merged |= self.of(each, depth + 1)
        return merged

    def _binary(self, node: yaml.Node) -> str:
        try:
            return base64.b64decode(re.sub(r"[\r\n]", "", node.value), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self.error(node, "not base64 of text in UTF-8") from error


class Part(Struct, frozen=True):
    """The text of one document, and how many lines of the file stand above it."""

    text: bytes
    above: int


def read_manifest_documents(file: str, text: bytes) -> Iterator[tuple[Part, Document | DocumentError]]:
    """Yield the documents in *text*, or what is wrong with one; empty ones are left out."""
    try:
        parts = list(_parts(file, text.removeprefix(_BOM)))
    except DocumentError as error:
        yield Part(text, 0), error
        return
    for part in parts:
        try:
            for document in read_documents(file, part.text, KubernetesYAML, above=part.above):
                yield part, document
        except DocumentError as error:
            yield part, error


def _parts(file: str, text: bytes) -> Iterator[Part]:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DocumentError(Place(file, 1, 1), "", "the text must be UTF-8, not UTF-16")
    above = 0
    if text.lstrip().startswith(b"{"):
        objects = list(_objects(text))
        for part in objects:
            yield Part(_SURROGATES.sub(_joined, part).expandtabs(1), above)
            above += part.count(b"\n")
        text = text[sum(map(len, objects)) :]
    lines: list[bytes] = []
    for line in text.splitlines(keepends=True):
        if not line.startswith(_SEPARATOR):
            lines.append(line)
            continue
        yield Part(b"".join(lines), above)
        above += len(lines)
        rest = line[len(_SEPARATOR) :].strip()
        if rest and not rest.startswith(b"#"):
            raise DocumentError(Place(file, above + 1, 4), "", "only a comment may follow --- on its line")
        lines = [rest + b"\n"]
    yield Part(b"".join(lines), above)


def _objects(text: bytes) -> Iterator[bytes]:
    """Yield objects of JSON that stand one after another, as jq writes them, each with the white space before it."""
    try:
        left = text.decode()
        while left.strip():
            _, end = _JSON.raw_decode(left, len(left) - len(left.lstrip()))
            yield left[:end].encode()
            left = left[end:]
    except (ValueError, RecursionError):
        return  # the rest is YAML, or wrong: either way YAML's reader says


def _joined(match: re.Match[bytes]) -> bytes:
    return match[1] + match[2].decode("unicode-escape").encode("utf-16", "surrogatepass").decode("utf-16").encode()
