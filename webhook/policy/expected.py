"""msgspec's errors in the words of someone who writes YAML: which path, what stands there, what was expected."""

import difflib
import re
import types
import typing
from typing import Any

import msgspec
from msgspec import Struct, structs

_TIME = "2027-01-31T00:00:00Z"
# msgspec's names for types, and YAML's.
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "datetime": f"a time such as {_TIME}",
}
_EXPECTED = re.compile("Expected `(?P<wanted>[^`]*)`(?P<more>[^`]*?)(?:, got `(?P<got>[^`]*)`)?")
_AT = re.compile(r"^(?P<message>.*?)(?: - at (?:`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)


def in_words(error: msgspec.ValidationError, type_: Any) -> tuple[str, str]:
    """Return the path that is wrong (spec.match.kinds[0]) and what was expected there, for a value of *type_*."""
    match = _AT.match(str(error))
    message, path = (match["message"], match["path"] or "") if match else (str(error), "")
    path = path.removeprefix(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL)
    if unknown:
        known = _fields(_type_at(type_, path))
        child = f"{path}.{unknown[1]}" if path else unknown[1]
        return child, f"unknown field, expected one of {', '.join(known)}{_did_you_mean(unknown[1], known)}"
    invalid = re.fullmatch(r"Invalid enum value '?(.*?)'?", message, re.DOTALL)
    if invalid:
        known = _choices(_type_at(type_, path))
        return path, f"expected one of {', '.join(known)}, got {invalid[1]}{_did_you_mean(invalid[1], known)}"
    if message.startswith("Expected `str` matching regex"):
        return path, f"expected {_expected_at(type_, path)}"
    return path, _plainly(message, type_, path)


def _plainly(message: str, type_: Any, path: str) -> str:
    """Return *message*, about what is of the wrong type at *path*, with YAML's words for types."""
    missing = re.fullmatch("Object missing required field `(.*)`", message, re.DOTALL)
    if missing:
        return f"{missing[1]} is missing"
    if message == "Invalid RFC3339 encoded datetime":
        return f"expected {_TYPES['datetime']}"
    if message == "Expected `datetime` with a timezone component":
        return f"expected a time with a zone, such as {_TIME}"
    match = _EXPECTED.fullmatch(message)
    if match is None:
        return message[:1].lower() + message[1:]
    wanted = [_TYPES.get(name, name) for name in match["wanted"].split(" | ") if name != "null"]
    plainly = f"expected {' or '.join(wanted)}{match['more']}"
    if match["got"] is None:
        return plainly
    hint = ""
    if match["got"] == "null" and _may_be_empty(_type_at(type_, path)):
        key = path.rpartition(".")[2]
        hint = ": write {}" if not key or key.endswith("]") else f": write {key}: {{}}"
    return f"{plainly}, got {_TYPES.get(match['got'], match['got'])}{hint}"


def _may_be_empty(type_: Any) -> bool:
    """Whether a mapping without any keys is of *type_*."""
    return isinstance(type_, type) and issubclass(type_, Struct) and not any(f.required for f in structs.fields(type_))


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _type_at(type_: Any, path: str) -> Any:
    """Return the type of what stands at *path* of a value of *type_*, without annotations and alternatives."""
    return _strip(_annotated_at(type_, path))


def _expected_at(type_: Any, path: str) -> str:
    """Return what the annotation of the text at *path* says is expected: every pattern comes with such words."""
    found = _annotated_at(type_, path)
    if typing.get_origin(found) in (typing.Union, types.UnionType):
        found = next(arg for arg in typing.get_args(found) if typing.get_origin(arg) is typing.Annotated)
    words = [meta.extra["expected"] for meta in found.__metadata__ if meta.extra and "expected" in meta.extra]
    return str(words[0])


def _annotated_at(type_: Any, path: str) -> Any:
    for key, _ in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
        type_ = _strip(type_)
        if key:
            field = next((f for f in structs.fields(type_) if f.encode_name == key), None)
            type_ = field.type if field else Any
        else:
            type_ = typing.get_args(type_)[-1 if typing.get_origin(type_) is dict else 0]
    return type_


def _strip(type_: Any) -> Any:
    """Return *type_* without annotations and without the alternatives None and UNSET."""
    origin = typing.get_origin(type_)
    if origin is typing.Annotated:
        return _strip(typing.get_args(type_)[0])
    if origin in (typing.Union, types.UnionType):
        kept = [arg for arg in typing.get_args(type_) if arg not in (type(None), msgspec.UnsetType)]
        return _strip(kept[0])
    return type_


def _fields(type_: Any) -> list[str]:
    return [field.encode_name for field in structs.fields(type_)]


def _choices(type_: Any) -> list[str]:
    return [str(choice) for choice in typing.get_args(type_)]
