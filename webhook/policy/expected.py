"""msgspec's errors in the words of someone who writes YAML: which path, what stands there, what was expected."""

import difflib
import re
import types
import typing
from typing import Any

import msgspec
from msgspec import structs

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
    return path, message[:1].lower() + message[1:]


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
