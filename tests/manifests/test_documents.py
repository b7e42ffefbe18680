"""Texts of manifest files, read as kubectl's decoder reads them: `tests/fixtures/manifests.jsonl` has its answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.manifests.documents import read_manifest_documents
from webhook.policy.document import DocumentError

ANSWERS = Path(__file__).parents[1] / "fixtures" / "manifests.jsonl"
# What kubectl's decoder lets pass and podgate refuses: it would be taken for something else than it looks like.
REFUSED = {
    "a: 1\na: 2": "f:2:1: the key a stands here twice",
    "a: {b: 1, b: 2}": "f:1:11: the key b stands here twice",
    '1: a\n"1": b': "f:2:1: the key 1 stands here twice",
    'a: 1\n"a": 2': "f:2:1: the key a stands here twice",
    '{"a": 1, "a": 2}': "f:1:10: the key a stands here twice",
    "a: 1\n...\nb: 2\n": "f:3:1: not YAML: did not find expected <document start>",
    "a: !mine x": "f:1:4: not plain YAML, as JSON has it: !mine",
    "a: !mine {b: 1}": "f:1:4: not plain YAML, as JSON has it: !mine",
    "!!set {a, b}": "f:1:1: not plain YAML, as JSON has it: tag:yaml.org,2002:set",
    "a: !!set {b}": "f:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:set",
    "a: !!omap [b: 1]": "f:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:omap",
    "a: !!timestamp 2026-11-24": "f:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:timestamp",
    "a: !!python/none x": "f:1:4: not plain YAML, as JSON has it: tag:yaml.org,2002:python/none",
}
# What stands after an object of JSON is YAML to podgate; it is no Kubernetes object, so refused a step later.
REFUSED_LATER = {'{"a": 1} x': [{"a": 1}, "x"]}


def _number(digits: str) -> int | float:
    """Return a whole number of JSON; Go writes floats up to 1e21 without an exponent."""
    return int(digits) if -(2**63) <= int(digits) < 2**64 else float(digits)


def answers() -> list[dict[str, Any]]:
    return [json.loads(line, parse_int=_number) for line in ANSWERS.read_text().splitlines()]


def read(text: str | bytes) -> tuple[list[Any], str]:
    """Return the documents before the first that is wrong, and what is wrong with that."""
    encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    documents: list[Any] = []
    for _, document in read_manifest_documents("f", encoded):
        if isinstance(document, DocumentError):
            return documents, str(document)
        documents.append(document.value)
    return documents, ""


@pytest.mark.parametrize("answer", answers(), ids=lambda answer: repr(answer["input"]))
def test_a_text_is_read_as_kubectl_reads_it(answer: dict[str, Any]) -> None:
    text = answer["input"]

    documents, error = read(text)

    if text in REFUSED:
        assert error == REFUSED[text]
    elif text in REFUSED_LATER:
        assert documents == REFUSED_LATER[text]
    else:
        assert (documents, bool(error)) == (answer["documents"], bool(answer.get("error")))
        assert [list(map(type, _scalars(d))) for d in documents] == [
            list(map(type, _scalars(d))) for d in _whole(answer["documents"])
        ]


def _scalars(value: Any) -> list[Any]:
    """Return the scalars of *value* in the order of their keys: true and 1 are equal in Python."""
    if isinstance(value, dict):
        return [scalar for key in sorted(value) for scalar in _scalars(value[key])]
    if isinstance(value, list):
        return [scalar for item in value for scalar in _scalars(item)]
    return [value]


def _whole(value: Any) -> Any:
    """Return *value* with whole floats as integers, as a field for integers takes them."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("a: .nan", "f:1:4: not a number that JSON has", id="not a number"),
        pytest.param("a: 1\nb: !!int x", "f:2:4: not a value of tag:yaml.org,2002:int", id="a tag that does not fit"),
        pytest.param("a: !!binary $", "f:1:4: not base64 of text in UTF-8", id="not base64"),
        pytest.param("a: !!binary /w==", "f:1:4: not base64 of text in UTF-8", id="base64 of bytes that are no text"),
        pytest.param("~: 1", "f:1:1: a key must be text: put it in quotes", id="null as key"),
        pytest.param("1.5: 1", "f:1:1: a key must be text: put it in quotes", id="fraction as key"),
        pytest.param("<<: [{a: 1}, 2]", "f:1:14: only a mapping can be merged", id="merge of a number"),
        pytest.param("a: 1\n--- {b: 2}\n", "f:2:4: only a comment may follow --- on its line", id="text after ---"),
        pytest.param("a:\n\tb: 1", "f:2:1: not YAML: found character that cannot start any token", id="tab"),
        pytest.param(b"a: \xff", "f:1:1: not YAML: it holds characters that YAML forbids", id="not UTF-8"),
        pytest.param("a: é".encode("utf-16"), "f:1:1: the text must be UTF-8, not UTF-16", id="UTF-16"),
        pytest.param("a: [1", "f:2:1: not YAML: did not find expected ',' or ']'", id="not closed"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str | bytes, error: str) -> None:
    assert read(text)[1] == error


