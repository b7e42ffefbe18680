"""YAML documents with the place of everything in them, read as strictly as Kubernetes reads JSON.

PyYAML keeps the last of two equal keys and turns dates into objects. Here a duplicate key is an error, a timestamp
stays text, an alias cannot grow without bound, and every error has a line. A Dialect says what else counts as a value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec
import yaml
from msgspec import Struct

from webhook.policy.expected import in_words

MERGE = "tag:yaml.org,2002:merge"

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
    """A document of a file: its value in plain Python, and the node it was read from, *above* lines into the file."""

    file: str
    value: Any
    node: yaml.Node
    above: int = 0

    def place(self, path: str) -> Place:
        """Return where *path* stands, or the deepest part of it that exists."""
        node = self.node
        for key, index in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
            child = _child(node, key, index)
            if child is None:
                break
            node = child
        return _place(self.file, node.start_mark, self.above)

    def error(self, path: str, message: str) -> DocumentError:
        """Return the error that *path* is wrong, placed there or at the deepest part of it that exists."""
        return DocumentError(self.place(path), path, message)

    def convert(self, type_: type[T]) -> T:
        """Return the value as *type_*; raises DocumentError."""
        try:
            return msgspec.convert(self.value, type_)
        except msgspec.ValidationError as error:
            path, message = in_words(error, type_)
            raise self.error(path, message) from error


# The loader in C, where PyYAML was built with libyaml: some ten times faster, and the same nodes.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class Dialect:
    """Turns the nodes of one document into dict, list and scalars: those of JSON, and nothing else."""

    loader: Any = LOADER
    most_nodes = 100_000  # aliases written out
    deepest = 64  # levels of nesting
    # What JSON has too, and no other tag: a merge key, a set or a tag of one's own would be read as something else.
    tags: ClassVar[Mapping[str, type[yaml.Node]]] = {
        "tag:yaml.org,2002:map": yaml.MappingNode,
        "tag:yaml.org,2002:seq": yaml.SequenceNode,
        "tag:yaml.org,2002:str": yaml.ScalarNode,
        "tag:yaml.org,2002:int": yaml.ScalarNode,
        "tag:yaml.org,2002:float": yaml.ScalarNode,
        "tag:yaml.org,2002:bool": yaml.ScalarNode,
        "tag:yaml.org,2002:null": yaml.ScalarNode,
        _TIMESTAMP: yaml.ScalarNode,
    }

    def __init__(self, file: str, above: int) -> None:
        """Read a document of *file* that has *above* lines above it."""
        self._file = file
        self._above = above
        self._count = 0
        self._scalars = yaml.constructor.SafeConstructor()  # it keeps what it made: one a document, or memory grows

    def of(self, node: yaml.Node, depth: int = 0) -> Any:
        """Return the value of *node*; raises DocumentError."""
        self._count += 1
        if self._count > self.most_nodes or depth > self.deepest:
            raise self.error(node, f"more than {self.most_nodes} values or {self.deepest} levels, aliases written out")
        if not isinstance(node, self.tags.get(node.tag, ())):
            raise self.error(node, f"not plain YAML, as JSON has it: {node.tag}")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, depth + 1) for item in node.value]
        return self.scalar(node)

    def scalar(self, node: yaml.Node) -> Any:
        """Return the value of a scalar; raises DocumentError."""
        if node.tag == _TIMESTAMP:
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (ValueError, LookupError) as error:  # LookupError: of !!bool maybe and !!int ''
            raise self.error(node, f"not a value of {node.tag}") from error

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        """Return the value of a mapping; raises DocumentError."""
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node, depth)
            if key in mapping:
                raise self.error(key_node, f"the key {key} stands here twice")
            mapping[key] = self.of(value_node, depth + 1)
        return mapping

    def key(self, node: yaml.Node, depth: int) -> str:
        """Return the key that *node* is; raises DocumentError."""
        key = self.of(node, depth + 1)
        if not isinstance(key, str):
            raise self.error(node, "a key must be text: put it in quotes")
        return key

    def error(self, node: yaml.Node, message: str) -> DocumentError:
        """Return the error that *node* is wrong."""
        return DocumentError(_place(self._file, node.start_mark, self._above), "", message)


def read_documents(file: str, text: bytes, dialect: type[Dialect] = Dialect, *, above: int = 0) -> Iterator[Document]:
    """Yield the documents in *text*, empty ones left out; raises DocumentError, which names *file*.

    *above* is how many lines of the file stand above *text*.
    """
    loader = dialect.loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = dialect(file, above).of(node)
            if value is not None:
                yield Document(file, value, node, above)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(_place(file, mark, above), "", f"not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = above + text.count(b"\n", 0, error.position) + 1
        raise DocumentError(Place(file, line, 1), "", "not YAML: it holds characters that YAML forbids") from error
    finally:
        loader.dispose()


def _place(file: str, mark: Any, above: int) -> Place:
    return Place(file, above + 1, 1) if mark is None else Place(file, above + mark.line + 1, mark.column + 1)


def _child(node: yaml.Node, key: str, index: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and index.isdigit():
        return node.value[int(index)]  # type: ignore[no-any-return]  # PyYAML's stubs leave it open
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):  # where two count, as with a merge, the later does
            found = _merged(value, key) if name.tag == MERGE else value if name.value == key else None
            if found is not None:
                return found
    return None


def _merged(node: yaml.Node, key: str) -> yaml.Node | None:
    """Return what stands at *key* in a mapping that is merged into another, or in the first of several."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return next((found for each in nodes if (found := _child(each, key, "")) is not None), None)
