"""YAML documents with the place of everything in them, read as strictly as Kubernetes reads JSON.

PyYAML keeps the last of two equal keys and turns dates into objects. Here a duplicate key is an error, a timestamp
stays text, an alias cannot grow without bound, and every error has a line.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import Struct

from webhook.policy.expected import in_words

MOST_NODES = 100_000  # of one document, aliases written out
DEEPEST = 64  # levels of nesting

T = TypeVar("T")


class Place(Struct, frozen=True):
    """A line and column of a file, both from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class DocumentError(ValueError):
    """Something in a file is wrong: where, at which path of the document, and what was expected there."""

    def __init__(self, place: Place, path: str, message: str) -> None:
        super().__init__(f"{place}: {path}: {message}" if path else f"{place}: {message}")
        self.place = place


class Document(Struct, frozen=True):
    """A document of a file: its value in plain Python, and the node it was read from."""

    file: str
    value: Any
    node: yaml.Node

    def error(self, path: str, message: str) -> DocumentError:
        """Return the error that *path* is wrong, placed there or at the deepest part of it that exists."""
        node = self.node
        for key, index in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
            child = _child(node, key, index)
            if child is None:
                break
            node = child
        return DocumentError(_place(self.file, node.start_mark), path, message)

    def convert(self, type_: type[T]) -> T:
        """Return the value as *type_*; raises DocumentError."""
        try:
            return msgspec.convert(self.value, type_)
        except msgspec.ValidationError as error:
            path, message = in_words(error, type_)
            raise self.error(path, message) from error


def read_documents(file: str, text: bytes) -> Iterator[Document]:
    """Yield the documents in *text*, empty ones left out; raises DocumentError, which names *file*."""
    loader = _LOADER(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = _Plain(file).of(node)
            if value is not None:
                yield Document(file, value, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(_place(file, mark), "", f"not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count(b"\n", 0, error.position) + 1
        raise DocumentError(Place(file, line, 1), "", "not YAML: it holds characters that YAML forbids") from error
    finally:
        loader.dispose()


# The loader in C, where PyYAML was built with libyaml: some ten times faster, and the same nodes.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
# What JSON has too, and no other tag: a merge key, a set or a tag of one's own would be read as something else.
_NODES = {
    "tag:yaml.org,2002:map": yaml.MappingNode,
    "tag:yaml.org,2002:seq": yaml.SequenceNode,
    "tag:yaml.org,2002:str": yaml.ScalarNode,
    "tag:yaml.org,2002:int": yaml.ScalarNode,
    "tag:yaml.org,2002:float": yaml.ScalarNode,
    "tag:yaml.org,2002:bool": yaml.ScalarNode,
    "tag:yaml.org,2002:null": yaml.ScalarNode,
    _TIMESTAMP: yaml.ScalarNode,
}


def _place(file: str, mark: Any) -> Place:
    return Place(file, 1, 1) if mark is None else Place(file, mark.line + 1, mark.column + 1)


def _child(node: yaml.Node, key: str, index: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and index.isdigit():
        return node.value[int(index)]  # type: ignore[no-any-return]  # PyYAML's stubs leave it open
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


class _Plain:
    """Turns the nodes of one document into dict, list and scalars."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0
        self._scalars = yaml.constructor.SafeConstructor()  # it keeps what it made: one a document, or memory grows

    def of(self, node: yaml.Node, depth: int = 0) -> Any:
        self._count += 1
        if self._count > MOST_NODES or depth > DEEPEST:
            raise self._error(node, f"more than {MOST_NODES} values or {DEEPEST} levels, aliases written out")
        if not isinstance(node, _NODES.get(node.tag, ())):
            raise self._error(node, f"not plain YAML, as JSON has it: {node.tag}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, depth + 1) for item in node.value]
        if node.tag == _TIMESTAMP:
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (ValueError, LookupError) as error:  # LookupError: of !!bool maybe and !!int ''
            raise self._error(node, f"not a value of {node.tag}") from error

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.of(key_node, depth + 1)
            if not isinstance(key, str):
                raise self._error(key_node, "a key must be text: put it in quotes")
            if key in mapping:
                raise self._error(key_node, f"the key {key} stands here twice")
            mapping[key] = self.of(value_node, depth + 1)
        return mapping

    def _error(self, node: yaml.Node, message: str) -> DocumentError:
        return DocumentError(_place(self._file, node.start_mark), "", message)
