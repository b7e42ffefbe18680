"""Which vulnerabilities an entry of image-vulnerabilities' `ignore` leaves out, and why none where there is none.

The check itself is asked, without the entry, with it, and with parts of it: there is no second reading of what an entry
means.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct, structs

from webhook.checks.image_vulnerabilities import Ignored, Max, Options, configure
from webhook.model.facts import Facts
from webhook.model.quote import one_line
from webhook.model.report import Vulnerability
from webhook.model.review import Review
from webhook.policy.match import not_one_of

_NOTHING_ALLOWED = Max(low=0, unknown=0)  # and none that is worse than low
_NEVER = datetime.max.replace(tzinfo=UTC)


class IgnoredVulnerability(Struct, frozen=True):
    """A vulnerability that does not count: of the image, as written, that stands at `path`."""

    path: str
    image: str
    vulnerability: Vulnerability


class ExplainedIgnore(Struct, frozen=True):
    """An entry of `ignore` and what it leaves out; where that is nothing, `why_not` says why."""

    entry: Ignored
    vulnerabilities: tuple[IgnoredVulnerability, ...]
    why_not: tuple[str, ...]


def explain_ignore(options: Options, review: Review, facts: Facts) -> tuple[ExplainedIgnore, ...]:
    """Return what each entry of `ignore` in *options* does in the pod of *review*, by itself."""
    counted = _count(options, review, facts) if options.ignore else Counter()

    def left_out(entry: Ignored) -> tuple[IgnoredVulnerability, ...]:
        return tuple(counted - _count(options, review, facts, entry))

    explained = []
    for entry in options.ignore:
        vulnerabilities = left_out(entry)
        explained.append(ExplainedIgnore(entry, vulnerabilities, () if vulnerabilities else _why_not(entry, left_out)))
    return tuple(explained)


def _count(options: Options, review: Review, facts: Facts, *entries: Ignored) -> Counter[IgnoredVulnerability]:
    """Return what counts where *entries* alone are ignored, and on how many platforms."""
    check = configure(structs.replace(options, max=_NOTHING_ALLOWED, ignore=entries))
    return Counter(
        IgnoredVulnerability(finding.path, finding.image or "", vulnerability)
        for finding in check(review, facts)
        for vulnerability in finding.vulnerabilities
    )


def _why_not(entry: Ignored, left_out: Callable[[Ignored], tuple[IgnoredVulnerability, ...]]) -> tuple[str, ...]:
    """Return which parts of *entry*, each taken alone, keep it from leaving anything out."""
    by_id = structs.replace(entry, until=_NEVER, packages=(), images=())
    found = left_out(by_id)
    if not found:
        return (f"id: no image has {one_line(entry.id)} among what counts",)
    reasons = []
    if not left_out(structs.replace(by_id, until=entry.until)):
        reasons.append(f"until: it ended on {entry.until.isoformat()}")
    if not left_out(structs.replace(by_id, packages=entry.packages)):
        packages = dict.fromkeys(each.vulnerability.package for each in found)
        reasons.append(not_one_of("packages", packages, entry.packages))
    if not left_out(structs.replace(by_id, images=entry.images)):
        reasons.append(not_one_of("images", dict.fromkeys(each.image for each in found), entry.images))
    return tuple(reasons) or ("packages, images: no image of these has it in a package of these",)
