"""What msgspec found wrong, in the words of someone who writes YAML; those of the policy format: test_errors.py."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from webhook.policy.expected import in_words


class Inner(Struct, forbid_unknown_fields=True):
    size: Literal["small", "large"] | UnsetType = UNSET


class Outer(Struct, forbid_unknown_fields=True, rename="camel"):
    by_name: dict[str, Inner] = {}
    in_a_row: Annotated[tuple[Inner, ...], Meta(max_length=2)] = ()
    rows: list[list[Inner]] = []
    maybe: Annotated[Inner | None, Meta(description="Not needed.")] = None
    number: int = 0


def words(value: Any) -> tuple[str, str]:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Outer)
    return in_words(caught.value, Outer)


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        pytest.param([], "", "expected `object`, got `array`", id="at the top"),
        pytest.param({"number": "1"}, "number", "expected `int`, got `str`", id="type"),
        pytest.param({1: 2}, "", "expected `str`", id="key"),
        pytest.param(
            {"numbre": 1},
            "numbre",
            "unknown field, expected one of byName, inARow, rows, maybe, number; did you mean number?",
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
        pytest.param({"inARow": [{}] * 3}, "inARow", "expected `array` of length <= 2", id="length"),
    ],
)
def test_an_error_names_the_path_and_what_was_expected(value: Any, path: str, message: str) -> None:
    assert words(value) == (path, message)
