"""What msgspec found wrong, in the words of someone who writes YAML; those of the policy format: test_errors.py."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from webhook.policy.expected import in_words


class Inner(Struct, forbid_unknown_fields=True):
    size: Literal["small", "large"] | UnsetType = UNSET


class Required(Struct):
    name: str


class Outer(Struct, forbid_unknown_fields=True, rename="camel"):
    by_name: dict[str, Inner] = {}
    in_a_row: Annotated[tuple[Inner, ...], Meta(max_length=2)] = ()
    rows: list[list[Inner]] = []
    maybe: Annotated[Inner | None, Meta(description="Not needed.")] = None
    number: int = 0
    either: int | str | None = None
    share: float = 0
    sure: bool = False
    at: Annotated[datetime, Meta(tz=True)] | None = None
    required: tuple[Required, ...] = ()


class Deep(Struct):
    inner: Inner = msgspec.field(default_factory=Inner)
    row: tuple[Inner, ...] = ()


TIME = "2027-01-31T00:00:00Z"


def words(value: Any) -> tuple[str, str]:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Outer)
    return in_words(caught.value, Outer)


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        pytest.param([], "", "expected a mapping, got a list", id="at the top"),
        pytest.param({"number": "1"}, "number", "expected a whole number, got text", id="type"),
        pytest.param({"number": 1.5}, "number", "expected a whole number, got a number", id="no whole number"),
        pytest.param({"either": []}, "either", "expected a whole number or text, got a list", id="one of two types"),
        pytest.param({"share": True}, "share", "expected a number, got true or false", id="no number"),
        pytest.param({"sure": "yes"}, "sure", "expected true or false, got text", id="no boolean"),
        pytest.param({"at": "now"}, "at", f"expected a time such as {TIME}", id="no time"),
        pytest.param({"at": 5}, "at", f"expected a time such as {TIME}, got a whole number", id="a number for a time"),
        pytest.param({"at": TIME[:-1]}, "at", f"expected a time with a zone, such as {TIME}", id="no zone"),
        pytest.param({"required": [{}]}, "required[0]", "name is missing", id="missing"),
        pytest.param({"required": [None]}, "required[0]", "expected a mapping, got nothing", id="nothing in a list"),
        pytest.param({"rows": None}, "rows", "expected a list, got nothing", id="nothing for a list"),
        pytest.param({1: 2}, "", "expected text", id="key"),
        pytest.param(
            {"numbre": 1},
            "numbre",
            "unknown field, expected one of byName, inARow, rows, maybe, number, either, share, sure, at, required; "
            "did you mean number?",
            id="unknown field at the top",
        ),
        pytest.param(
            {"byName": {"a": {"colour": 1}}},
            "byName[...].colour",
            "unknown field, expected one of size",
            id="unknown field in a mapping",
        ),
        pytest.param(
            {"byName": {"a": {"size": "huge"}}},
            "byName[...].size",
            "expected one of small, large, got huge",
            id="choice in a mapping",
        ),
        pytest.param(
            {"inARow": [{}, {"size": "larg"}]},
            "inARow[1].size",
            "expected one of small, large, got larg; did you mean large?",
            id="choice in a list",
        ),
        pytest.param(
            {"rows": [[], [{}, {"size": "x"}]]},
            "rows[1][1].size",
            "expected one of small, large, got x",
            id="choice in a list of lists",
        ),
        pytest.param(
            {"maybe": {"size": "a\nb"}},
            "maybe.size",
            r"expected one of small, large, got a\nb",
            id="choice with a line break",
        ),
        pytest.param({"inARow": [{}] * 3}, "inARow", "expected a list of length <= 2", id="length"),
    ],
)
def test_an_error_names_the_path_and_what_was_expected(value: Any, path: str, message: str) -> None:
    assert words(value) == (path, message)


@pytest.mark.parametrize(
    ("value", "path", "hint"),
    [
        pytest.param({"inner": None}, "inner", "write inner: {}", id="a key"),
        pytest.param({"row": [{}, None]}, "row[1]", "write {}", id="an item"),
        pytest.param(None, "", "write {}", id="the whole"),
    ],
)
def test_nothing_for_a_mapping_that_may_be_empty_comes_with_what_to_write(value: Any, path: str, hint: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Deep)

    assert in_words(caught.value, Deep) == (path, f"expected a mapping, got nothing: {hint}")
