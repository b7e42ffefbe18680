"""podgate report import: each file whole or not at all, and acknowledged once a crash can no longer lose it."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from webhook.cli.options import FILE, TIME, reports_option
from webhook.cli.report_files import STDIN, files_in, reports_in, text_of
from webhook.cli.report_output import show_image, show_report
from webhook.cli.tables import track
from webhook.model.quote import one_line
from webhook.model.report import FullReport, Report
from webhook.reports.sqlite import SqliteReports
from webhook.reports.store import Key, Outcome, ReportStore, StoreError
from webhook.reports.trivy import Given, ReportError, read_database_time

# A commit waits for the disk: several files share one, as long as nobody waits long for an acknowledgement.
BATCH_FILES = 64
_BATCH_SECONDS = 0.2
_BATCH_BYTES = 16 * 1024 * 1024
_NEW = (Outcome.ADDED, Outcome.REPLACED)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE|DIR|-...")
@reports_option
@click.option("--image", default="", help="The image of a report that does not say it: REPOSITORY[:TAG]@DIGEST.")
@click.option("--platform", default="", help="The platform of a report that does not say it: linux/amd64.")
@click.option("--scanned-at", type=TIME, help="The time of a scan whose report does not say it, as RFC 3339 has it.")
@click.option(
    "--database", type=FILE, help="What `trivy version --format json` wrote: which vulnerability database was used."
)
def import_(files: Sequence[Path], reports: Path, database: Path | None, **given: Any) -> None:
    """Keep the reports that `trivy image --scanners vuln --format json` wrote.

    A report does not say what Trivy was told to leave out: scan with --scanners vuln, and without --severity,
    --ignore-unfixed and ignore files. Of a scan that found less than the one it replaces a warning is given.

    Every file is kept whole or not at all. A report of a later scan replaces one of the same digest and platform. Of a
    folder every *.json and *.json.gz is read.

    \b
    From a pipe, a file, a folder:
      trivy image --scanners vuln --format json registry.example.com/app:v1 | podgate report import -
      podgate report import report.json
      podgate report import reports/
    With the age of the vulnerability database, so that a scan with an old one counts as old:
      trivy version --format json | podgate report import --database - report.json
    A scan of a file, which does not know the digest that the image has in a registry:
      podgate report import --image registry.example.com/app:v1@sha256:... report.json
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    if given["image"] and (len(files) > 1 or files[0].is_dir()):
        msg = "--image says it of one report: give one FILE"
        raise click.UsageError(msg)
    if database == STDIN and STDIN in files:
        msg = "standard input is either a report or the --database"
        raise click.UsageError(msg)
    database_updated_at = None if database is None else _database_time(database)
    run = Import(SqliteReports(reports), Given(database_updated_at=database_updated_at, **given))
    expanded: list[Path] = []
    for path in files:
        try:
            expanded += files_in(path)
        except ReportError as error:
            run.fail(path, error)
    run.run(expanded)
    if len(expanded) > 1:
        click.echo(run.summary())
    if run.counts["failed"]:
        raise click.exceptions.Exit(1)


def _database_time(file: Path) -> datetime:
    try:
        return read_database_time(text_of(file))
    except (ReportError, OSError) as error:
        raise click.ClickException(_problem(file, error)) from error


def _problem(file: Path, error: Exception) -> str:
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return f"{_name(file)}: {reason if reason.isprintable() else one_line(reason)}"


def _name(file: Path) -> str:
    return "standard input" if file == STDIN else str(file)


class Batch(Struct):
    """Files that were read, each with its reports, and wait to be put in one transaction."""

    files: list[tuple[Path, tuple[FullReport, ...]]]
    size: int = 0
    since: float = 0.0

    def add(self, file: Path, reports: tuple[FullReport, ...], size: int) -> None:
        """Add what was read from *file*, *size* bytes."""
        if not self.files:
            self.since = time.monotonic()
        self.files.append((file, reports))
        self.size += size

    @property
    def full(self) -> bool:
        """Whether it is time to put them."""
        return (
            len(self.files) >= BATCH_FILES
            or self.size >= _BATCH_BYTES
            or time.monotonic() - self.since >= _BATCH_SECONDS
        )


