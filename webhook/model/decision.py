"""What a check finds, and what becomes of it."""

from enum import IntEnum

from msgspec import Struct

from webhook.model.report import Evidence, Vulnerability
from webhook.model.workload import Container


class Mode(IntEnum):
    """What a violation does, as Pod Security Admission means the words; the harder the larger."""

    AUDIT = 0
    WARN = 1
    ENFORCE = 2

    def __str__(self) -> str:
        return self.name.lower()


class Finding(Struct, frozen=True):
    """What a check found: `path` in the user's manifest, what must be true there, and what to do about it.

    `container` and `image` are set where the finding is about one, so that an exception can name it; a finding about
    the whole pod has neither. `mode` is what it does at most, whatever the policy's mode. `details` are lines to show
    beneath the message where there is room; `vulnerabilities` are all that it is about, for the log.
    """

    path: str
    message: str
    fix: str
    container: Container | None = None
    image: str | None = None
    mode: Mode = Mode.ENFORCE
    details: tuple[str, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()


class Violation(Struct, frozen=True):
    """A finding stamped with the policy and check that made it, and with what it does."""

    policy: str
    check: str
    mode: Mode
    finding: Finding

    def __str__(self) -> str:
        return f"{self.finding.path}: {self.finding.message} ({self.policy}/{self.check})"


class PolicyUse(Struct, frozen=True):
    """A policy that was applied: its name and the SHA-256 of its content."""

    name: str
    hash: str


class ExceptionUse(Struct, frozen=True, omit_defaults=True):
    """An exception that excused a violation, and what it says of itself."""

    name: str
    namespace: str
    until: str
    reason: str
    owner: str
    ticket: str = ""


class Excused(Struct, frozen=True):
    """A violation that an exception excused."""

    violation: Violation
    exception: ExceptionUse


class Decision(Struct, frozen=True):
    """The verdict on a review.

    `violations` are in a stable order and hold every mode; `policies` are those that matched and were run;
    `contacts` say where exceptions are asked for; `evidence` is what was known of each image that a check asked about.
    """

    violations: tuple[Violation, ...] = ()
    excused: tuple[Excused, ...] = ()
    policies: tuple[PolicyUse, ...] = ()
    contacts: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether no violation is enforced."""
        return all(violation.mode is not Mode.ENFORCE for violation in self.violations)

    def of(self, mode: Mode) -> tuple[Violation, ...]:
        """Return the violations of that mode."""
        return tuple(violation for violation in self.violations if violation.mode is mode)
