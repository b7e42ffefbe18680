"""Reading YAML: strict, bounded, and with the place of everything that is wrong."""

import gc
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.policy.document import Document, DocumentError, Place, read_documents


def values(text: str | bytes) -> list[Any]:
    encoded = text.encode() if isinstance(text, str) else text
    return [document.value for document in read_documents("a.yaml", encoded)]


def only(text: str) -> Document:
    (document,) = read_documents("a.yaml", text.encode())
    return document


def error_in(text: str | bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        values(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: [1, two, 3.5, true, null, ~]", {"a": [1, "two", 3.5, True, None, None]}, id="scalars"),
        pytest.param("a: 2027-01-31", {"a": "2027-01-31"}, id="date stays text"),
        pytest.param("a: 2027-01-31T00:00:00Z", {"a": "2027-01-31T00:00:00Z"}, id="timestamp stays text"),
        pytest.param("2027-01-31: a", {"2027-01-31": "a"}, id="timestamp as a key"),
        pytest.param("a: &x [1]\nb: *x", {"a": [1], "b": [1]}, id="alias"),
        pytest.param("a: !!str 5", {"a": "5"}, id="tag of a plain type"),
        pytest.param('{"a": {"b": "\\u00e9"}}', {"a": {"b": "é"}}, id="JSON"),
        pytest.param("\ufeffa: é", {"a": "é"}, id="byte order mark"),
        pytest.param('"on": {"1": no}', {"on": {"1": False}}, id="quoted keys"),
    ],
)
def test_a_document_becomes_plain_values(text: str, value: object) -> None:
    assert values(text) == [value]


def test_empty_documents_are_left_out() -> None:
    assert values("---\n---\na: 1\n---\n# nothing\n---\nnull\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


def test_no_text_holds_no_document() -> None:
    assert values("") == []
    assert values("# nothing but words\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: 1\nb:\n  c: 1\n  c: 2", "a.yaml:4:3: the key c stands here twice", id="duplicate key"),
        pytest.param("'a': 1\n\"a\": 1", "a.yaml:2:1: the key a stands here twice", id="duplicate in other quotes"),
        pytest.param("on: 1", "a.yaml:1:1: a key must be text: put it in quotes", id="boolean key"),
        pytest.param("a: {1: 1}", "a.yaml:1:5: a key must be text: put it in quotes", id="number as key"),
        pytest.param("? [a]\n: 1", "a.yaml:1:3: a key must be text: put it in quotes", id="list as key"),
        pytest.param("? {a: 1}\n: 1", "a.yaml:1:3: a key must be text: put it in quotes", id="mapping as key"),
        pytest.param("a: !!int x", "a.yaml:1:4: not a value of tag:yaml.org,2002:int", id="no integer"),
        pytest.param("a: !!int ''", "a.yaml:1:4: not a value of tag:yaml.org,2002:int", id="empty integer"),
        pytest.param("a: !!float ''", "a.yaml:1:4: not a value of tag:yaml.org,2002:float", id="empty float"),
        pytest.param("a: !!bool maybe", "a.yaml:1:4: not a value of tag:yaml.org,2002:bool", id="no boolean"),
        pytest.param("a: !mine x", "a.yaml:1:4: not plain YAML, as JSON has it: !mine", id="tag of one's own"),
        pytest.param("a: !mine {b: 1}", "a.yaml:1:4: not plain YAML, as JSON has it: !mine", id="on a mapping"),
        pytest.param("a: !mine [b]", "a.yaml:1:4: not plain YAML, as JSON has it: !mine", id="on a list"),
        pytest.param(
            "a: !!python/object/apply:os.system [id]",
            "a.yaml:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:python/object/apply:os.system",
            id="Python object",
        ),
        pytest.param(
            "a: !!binary aGk=", "a.yaml:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:binary", id="binary"
        ),
        pytest.param("!!set {a, b}", "a.yaml:1:1: not plain YAML, as JSON has it: tag:yaml.org,2002:set", id="set"),
        pytest.param("a: !!set x", "a.yaml:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:set", id="empty set"),
        pytest.param(
            "x: &x {a: 1}\nb:\n  <<: *x",
            "a.yaml:3:3: not plain YAML, as JSON has it: tag:yaml.org,2002:merge",
            id="merge key",
        ),
        pytest.param("a: !!map b", "a.yaml:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:map", id="no map"),
        pytest.param("a: !!seq {b}", "a.yaml:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:seq", id="no list"),
        pytest.param("a: !!str [b]", "a.yaml:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:str", id="no text"),
        pytest.param("a: [", "a.yaml:2:1: not YAML: did not find expected node content", id="not closed"),
        pytest.param("a: b: c", "a.yaml:1:5: not YAML: mapping values are not allowed in this context", id="no YAML"),
        pytest.param("a:\n\t- b", "a.yaml:2:1: not YAML: found character that cannot start any token", id="tab"),
        pytest.param("a: *b", "a.yaml:1:4: not YAML: found undefined alias", id="alias of nothing"),
        pytest.param("%YAML 9.9\n--- a", "a.yaml:1:1: not YAML: found incompatible YAML document", id="version"),
        pytest.param("a: 1\n--- }", "a.yaml:2:5: not YAML: did not find expected node content", id="second document"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    assert error_in(text) == message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: é\n\n\nb: ".encode() + b"\xff\n\n", id="not UTF-8"),
        pytest.param(b"a: b\n\n\nb: \x00\n\n", id="NUL"),
        pytest.param(b"a: b\n\n\nb: \x1b[2J\n\n", id="escape sequence"),
        pytest.param(b"a: b\n\n\nb: \xed\xa0\x80\n\n", id="surrogate"),
        pytest.param(b"a: b\n\n\nb: \xc3", id="half a character"),
        pytest.param(b"\na: b\n\nb: \x00\n", id="after an empty line"),
    ],
)
def test_characters_that_yaml_forbids_are_refused_with_their_line(text: bytes) -> None:
    assert error_in(text) == "a.yaml:4:1: not YAML: it holds characters that YAML forbids"


