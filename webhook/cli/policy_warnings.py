"""What is sound in policies and exceptions, and yet not likely to be what their author wants."""

import typing
from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import UNSET, Struct, structs

from webhook.checks import image_vulnerabilities
from webhook.model.duration import Duration, parse_duration
from webhook.model.quote import one_line
from webhook.policy.policies import PolicySet


def warnings(policies: PolicySet, now: datetime, soon: timedelta) -> Iterator[str]:
    """Yield a warning for all that has ended at *now*, or ends as *soon*, and for options that ask nothing or too much.

    Exceptions end, and entries of `ignore`; a limit of nothing lets all pass, a duration of 0 none.
    """
    for policy in policies.policies:
        for check in policy.checks:
            where = f"policy {policy.use.name}: spec.checks.{check.id}"
            if isinstance(check.options, image_vulnerabilities.Options):
                yield from (f"{where}.{warning}" for warning in _of_vulnerabilities(check.options, now, soon))
            yield from (f"{where}.{name}: 0 is no time: nothing is ever young enough" for name in _zeros(check.options))
    for each in policies.exceptions:
        if each.until <= now + soon:
            yield f"exception {each.use.namespace}/{each.use.name} {_ends(each.until, now)}"


def _of_vulnerabilities(options: image_vulnerabilities.Options, now: datetime, soon: timedelta) -> Iterator[str]:
    if not any(limit is not None for limit in options.max.limits()):
        yield "max: it limits nothing: images pass with any number of vulnerabilities"
    for index, entry in enumerate(options.ignore):
        if entry.until <= now + soon:
            yield f"ignore[{index}]: {one_line(entry.id)} {_ends(entry.until, now)}"


def _ends(until: datetime, now: datetime) -> str:
    return f"{'ended' if until <= now else 'ends'} {until.isoformat()}"


def _zeros(options: Struct) -> Iterator[str]:
    """Yield the names of the durations in *options* that are none."""
    for field in structs.fields(options):
        value = getattr(options, field.name)
        if value is not UNSET and Duration in (field.type, *typing.get_args(field.type)) and not parse_duration(value):
            yield field.encode_name
