"""Matching: which reviews a policy applies to, and in words why it does not apply to others."""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from webhook.model.pattern import name_matcher
from webhook.model.quote import one_line
from webhook.model.review import Review
from webhook.policy.schema import LabelSelector, Match, Names, Requirement


class Condition(Struct, frozen=True):
    """What must hold of a review. `words` say why it does not, and are asked for only where it does not."""

    holds: Callable[[Review], bool]
    words: Callable[[Review], str]


def conditions_of(match: Match) -> tuple[Condition, ...]:
    """Return what must hold of a review for *match*, the cheapest first; what would always hold is left out."""
    conditions: list[Condition] = []
    if match.kinds:
        conditions.append(_one_of("kinds", match.kinds, lambda review: review.kind))
    if match.operations:
        conditions.append(_one_of("operations", match.operations, lambda review: review.operation))
    if match.namespaces != Names():
        conditions.append(_names("namespaces", match.namespaces, lambda review: (review.namespace,)))
    if match.users != Names():
        conditions.append(_names("users", match.users, lambda review: (review.user.username,)))
    if match.groups != Names():
        conditions.append(_names("groups", match.groups, lambda review: review.user.groups or ()))
    conditions.extend(_labels(match.object_selector))
    return tuple(conditions)


def not_one_of(field: str, given: Iterable[str], wanted: Iterable[str]) -> str:
    """Return in words that of what is *given* nothing is *wanted* by *field*."""
    names = [show(name) for name in given]
    one_of = f"one of {', '.join(map(show, wanted))}"
    if len(names) == 1:
        return f"{field}: {names[0]} is not {one_of}"
    return f"{field}: none of {', '.join(names)} is {one_of}" if names else f"{field}: none is {one_of}"


def show(name: str) -> str:
    """Return *name* for a message of one line; the empty one in quotes."""
    return one_line(name) or '""'


def _one_of(field: str, wanted: tuple[str, ...], given: Callable[[Review], str]) -> Condition:
    """Return that what is *given* is one of *wanted*."""
    known = frozenset(wanted)
    return Condition(lambda review: given(review) in known, lambda review: not_one_of(field, [given(review)], wanted))


def _names(field: str, names: Names, given: Callable[[Review], Iterable[str]]) -> Condition:
    """Return that one of the names *given* is included and none is excluded."""
    included, excluded = name_matcher(names.include), name_matcher(names.exclude)
    everyone = "*" in names.include

    def holds(review: Review) -> bool:
        found = given(review)
        return (everyone or any(map(included, found))) and not any(map(excluded, found))

    def words(review: Review) -> str:
        found = given(review)
        barred = [show(name) for name in found if excluded(name)]
        if barred:
            return f"{field}: {' and '.join(barred)} {'is' if len(barred) == 1 else 'are'} excluded"
        return not_one_of(field, found, names.include)

    return Condition(holds, words)


def _labels(selector: LabelSelector) -> Iterator[Condition]:
    """Yield what *selector* asks of labels (apimachinery, pkg/apis/meta/v1/helpers.go, LabelSelectorAsSelector)."""
    for key, value in selector.match_labels.items():
        yield _label(key, frozenset((value,)).__contains__, f"is not {show(value)}")
    for requirement in selector.match_expressions:
        yield _required(requirement)


def _required(requirement: Requirement) -> Condition:
    key, values = requirement.key, frozenset(requirement.values)
    one_of = f"one of {', '.join(map(show, requirement.values))}"
    conditions = {
        "In": _label(key, lambda value: value in values, f"is not {one_of}"),
        "NotIn": _label(key, lambda value: value not in values, f"is {one_of}"),
        "Exists": _label(key, lambda value: value is not None, "must be there"),
        "DoesNotExist": _label(key, lambda value: value is None, "must not be there"),
    }
    return conditions[requirement.operator]


def _label(key: str, holds: Callable[[str | None], bool], words: str) -> Condition:
    """Return that *holds* is true of the value of the label *key*, None where it is absent."""
    why_not = f"objectSelector: label {show(key)} {words}"
    return Condition(lambda review: holds((review.workload.metadata.labels or {}).get(key)), lambda _: why_not)
