"""Reports that were damaged at random: each is read to something that holds together, or refused with a ReportError.

2,000 are tried, or as many as PODGATE_FUZZ says. They follow from their number alone: a failure names it.
"""

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from webhook.model.image import parse_image
from webhook.model.platform import parse_platform
from webhook.model.report import FullReport, Severity
from webhook.reports.trivy import Given, ReportError, read_report

FIXTURES = Path(__file__).parent.parent / "fixtures" / "trivy"
FILES = sorted(file for folder in ("samples", "made", "written") for file in (FIXTURES / folder).glob("*.json"))
LONGEST_REASON = 1000
TIMES = int(os.environ.get("PODGATE_FUZZ", "2000"))
GIVEN = Given(image=f"app:1@sha256:{'a' * 64}", platform="linux/amd64", scanned_at=datetime(2026, 11, 24, tzinfo=UTC))
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 3, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, float("nan"), float("inf")),
    *("", " ", "x", "none", "CRITICAL", "os-pkgs", "container_image", "é\n\t\x00\x1b\u202e\u2028", "\ud800", "x" * 600),
    *(
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "2026-01-02T03:04:05",
        "2026-02-30T00:00:00Z",
        "app@sha256:",
    ),
    *([], [[]], [None], ["x"], {}, {"": {}}, {"Type": "vulnerability"}, [{}] * 50),
)


class Pairs(list[tuple[str, Any]]):
    """An object as its keys and values, so that one key can be there twice."""


Node = tuple[Any, int]  # a container and a place in it


def nodes(value: Any) -> Iterator[Node]:
    """Yield each place in *value* that holds another."""
    for index, item in enumerate(value):
        yield value, index
        inner = item[1] if isinstance(value, Pairs) else item
        if isinstance(inner, list):
            yield from nodes(inner)


def put(node: Node, value: Any) -> None:
    container, index = node
    container[index] = (container[index][0], value) if isinstance(container, Pairs) else value


def got(node: Node) -> Any:
    container, index = node
    return container[index][1] if isinstance(container, Pairs) else container[index]


def written(value: Any) -> str:
    """Return *value* as JSON, of however broken a kind."""
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{written(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(inner) for inner in value) + "]"
    return json.dumps(value)


# Damage to the tree


def replace(chance: random.Random, places: list[Node]) -> None:
    put(chance.choice(places), copy.deepcopy(chance.choice(STRANGE)))


def remove(chance: random.Random, places: list[Node]) -> None:
    container, index = chance.choice(places)
    del container[index]


def repeat(chance: random.Random, places: list[Node]) -> None:
    container, index = chance.choice(places)
    container.insert(chance.randrange(len(container) + 1), container[index])


def exchange(chance: random.Random, places: list[Node]) -> None:
    one, other = chance.choice(places), chance.choice(places)
    if not isinstance(got(one), list) and not isinstance(got(other), list):  # never a tree within itself
        first, second = got(one), got(other)
        put(one, second)
        put(other, first)


def rename(chance: random.Random, places: list[Node]) -> None:
    container, index = chance.choice(places)
    if isinstance(container, Pairs):
        key, value = container[index]
        container[index] = (
            chance.choice([key.lower(), key.upper(), "Results", "Metadata", "Class", "", key + "x"]),
            value,
        )


def nest(chance: random.Random, places: list[Node]) -> None:
    value = got(node := chance.choice(places))
    for _ in range(chance.choice([1, 10, 40])):
        value = [value] if chance.random() < 0.5 else Pairs([("x", value)])
    put(node, value)


TREE: tuple[Callable[[random.Random, list[Node]], None], ...] = (
    replace,
    replace,
    remove,
    repeat,
    exchange,
    rename,
    nest,
)


# Damage to the bytes


def flip(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data)) :]


def drop(chance: random.Random, data: bytearray) -> None:
    begin = chance.randrange(len(data))
    del data[begin : begin + chance.randint(1, 200)]


