"""Images must not be too large.

## What it does
Compares the uncompressed size of every image of a pod, and the number of its layers, as Trivy reported them for its
digest and platform. Image volumes count too.

## Why
A node that pulls a large image keeps pods waiting, runs out of disk and evicts others. What makes images large is
mostly what should not be in them: compilers, caches, test data.

## Options
- `maxSize` (default `2Gi`): the largest size, uncompressed, as Kubernetes writes quantities: `500Mi`, `1.5Gi`, `2G`.
- `maxLayers`: the most layers. Default: any number.
- `platforms` (default `[linux/amd64]`): those of the cluster's nodes.
- `unscanned`, `otherPlatform` (default `deny`): what happens where no report tells: `deny` does what the check's mode
  says, `warn` warns at most, `allow` says nothing.

## How to fix
Build in two stages, copy into the second only what runs, and start it from a small base image; `dive IMAGE` and
`docker history IMAGE` show what each layer weighs.
"""

from collections.abc import Iterator
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from webhook.checks.check import Check
from webhook.checks.evidence import EvidenceOptions, Seen, digest_of, finding, look_up, scan_command
from webhook.model.decision import Finding
from webhook.model.facts import Facts
from webhook.model.quantity import Quantity, parse_bytes, show_bytes
from webhook.model.quote import quote
from webhook.model.review import Review

ID = "image-size"


class Options(EvidenceOptions, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How large is too large."""

    max_size: Quantity = "2Gi"
    max_layers: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


def configure(options: Options) -> Check:
    """Return the check for *options*."""
    most = parse_bytes(options.max_size)

    def check(review: Review, facts: Facts) -> Iterator[Finding]:
        for seen in look_up(review, facts, options):
            if isinstance(seen, Finding):
                yield seen
            else:
                yield from _size(seen, most, options)
                yield from _layers(seen, options)

    return check


def _size(seen: Seen, most: int, options: Options) -> Iterator[Finding]:
    size, name = seen.report.size, quote(seen.evidence.image)
    if size is None:
        message = f"{name} must have a known size: the report of {seen.report.digest} says none"
        yield from finding(options.unscanned, seen.use, message, f"scan it: {scan_command(seen.evidence)}")
    elif size > most:
        message = f"{name} must be at most {options.max_size} uncompressed, not {show_bytes(size)} ({digest_of(seen)})"
        yield from finding("deny", seen.use, message, "leave out of the image what does not run, then scan it again")


def _layers(seen: Seen, options: Options) -> Iterator[Finding]:
    layers, name = seen.report.layers, quote(seen.evidence.image)
    if options.max_layers is UNSET:
        return
    if layers is None:
        message = f"{name} must have a known number of layers: the report of {seen.report.digest} says none"
        yield from finding(options.unscanned, seen.use, message, f"scan it: {scan_command(seen.evidence)}")
    elif layers > options.max_layers:
        message = f"{name} must have no more layers than {options.max_layers}, and has {layers} ({digest_of(seen)})"
        yield from finding("deny", seen.use, message, "build the image in fewer steps, then scan it again")
