"""Images must be pinned.

## What it does
Requires that every image of a pod names one fixed thing, to the degree that `level` asks for: the images of init, app
and ephemeral containers, and of image volumes. A digest satisfies every level. A reference that container runtimes
cannot parse is refused at every level.

## Why
A tag such as `latest` or `3.9` moves. What was tested is then not what runs, two nodes run different things under one
name, a restart is an upgrade, and a scan of the image says nothing about the next pull.

## Options
- `level` (default `version`), what an image must be pinned by:
    - `tag`: a tag other than `latest`;
    - `version`: a tag that names an exact version, that is three numbers or more (`3.9.10`, `3.9.10-slim`,
      `v1.2.3-rc.1`, `jre-17.0.15_6`), a date (`bookworm-20261019`, `2026-10-19`) or a commit (`sha-4f2a9c1`, or all
      40 digits). Not `3.9`, `3.9-slim`, `stable`, `lts` or `main`, nor `1.2.3-SNAPSHOT`, which moves;
    - `digest`: a digest, as in `app:1.2.3@sha256:…`. Only this cannot be moved by those who may push to the registry.

## How to fix
Name the exact version (`nginx:1.29.3`), or the digest that the registry shows for it:
`nginx:1.29.3@sha256:…` (`skopeo inspect`, `crane digest` or `docker buildx imagetools inspect` print it).
"""

import re
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from webhook.checks.check import Check
from webhook.model.decision import Finding
from webhook.model.facts import Facts
from webhook.model.image import DEFAULT_TAG, Image, InvalidReferenceError, parse_image
from webhook.model.quote import LONGEST_QUOTE, quote
from webhook.model.review import Review
from webhook.model.workload import ImageUse

ID = "image-pinned"

# A day or a commit is the same thing for ever, whatever else the tag says.
_DATE_OR_COMMIT = re.compile(
    r"(?<![0-9A-Za-z])(?:19|20)[0-9]{2}([-.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
    r"|(?:^|-)sha-[0-9a-f]{7,}(?:$|-)"
    r"|(?:^|-)[0-9a-f]{40}(?:$|-)"
)
_VERSION = re.compile(r"(?:^|[-_])v?[0-9]+\.[0-9]+\.[0-9]+(?![0-9.]*[xX])")
_MOVING = re.compile(r"(?:^|[-_.])(?:latest|nightly|snapshot)(?:$|[-_.])", re.IGNORECASE)


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """What an image must be pinned by."""

    level: Literal["tag", "version", "digest"] = "version"


class _Level(Struct, frozen=True):
    pinned: Callable[[Image], bool]
    must: str
    example: str
    keeps_tag: bool = False


def configure(options: Options) -> Check:
    """Return the check for *options*."""
    level = _LEVELS[options.level]

    def check(review: Review, _facts: Facts) -> Iterator[Finding]:
        for use in review.workload.image_uses():
            finding = _judge(use, level)
            if finding is not None:
                yield finding

    return check


def _judge(use: ImageUse, level: _Level) -> Finding | None:
    if not use.reference:
        return _finding(use, "must name an image", f"set {use.path} to an image")
    try:
        image = parse_image(use.reference)
    except InvalidReferenceError as error:
        return _finding(use, f"{quote(use.reference)} must be a valid reference: {error}", f"correct {use.path}")
    if level.pinned(image):
        return None
    kept = f"{image.name}:{image.tag}" if level.keeps_tag and image.tag else image.name
    named = kept if len(kept) <= LONGEST_QUOTE else "<image>"
    return _finding(use, f"{quote(use.reference)} {level.must}", f"set {use.path} to {named}{level.example}")


def _finding(use: ImageUse, message: str, fix: str) -> Finding:
    return Finding(use.path, message, fix, container=use.container, image=use.reference)


def _has_digest(image: Image) -> bool:
    return image.digest is not None


def _has_tag(image: Image) -> bool:
    return _has_digest(image) or (image.tag is not None and image.tag != DEFAULT_TAG)


def _has_version(image: Image) -> bool:
    tag = image.tag or DEFAULT_TAG
    if _has_digest(image) or _DATE_OR_COMMIT.search(tag):
        return True
    return _VERSION.search(tag) is not None and not _MOVING.search(tag)


_LEVELS = {
    "tag": _Level(_has_tag, f'must have a tag other than "{DEFAULT_TAG}"', ":<version>"),
    "version": _Level(_has_version, "must have the tag of an exact version, or a digest", ":<major>.<minor>.<patch>"),
    "digest": _Level(_has_digest, "must be pinned by a digest", "@sha256:<digest>", keeps_tag=True),
}
