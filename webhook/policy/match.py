"""Matching: names by pattern, labels by selector, images by segment."""

import re
from collections.abc import Callable, Iterable, Mapping

from webhook.model.image import Image, split_registry
from webhook.model.review import Review
from webhook.policy.schema import LabelSelector, Match, Names, Requirement

Matcher = Callable[[str], bool]
Condition = Callable[[Review], bool]


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


def label_matcher(selector: LabelSelector) -> Callable[[Mapping[str, str]], bool]:
    """Return whether labels fit *selector* (apimachinery, pkg/apis/meta/v1/helpers.go, LabelSelectorAsSelector)."""
    equal = selector.match_labels.items()
    required = [_requirement(requirement) for requirement in selector.match_expressions]

    def matches(labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in equal) and all(holds(labels) for holds in required)

    return matches


def _requirement(requirement: Requirement) -> Callable[[Mapping[str, str]], bool]:
    key, values = requirement.key, frozenset(requirement.values)
    holds: dict[str, Callable[[Mapping[str, str]], bool]] = {
        "In": lambda labels: labels.get(key) in values,
        "NotIn": lambda labels: labels.get(key) not in values,
        "Exists": lambda labels: key in labels,
        "DoesNotExist": lambda labels: key not in labels,
    }
    return holds[requirement.operator]


def conditions_of(match: Match) -> tuple[Condition, ...]:
    """Return what must hold of a review for *match*, the cheapest first; what would always hold is left out."""
    conditions: list[Condition] = []
    if match.kinds:
        kinds = frozenset(match.kinds)
        conditions.append(lambda review: review.kind in kinds)
    if match.operations:
        operations = frozenset(match.operations)
        conditions.append(lambda review: review.operation in operations)
    if match.namespaces != Names():
        namespace_fits = _included(match.namespaces)
        conditions.append(lambda review: namespace_fits((review.namespace,)))
    if match.users != Names():
        user_fits = _included(match.users)
        conditions.append(lambda review: user_fits((review.user.username,)))
    if match.groups != Names():
        groups_fit = _included(match.groups)
        conditions.append(lambda review: groups_fit(review.user.groups or ()))
    if match.object_selector != LabelSelector():
        labels_fit = label_matcher(match.object_selector)
        conditions.append(lambda review: labels_fit(review.workload.metadata.labels or {}))
    return tuple(conditions)


def _included(names: Names) -> Callable[[Iterable[str]], bool]:
    """Return whether one of some names is included and none is excluded."""
    included, excluded = name_matcher(names.include), name_matcher(names.exclude)
    everyone = "*" in names.include
    return lambda given: (everyone or any(map(included, given))) and not any(map(excluded, given))
