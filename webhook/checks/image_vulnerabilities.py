"""Images must have been scanned, and have no more known vulnerabilities than allowed.

## What it does
Looks up what Trivy reported of every image of a pod, by digest and platform: the images of init, app and ephemeral
containers, and of image volumes. Nothing is scanned while the API server waits: a report is imported beforehand, by
`podgate report import`. There are five states of evidence, each with words and a setting of its own:

- scanned: the vulnerabilities are counted, and compared with `max`;
- not scanned: there is no report of that digest, or none names that tag (`unscanned`);
- stale: the scan is older than `maxReportAge`, or was made with a vulnerability database that is (`stale`). What it
  found counts all the same;
- unscannable: Trivy found nothing that it can judge, such as no package database; that is not clean (`unscannable`).
  What it found beside counts all the same;
- of another platform: there are reports of that digest, but for other platforms (`otherPlatform`). Where the images of
  one of them run on the node too, as those of linux/386 do on linux/amd64, what was found in it counts all the same.

An image that is named by a tag is judged by the digest that the tag stood for when it was last scanned, and the verdict
says so. A tag that moved since then is not noticed: pin images by digest (the check `image-pinned`).

## Why
Most of what breaks into a container is known, and mended in a version that nobody has built in yet.

## Options
- `max` (default `{critical: 0}`): the most vulnerabilities of each severity (`critical`, `high`, `medium`, `low`,
  `unknown`). A severity that is not named is limited by the next milder one that is, `unknown` aside; by nothing where
  there is none.
- `onlyFixable` (default false): count only those that a version of the package mends.
- `ignore`: vulnerabilities not to count. Each has an `id`, the time `until` which it is ignored, a `reason`, and, to
  ignore it there only, `packages` (names, with `*`) and `images` (repositories, as in an exception's match).
- `maxReportAge`: how old a report may be, as `7d` or `36h`. Default: any age.
- `platforms` (default `[linux/amd64]`): those of the cluster's nodes; there must be a report for each that the pod's
  `nodeSelector` and `os` leave.
- `unscanned`, `stale`, `unscannable`, `otherPlatform` (default `deny`): what happens in that state: `deny` does what
  the check's mode says, `warn` warns at most, `allow` says nothing.

## How to fix
Upgrade the packages that the denial names to the versions that it names, which often means a newer base image; then
build, push, scan and import: `trivy image --scanners vuln --format json IMAGE | podgate report import -`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from webhook.checks.check import Check
from webhook.checks.evidence import EvidenceOptions, Seen, Setting, finding, look_up, scan_command, scan_of
from webhook.model.decision import Finding
from webhook.model.duration import Duration, parse_duration
from webhook.model.facts import Facts, NotHeldError
from webhook.model.image import Image
from webhook.model.pattern import Matcher, image_matcher, name_matcher
from webhook.model.quote import one_line, quote
from webhook.model.report import Severity, Vulnerability
from webhook.model.review import Review

ID = "image-vulnerabilities"
MOST_SHOWN = 10

Count = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Pattern = Annotated[str, Meta(min_length=1, max_length=512)]
Limits = tuple[int | None, ...]  # by Severity; None is no limit


class Max(Struct, frozen=True, forbid_unknown_fields=True):
    """The most vulnerabilities of each severity."""

    critical: Annotated[Count | UnsetType, Meta(description="Default: as high.")] = UNSET
    high: Annotated[Count | UnsetType, Meta(description="Default: as medium.")] = UNSET
    medium: Annotated[Count | UnsetType, Meta(description="Default: as low.")] = UNSET
    low: Annotated[Count | UnsetType, Meta(description="Default: any number.")] = UNSET
    unknown: Annotated[Count | UnsetType, Meta(description="Default: any number.")] = UNSET

    def limits(self) -> Limits:
        """Return the limits by Severity."""
        limits: list[int | None] = [None if self.unknown is UNSET else self.unknown]
        milder: int | None = None
        for given in (self.low, self.medium, self.high, self.critical):
            milder = milder if given is UNSET else given
            limits.append(milder)
        return tuple(limits)


class Ignored(Struct, frozen=True, forbid_unknown_fields=True):
    """A vulnerability that does not count, until when, why and where."""

    id: Annotated[Text, Meta(description="As Trivy gives it: CVE-2024-3094, GHSA-….")]
    until: Annotated[datetime, Meta(tz=True, description="From this second on it counts. RFC 3339, with a time zone.")]
    reason: Annotated[Text, Meta(description="Why it does not count.")]
    packages: Annotated[tuple[Pattern, ...], Meta(description="Names of packages, with `*`. Default: all.")] = ()
    images: Annotated[tuple[Pattern, ...], Meta(description="Repositories, as in an exception. Default: all.")] = ()


class Options(EvidenceOptions, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is allowed of what was found, and of what is known."""

    max: Max = Max(critical=0)
    only_fixable: bool = False
    ignore: tuple[Ignored, ...] = ()
    max_report_age: Duration | UnsetType = UNSET
    stale: Setting = "deny"
    unscannable: Setting = "deny"