def double(chance: random.Random, data: bytearray) -> None:
    begin = chance.randrange(len(data))
    data[begin:begin] = data[begin : begin + chance.randint(1, 200)]


def insert(chance: random.Random, data: bytearray) -> None:
    what = chance.choice(
        [b"\xff", b"\0", b'"', b"[" * 3000, b"9" * 500, b"NaN", b"\\ud800", b"\xef\xbb\xbf", b"}", b",", b"\n"]
    )
    at = chance.randrange(len(data) + 1)
    data[at:at] = what


BYTES: tuple[Callable[[random.Random, bytearray], None], ...] = (flip, cut, drop, double, insert)


def damaged(chance: random.Random, texts: list[bytes]) -> bytes:
    text = chance.choice(texts)
    if chance.random() < 0.3:
        data = bytearray(text)
        chance.choice(BYTES)(chance, data)
        return bytes(data)
    tree = json.loads(text, object_pairs_hook=Pairs)
    for _ in range(chance.choice([1, 1, 2, 5])):
        places = list(nodes(tree))
        if places:
            chance.choice(TREE)(chance, places)
    return written(tree).encode()


# What must hold


def texts_of(full: FullReport) -> Iterator[str]:
    report = full.report
    yield from (
        report.id,
        report.digest,
        report.platform,
        report.name,
        report.scanner,
        report.unscannable,
        *report.tags,
    )
    yield report.user or ""
    if report.os is not None:
        yield from (report.os.family, report.os.name)
    for found in full.details.vulnerabilities:
        yield from (found.id, found.package, found.installed, found.fixed, found.status, found.path, found.title)
    for left_out in full.details.suppressed:
        yield from msgspec.structs.astuple(left_out)


def check(full: FullReport) -> None:
    report, found = full.report, full.details.vulnerabilities
    assert all(text.isprintable() and len(text) <= 41_000 for text in texts_of(full))  # 4,096 characters, all escaped
    assert report.counts == tuple(sum(each.severity is severity for each in found) for severity in Severity)
    assert report.fixable == tuple(
        sum(each.severity is severity and each.fixed != "" for each in found) for severity in Severity
    )
    assert [each.severity for each in found] == sorted((each.severity for each in found), reverse=True)
    assert len({(each.id, each.package, each.installed, each.path) for each in found}) == len(found)
    assert parse_image(f"app@{report.digest}").digest == report.digest
    assert parse_platform(report.platform) == report.platform
    for tag in report.tags:
        image = parse_image(tag)
        assert (f"{image.full_name}:{image.tag}", image.digest) == (tag, None)
    times = (report.scanned_at, report.created_at, report.database_updated_at)
    assert all(time is None or time.tzinfo is UTC for time in times)
    assert report.size is None or 0 < report.size < 2**63
    assert report.layers is None or report.layers > 0
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(full), type=FullReport) == full


def attempt(number: int, texts: list[bytes]) -> bool:
    """Try the damage of that *number*; return whether a report was read all the same."""
    chance = random.Random(number)  # noqa: S311  # nothing is kept secret
    text = damaged(chance, texts)
    given = chance.choice([Given(), Given(), Given(), GIVEN])
    try:
        reports = read_report(text, given)
    except ReportError as error:
        reason = str(error)
        if not reason.isprintable() or not 0 < len(reason) < LONGEST_REASON:
            raise
        return False
    assert len({full.report.digest for full in reports}) == len(reports) > 0
    for full in reports:
        check(full)
    return True


def test_a_damaged_report_is_read_whole_or_refused() -> None:
    texts = [file.read_bytes() for file in FILES]
    read = 0

    for number in range(TIMES):
        try:
            read += attempt(number, texts)
        except Exception as error:
            error.add_note(f"the damage of number {number}")
            raise

    assert TIMES // 10 < read < TIMES * 9 // 10  # both ends are reached