def test_documents_before_the_wrong_one_are_read() -> None:
    documents = read_documents("a.yaml", b"a: 1\n---\nb: [")

    assert next(documents).value == {"a": 1}
    with pytest.raises(DocumentError):
        next(documents)


def test_aliases_cannot_grow_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    message = error_in("\n".join(lines))

    assert message.endswith(": more than 100000 values or 64 levels, aliases written out")


def test_an_alias_of_what_it_stands_in_is_refused() -> None:
    assert error_in("&a [*a]") == "a.yaml:1:1: more than 100000 values or 64 levels, aliases written out"


@pytest.mark.parametrize(("items", "fits"), [(99_999, True), (100_000, False)])
def test_a_document_holds_so_many_values(items: int, *, fits: bool) -> None:
    text = f"[{'0,' * items}]"

    if fits:
        assert len(values(text)[0]) == items
    else:
        assert error_in(text).endswith("more than 100000 values or 64 levels, aliases written out")


@pytest.mark.parametrize(("levels", "fits"), [(65, True), (66, False)])
def test_a_document_is_so_deep(levels: int, *, fits: bool) -> None:
    text = "[" * levels + "]" * levels

    if fits:
        assert len(values(text)) == 1
    else:
        assert error_in(text) == "a.yaml:1:66: more than 100000 values or 64 levels, aliases written out"


@pytest.mark.parametrize(("levels", "fits"), [(64, True), (65, False)])
def test_a_mapping_is_so_deep(levels: int, *, fits: bool) -> None:
    text = "{a: " * levels + "b" + "}" * levels

    if fits:
        assert len(values(text)) == 1
    else:
        assert error_in(text).endswith(": more than 100000 values or 64 levels, aliases written out")


@pytest.mark.parametrize(("levels", "message"), [(63, "a key must be text"), (64, "more than 100000 values")])
def test_a_key_is_as_deep_as_its_value(levels: int, message: str) -> None:
    text = "[" * levels + "{1: b}" + "]" * levels

    assert message in error_in(text)


@pytest.mark.parametrize("text", ["[" * 1_000_000, "- " * 1_000_000, "{a: " * 1_000_000, "? " * 1_000_000])
def test_nesting_of_any_depth_is_refused_at_once(text: str) -> None:
    assert error_in(text).endswith(": not YAML: exceeded maximum nesting depth")


def test_reading_again_and_again_keeps_nothing() -> None:
    text = "\n".join(f"a{n}: {n}" for n in range(500))
    values(text)
    gc.collect()
    before = sys.getallocatedblocks()

    for _ in range(10):
        values(text)

    gc.collect()
    assert sys.getallocatedblocks() - before < 2_000


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        values(text.encode("utf-8", "surrogatepass"))
    except DocumentError as error:
        assert str(error).startswith("a.yaml:")  # noqa: PT017  # whether it is raised is the text's business


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    try:
        values(text)
    except DocumentError as error:
        assert str(error).startswith("a.yaml:")  # noqa: PT017  # whether it is raised is the bytes' business


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        pytest.param("", 1, 1, id="the document"),
        pytest.param("a.b[1].c", 4, 10, id="all of it"),
        pytest.param("a.b[1].d", 4, 7, id="a key that is not there"),
        pytest.param("a.x.y", 2, 3, id="two keys that are not there"),
        pytest.param("a.b[...]", 3, 5, id="no index"),
        pytest.param("a.b[1].c.d", 4, 10, id="a key of a scalar"),
    ],
)
def test_an_error_is_placed_at_the_deepest_part_of_its_path(path: str, line: int, column: int) -> None:
    document = only("a:\n  b:\n    - x\n    - c: y\n")

    error = document.error(path, "expected z")

    assert error.place == Place("a.yaml", line, column)
    assert str(error) == f"a.yaml:{line}:{column}: {path}: expected z".replace(": : ", ": ")
