"""A process that imports reports is killed: the store holds what was acknowledged, and nothing by halves."""

import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.trivy_reports import write_reports
from webhook.cli.report_import import BATCH_FILES
from webhook.model.report import FullReport
from webhook.reports.sqlite import SqliteReports
from webhook.reports.store import unpack_details
from webhook.reports.trivy import read_report

COUNT = 1000  # reports in an import
KILLS = 50
SEED = 20261124
PATIENCE = 60.0  # seconds that an import takes at most


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, FullReport]:
    """What each file says, by digest, in the order of the import."""
    reports = [full for file in write_reports(folder, COUNT) for full in read_report(file.read_bytes())]
    return {full.report.digest: full for full in reports}


@contextmanager
def importing(folder: Path, store: Path, acknowledgements: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "webhook", "report", "import", str(folder), f"--reports={store}"]
    with acknowledgements.open("wb") as out, subprocess.Popen(command, stdout=out) as process:
        try:
            yield process
        finally:
            process.kill()


def acknowledged(file: Path) -> list[str]:
    """Return the digests in the whole lines of *file*, in their order."""
    whole, _, _ = file.read_text().rpartition("\n")
    return re.findall(r"^added \S+@(sha256:[0-9a-f]{64}) linux/amd64: ", whole, re.MULTILINE)


def wait_for(process: subprocess.Popen[bytes], acknowledgements: Path, count: int) -> None:
    """Wait until *count* reports are acknowledged, or the process has ended."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and acknowledgements.read_bytes().count(b"\n") < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def assert_sound(path: Path, told: list[str], expected: dict[str, FullReport]) -> int:
    """Hold that the store has what was *told*, and at most one batch more; return how many reports it has."""
    content = SqliteReports(path).load({}, 1 << 40)
    held = {each.report.digest: FullReport(each.report, unpack_details(each.details)) for each in content.changed}
    order = list(expected)
    assert told == order[: len(told)]
    assert held == {digest: expected[digest] for digest in order[: len(held)]}
    assert len(told) <= len(held) <= len(told) + BATCH_FILES
    assert content.tags == {tag: digest for digest, full in held.items() for tag in full.report.tags}
    if path.exists():
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return len(held)


def test_an_import_killed_at_50_random_moments_keeps_what_it_acknowledged(
    folder: Path, expected: dict[str, FullReport], tmp_path: Path
) -> None:
    chance = random.Random(SEED)  # noqa: S311  # the same moments in every run
    began = time.monotonic()
    with importing(folder, tmp_path / "whole.db", tmp_path / "whole.txt") as process:
        assert process.wait(PATIENCE) == 0
    took = time.monotonic() - began
    assert acknowledged(tmp_path / "whole.txt") == list(expected)
    outcomes = []

    for kill in range(KILLS):
        store, told = tmp_path / f"{kill}.db", tmp_path / f"{kill}.txt"
        with importing(folder, store, told) as process:
            if kill % 2:  # at a moment of its whole life, or soon after an acknowledgement
                time.sleep(chance.uniform(0, took))
            else:
                wait_for(process, told, chance.randrange(COUNT))
                time.sleep(chance.uniform(0, took / 100))
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        outcomes.append(assert_sound(store, acknowledged(told), expected))

    assert len({held for held in outcomes if 0 < held < COUNT}) >= 5  # the moments were as many, not one and the same


def test_a_killed_import_can_be_made_again(folder: Path, expected: dict[str, FullReport], tmp_path: Path) -> None:
    store, told = tmp_path / "reports.db", tmp_path / "told.txt"
    with importing(folder, store, told) as process:
        wait_for(process, told, COUNT // 2)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    held = assert_sound(store, acknowledged(told), expected)

    with importing(folder, store, told) as process:
        assert process.wait(PATIENCE) == 0

    assert len(acknowledged(told)) == COUNT - held
    assert assert_sound(store, list(expected), expected) == COUNT
