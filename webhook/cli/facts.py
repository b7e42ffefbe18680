"""What is known of images, for commands that judge: from a store of reports, or from reports as Trivy writes them."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click

from webhook.cli.options import is_missing
from webhook.cli.report_files import STDIN, files_in, reports_in, text_of
from webhook.manifests.files import Problem
from webhook.model.report import FullReport
from webhook.reports.facts import ImageFacts
from webhook.reports.index import ReportIndex
from webhook.reports.sqlite import SqliteReports
from webhook.reports.trivy import ReportError

_SQLITE = b"SQLite format 3\0"


def refuse_two_readers(paths: Iterable[str], reports: Path) -> None:
    """Raise UsageError where standard input is said to be both manifests and reports."""
    if str(STDIN) in paths and reports == STDIN:
        msg = "standard input is either manifests or the --reports"
        raise click.UsageError(msg)


def facts_at(now: datetime, reports: Path, problems: list[Problem]) -> ImageFacts:
    """Return the facts at *now*; what of *reports* cannot be read is added to *problems*.

    Where nobody has imported a report yet, the store that is there by default is empty.
    """
    logging.getLogger("webhook").addHandler(logging.NullHandler())  # what the index would log is told as a problem
    if reports != STDIN and is_missing(reports):
        problems.append(Problem(str(reports), "there is no such file or folder"))
    if reports == STDIN or reports.is_dir() or (reports.is_file() and not _is_store(reports)):
        with tempfile.TemporaryDirectory(prefix="podgate-") as folder:
            store = SqliteReports(Path(folder) / "reports.db")
            store.put(list(_read(reports, problems)))
            return _facts(store, now, reports, problems)
    return _facts(SqliteReports(reports), now, reports, problems)


def _is_store(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return True  # whoever opens the store says what is wrong


def _facts(store: SqliteReports, now: datetime, reports: Path, problems: list[Problem]) -> ImageFacts:
    index = ReportIndex(store)
    if index.state.error:
        problems.append(Problem(str(reports), index.state.error.removeprefix(f"{reports.absolute()}: ")))
    if index.state.left_out:
        left_out = index.state.left_out
        problems.append(Problem(str(reports), f"{left_out} reports are more than memory has room for, the oldest"))
    return ImageFacts(index, lambda: now)


def _read(reports: Path, problems: list[Problem]) -> Iterator[FullReport]:
    """Yield the reports in a file or a folder, or in standard input."""
    for file in _files(reports, problems):
        try:
            yield from reports_in(text_of(file))
        except ReportError as error:
            problems.append(Problem(_name(file), str(error)))
        except OSError as error:
            problems.append(Problem(_name(file), error.strerror or str(error)))


def _files(reports: Path, problems: list[Problem]) -> list[Path]:
    try:
        return files_in(reports)
    except ReportError as error:
        problems.append(Problem(str(reports), str(error)))
        return []


def _name(file: Path) -> str:
    return "stdin" if file == STDIN else str(file)
