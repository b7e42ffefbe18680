"""Where the denial log is written: rotation, torn lines, and what fails without holding anybody up."""

import contextlib
import errno
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.denials.sinks import PATIENCE, DescriptorSink, FileSink

DAY = 24 * 3600.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "denials.jsonl"


def sink(path: Path, clock: Clock, *, max_bytes: int = 0, max_age: float = 0, keep: int = 14) -> FileSink:
    return FileSink(path, max_bytes=max_bytes, max_age=max_age, keep=keep, clock=clock)


def rotated(path: Path) -> list[bytes]:
    """Return what the old files hold, the oldest first."""
    return [file.read_bytes() for file in sorted(path.parent.iterdir()) if file.name > path.name]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # closed by the test
            os.close(end)


def fill(descriptor: int) -> None:
    """Write to a pipe until it takes no more."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 65536)
    os.set_blocking(descriptor, True)


# A file


def test_lines_are_appended_to_what_is_there(log: Path, clock: Clock) -> None:
    log.write_bytes(b"before\n")
    written = sink(log, clock)

    written.write(b"one\n")
    written.write(b"two\n")

    assert log.read_bytes() == b"before\none\ntwo\n"


def test_the_file_is_not_for_others_to_read(log: Path, clock: Clock) -> None:
    sink(log, clock).write(b"one\n")

    assert log.stat().st_mode & 0o007 == 0


def test_a_line_is_in_the_file_when_write_returns(log: Path, clock: Clock) -> None:
    written = sink(log, clock)

    for count in range(1, 4):
        written.write(b"line\n")

        assert log.read_bytes() == b"line\n" * count


def test_a_line_that_would_make_the_file_too_large_begins_a_new_one(log: Path, clock: Clock) -> None:
    written = sink(log, clock, max_bytes=10)

    written.write(b"12345\n")
    written.write(b"abc\n")
    written.write(b"x\n")

    assert log.read_bytes() == b"x\n"
    assert rotated(log) == [b"12345\nabc\n"]


def test_a_line_longer_than_a_file_may_be_is_written_whole_and_alone(log: Path, clock: Clock) -> None:
    written = sink(log, clock, max_bytes=10)

    written.write(b"a line that is too long\n")
    clock.now += 1
    written.write(b"another that is too long\n")

    assert rotated(log) == [b"a line that is too long\n"]
    assert log.read_bytes() == b"another that is too long\n"


def test_a_file_that_was_full_at_the_start_is_put_aside(log: Path, clock: Clock) -> None:
    log.write_bytes(b"full\n")

    sink(log, clock, max_bytes=5).write(b"new\n")

    assert (rotated(log), log.read_bytes()) == ([b"full\n"], b"new\n")


def test_a_file_that_is_old_is_put_aside_under_the_time(log: Path, clock: Clock) -> None:
    clock.now = 1_795_541_260.46
    written = sink(log, clock, max_age=DAY)
    written.write(b"monday\n")

    clock.now += DAY - 1
    written.write(b"still monday\n")
    clock.now += 1
    written.write(b"tuesday\n")

    assert sorted(file.name for file in log.parent.iterdir()) == [
        "denials.jsonl",
        "denials.jsonl.20261125T172740.460000Z",
    ]
    assert rotated(log) == [b"monday\nstill monday\n"]
    assert log.read_bytes() == b"tuesday\n"


def test_age_counts_from_the_first_line_of_each_file(log: Path, clock: Clock) -> None:
    written = sink(log, clock, max_age=DAY)

    for line in (b"one\n", b"two\n", b"three\n"):
        written.write(line)
        clock.now += DAY

    assert rotated(log) == [b"one\n", b"two\n"]


def test_an_empty_file_is_never_put_aside(log: Path, clock: Clock) -> None:
    log.touch()
    written = sink(log, clock, max_age=DAY)

    written.write(b"")
    clock.now += 2 * DAY
    written.write(b"one\n")

    assert (rotated(log), log.read_bytes()) == ([], b"one\n")


def test_neither_size_nor_age_limits_where_they_are_0(log: Path, clock: Clock) -> None:
    written = sink(log, clock)

    for _ in range(10):
        written.write(b"x" * 1000 + b"\n")
        clock.now += 1000 * DAY

    assert rotated(log) == []


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_the_newest_old_files_are_kept(log: Path, clock: Clock, keep: int) -> None:
    written = sink(log, clock, max_bytes=1, keep=keep)

    for line in (b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"):
        written.write(line)
        clock.now += 1

    assert rotated(log) == [b"1\n", b"2\n", b"3\n", b"4\n"][4 - keep :]
    assert log.read_bytes() == b"5\n"


def test_files_of_other_names_are_nobodys_surplus(log: Path, clock: Clock) -> None:
    others = [log.with_name(name) for name in ("denials.jsonl.gz", "denials.jsonl.1", "other.jsonl.20260101T000000Z")]
    for other in others:
        other.write_bytes(b"kept\n")
    written = sink(log, clock, max_bytes=1, keep=0)

    written.write(b"1\n")
    written.write(b"2\n")

    assert [other.read_bytes() for other in others] == [b"kept\n"] * 3


def test_regression_old_files_of_a_name_with_brackets_were_never_removed(tmp_path: Path, clock: Clock) -> None:
    log = tmp_path / "denials[1].jsonl"
    written = sink(log, clock, max_bytes=1, keep=1)

    for line in (b"1\n", b"2\n", b"3\n"):
        written.write(line)
        clock.now += 1

    assert rotated(log) == [b"2\n"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 60))
def test_rotation_neither_loses_nor_changes_a_line(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], most: int
) -> None:
    log, clock = tmp_path_factory.mktemp("log") / "denials.jsonl", Clock()
    written = sink(log, clock, max_bytes=most, keep=100)
    lines = [f"{count}:".encode() + b"x" * length + b"\n" for count, length in enumerate(lengths)]

    for line in lines:
        written.write(line)
        clock.now += 1

    files = [*rotated(log), *([log.read_bytes()] if lines else [])]
    assert b"".join(files) == b"".join(lines)
    assert all(len(file) <= most or file.count(b"\n") == 1 for file in files)


def test_a_last_line_without_an_end_is_ended_before_the_next(log: Path, clock: Clock) -> None:
    log.write_bytes(b'{"time":"2026-')

    sink(log, clock).write(b"whole\n")

    assert log.read_bytes() == b'{"time":"2026-\nwhole\n'


def test_a_line_that_the_disk_cut_short_is_ended_before_the_next(log: Path, clock: Clock) -> None:
    written = sink(log, clock)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            written.write(b"much longer than ten\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    written.write(b"whole\n")

    assert log.read_bytes() == b"much longe\nwhole\n"


@pytest.mark.parametrize("away", ["renamed", "removed"])
def test_a_file_that_somebody_took_away_is_made_anew_within_a_second(log: Path, clock: Clock, away: str) -> None:
    written = sink(log, clock)
    written.write(b"one\n")
    aside = log.with_name("aside")

    if away == "renamed":
        log.rename(aside)
    else:
        log.unlink()
    clock.now += 1
    written.write(b"two\n")

    assert log.read_bytes() == b"two\n"
    assert not aside.exists() or aside.read_bytes() == b"one\n"


def test_a_file_that_somebody_replaced_is_followed(log: Path, clock: Clock) -> None:
    written = sink(log, clock)
    written.write(b"one\n")

    log.rename(log.with_name("aside"))
    log.write_bytes(b"theirs\n")
    clock.now += 1
    written.write(b"two\n")

    assert log.read_bytes() == b"theirs\ntwo\n"


def test_a_clock_that_is_set_back_does_not_stop_the_looking(log: Path, clock: Clock) -> None:
    written = sink(log, clock)
    written.write(b"one\n")

    log.unlink()
    clock.now -= DAY
    written.write(b"two\n")

    assert log.read_bytes() == b"two\n"


def test_a_folder_that_is_not_there_is_an_error_until_it_is(tmp_path: Path, clock: Clock) -> None:
    log = tmp_path / "missing/denials.jsonl"
    written = sink(log, clock)

    with pytest.raises(FileNotFoundError):
        written.write(b"lost\n")
    log.parent.mkdir()
    written.write(b"kept\n")

    assert log.read_bytes() == b"kept\n"


def test_a_full_disk_is_an_error_and_no_descriptor_leaks(clock: Clock) -> None:
    written = sink(Path("/dev/full"), clock)

    open_before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        clock.now += 1
        with pytest.raises(OSError, match="No space left on device") as caught:
            written.write(b"lost\n")
        assert caught.value.errno == errno.ENOSPC
    assert len(list(Path("/dev/fd").iterdir())) == open_before + 1
    written.close()


def test_close_can_be_followed_by_more(log: Path, clock: Clock) -> None:
    written = sink(log, clock)

    written.close()
    written.write(b"one\n")
    written.close()
    written.close()
    written.write(b"two\n")

    assert log.read_bytes() == b"one\ntwo\n"


# A pipe


def test_a_pipe_takes_lines_longer_than_it_holds_while_it_is_read(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    line = b"x" * 300_000 + b"\n"
    received = bytearray()

    def read() -> None:
        while len(received) < len(line):
            received.extend(os.read(reader, 4096))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    DescriptorSink(writer).write(line)
    reading.join(10)

    assert received == line


def test_a_pipe_whose_reader_has_stopped_fails_in_time_instead_of_blocking(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    written = DescriptorSink(writer)
    fill(writer)

    began = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        written.write(b"lost\n")
    waited = time.monotonic() - began

    assert str(caught.value) == "its reader has not read enough for 1 s or more"
    assert PATIENCE * 0.9 < waited < PATIENCE + 1


def test_regression_a_stopped_reader_held_up_every_line_and_not_one(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    written = DescriptorSink(writer)
    fill(writer)
    with pytest.raises(TimeoutError):
        written.write(b"lost\n")

    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(TimeoutError):
            written.write(b"lost\n")

    assert time.monotonic() - began < PATIENCE / 2


def test_a_line_cut_short_by_a_stopped_reader_is_ended_when_it_reads_again(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    written = DescriptorSink(writer)
    line = b"cut" + b"x" * 100_000 + b"\n"

    with pytest.raises(TimeoutError):
        written.write(line)
    held = os.read(reader, 1 << 20)
    written.write(b"whole\n")
    written.write(b"after\n")

    assert line.startswith(held)
    assert os.read(reader, 1 << 20) == b"\nwhole\nafter\n"


def test_a_closed_pipe_is_an_error(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    written = DescriptorSink(writer)
    os.close(reader)

    with pytest.raises(BrokenPipeError):
        written.write(b"lost\n")
