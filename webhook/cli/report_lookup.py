"""Finding reports by what a user calls them."""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

import click

from webhook.cli.report_output import short_digest
from webhook.model.image import DEFAULT_TAG, InvalidReferenceError, parse_image
from webhook.model.quote import one_line, quote
from webhook.model.report import Report
from webhook.reports.store import ReportStore

_NEAR = 3  # names to suggest
_LIKENESS = 0.7  # of 1


class Found(NamedTuple):
    """The reports that a name means, one at least; `tag` is the tag that led to them, empty where none did."""

    reports: tuple[Report, ...]
    tag: str = ""


def find_reports(store: ReportStore, name: str, platform: str | None = None) -> Found:
    """Return the reports of one digest that *name* means: an image, a digest or the start of one, a report's id.

    Raises ClickException where there are none, or *name* could mean several digests.
    """
    reports = tuple(store.reports())
    tag, named = _named(store, reports, name)
    digests = sorted({report.digest for report in named})
    if not digests:
        msg = f"no report of {quote(name)}{_suggestion(name, reports)}"
        raise click.ClickException(msg)
    if len(digests) > 1:
        listed = "\n".join(f"  {digest}" for digest in digests)
        msg = f"{quote(name)} can be any of {len(digests)} digests:\n{listed}"
        raise click.ClickException(msg)
    found = tuple(report for report in named if platform is None or report.platform == platform)
    if not found:
        others = ", ".join(sorted(one_line(report.platform) for report in named))
        msg = f"no report of {quote(name)} on {platform}, but on {others}"
        raise click.ClickException(msg)
    return Found(found, tag)


def _named(store: ReportStore, reports: Sequence[Report], name: str) -> tuple[str, list[Report]]:
    """Return the reports that *name* means, and the tag that led to them."""
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
    any_tag = image.tag is None
    return "", [each for each in reports if each.name == name or (any_tag and _repository(each) == image.full_name)]


def _repository(report: Report) -> str:
    try:
        return parse_image(report.name).full_name
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
