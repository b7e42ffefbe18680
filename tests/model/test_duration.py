"""Durations, as they are written in a policy."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.model.duration import Duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("7d", timedelta(days=7)),
        ("36h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("30s", timedelta(seconds=30)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("1d4s", timedelta(days=1, seconds=4)),
        ("0d", timedelta()),
        ("007d", timedelta(days=7)),
        ("999999d", timedelta(days=999_999)),
    ],
)
def test_a_duration_is_days_hours_minutes_and_seconds(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration
    assert msgspec.convert(text, Duration) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "d",
        "7 d",
        " 7d",
        "7d ",
        "7d\n",
        "-7d",
        "+7d",
        "1.5d",
        "7D",
        "1w",
        "1h1d",
        "1d1d",
        "1000000d",
        "\N{ARABIC-INDIC DIGIT SEVEN}d",
        "7dx",
    ],
    ids=repr,
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration such as 7d, 36h or 1h30m$"):
        parse_duration(text)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Duration)


@given(st.text("0123456789dhms\n .-", max_size=12))
def test_the_format_takes_exactly_what_is_parsed(text: str) -> None:
    try:
        taken = bool(msgspec.convert(text, Duration) == text)
    except msgspec.ValidationError:
        taken = False

    try:
        parse_duration(text)
    except ValueError:
        assert not taken
    else:
        assert taken
