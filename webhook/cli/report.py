"""podgate report."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from webhook.cli.options import is_missing, reports_option
from webhook.cli.report_import import import_
from webhook.cli.report_lookup import find_reports
from webhook.cli.report_output import print_json, print_report, print_reports, show_report, to_full_json, to_json
from webhook.cli.tables import is_terminal, show_count
from webhook.model.duration import parse_duration
from webhook.model.image import InvalidReferenceError, parse_image
from webhook.model.pattern import image_matcher
from webhook.model.report import Report, Severity
from webhook.reports.sqlite import SqliteReports
from webhook.reports.store import StoreError


class Duration(click.ParamType[timedelta]):
    """A duration such as 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration that *value* says."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class StoreGroup(click.Group):
    """Commands that end with a message where the store cannot be used."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except StoreError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=StoreGroup)
def report() -> None:
    """Keep what Trivy found in images.

    \b
    Scan an image and keep what was found:
      trivy image --scanners vuln --format json registry.example.com/app:v1 | podgate report import -
    See what is kept:
      podgate report list
      podgate report show registry.example.com/app:v1
    """  # noqa: D301  # \b is click's mark for lines to leave as they are


report.add_command(import_)


def _store(reports: Path) -> SqliteReports:
    """Return the store in the file *reports*; raises ClickException where that was named and is not there."""
    if is_missing(reports):
        msg = f"{reports}: there is no such file"
        raise click.ClickException(msg)
    return SqliteReports(reports)


@report.command("list")
@reports_option
@click.option("--image", "pattern", help="Only of these images: registry.example.com/team/*, nginx:1.*.")
@click.option(
    "--severity",
    "severities",
    multiple=True,
    type=click.Choice([str(severity) for severity in sorted(Severity, reverse=True)]),
    help="Only with a vulnerability of this severity; repeatable.",
)
@click.option("--older-than", type=Duration(), help="Only of scans older than 7d, say.")
@click.option("--output", "-o", type=click.Choice(["text", "wide", "json"]), default="text", show_default=True)
def list_(
    reports: Path, pattern: str | None, severities: Sequence[str], older_than: timedelta | None, output: str
) -> None:
    """List the reports that are kept.

    \b
    With critical vulnerabilities, of one team:
      podgate report list --severity critical --image 'registry.example.com/team/*'
    Of scans older than a week, whole digests and all else in short:
      podgate report list --older-than 7d --output wide
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    now = datetime.now(UTC)
    fits = _image_filter(pattern)
    wanted = [Severity[severity.upper()] for severity in severities]
    found = [
        each
        for each in _store(reports).reports()
        if fits(each)
        and (not wanted or any(each.counts[severity] for severity in wanted))
        and (older_than is None or now - each.scanned_at > older_than)
    ]
    found.sort(key=lambda each: (each.name, each.platform, each.scanned_at))
    if output == "json":
        print_json([to_json(each) for each in found])
    elif found:
        print_reports(found, now, wide=output == "wide")
    else:
        click.echo("No reports found.", err=True)


def _image_filter(pattern: str | None) -> Callable[[Report], bool]:
    """Return whether a name of a report's image fits *pattern*, as patterns of policies do."""
    if pattern is None:
        return lambda _: True
    matches = image_matcher(pattern)

    def fits(report: Report) -> bool:
        for name in (report.name, *report.tags):
            try:
                if matches(parse_image(name)):
                    return True
            except InvalidReferenceError:  # the file of an image that was scanned, say
                continue
        return False

    return fits


@report.command()
@click.argument("name", metavar="IMAGE|DIGEST|REPORT-ID")
@reports_option
@click.option("--platform", help="Only of this platform: linux/amd64.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(name: str, reports: Path, platform: str | None, output: str) -> None:
    """Show a report with all its vulnerabilities.

    A tag stands for the digest under which it was scanned last.

    \b
    By tag, by digest or the start of one:
      podgate report show registry.example.com/app:v1
      podgate report show 1d83c9e78c9f
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    store = _store(reports)
    found = find_reports(store, name, platform)
    full = [
        each for each in (store.get(report.digest, report.platform) for report in found.reports) if each is not None
    ]
    if output == "json":
        print_json([to_full_json(each) for each in full])
        return
    if found.tag:
        click.echo(f"{found.tag} stands for {found.reports[0].digest} since it was last scanned.\n")
    for number, each in enumerate(full):
        if number:
            click.echo("\n")
        print_report(each, datetime.now(UTC))


@report.command()
@click.argument("names", nargs=-1, metavar="IMAGE|DIGEST|REPORT-ID...")
@reports_option
@click.option("--platform", help="Only of this platform: linux/amd64.")
@click.option("--all", "everything", is_flag=True, help="All reports.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(names: Sequence[str], reports: Path, platform: str | None, *, everything: bool, yes: bool) -> None:
    """Delete reports: their images count as not scanned.

    On a terminal it asks before it deletes more than one.

    \b
    Of one image, by its tag or digest, on one platform:
      podgate report delete registry.example.com/app:v1 --platform linux/arm64
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    if everything == bool(names):
        msg = "give either names of images or --all"
        raise click.UsageError(msg)
    store = _store(reports)
    if everything:
        found = [each for each in store.reports() if platform in (None, each.platform)]
    else:
        named = (each for name in names for each in find_reports(store, name, platform, exact=True).reports)
        found = list({(each.digest, each.platform): each for each in named}.values())
    _confirm(found, everything=everything, yes=yes)
    for each in store.delete(found):
        click.echo(f"deleted {show_report(each)}")


def _confirm(found: Sequence[Report], *, everything: bool, yes: bool) -> None:
    """Ask whether to delete *found* where that is many; what nobody can be asked about needs --yes."""
    if yes or len(found) <= 1:
        return
    if is_terminal(sys.stdin):
        for each in found:
            click.echo(f"  {show_report(each)}", err=True)
        click.confirm(f"Delete {show_count(len(found), 'report')}?", abort=True, err=True)
    elif everything:
        msg = "--all needs --yes where there is no terminal to ask at"
        raise click.UsageError(msg)


@report.command()
@reports_option
@click.option("--older-than", type=Duration(), required=True, help="Reports of scans older than 30d, say.")
@click.option("--dry-run", is_flag=True, help="Only say which.")
def gc(reports: Path, older_than: timedelta, *, dry_run: bool) -> None:
    """Delete the reports of old scans and those that are damaged, and give their space back.

    \b
    What would go, then what goes:
      podgate report gc --older-than 30d --dry-run
      podgate report gc --older-than 30d
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    store = _store(reports)
    now = datetime.now(UTC)
    held = list(store.reports())
    old = [each for each in held if now - each.scanned_at > older_than]
    for key in store.damaged() if dry_run else store.mend():
        click.echo(f"{'would delete' if dry_run else 'deleted'} the damaged report of {key.digest} on {key.platform}")
    gone = old if dry_run else store.delete(old)
    for each in gone:
        click.echo(f"{'would delete' if dry_run else 'deleted'} {show_report(each)}")
    left = len(held) - len(gone)
    click.echo(f"would delete {len(gone)}, keep {left}" if dry_run else f"deleted {len(gone)}, kept {left}")
