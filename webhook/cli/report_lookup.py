"""Finding reports by what a user calls them."""

import difflib
import shlex
from collections.abc import Sequence
from typing import NamedTuple

import click

from webhook.cli.report_output import short_digest
from webhook.model.image import DEFAULT_TAG, InvalidReferenceError, parse_image
from webhook.model.quote import one_line, quote
from webhook.model.report import Report
from webhook.reports.store import ReportStore

_MOST_LISTED = 10  # digests
_NEAR = 3  # names to suggest
_LIKENESS = 0.7  # of 1


class Found(NamedTuple):
    """The reports that a name means, one at least; `tag` is the tag that led to them, empty where none did."""

    reports: tuple[Report, ...]
    tag: str = ""


def find_reports(store: ReportStore, name: str, platform: str | None = None, *, exact: bool = False) -> Found:
    """Return the reports of one digest that *name* means: an image, a digest or the start of one, a report's id.

    A repository without a tag means its only digest, but not where *exact* is asked for. Raises ClickException where
    there are none, or *name* could mean several digests.
    """
    reports = tuple(store.reports())
    tag, named = _named(store, reports, name)
    in_repository = [] if named else _in_repository(reports, name)
    if in_repository and exact:
        msg = f"{quote(name)} is a repository: give a tag or a digest\n{_digests_of(in_repository, name)}"
        raise click.ClickException(msg)
    named = named or in_repository
    digests = {report.digest for report in named}
    if not digests:
        msg = f"no report of {quote(name)}{_suggestion(name, reports)}"
        raise click.ClickException(msg)
    if len(digests) > 1:
        msg = f"{quote(name)} can be any of {len(digests)} digests: give a tag or a digest\n{_digests_of(named, name)}"
        raise click.ClickException(msg)
    found = tuple(report for report in named if platform is None or report.platform == platform)
    if not found:
        others = ", ".join(sorted(one_line(report.platform) for report in named))
        msg = f"no report of {quote(name)} on {platform}, but on {others}"
        raise click.ClickException(msg)
    return Found(found, tag)


def _digests_of(reports: Sequence[Report], name: str) -> str:
    """Return the digests of *reports*, each on a line with its tags; where they are many, how to see all of *name*."""
    tags: dict[str, set[str]] = {report.digest: set() for report in sorted(reports, key=lambda each: each.digest)}
    for report in reports:
        tags[report.digest].update(report.tags)
    lines = [" ".join([digest, *map(one_line, sorted(names))]) for digest, names in tags.items()]
    if len(lines) > _MOST_LISTED:
        command = f"podgate report list --output wide --image {shlex.quote(one_line(name))}"
        lines[_MOST_LISTED:] = [f"and {len(lines) - _MOST_LISTED} more: {command}"]
    return "\n".join(f"  {line}" for line in lines)


def _named(store: ReportStore, reports: Sequence[Report], name: str) -> tuple[str, list[Report]]:
    """Return the reports that *name* means, a tag at the least, and the tag that led to them."""
    by_id = [report for report in reports if report.id == name or _starts(report.digest, name)]
    if by_id:
        return "", by_id
    try:
        image = parse_image(name)
    except InvalidReferenceError:
        return "", []
    if image.digest is not None:
        return "", [report for report in reports if report.digest == image.digest]
    tag = f"{image.full_name}:{image.tag or DEFAULT_TAG}"
    digest = store.resolve(tag)
    if digest is not None:
        return tag, [report for report in reports if report.digest == digest]
    return "", [report for report in reports if report.name == name]


def _in_repository(reports: Sequence[Report], name: str) -> list[Report]:
    """Return the reports of any tag, where *name* is a repository."""
    repository = _repository(name)
    if not repository or (image := parse_image(name)).tag is not None or image.digest is not None:
        return []
    return [report for report in reports if _repository(report.name) == repository]


def _repository(name: str) -> str:
    try:
        return parse_image(name).full_name
    except InvalidReferenceError:  # the file of an image that was scanned, say
        return ""


def _starts(digest: str, start: str) -> bool:
    """Return whether *start* is *digest*, or as much of it as `podgate report list` shows at least."""
    algorithm, _, digits = digest.partition(":")
    wanted = start.removeprefix(f"{algorithm}:")
    return len(wanted) >= len(short_digest(digest)) and digits.startswith(wanted)


def _suggestion(name: str, reports: Sequence[Report]) -> str:
    """Return the names that *name* may have been meant to be, as the end of a sentence."""
    names = sorted({known for report in reports for known in (report.name.partition("@")[0], *report.tags)})
    # Compared without the registry, which most names share.
    near = [known for known in names if difflib.get_close_matches(_last(name), [_last(known)], cutoff=_LIKENESS)]
    if near:
        return f", did you mean {' or '.join(map(one_line, near[:_NEAR]))}?"
    return "" if names else ": the store holds none"


def _last(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]