class _Ignoring(Struct, frozen=True):
    """An entry of `ignore`, ready to use."""

    id: str
    until: datetime
    packages: Matcher
    images: tuple[Callable[[Image], bool], ...]

    def applies(self, image: Image, now: datetime) -> bool:
        """Whether it is for *image* and has not ended."""
        return now < self.until and (not self.images or any(fits(image) for fits in self.images))


def configure(options: Options) -> Check:
    """Return the check for *options*."""
    max_age = None if options.max_report_age is UNSET else parse_duration(options.max_report_age)
    limits = options.max.limits()
    ignoring = tuple(
        _Ignoring(
            entry.id,
            entry.until,
            name_matcher(entry.packages or ("*",)),
            tuple(image_matcher(pattern) for pattern in entry.images),
        )
        for entry in options.ignore
    )

    def check(review: Review, facts: Facts) -> Iterator[Finding]:
        for seen in look_up(review, facts, options, max_age):
            if isinstance(seen, Finding):
                yield seen
                continue
            yield from _doubts(seen, options)
            report = seen.report
            # Ignoring makes them fewer: an image that has few enough needs no look at each of them.
            counts = report.fixable if options.only_fixable else report.counts
            if not _exceeded(counts, limits):
                continue
            try:
                found = _counted(seen, facts, ignoring, options)
            except NotHeldError:
                yield _judge_in_short(seen, counts, options, limits)
            else:
                yield from _judge(seen, found, options, limits)

    return check


def _doubts(seen: Seen, options: Options) -> Iterator[Finding]:
    """Yield why the report proves little, where it does."""
    name, scan = quote(seen.evidence.image), scan_of(seen.evidence, seen.report)
    if seen.report.unscannable:
        message = f"{name} must be an image that can be scanned: {one_line(seen.report.unscannable)} ({scan})"
        fix = f"build it on an image whose packages Trivy knows, then scan it: {scan_command(seen.evidence)}"
        yield from finding(options.unscannable, seen.use, message, fix)
    if seen.evidence.stale:
        message = f"{name} must have been scanned within {options.max_report_age}: {scan}"
        yield from finding(options.stale, seen.use, message, f"scan it again: {scan_command(seen.evidence)}")


def _exceeded(counts: Sequence[int], limits: Limits) -> list[Severity]:
    """Return the severities of which *counts*, by Severity, are more than allowed, the worst first."""
    return [s for s in reversed(Severity) if (limit := limits[s]) is not None and counts[s] > limit]


