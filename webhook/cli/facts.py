"""What is known of images, for commands that judge: from a store of reports, or from reports as Trivy writes them."""

import logging
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from webhook.cli.options import default_reports
from webhook.manifests.files import Problem
from webhook.model.report import FullReport
from webhook.reports.facts import ImageFacts
from webhook.reports.index import ReportIndex
from webhook.reports.sqlite import SqliteReports
from webhook.reports.trivy import ReportError, read_report, read_report_text

SUFFIXES = (".json", ".json.gz")
_SQLITE = b"SQLite format 3\0"


def facts_at(now: datetime, reports: Path, problems: list[Problem]) -> ImageFacts:
    """Return the facts at *now*; what of *reports* cannot be read is added to *problems*.

    Where nobody has imported a report yet, the store that is there by default is empty.
    """
    logging.getLogger("webhook").addHandler(logging.NullHandler())  # what the index would log is told as a problem
    if not reports.exists() and reports != default_reports():
        problems.append(Problem(str(reports), "there is no such file or folder"))
    if reports.is_dir() or (reports.is_file() and not _is_store(reports)):
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
    """Yield the reports in a file or a folder."""
    files = (
        sorted(file for file in reports.rglob("*") if file.name.endswith(SUFFIXES)) if reports.is_dir() else [reports]
    )
    for file in files:
        try:
            with file.open("rb") as stream:
                text = read_report_text(stream)
            yield from read_report(text)
        except ReportError as error:
            problems.append(Problem(str(file), str(error)))
        except OSError as error:
            problems.append(Problem(str(file), error.strerror or str(error)))
