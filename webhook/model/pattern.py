"""Patterns: names with `*`, and images by segment."""

import re
from collections.abc import Callable, Iterable

from webhook.model.image import Image, split_registry

Matcher = Callable[[str], bool]


def name_matcher(patterns: Iterable[str]) -> Matcher:
    """Return whether a name fits one of *patterns*; `*` stands for any characters, nothing else is special."""
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
    wild = [_expression(*pattern.split("*")) for pattern in patterns if "*" in pattern]
    if ".*" in wild:
        return lambda _: True
    if not wild:
        return exact.__contains__
    expression = re.compile("|".join(wild), re.DOTALL)
    return lambda name: name in exact or expression.fullmatch(name) is not None


def _expression(first: str, *rest: str) -> str:
    """Return the expression for the parts of a name between its `*`.

    The first place where a part fits is the right one: the atomic groups keep the time from exploding with the `*`.
    """
    *inner, last = rest
    between = "".join(f"(?>.*?{re.escape(part)})" for part in inner if part)
    return f"{re.escape(first)}{between}.*{re.escape(last)}"


def image_matcher(pattern: str) -> Callable[[Image], bool]:
    """Return whether an image fits *pattern*, read as a reference is: `nginx` is docker.io/library/nginx.

    `*` stands for any characters of one segment, a last segment `**` for one segment or more. A tag or digest in the
    pattern must match; without one any does.
    """
    named, _, digest = pattern.partition("@")
    head, slash, last = named.rpartition("/")
    last, colon, tag = last.partition(":")
    registry, repository = split_registry(f"{head}{slash}{last}")
    segments = [registry, *repository.split("/")]
    deep = segments[-1] == "**"
    wanted = [name_matcher([segment]) for segment in (segments[:-1] if deep else segments)]
    tag_fits = name_matcher([tag])

    def matches(image: Image) -> bool:
        names = image.full_name.split("/")
        if len(names) <= len(wanted) if deep else len(names) != len(wanted):
            return False
        if (digest and image.digest != digest) or (colon and not (image.tag and tag_fits(image.tag))):
            return False
        return all(fits(name) for fits, name in zip(wanted, names, strict=False))

    return matches