def _counted(seen: Seen, facts: Facts, ignoring: tuple[_Ignoring, ...], options: Options) -> tuple[Vulnerability, ...]:
    """Return the vulnerabilities that count, the worst first."""
    ignored: dict[str, list[Matcher]] = {}
    now = facts.now()
    for entry in ignoring:
        if entry.applies(seen.image, now):
            ignored.setdefault(entry.id, []).append(entry.packages)
    return tuple(
        each
        for each in facts.vulnerabilities(seen.report)
        if (each.fixed or not options.only_fixable) and not any(fits(each.package) for fits in ignored.get(each.id, ()))
    )


def _judge(seen: Seen, found: tuple[Vulnerability, ...], options: Options, limits: Limits) -> Iterator[Finding]:
    by_severity = Counter(each.severity for each in found)
    counts = [by_severity[severity] for severity in Severity]
    exceeded = _exceeded(counts, limits)
    if not exceeded:
        return
    guilty = [each for each in found if each.severity in exceeded]
    message = _too_many(seen, counts, options, limits)
    details = [_in_words(each) for each in guilty[:MOST_SHOWN]]
    if len(guilty) > MOST_SHOWN:
        details.append(f"and {len(guilty) - MOST_SHOWN} more, in the denial log")
    use = seen.use
    yield Finding(
        use.path,
        message,
        _fix(seen, guilty),
        container=use.container,
        image=use.reference,
        details=tuple(details),
        vulnerabilities=found,
    )


def _judge_in_short(seen: Seen, counts: Sequence[int], options: Options, limits: Limits) -> Finding:
    """Return the finding by the report's *counts*, where nobody can look at its vulnerabilities: none is ignored."""
    use = seen.use
    shown = "they are not held in memory: podgate report show has them"
    fix = "upgrade what podgate report show names, or raise --reports-memory where an ignored one is among them"
    message = _too_many(seen, counts, options, limits)
    return Finding(use.path, message, fix, container=use.container, image=use.reference, details=(shown,))


def _too_many(seen: Seen, counts: Sequence[int], options: Options, limits: Limits) -> str:
    exceeded = _exceeded(counts, limits)
    allowed = " and ".join(f"{limits[severity]} {severity}" for severity in exceeded)
    has = " and ".join(f"{counts[severity]}" for severity in exceeded)
    kind = "fixable vulnerabilities" if options.only_fixable else "vulnerabilities"
    scan = scan_of(seen.evidence, seen.report)
    return f"{quote(seen.evidence.image)} must have at most {allowed} {kind}, not {has} ({scan})"


def _in_words(each: Vulnerability) -> str:
    unfixed = each.status.replace("_", " ") or "no fix known"
    outcome = f"fixed in {each.fixed}" if each.fixed else unfixed
    where = f" in {each.path}" if each.path else ""
    return one_line(f"{each.severity} {each.id}: {each.package} {each.installed}{where}, {outcome}")


def _fix(seen: Seen, guilty: list[Vulnerability]) -> str:
    """Return what to upgrade to what; the highest of several versions mends all."""
    upgrades: dict[str, dict[str, None]] = {}
    for each in guilty:
        upgrades.setdefault(each.package, {}).update(dict.fromkeys(each.fixed.split(", ") if each.fixed else ()))
    known = [(package, versions) for package, versions in upgrades.items() if versions]
    if not known:
        packages = ", ".join(map(one_line, list(upgrades)[:MOST_SHOWN]))
        return f"no fixed version is known: build on another image without {packages}, or ask for an exception"
    shown = ", ".join(one_line(f"{package} to {_highest(versions)}") for package, versions in known[:MOST_SHOWN])
    more = f" and {len(known) - MOST_SHOWN} packages more" if len(known) > MOST_SHOWN else ""
    scan = scan_command(seen.evidence, f"{seen.image.name}:NEW")
    return f"upgrade {shown}{more} in the image, push it as NEW, scan it ({scan}), and set {seen.use.path} to it"


def _highest(versions: Iterable[str]) -> str:
    first, *more = versions
    return f"the highest of {', '.join((first, *more))}" if more else first
