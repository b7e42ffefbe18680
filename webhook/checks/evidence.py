"""How checks ask for evidence about images, and what they say where there is none, or none that counts."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from webhook.model.decision import Finding, Mode
from webhook.model.facts import Facts
from webhook.model.image import Image, InvalidReferenceError, parse_image
from webhook.model.platform import PATTERN, parse_platform
from webhook.model.quote import LONGEST_QUOTE, one_line, quote
from webhook.model.report import Evidence, EvidenceState, Report
from webhook.model.review import Review
from webhook.model.workload import ImageUse

Setting = Literal["deny", "warn", "allow"]
Platform = Annotated[str, Meta(pattern=rf"^{PATTERN}$(?!\n)", extra={"expected": "a platform such as linux/amd64"})]

_MODES = {"deny": Mode.ENFORCE, "warn": Mode.WARN, "allow": None}


class PlatformOptions(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """For which platforms evidence is asked: those of the cluster's nodes, by their one name each, as reports are."""

    platforms: Annotated[tuple[Platform, ...], Meta(min_length=1)] = ("linux/amd64",)

    def __post_init__(self) -> None:
        force_setattr(self, "platforms", tuple(dict.fromkeys(map(parse_platform, self.platforms))))


class EvidenceOptions(PlatformOptions, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What happens where there is no evidence."""

    unscanned: Setting = "deny"
    other_platform: Setting = "deny"


class Seen(Struct, frozen=True):
    """An image of the pod, on a platform that it can run on, and the report of it, or of one that runs there too."""

    use: ImageUse
    image: Image
    evidence: Evidence
    report: Report


def look_up(
    review: Review, facts: Facts, options: EvidenceOptions, max_age: timedelta | None = None
) -> Iterator[Seen | Finding]:
    """Yield what is known of every image of the pod, on every platform that it can run on.

    Where there is no report, that is a finding, or nothing where *options* allow it. A report of another platform whose
    images run on that one counts beside: it proves nothing, but what is found wanting in it can be what will run.
    """
    platforms = review.workload.platforms(options.platforms)
    for use in review.workload.image_uses():
        try:
            image = parse_image(use.reference or "")
        except InvalidReferenceError as error:
            message = f"{quote(use.reference or '')} must be a valid reference: {error}"
            yield from finding(options.unscanned, use, message, f"correct {use.path}")
            continue
        for platform in platforms:
            evidence = facts.evidence(image, platform, max_age)
            if evidence.own_report is None:
                yield from _without_report(use, evidence, options)
            if evidence.report is not None:
                yield Seen(use, image, evidence, evidence.report)


def _without_report(use: ImageUse, evidence: Evidence, options: EvidenceOptions) -> Iterator[Finding]:
    name = quote(evidence.image)
    if evidence.state is EvidenceState.OTHER_PLATFORM:
        held = one_line(", ".join(evidence.platforms))
        scanned = f"{evidence.digest}, which the tag stood for," if evidence.by_tag else str(evidence.digest)
        message = f"{name} must have been scanned for {one_line(evidence.platform)}: {scanned} was for {held} only"
        yield from finding(options.other_platform, use, message, f"scan it: {scan_command(evidence)}")
        return
    known = f"there is no report of {evidence.digest}" if evidence.digest else "no report names this tag"
    message = f"{name} must have been scanned: {known}"
    yield from finding(options.unscanned, use, message, f"scan it: {scan_command(evidence)}")


def finding(setting: Setting, use: ImageUse, message: str, fix: str) -> Iterator[Finding]:
    """Yield a finding about *use* that does what *setting* says; nothing where that allows it."""
    mode = _MODES[setting]
    if mode is not None:
        yield Finding(use.path, message, fix, container=use.container, image=use.reference, mode=mode)


def digest_of(seen: Seen) -> str:
    """Return in words which digest was judged, whether it is the image's by its tag alone, and another platform."""
    digest = f"the tag stood for {seen.report.digest}" if seen.evidence.by_tag else seen.report.digest
    return f"{digest}, for {seen.report.platform}" if seen.evidence.own_report is None else digest


def scan_of(evidence: Evidence, report: Report) -> str:
    """Return in words which digest was scanned, how that is the image's, when and with which database.

    The platform is said where it is another than was asked for.
    """
    database = report.database_updated_at
    by = f"with the vulnerability database of {_time(database)}" if database else "with a database of unknown age"
    platform = f" for {report.platform}" if evidence.own_report is None else ""
    scan = f"scanned{platform} at {_time(report.scanned_at)} {by}"
    return f"the tag stood for {report.digest} when {scan}" if evidence.by_tag else f"{report.digest} was {scan}"


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def scan_command(evidence: Evidence, image: str = "") -> str:
    """Return the command that scans *image*, the one of *evidence* if none is given, and hands the report in.

    It is safe to paste into a shell: the platform is what the pod's nodeSelector says, which can be anything; a
    reference has no special characters.
    """
    image = image or evidence.image
    named = image if len(image) <= LONGEST_QUOTE else "<image>"
    platform = shlex.quote(one_line(evidence.platform))
    return f"trivy image --scanners vuln --format json --platform {platform} {named} | podgate report import -"
