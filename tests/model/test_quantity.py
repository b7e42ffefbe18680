"""Quantities of bytes, written and shown."""

import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.model.quantity import Quantity, parse_bytes, show_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("512", 512),
        ("1k", 1000),
        ("1Ki", 1024),
        ("500M", 500_000_000),
        ("500Mi", 524_288_000),
        ("2G", 2_000_000_000),
        ("2Gi", 2_147_483_648),
        ("1T", 10**12),
        ("1Ti", 2**40),
        ("1P", 10**15),
        ("1Pi", 2**50),
        ("1.5Gi", 1_610_612_736),
        ("0.1Gi", 107_374_182),
        ("0.5", 0),
        ("1.000001k", 1000),
        ("999999999999Pi", 999_999_999_999 * 2**50),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, count: int) -> None:
    assert parse_bytes(text) == count
    assert msgspec.convert(text, Quantity) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Gi",
        "2gi",
        "2KI",
        "2K",
        "2 Gi",
        " 2Gi",
        "2Gi\n",
        "-2Gi",
        "+2",
        "2.",
        ".5",
        "1e3",
        "1m",
        "2GiB",
        "1" * 13,
        "٢Gi",
    ],
    ids=repr,
)
def test_what_is_no_quantity_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a quantity of bytes such as 500Mi, 1\.5Gi or 2G$"):
        parse_bytes(text)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Quantity)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1, "1"),
        (500, "500"),
        (1023, "1023"),
        (1024, "1Ki"),
        (1025, "1.1Ki"),
        (10 * 1024, "10Ki"),
        (1024**2 - 1, "1024Ki"),
        (1024**2, "1Mi"),
        (512 * 1024**2, "512Mi"),
        (3 * 1024**3 // 2, "1.5Gi"),
        (2 * 1024**3 + 1, "2.1Gi"),
        (1024**4, "1Ti"),
        (1024**5, "1Pi"),
        (2000 * 1024**5, "2000Pi"),
    ],
)
def test_bytes_are_shown_in_the_largest_unit_that_they_fill(count: int, text: str) -> None:
    assert show_bytes(count) == text


@given(st.integers(0, 2**60))
def test_what_is_shown_is_a_quantity_never_less_and_hardly_more(count: int) -> None:
    shown = show_bytes(count)

    number = Decimal(re.sub("[A-Za-z]+", "", shown))
    unit = parse_bytes(f"1{shown.lstrip('0123456789.')}")
    assert 0 <= number * unit - count < Decimal("0.1") * unit
