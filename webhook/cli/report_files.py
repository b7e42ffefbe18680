"""Files of reports as Trivy writes them: which there are, and what can be believed of them."""

import sys
from datetime import timedelta
from pathlib import Path

from webhook.model.report import FullReport
from webhook.reports.facts import utc_now
from webhook.reports.trivy import Given, ReportError, read_report, read_report_text

STDIN = Path("-")
SUFFIXES = (".json", ".json.gz")
_CLOCKS_APART = timedelta(hours=1)  # clocks of two machines that both mean well


def files_in(path: Path) -> list[Path]:
    """Return the reports in the folder *path* and below, sorted, or *path* where it is none; hidden ones are left out.

    Raises ReportError where there are none.
    """
    if path == STDIN or not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*.json*"))
        if file.name.endswith(SUFFIXES) and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        msg = f"holds no reports: expected {' or '.join(f'*{suffix}' for suffix in SUFFIXES)}"
        raise ReportError(msg)
    return found


def text_of(file: Path) -> bytes:
    """Return what *file*, or standard input, holds; raises OSError, or ReportError where that is too much."""
    if file == STDIN:
        return read_report_text(sys.stdin.buffer)
    with file.open("rb") as stream:
        return read_report_text(stream)


def reports_in(text: bytes, given: Given = Given()) -> tuple[FullReport, ...]:  # noqa: B008  # it is frozen
    """As read_report; raises ReportError also where the scan is of a time to come.

    It would never be old, and no later scan would count.
    """
    reports = read_report(text, given)
    for full in reports:
        if full.report.scanned_at > utc_now() + _CLOCKS_APART:
            msg = f"scanned in the future, at {full.report.scanned_at:%Y-%m-%dT%H:%M:%SZ}: a clock is wrong"
            raise ReportError(msg)
    return reports
