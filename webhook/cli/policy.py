"""podgate policy."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from webhook.cli.options import FILE, TIME
from webhook.cli.policy_warnings import warnings
from webhook.cli.problems import problem_in
from webhook.manifests.files import Problem
from webhook.model.quote import printable
from webhook.policy.load import load_files, policy_files
from webhook.reports.facts import utc_now

SOUND, ERRORS, UNREADABLE = 0, 1, 2


class PolicyReport(Struct, frozen=True, rename="camel"):
    """The JSON of `podgate policy check`: names of what is sound, errors, and warnings about it."""

    policies: tuple[str, ...]
    exceptions: tuple[str, ...]
    errors: tuple[Problem, ...]
    warnings: tuple[str, ...]
    exit_code: int


@click.group()
def policy() -> None:
    """Work with policies and exceptions."""


@policy.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=FILE)
@click.option("--now", type=TIME, help="Say what has ended by this time.  [default: now]")
@click.option("--soon", default=14, show_default=True, type=click.IntRange(0), help="Days before an end to warn of it.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(paths: tuple[Path, ...], now: datetime | None, soon: int, output: str) -> None:
    """Validate policies and exceptions, in files and folders.

    Each error is told with file, line, column and path, and with what was expected there. Warnings are about exceptions
    and ignored vulnerabilities that have ended, or soon will, and about options that let everything pass, or nothing.

    \b
      podgate policy check policies/
      podgate policy check policies/ exceptions/shop.yaml

    \b
    Exit codes:
      0  no errors
      1  errors
      2  a file or folder could not be read
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    loaded = load_files([file for path in paths for file in policy_files(path)])
    problems = tuple(sorted(map(problem_in, loaded.errors), key=lambda each: (each.file, each.line, each.column)))
    if not (problems or loaded.policies.policies or loaded.policies.exceptions):
        problems = (Problem(", ".join(map(str, paths)), "no policy and no exception found"),)
    report = PolicyReport(
        policies=tuple(policy.use.name for policy in loaded.policies.policies),
        exceptions=tuple(f"{each.use.namespace}/{each.use.name}" for each in loaded.policies.exceptions),
        errors=problems,
        warnings=tuple(warnings(loaded.policies, now or utc_now(), timedelta(days=soon))),
        exit_code=_exit_code(problems),
    )
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        _show(report)
    sys.exit(report.exit_code)


def _exit_code(problems: tuple[Problem, ...]) -> int:
    """Return the exit code; what has no line could not be read at all."""
    if not problems:
        return SOUND
    return ERRORS if all(problem.line for problem in problems) else UNREADABLE


def _show(report: PolicyReport) -> None:
    for problem in report.errors:
        click.echo(printable(f"error: {problem}"), err=True)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    errors = f"{len(report.errors)} error{'' if len(report.errors) == 1 else 's'}" if report.errors else "no errors"
    policies, exceptions = len(report.policies), len(report.exceptions)
    click.echo(
        f"{policies} {'policy' if policies == 1 else 'policies'}, "
        f"{exceptions} exception{'' if exceptions == 1 else 's'}: {errors}"
    )