def test_a_document_that_is_wrong_leaves_those_after_it_to_be_read_each_at_its_line() -> None:
    text = b"a: 1\n---\nb: [\n---\r\n# words\r\nc:\r\n  d: 2\r\n--- # more\ne: {f: ]}\n---\ng: 3\n"

    found = [document for _, document in read_manifest_documents("f", text)]

    assert [d.value for d in found if not isinstance(d, DocumentError)] == [{"a": 1}, {"c": {"d": 2}}, {"g": 3}]
    assert [d.place("c.d").line for d in found if not isinstance(d, DocumentError)] == [1, 7, 11]
    assert [str(d.place) for d in found if isinstance(d, DocumentError)] == ["f:4:1", "f:9:8"]


def test_a_text_that_cannot_be_parted_is_one_error() -> None:
    found = list(read_manifest_documents("f", b"a: 1\n--- x\n---\nb: 1\n"))

    assert [str(error) for _, error in found] == ["f:2:4: only a comment may follow --- on its line"]


def test_objects_of_json_that_follow_each_other_keep_their_lines() -> None:
    text = b'\n{"a": 1}\n{\n  "b":\n\t2\n} {"c": 3}\n---\nd: 4\n'

    found = [document for _, document in read_manifest_documents("f", text)]

    lines = [d.place(key).line for d, key in zip(found, "abcd", strict=True) if not isinstance(d, DocumentError)]
    assert lines == [2, 5, 6, 8]


def test_a_merged_key_has_the_place_where_it_is_written() -> None:
    (found,) = [d for _, d in read_manifest_documents("f", b"x: &x\n  a: 1\nb:\n  <<: *x\n  c: 2\n")]

    assert not isinstance(found, DocumentError)
    assert [found.place(path).line for path in ("b.a", "b.c", "b.d")] == [2, 5, 4]


def test_aliases_cannot_grow_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    error = read("\n".join(lines))[1]

    assert error.endswith(": more than 1000000 values or 128 levels, aliases written out")


def test_merges_cannot_grow_without_bound() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]

    error = read("\n".join(lines))[1]

    assert error.endswith(": more than 1000000 values or 128 levels, aliases written out")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, '{"a":' * 100_000])
def test_nesting_of_any_depth_is_refused_at_once(text: str) -> None:
    assert "maximum nesting depth" in read(text)[1]


@given(st.text(max_size=60) | st.text(alphabet="{}[]\"':,-#&*<!|>\n a1~", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    documents, error = read(text)

    assert error.startswith("f:") or (not error and isinstance(documents, list))


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20) | st.booleans() | st.none()))
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    text = json.dumps(value)

    expected = {
        key: float(item) if type(item) is int and not -(2**63) <= item < 2**64 else item for key, item in value.items()
    }

    assert read(text) == ([expected], "")
