"""Why a verdict is what it is: which policies match, what their checks find, and which exceptions count.

Nothing is judged here. The verdict is evaluate's, and reasons come from the very conditions that it asks, so that an
explanation cannot say something else.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct, structs

from webhook.checks import image_vulnerabilities
from webhook.evaluate import evaluate, must_pass
from webhook.explain.ignored import ExplainedIgnore, explain_ignore
from webhook.model.decision import Decision, ExceptionUse, Excused, Mode, PolicyUse, Violation
from webhook.model.facts import Facts
from webhook.model.review import Review
from webhook.model.workload import OwnerReference
from webhook.policy.owner import identities
from webhook.policy.policies import Policy, PolicyCheck, PolicyException, PolicySet


class ExplainedCheck(Struct, frozen=True):
    """A check of a policy that matches: what it found in the object, and what it does with that at most.

    `options` are those that differ from their defaults, as a policy writes them. `ignore` is empty but for
    image-vulnerabilities.
    """

    id: str
    mode: Mode
    options: dict[str, Any]
    violations: tuple[Violation, ...]
    excused: tuple[Excused, ...]
    ignore: tuple[ExplainedIgnore, ...]


class ExplainedPolicy(Struct, frozen=True):
    """A policy, and why it does not match: nothing where it does. Its checks run only then."""

    use: PolicyUse
    why_not: tuple[str, ...]
    checks: tuple[ExplainedCheck, ...]


class NotExcused(Struct, frozen=True):
    """A violation that an exception does not excuse, and why."""

    violation: Violation
    why_not: tuple[str, ...]


class ExplainedException(Struct, frozen=True):
    """An exception in the object's namespace, and why it does not apply: nothing where it does.

    Where it applies every violation of the object is one that it `excuses`, that another exception excuses `already`,
    or that it does not excuse (`leaves`).
    """

    use: ExceptionUse
    why_not: tuple[str, ...]
    excuses: tuple[Violation, ...] = ()
    already: tuple[Excused, ...] = ()
    leaves: tuple[NotExcused, ...] = ()


class Explanation(Struct, frozen=True):
    """Why the verdict on a review is what it is, at the time `now`.

    `judged` is False for a review that is never refused: then there is nothing to explain. `workloads` are kind and
    name of the object and of its owners that count, `stranger` an owner that does not. `elsewhere` counts the
    exceptions in other namespaces.
    """

    review: Review
    now: datetime
    judged: bool
    decision: Decision
    workloads: tuple[tuple[str, str], ...]
    stranger: OwnerReference | None
    policies: tuple[ExplainedPolicy, ...]
    exceptions: tuple[ExplainedException, ...]
    elsewhere: int


def explain(review: Review, policies: PolicySet, facts: Facts) -> Explanation:
    """Return why evaluate decides as it does on *review*; the time of *facts* must stand still."""
    decision, now = evaluate(review, policies, facts), facts.now()
    judged = not must_pass(review)
    here = [exception for exception in policies.exceptions if exception.use.namespace == review.namespace]
    workloads = identities(review)
    return Explanation(
        review=review,
        now=now,
        judged=judged,
        decision=decision,
        workloads=workloads,
        stranger=_stranger(review, workloads),
        policies=tuple(_policy(policy, review, decision, facts) for policy in policies.policies) if judged else (),
        exceptions=tuple(_exception(each, review, decision, now) for each in here) if judged else (),
        elsewhere=len(policies.exceptions) - len(here),
    )


def _stranger(review: Review, workloads: tuple[tuple[str, str], ...]) -> OwnerReference | None:
    owners = review.workload.metadata.owner_references or ()
    return next((owner for owner in owners if owner.controller and (owner.kind, owner.name) not in workloads), None)


def _policy(policy: Policy, review: Review, decision: Decision, facts: Facts) -> ExplainedPolicy:
    why_not = policy.why_not(review)
    checks = () if why_not else tuple(_check(policy, check, review, decision, facts) for check in policy.checks)
    return ExplainedPolicy(policy.use, why_not, checks)


def _check(policy: Policy, check: PolicyCheck, review: Review, decision: Decision, facts: Facts) -> ExplainedCheck:
    def is_its(violation: Violation) -> bool:
        return (violation.policy, violation.check) == (policy.use.name, check.id)

    options = check.options
    return ExplainedCheck(
        id=check.id,
        mode=check.mode_for(review),
        options=_given(options),
        violations=tuple(filter(is_its, decision.violations)),
        excused=tuple(each for each in decision.excused if is_its(each.violation)),
        ignore=explain_ignore(options, review, facts) if isinstance(options, image_vulnerabilities.Options) else (),
    )


def _given(options: Struct) -> dict[str, Any]:
    """Return those of *options* that differ from their defaults; the mode is no option of the check."""
    fields = [field for field in structs.fields(options) if field.name != "mode"]
    given = {field.encode_name: (getattr(options, field.name), field.default) for field in fields}
    return {name: msgspec.to_builtins(value) for name, (value, default) in given.items() if value != default}


def _exception(exception: PolicyException, review: Review, decision: Decision, now: datetime) -> ExplainedException:
    why_not = exception.why_not(review, now)
    if why_not:
        return ExplainedException(exception.use, why_not)
    excusable = [each for each in decision.excused if exception.excuses(each.violation.check, each.violation.finding)]
    found = (*decision.violations, *(each.violation for each in decision.excused))
    left = [NotExcused(each, exception.why_not_excused(each.check, each.finding)) for each in found]
    return ExplainedException(
        use=exception.use,
        why_not=(),
        excuses=tuple(each.violation for each in excusable if each.exception == exception.use),
        already=tuple(each for each in excusable if each.exception != exception.use),
        leaves=tuple(each for each in left if each.why_not),
    )
