"""Images must not be built on an operating system that has reached its end of life.

## What it does
Refuses an image whose operating system gets no security updates any more, as Trivy reported (EOSL, end of service life)
for its digest and platform. What Trivy knew at the time of the scan counts. An image without an operating system
passes.

## Why
No more advisories are written for such a system: its scan comes out clean because nobody looks.

## Options
- `platforms` (default `[linux/amd64]`): those of the cluster's nodes.
- `unscanned`, `otherPlatform` (default `deny`): what happens where no report tells: `deny` does what the check's mode
  says, `warn` warns at most, `allow` says nothing.

## How to fix
Build the image on a release that is supported, push it, scan it, and import the report.
"""

from collections.abc import Iterator

from webhook.checks.check import Check
from webhook.checks.evidence import EvidenceOptions, digest_of, finding, look_up
from webhook.model.decision import Finding
from webhook.model.facts import Facts
from webhook.model.quote import one_line, quote
from webhook.model.review import Review

ID = "image-end-of-life"


class Options(EvidenceOptions, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """For which platforms evidence is asked, and what happens where there is none."""


def configure(options: Options) -> Check:
    """Return the check for *options*."""

    def check(review: Review, facts: Facts) -> Iterator[Finding]:
        for seen in look_up(review, facts, options):
            if isinstance(seen, Finding):
                yield seen
                continue
            system = seen.report.os
            if system is not None and system.end_of_life:
                old = one_line(f"{system.family} {system.name}")
                message = (
                    f"{quote(seen.evidence.image)} must be built on a supported operating system: {old} gets no"
                    f" security updates any more ({digest_of(seen)})"
                )
                fix = f"build the image on a supported release of {one_line(system.family)}, then scan it again"
                yield from finding("deny", seen.use, message, fix)

    return check
