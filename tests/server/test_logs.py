"""The operational log: a line of JSON or of text for each record, and nothing that stops a review."""

import json
import logging
import logging.config
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from webhook.server.logs import GRANIAN_LOGGING, LogFormat, set_up_logging

ODD = "a\nb\x1b[31m c\udcff"  # a line break, a control character, and what Python makes of a byte that is no UTF-8


@contextmanager
def standard_error(replacement: int) -> Iterator[None]:
    """Have *replacement*, a file descriptor, for standard error, and the root logger as it was afterwards."""
    root = logging.getLogger()
    handlers, level, kept = root.handlers[:], root.level, os.dup(2)
    os.dup2(replacement, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        root.handlers[:] = handlers
        root.setLevel(level)


def logged(folder: Path, form: LogFormat, level: str, *records: tuple[int, str, dict[str, Any]]) -> str:
    """Return what stands on standard error after *records*: level, message and fields."""
    with (folder / "err").open("w+b") as stream, standard_error(stream.fileno()):
        set_up_logging(form, level)
        for number, message, fields in records:
            logging.getLogger("webhook.test").log(number, message, extra=fields)
        stream.seek(0)
        return stream.read().decode()


def test_json_has_a_line_with_time_level_logger_message_and_fields(tmp_path: Path) -> None:
    text = logged(tmp_path, "json", "info", (logging.INFO, "serving", {"address": "https://x", "count": 2}))

    line = json.loads(text)
    assert text.count("\n") == 1
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "webhook.test", "message": "serving", "address": "https://x", "count": 2}


def test_text_has_a_line_with_time_level_message_and_fields(tmp_path: Path) -> None:
    text = logged(tmp_path, "text", "info", (logging.WARNING, "policy refused", {"error": "a b", "count": 2}))

    stamp, line = text.split(" ", 1)
    assert len(stamp) == len("2026-11-24T12:00:00.000Z")
    assert line == "warning policy refused error='a b' count=2\n"


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_is_odd_in_a_field_does_not_break_its_line(tmp_path: Path, form: LogFormat) -> None:
    text = logged(tmp_path, form, "info", (logging.INFO, "one", {"uid": ODD}), (logging.INFO, "two", {}))

    assert [line for line in text.splitlines() if not line.isprintable()] == []
    assert text.count("\n") == 2


def test_regression_json_with_a_file_name_that_is_not_utf_8_was_lost(tmp_path: Path) -> None:
    text = logged(tmp_path, "json", "info", (logging.ERROR, "policy refused", {"error": ODD}))

    assert json.loads(text)["error"] == ODD


def test_json_writes_what_it_does_not_know_as_text(tmp_path: Path) -> None:
    text = logged(tmp_path, "json", "info", (logging.INFO, "loaded", {"path": Path("a/b")}))

    assert json.loads(text)["path"] == "a/b"


@pytest.mark.parametrize(
    ("level", "seen"),
    [("debug", "abcd"), ("info", "bcd"), ("warning", "cd"), ("error", "d")],
)
def test_records_below_the_level_are_left_out(tmp_path: Path, level: str, seen: str) -> None:
    levels = [(logging.DEBUG, "a"), (logging.INFO, "b"), (logging.WARNING, "c"), (logging.ERROR, "d")]

    text = logged(tmp_path, "json", level, *((number, message, {}) for number, message in levels))

    assert "".join(json.loads(line)["message"] for line in text.splitlines()) == seen


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_has_its_traceback(tmp_path: Path, form: LogFormat) -> None:
    with (tmp_path / "err").open("w+b") as stream, standard_error(stream.fileno()):
        set_up_logging(form, "info")
        try:
            int("no number")
        except ValueError:
            logging.getLogger("webhook.test").exception("it failed", extra={"uid": "u"})
        stream.seek(0)
        text = stream.read().decode()

    if form == "json":
        line = json.loads(text)
        assert (line["message"], line["uid"]) == ("it failed", "u")
        text = line["traceback"]
    assert text.startswith("Traceback (most recent call last):\n") or "it failed uid=u\nTraceback" in text
    assert text.rstrip().endswith("ValueError: invalid literal for int() with base 10: 'no number'")


def test_a_reader_that_has_stopped_holds_up_a_second_at_most_and_raises_nothing() -> None:
    reader, writer = os.pipe()
    try:
        with standard_error(writer):
            set_up_logging("json", "info")
            began = time.monotonic()
            for _ in range(50):
                logging.getLogger("webhook.test").info("x" * 10_000)
            waited = time.monotonic() - began
    finally:
        os.close(reader)
        os.close(writer)

    assert waited < 2


def test_granian_hands_its_records_to_ours(tmp_path: Path) -> None:
    with (tmp_path / "err").open("w+b") as stream, standard_error(stream.fileno()):
        set_up_logging("json", "info")
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **GRANIAN_LOGGING})
        logging.getLogger("_granian").error("Unexpected exit from worker-1")
        stream.seek(0)
        line = json.loads(stream.read())

    assert (line["level"], line["message"]) == ("error", "Unexpected exit from worker-1")
