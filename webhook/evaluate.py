"""The verdict: review, policies and facts in, decision out. Pure: the webhook, the command line and replay call it."""

from datetime import datetime, timedelta

from webhook.model.decision import Decision, Excused, Mode, Violation
from webhook.model.facts import Facts
from webhook.model.image import Image
from webhook.model.report import Evidence, Report, Vulnerability
from webhook.model.review import Review
from webhook.model.workload import NO_WORKLOAD
from webhook.policy.policies import Policy, PolicySet

NOTHING_FOUND = Decision()


def evaluate(review: Review, policies: PolicySet, facts: Facts) -> Decision:
    """Return the decision on *review*. Neither the order of policies nor that of exceptions changes it."""
    if must_pass(review):
        return NOTHING_FOUND
    matched = [policy for policy in policies.policies if policy.matches(review)]
    noted = _Noted(facts)
    found = [violation for policy in matched for violation in _violations(policy, review, noted)]
    violations, excused = _excuse(found, review, policies, noted) if found else (found, [])
    refusing = {violation.policy for violation in violations if violation.mode is Mode.ENFORCE}
    contacts = [policy.contact for policy in matched if policy.contact and policy.use.name in refusing]
    return Decision(
        violations=tuple(violations),
        excused=tuple(excused),
        policies=tuple(policy.use for policy in matched),
        contacts=tuple(dict.fromkeys(contacts)),
        evidence=noted.evidence_used(),
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


class _Noted:
    """Facts that keep what they said: the verdict has one time, and says on which evidence it rests."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._now: datetime | None = None
        self._evidence: dict[tuple[str, str, timedelta | None], Evidence] = {}

    def now(self) -> datetime:
        if self._now is None:
            self._now = self._facts.now()
        return self._now

    def evidence(self, image: Image, platform: str, max_age: timedelta | None = None) -> Evidence:
        key = (str(image), platform, max_age)
        found = self._evidence.get(key)
        if found is None:
            found = self._evidence[key] = self._facts.evidence(image, platform, max_age)
        return found

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        return self._facts.vulnerabilities(report)

    def evidence_used(self) -> tuple[Evidence, ...]:
        """Return each thing that was said once, in a stable order."""
        said = {(each.image, each.platform, each.state): each for each in self._evidence.values()}
        return tuple(said[key] for key in sorted(said))


def _violations(policy: Policy, review: Review, facts: Facts) -> list[Violation]:
    name = policy.use.name
    return [
        Violation(name, check.id, min(check.mode_for(review), finding.mode), finding)
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