class Import:
    """An import into *store*: `counts` tell what became of the files, `doubtful` counts those with a warning."""

    def __init__(self, store: ReportStore, given: Given) -> None:
        self._store = store
        self._given = given
        self._batch = Batch([])
        self.counts: Counter[str] = Counter()
        self.doubtful = 0

    def summary(self) -> str:
        """Return in a line what became of the files."""
        counts = [f"{what} {self.counts[what]}" for what in ("imported", "kept", "failed")]
        return ", ".join([*counts, f"with a warning {self.doubtful}"] if self.doubtful else counts)

    def run(self, files: Sequence[Path]) -> None:
        """Import *files*; raises StoreError, and says how many were not imported, where the store takes no more."""
        try:
            with closing(track(files, "Importing")) as tracked:
                for file in tracked:
                    self._read(file)
                    if self._batch.full:
                        self._put()
            self._put()
        except StoreError:
            left = len(files) - self.counts.total()
            click.echo(f"{left} of {len(files)} files were not imported", err=True)
            raise

    def _read(self, file: Path) -> None:
        """Add *file* to the batch, or say what is wrong with it."""
        try:
            text = text_of(file)
            self._batch.add(file, reports_in(text, self._given), len(text))
        except (ReportError, OSError) as error:
            self.fail(file, error)

    def fail(self, file: Path, error: Exception) -> None:
        """Say that *file* cannot be imported, and why."""
        self.counts["failed"] += 1
        click.echo(_problem(file, error), err=True)

    def _put(self) -> None:
        """Put the batch and acknowledge it."""
        batch, self._batch = self._batch, Batch([])
        if not batch.files:
            return
        held = self._held(batch)
        outcomes = iter(self._store.put(full for _, reports in batch.files for full in reports))
        lines = []
        for file, reports in batch.files:
            of_file = list(islice(outcomes, len(reports)))
            self.counts["kept" if set(of_file) == {Outcome.KEPT} else "imported"] += 1
            lines += [_acknowledgement(full.report, outcome) for full, outcome in zip(reports, of_file, strict=True)]
            self._doubt(file, [full.report for full, each in zip(reports, of_file, strict=True) if each in _NEW], held)
        click.echo("\n".join(lines))

    def _held(self, batch: Batch) -> dict[Key, Report]:
        """Return the reports that those of *batch* may replace."""
        keys = {_key(full.report) for _, reports in batch.files for full in reports}
        return {key: full.report for key in keys if (full := self._store.get(*key)) is not None}

    def _doubt(self, file: Path, reports: Sequence[Report], held: dict[Key, Report]) -> None:
        """Warn of a scan that found less than the one in *held* that it replaces, and hold it there instead."""
        doubts = dict.fromkeys(filter(None, (_doubt(held.get(_key(report)), report) for report in reports)))
        held |= {_key(report): report for report in reports}
        self.doubtful += bool(doubts)
        for doubt in doubts:
            click.echo(f"warning: {_name(file)}: {doubt}", err=True)


def _key(report: Report) -> Key:
    return Key(report.digest, report.platform)


def _doubt(old: Report | None, new: Report) -> str:
    """Return why *new* may not have looked for all that *old* did, or nothing. What is unscannable blesses nothing."""
    fewer = 0 if old is None or new.unscannable else sum(old.counts) - sum(new.counts)
    if old is None or fewer <= 0:
        return ""
    return (
        f"this scan has {fewer} fewer {'vulnerability' if fewer == 1 else 'vulnerabilities'} than the one of "
        f"{old.scanned_at:%Y-%m-%dT%H:%M:%SZ} that it replaces: was it made with --scanners vuln and without "
        "--severity or ignores?"
    )


def _acknowledgement(report: Report, outcome: Outcome) -> str:
    if outcome is Outcome.KEPT:
        return f"{outcome} {show_image(report)}: this scan or a later one is held already"
    return f"{outcome} {show_report(report)}"
