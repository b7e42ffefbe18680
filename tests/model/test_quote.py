"""Quotes stay on one line, printable and short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.model.quote import LONGEST_QUOTE, one_line, quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("nginx", '"nginx"'),
        ("", '""'),
        ("café ✓", '"café ✓"'),
        ("a\nb", r'"a\nb"'),
        ("\x1b[31m\x00\t", r'"\x1b[31m\x00\t"'),
        ("a\u2028b\u202eé", r'"a\u2028b\u202eé"'),
        ("\ud800", r'"\ud800"'),
        ("a" * 256, f'"{"a" * 256}"'),
        ("a" * 257, f'"{"a" * 256}…"'),
        ("\n" * 257, '"' + r"\n" * 256 + '…"'),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_text_is_quoted(text: str, quoted: str) -> None:
    assert quote(text) == quoted
    assert f'"{one_line(text)}"' == quoted


@given(st.text(max_size=300))
def test_a_quote_is_one_printable_line(text: str) -> None:
    quoted = quote(text)

    assert quoted.isprintable()
    assert len(quoted) <= 3 + 10 * LONGEST_QUOTE


@given(st.text(max_size=300))
def test_a_line_is_printable_and_short_text_that_is_so_already_stays_as_it_is(text: str) -> None:
    line = one_line(text)

    assert line.isprintable()
    assert line == text or len(text) > LONGEST_QUOTE or not text.isprintable()
