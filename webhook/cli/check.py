"""podgate check."""

import os
import sys
from typing import Any, Literal

import click

from webhook.cli.check_json import as_json
from webhook.cli.findings import as_text
from webhook.cli.judging import Options, judge_files, tell_problems
from webhook.cli.options import FILE, TIME, default_reports
from webhook.cli.sarif import as_sarif
from webhook.manifests.files import Outcome
from webhook.manifests.review import USER
from webhook.model.decision import Mode
from webhook.model.quote import printable

CLEAN, FINDINGS, NOT_JUDGED = 0, 1, 2
NEVER = "never"


class CheckOptions(Options, frozen=True, kw_only=True):
    """What was given on the command line."""

    output: Literal["text", "json", "sarif"]
    fail_on: str
    quiet: bool


@click.command()
@click.argument("paths", metavar="FILE|DIR|-...", nargs=-1, required=True)
@click.option(
    "--policies",
    type=FILE,
    required=True,
    envvar="PODGATE_POLICIES",
    show_envvar=True,
    help="Folder or file of policies and exceptions.",
)
@click.option(
    "--reports",
    type=FILE,
    envvar="PODGATE_REPORTS",
    show_envvar=True,
    default=default_reports,
    show_default="podgate/reports.db in the user's data folder",
    help="The store of image reports; or what trivy image --scanners vuln --format json writes: file, folder or -.",
)
@click.option("--namespace", "-n", default="default", show_default=True, help="Where objects go that name none.")
@click.option("--user", default=USER, show_default=True, help="Who is said to apply them.")
@click.option("--group", "groups", multiple=True, help="A group of that user; repeatable. system:authenticated is one.")
@click.option(
    "--operation",
    type=click.Choice(["create", "update"]),
    default="create",
    show_default=True,
    help="What is said to be done.",
)
@click.option("--now", type=TIME, help="Judge as of this time: exceptions and reports end.  [default: now]")
@click.option("--output", "-o", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True)
@click.option(
    "--fail-on",
    type=click.Choice(["enforce", "warn", "audit", NEVER]),
    default="enforce",
    show_default=True,
    help="The softest finding that makes the exit code 1.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
def check(**given: Any) -> None:
    """Judge manifests as the webhook would, without a cluster.

    A workload is judged twice: the object itself, and the pods that its controllers will create. Lists are taken apart;
    kinds that hold no pods are passed over.

    \b
    A file, a folder (its *.yaml, *.yml and *.json), or what another tool prints:
      podgate check --policies policies/ deployment.yaml k8s/
      helm template my-chart | podgate check --policies policies/ -
      kustomize build overlays/prod | podgate check --policies policies/ --namespace shop -
    With what Trivy found, on this machine or in the pipeline before:
      trivy image --scanners vuln --format json --output reports/web.json registry.example.com/web:1.2
      podgate check --policies policies/ --reports reports/ k8s/
      trivy image --scanners vuln --format json web:1.2 | podgate check --policies policies/ --reports - web.yaml
    Which exceptions will have ended in the new year, and what then:
      podgate check --policies policies/ --now 2027-01-01T00:00:00Z k8s/
    For a code host that shows findings beside the lines of a change:
      podgate check --policies policies/ --output sarif k8s/ > podgate.sarif

    \b
    Exit codes:
      0  nothing found that is as hard as --fail-on
      1  something was
      2  something could not be judged: a file, an object, a policy, a report
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    options = CheckOptions(**given)
    outcome = judge_files(options)
    exit_code = exit_code_of(outcome, options.fail_on)
    if not options.quiet:
        _show(outcome, options, exit_code)
        _note(outcome)
    tell_problems(outcome)
    sys.exit(exit_code)


def exit_code_of(outcome: Outcome, fail_on: str) -> int:
    """Return the exit code: what could not be judged counts more than what was found."""
    if outcome.problems:
        return NOT_JUDGED
    found = [verdict.mode for verdict in outcome.verdicts if verdict.mode is not None]
    return FINDINGS if fail_on != NEVER and max(found, default=-1) >= Mode[fail_on.upper()] else CLEAN


def _show(outcome: Outcome, options: CheckOptions, exit_code: int) -> None:
    """Print *outcome*; colours for terminals only, and for none where NO_COLOR is set."""
    if options.output == "text":
        click.echo("\n".join(as_text(outcome)), color=False if os.environ.get("NO_COLOR") else None)
    else:
        click.echo(as_json(outcome, exit_code) if options.output == "json" else as_sarif(outcome, exit_code))


def _note(outcome: Outcome) -> None:
    """Say on standard error what was left out."""
    for note in outcome.notes:
        click.echo(printable(f"note: {note}"), err=True)
    if not (outcome.verdicts or outcome.problems):
        click.echo("note: no workload was found, so nothing was judged", err=True)
