"""The log itself: one line a record, and loud without refusing anybody when it cannot be written."""

import logging
from pathlib import Path

import msgspec
import pytest

from tests.reviews import NOW, pod, review_of
from webhook.denials.log import DenialLog, Failure
from webhook.denials.record import Record, record_of
from webhook.denials.sinks import FileSink
from webhook.evaluate import NOTHING_FOUND

FULL = OSError(28, "No space left on device")


def record(cluster: str = "prod") -> Record:
    return record_of(
        review_of(pod("nginx")), NOTHING_FOUND, time=NOW, cluster=cluster, duration_microseconds=1, error=""
    )


class Sink:
    """A sink that can be broken and mended."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        if self.error:
            raise self.error
        self.lines.append(line)


class Heard:
    """Counts the failures that it is told of."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def test_a_record_is_one_line_of_json() -> None:
    sink = Sink()

    DenialLog(sink).write(record("a\nb"))

    (line,) = sink.lines
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    assert msgspec.json.decode(line, type=Record) == record("a\nb")


def test_nobody_is_told_of_what_is_written() -> None:
    heard = Heard()
    log = DenialLog(Sink(), on_failure=heard)

    log.write(record())

    assert (heard.count, log.failure) == (0, None)


def test_a_record_that_cannot_be_written_is_in_the_operational_log_whole(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    log = DenialLog(Sink(FULL), on_failure=heard, clock=lambda: 100.0)

    log.write(record())

    (logged,) = caplog.records
    assert (logged.levelno, logged.message) == (logging.ERROR, "denial log cannot be written")
    assert vars(logged)["error"] == "[Errno 28] No space left on device"
    assert vars(logged)["record"] == msgspec.to_builtins(record())
    assert heard.count == 1
    assert log.failure == Failure(100.0, "[Errno 28] No space left on device")


def test_a_failure_began_with_the_first_and_has_the_reason_of_the_last() -> None:
    times = iter([100.0, 200.0, 300.0])
    sink = Sink(FULL)
    log = DenialLog(sink, clock=lambda: next(times))

    log.write(record())
    sink.error = BrokenPipeError(32, "Broken pipe")
    log.write(record())

    assert log.failure == Failure(100.0, "[Errno 32] Broken pipe")


def test_a_failure_is_over_with_the_next_record_that_is_written() -> None:
    times = iter([100.0, 200.0])
    sink = Sink(FULL)
    log = DenialLog(sink, clock=lambda: next(times))
    log.write(record())

    sink.error = None
    log.write(record())

    assert log.failure is None
    sink.error = FULL
    log.write(record())
    assert log.failure == Failure(200.0, "[Errno 28] No space left on device")


def test_a_log_that_cannot_be_opened_is_known_before_the_first_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    path = tmp_path / "missing/denials.jsonl"
    log = DenialLog(FileSink(path, max_bytes=0, max_age=0, keep=1), on_failure=heard)

    log.probe()

    assert log.failure is not None
    assert log.failure.reason == f"[Errno 2] No such file or directory: '{path}'"
    assert [logged.message for logged in caplog.records] == ["denial log cannot be opened"]
    assert heard.count == 0  # no record was lost


def test_opening_the_log_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "denials.jsonl"
    log = DenialLog(FileSink(path, max_bytes=0, max_age=0, keep=1))

    log.probe()

    assert (path.read_bytes(), log.failure) == (b"", None)
