"""podgate explain."""

import sys
from typing import Any, Literal

import click

from webhook.cli.check import check
from webhook.cli.explanation import Explained, as_text
from webhook.cli.explanation_json import as_json
from webhook.cli.judging import Judge, Options, judge_files, tell_problems
from webhook.cli.tables import has_colours
from webhook.explain.explain import explain as explain_review
from webhook.manifests.files import Outcome
from webhook.manifests.judge import ManifestVerdict
from webhook.manifests.read import Manifest
from webhook.manifests.review import reviews_of
from webhook.model.quote import printable

EXPLAINED, NOT_EXPLAINED = 0, 2
_AS_CHECK = Options.__struct_fields__


class ExplainOptions(Options, frozen=True, kw_only=True):
    """What was given on the command line."""

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
    options = ExplainOptions(**given)
    explained, outcome = run(options)
    if options.output == "json":
        click.echo(as_json(explained, outcome))
    elif explained:
        click.echo("\n".join(as_text(explained)), color=has_colours(sys.stdout))
    elif not outcome.problems:
        click.echo("no workload found: there is nothing to explain", err=True)
    for note in outcome.notes:
        click.echo(printable(note), err=True)
    tell_problems(outcome)
    sys.exit(NOT_EXPLAINED if outcome.problems else EXPLAINED)


def run(options: Options) -> tuple[list[Explained], Outcome]:
    """Explain every workload in every file, and return with it what could not be read."""
    explained: list[Explained] = []

    def judge_and_explain(by: Judge, manifest: Manifest) -> ManifestVerdict:
        verdict = by.verdict(manifest)
        reviews = reviews_of(manifest, by.asking)
        explained.append(Explained(verdict, tuple(explain_review(each, by.policies, by.facts) for each in reviews)))
        return verdict

    return explained, judge_files(options, judge_and_explain)
