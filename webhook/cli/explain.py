"""podgate explain."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click
from msgspec import Struct, structs

from webhook.cli.check import check
from webhook.cli.explanation import Explained, as_text
from webhook.cli.explanation_json import as_json
from webhook.cli.facts import facts_at, refuse_two_readers
from webhook.cli.problems import problem_in
from webhook.cli.tables import has_colours
from webhook.explain.explain import explain as explain_review
from webhook.manifests.files import Files, Outcome, Problem, manifest_files
from webhook.manifests.judge import ManifestVerdict, judge
from webhook.manifests.read import Manifest
from webhook.manifests.review import Asking, reviews_of
from webhook.policy.load import load_policies
from webhook.reports.facts import utc_now

EXPLAINED, NOT_EXPLAINED = 0, 2
_AS_CHECK = ("paths", "policies", "reports", "namespace", "user", "groups", "operation", "now")


class Options(Struct, frozen=True, kw_only=True):
    """What was given on the command line."""

    paths: tuple[str, ...]
    policies: Path
    reports: Path
    namespace: str
    user: str
    groups: tuple[str, ...]
    operation: str
    now: datetime | None
    output: Literal["text", "json"]


@click.command(params=[parameter for parameter in check.params if parameter.name in _AS_CHECK])
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain(**given: Any) -> None:
    """Say why manifests are refused or not.

    Shows for every workload, and for the pods that its controllers will create: which policies match, or what keeps
    them from it; which checks run and what they find; what is known of each image; why each exception of the namespace
    applies or not, and what it excuses. The verdict is that of podgate check, and of the webhook.

    \b
    Why is this refused, and why does our exception not help?
      podgate explain --policies policies/ deployment.yaml
    Will it help next year, and where the pipeline applies the file?
      podgate explain --policies policies/ --now 2027-01-01T00:00:00Z --user ci --group builders deployment.yaml
    Why was a pod let in that a ReplicaSet made?
      kubectl get pod web-5c8d-x -o yaml |
        podgate explain --policies policies/ --user system:serviceaccount:kube-system:replicaset-controller -

    \b
    Exit codes:
      0  everything was explained, whatever the verdict
      2  something could not be read: a file, an object, a policy, a report
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    options = Options(**given)
    explained, outcome = run(options)
    if options.output == "json":
        click.echo(as_json(explained, outcome))
    elif explained:
        click.echo("\n".join(as_text(explained)), color=has_colours(sys.stdout))
    elif not outcome.problems:
        click.echo("no workload found: there is nothing to explain", err=True)
    for line in (*outcome.notes, *(f"error: {problem}" for problem in outcome.problems)):
        click.echo(line, err=True)
    sys.exit(NOT_EXPLAINED if outcome.problems else EXPLAINED)


def run(options: Options) -> tuple[list[Explained], Outcome]:
    """Explain every workload in every file, and return with it what could not be read."""
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
    unsure = bool(problems)
    explained: list[Explained] = []

    def judge_and_explain(manifest: Manifest) -> ManifestVerdict:
        verdict = judge(manifest, loaded.policies, facts, asking, unsure=unsure)
        explanations = tuple(explain_review(each, loaded.policies, facts) for each in reviews_of(manifest, asking))
        explained.append(Explained(verdict, explanations))
        return verdict

    files = Files(judge_and_explain, sys.stdin.buffer)
    for file in manifest_files(options.paths):
        files.read(file)
    outcome = files.outcome()
    return explained, structs.replace(outcome, problems=(*problems, *outcome.problems))
