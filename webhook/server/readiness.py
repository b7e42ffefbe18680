"""Readiness: each thing that must hold, by name, and what is amiss but takes nobody's verdicts away."""

from collections.abc import Callable, Sequence

from msgspec import Struct


class Condition(Struct, frozen=True):
    """Something that holds (`detail` says what was seen) or does not.

    One that is not `required` is shown and leaves the replica ready: all replicas share policies and often a disk, and
    if a bad edit or a full disk took them all out of service, nobody could create a pod.
    """

    name: str
    holds: bool
    detail: str
    required: bool = True

    def __str__(self) -> str:
        mark = "[+]" if self.holds else "[-]" if self.required else "[!]"
        return f"{mark}{self.name}: {self.detail}"


class Report(Struct, frozen=True):
    """What was found of every condition; str() is what /readyz shows."""

    conditions: tuple[Condition, ...]

    @property
    def ready(self) -> bool:
        """Whether everything required holds."""
        return all(condition.holds for condition in self.conditions if condition.required)

    def __str__(self) -> str:
        whole = all(condition.holds for condition in self.conditions)
        summary = "not ready" if not self.ready else "ready" if whole else "ready, with something amiss"
        return "".join(f"{line}\n" for line in (*map(str, self.conditions), summary))


class Readiness:
    """Asks for every condition anew at each report."""

    def __init__(self, conditions: Sequence[Callable[[], Condition]]) -> None:
        """Report on *conditions*, in that order."""
        self._conditions = conditions

    def report(self) -> Report:
        """Return what holds now."""
        return Report(tuple(condition() for condition in self._conditions))
