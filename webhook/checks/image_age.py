"""Images must not be too old.

## What it does
Compares when every image of a pod was built, as its configuration says and Trivy reported for its digest and platform,
with the time of the review. Image volumes count too.

## Why
An image that nobody has built for a year misses a year of security updates, those that no scanner knows of too.

## Options
- `maxAge` (default `180d`): how old an image may be, as `90d` or `36h`.
- `undated` (default `deny`): what happens where the image has no believable date: reproducible builds often set 1970,
  and a date more than a day ahead would keep an image young for ever.
- `platforms` (default `[linux/amd64]`): those of the cluster's nodes.
- `unscanned`, `otherPlatform` (default `deny`): what happens where no report tells. As for `undated`, `deny` does what
  the check's mode says, `warn` warns at most, `allow` says nothing.

## How to fix
Build the image again on the newest base image, push it, scan it, and import the report.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from webhook.checks.check import Check
from webhook.checks.evidence import EvidenceOptions, Seen, Setting, digest_of, finding, look_up
from webhook.model.decision import Finding
from webhook.model.duration import Duration, parse_duration
from webhook.model.facts import Facts
from webhook.model.quote import quote
from webhook.model.review import Review

ID = "image-age"
# Before it there were no container images: such a date is set by a build tool, as 1970 by SOURCE_DATE_EPOCH=0.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCKS_DIFFER = timedelta(days=1)


class Options(EvidenceOptions, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How old is too old."""

    max_age: Duration = "180d"
    undated: Setting = "deny"


def configure(options: Options) -> Check:
    """Return the check for *options*."""
    most = parse_duration(options.max_age)

    def check(review: Review, facts: Facts) -> Iterator[Finding]:
        for seen in look_up(review, facts, options):
            if isinstance(seen, Finding):
                yield seen
            else:
                yield from _judge(seen, facts.now(), most, options)

    return check


def _judge(seen: Seen, now: datetime, most: timedelta, options: Options) -> Iterator[Finding]:
    built, name = seen.report.created_at, quote(seen.evidence.image)
    if built is None or not _EARLIEST <= built <= now + _CLOCKS_DIFFER:
        says = "none" if built is None else f"{built:%Y-%m-%d}"
        message = f"{name} must have a believable date of its build, and has {says} ({digest_of(seen)})"
        fix = "build the image with its true date (SOURCE_DATE_EPOCH, for reproducible builds), then scan it again"
        yield from finding(options.undated, seen.use, message, fix)
    elif now - built > most:
        message = f"{name} must have been built within {options.max_age}, not on {built:%Y-%m-%d} ({digest_of(seen)})"
        yield from finding("deny", seen.use, message, "build the image again on a new base image, then scan it again")
