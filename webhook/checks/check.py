"""What a check is."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from msgspec import Struct

from webhook.model.decision import Finding
from webhook.model.facts import Facts
from webhook.model.review import Review

Check = Callable[[Review, Facts], Iterator[Finding]]


class CheckType(Struct, frozen=True):
    """A check as the registry knows it: its id, its manual page, its options and how it is configured."""

    id: str
    manual: str
    options: type[Struct]
    configure: Callable[[Any], Check]


def check_type(module: ModuleType) -> CheckType:
    """Return the check that *module* defines: by its ID, docstring, Options and configure."""
    return CheckType(module.ID, module.__doc__ or "", module.Options, module.configure)
