"""The verdict: review, policies and facts in, decision out. Pure: the webhook, the command line and replay call it."""

from webhook.model.decision import Decision, Excused, Mode, Violation
from webhook.model.facts import Facts
from webhook.model.review import Review
from webhook.model.workload import NO_WORKLOAD
from webhook.policy.policies import Policy, PolicySet

NOTHING_FOUND = Decision()


def evaluate(review: Review, policies: PolicySet, facts: Facts) -> Decision:
    """Return the decision on *review*. Neither the order of policies nor that of exceptions changes it."""
    if must_pass(review):
        return NOTHING_FOUND
    matched = [policy for policy in policies.policies if policy.matches(review)]
    found = [violation for policy in matched for violation in _violations(policy, review, facts)]
    violations, excused = _excuse(found, review, policies, facts) if found else (found, [])
    refusing = {violation.policy for violation in violations if violation.mode is Mode.ENFORCE}
    contacts = [policy.contact for policy in matched if policy.contact and policy.use.name in refusing]
    return Decision(
        violations=tuple(violations),
        excused=tuple(excused),
        policies=tuple(policy.use for policy in matched),
        contacts=tuple(dict.fromkeys(contacts)),
    )


def must_pass(review: Review) -> bool:
    """Whether *review* is one that is never refused, nor warned about.

    One without a workload (a DELETE, another kind); an update that leaves alone what the checks read, or whose object
    is being deleted: the Deployment controller scales ReplicaSets by plain updates, labels must change and finalizers
    come off, whatever the policies became meanwhile (pod-security-admission, admission.go, isSignificantPodUpdate).
    """
    if review.workload is NO_WORKLOAD:
        return True
    if review.operation != "UPDATE":
        return False
    if review.workload.metadata.deletion_timestamp is not None:
        return True
    return review.old is not None and review.old.pod == review.workload.pod


def _violations(policy: Policy, review: Review, facts: Facts) -> list[Violation]:
    name, is_pod = policy.use.name, review.workload.is_pod
    return [
        Violation(name, check.id, check.mode if is_pod else check.template_mode, finding)
        for check in policy.checks
        for finding in check.check(review, facts)
    ]


def _excuse(
    found: list[Violation], review: Review, policies: PolicySet, facts: Facts
) -> tuple[list[Violation], list[Excused]]:
    """Part the violations that stand from those that an exception excuses."""
    now = facts.now()
    exceptions = [exception for exception in policies.exceptions if exception.applies(review, now)]
    violations, excused = [], []
    for violation in found:
        by = next(
            (exception for exception in exceptions if exception.excuses(violation.check, violation.finding)), None
        )
        if by is None:
            violations.append(violation)
        else:
            excused.append(Excused(violation, by.use))
    return violations, excused
