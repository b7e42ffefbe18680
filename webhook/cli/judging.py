"""What check and explain share: the files, policies and reports that were named, read and judged."""

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import click
from msgspec import Struct, structs

from webhook.cli.facts import facts_at, refuse_two_readers
from webhook.cli.problems import problem_in
from webhook.manifests.files import Files, Outcome, Problem, manifest_files
from webhook.manifests.judge import ManifestVerdict, judge
from webhook.manifests.read import Manifest
from webhook.manifests.review import Asking
from webhook.model.facts import Facts
from webhook.model.quote import printable
from webhook.policy.load import load_policies
from webhook.policy.policies import PolicySet
from webhook.reports.facts import utc_now

MANY_FILES = 50


class Options(Struct, frozen=True, kw_only=True):
    """What to judge, by what, and as whom."""

    paths: tuple[str, ...]
    policies: Path
    reports: Path
    namespace: str
    user: str
    groups: tuple[str, ...]
    operation: str
    now: datetime | None


class Judge(Struct, frozen=True):
    """By what manifests are judged; *unsure* says that some of it could not be read."""

    policies: PolicySet
    facts: Facts
    asking: Asking
    unsure: bool

    def verdict(self, manifest: Manifest) -> ManifestVerdict:
        """Return the verdict on *manifest*; raises DocumentError where it cannot be read."""
        return judge(manifest, self.policies, self.facts, self.asking, unsure=self.unsure)


def judge_files(options: Options, judging: Callable[[Judge, Manifest], ManifestVerdict] = Judge.verdict) -> Outcome:
    """Judge every file, and say what could not be: policies and reports that cannot be read are problems too."""
    refuse_two_readers(options.paths, options.reports)
    problems: list[Problem] = []
    loaded = load_policies(options.policies)
    problems += map(problem_in, loaded.errors)
    now = options.now or utc_now()
    facts = facts_at(now, options.reports, problems)
    asking = Asking(
        now=now,
        user=options.user,
        groups=options.groups,
        operation="UPDATE" if options.operation == "update" else "CREATE",
        namespace=options.namespace,
    )
    by = Judge(loaded.policies, facts, asking, unsure=bool(problems))
    files = Files(lambda manifest: judging(by, manifest), sys.stdin.buffer)
    for file in _with_progress(manifest_files(options.paths)):
        files.read(file)
    outcome = files.outcome()
    return structs.replace(outcome, problems=(*problems, *outcome.problems))


def tell_problems(outcome: Outcome) -> None:
    """Print what could not be judged, on standard error; it can quote what anybody wrote."""
    for problem in outcome.problems:
        click.echo(printable(f"error: {problem}"), err=True)


def _with_progress(files: list[str]) -> Iterator[str]:
    """Yield *files*, on a terminal with a bar where they are many."""
    if len(files) < MANY_FILES or not sys.stderr.isatty():
        yield from files
        return
    with click.progressbar(files, label="judging", file=sys.stderr, show_pos=True) as bar:
        yield from bar
