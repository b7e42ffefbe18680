"""Policies and exceptions as evaluate uses them: everything that can be worked out beforehand is."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from webhook.checks import CHECKS
from webhook.checks.check import Check
from webhook.model.decision import ExceptionUse, Finding, Mode, PolicyUse
from webhook.model.image import Image, InvalidReferenceError, parse_image
from webhook.model.pattern import Matcher, image_matcher, name_matcher
from webhook.model.review import Review
from webhook.policy import schema
from webhook.policy.match import Condition, conditions_of, not_one_of
from webhook.policy.owner import identities


class PolicyCheck(Struct, frozen=True):
    """A configured check of a policy and what its violations do, in pods and in pod templates.

    `options` are those it was configured with.
    """

    id: str
    mode: Mode
    template_mode: Mode
    check: Check
    options: Struct = schema.Format()

    def mode_for(self, review: Review) -> Mode:
        """Return what a violation of *review* does at most."""
        return self.mode if review.workload.is_pod else self.template_mode


class Policy(Struct, frozen=True):
    """A ClusterPolicy, ready to use."""

    use: PolicyUse
    conditions: tuple[Condition, ...]
    checks: tuple[PolicyCheck, ...]
    contact: str | None

    def matches(self, review: Review) -> bool:
        """Whether the policy applies to *review*."""
        for condition in self.conditions:  # noqa: SIM110  # all() makes a generator, which takes longer than the conditions
            if not condition.holds(review):
                return False
        return True

    def why_not(self, review: Review) -> tuple[str, ...]:
        """Return in words why the policy does not apply to *review*; nothing where it does."""
        return tuple(condition.words(review) for condition in self.conditions if not condition.holds(review))


class PolicyException(Struct, frozen=True):
    """A PolicyException, ready to use."""

    use: ExceptionUse
    until: datetime
    match: schema.ExceptionMatch
    checks: frozenset[str]
    names: Matcher
    containers: Matcher | None
    images: tuple[Callable[[Image], bool], ...]

    def applies(self, review: Review, now: datetime) -> bool:
        """Whether the exception is for the workload of *review*, or one it was made from, and has not ended."""
        return review.namespace == self.use.namespace and not self.has_ended(now) and self.is_for(review)

    def has_ended(self, now: datetime) -> bool:
        """Whether *now* is past its end."""
        return now >= self.until

    def is_for(self, review: Review) -> bool:
        """Whether the workload of *review*, or one it was made from, is of its kinds and names."""
        kinds = self.match.kinds
        return any((not kinds or kind in kinds) and self.names(name) for kind, name in identities(review))

    def excuses(self, check: str, finding: Finding) -> bool:
        """Whether a finding of *check* is excused, for a review that the exception applies to."""
        return check in self.checks and self.has_container(finding) and self.has_image(finding)

    def has_container(self, finding: Finding) -> bool:
        """Whether *finding* is about one of its containers; true of any where it names none."""
        return self.containers is None or (finding.container is not None and self.containers(finding.container.name))

    def has_image(self, finding: Finding) -> bool:
        """Whether *finding* is about one of its images; true of any where it names none."""
        return not self.images or _image_fits(self.images, finding)

    def why_not(self, review: Review, now: datetime) -> tuple[str, ...]:
        """Return in words why the exception does not apply to *review*; nothing where it does."""
        reasons = []
        if review.namespace != self.use.namespace:
            reasons.append(not_one_of("namespace", [review.namespace], [self.use.namespace]))
        if self.has_ended(now):
            reasons.append(f"until: it ended on {self.use.until}")
        if not self.is_for(review):
            kinds, workloads = self.match.kinds, identities(review)
            names = [name for kind, name in workloads if not kinds or kind in kinds]
            if names:
                reasons.append(not_one_of("names", names, self.match.names))
            else:
                reasons.append(not_one_of("kinds", [kind for kind, _ in workloads], kinds))
        return tuple(reasons)

    def why_not_excused(self, check: str, finding: Finding) -> tuple[str, ...]:
        """Return in words why a finding of *check* is not excused, for a review that the exception applies to."""
        reasons = []
        if check not in self.checks:
            reasons.append(not_one_of("checks", [check], sorted(self.checks)))
        if not self.has_container(finding):
            name = [finding.container.name] if finding.container else []
            reasons.append(not_one_of("containers", name, self.match.containers))
        if not self.has_image(finding):
            reference = _image_of(finding)
            reasons.append(not_one_of("images", [reference] if reference else [], self.match.images))
        return tuple(reasons)


class PolicySet(Struct, frozen=True):
    """All policies and exceptions in force, in the order of their names, so that verdicts read alike everywhere."""

    policies: tuple[Policy, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()


def policy_set(policies: list[Policy], exceptions: list[PolicyException]) -> PolicySet:
    """Return the set of *policies* and *exceptions*, whose order does not matter."""
    return PolicySet(
        tuple(sorted(policies, key=lambda policy: policy.use.name)),
        tuple(sorted(exceptions, key=lambda exception: (exception.use.namespace, exception.use.name))),
    )


def policy_of(document: schema.ClusterPolicy) -> Policy:
    """Return the policy that *document* describes."""
    spec = document.spec
    mode, controllers = schema.mode_of(spec.mode), schema.mode_of(spec.controllers)
    checks = []
    for field in msgspec.structs.fields(spec.checks):
        settings = getattr(spec.checks, field.name)
        if settings is not UNSET:
            own = mode if settings.mode is UNSET else schema.mode_of(settings.mode)
            check = CHECKS[field.encode_name]
            checks.append(PolicyCheck(check.id, own, min(own, controllers), check.configure(settings), settings))
    return Policy(
        use=PolicyUse(document.metadata.name, content_hash(document)),
        conditions=conditions_of(spec.match),
        checks=tuple(checks),
        contact=None if spec.contact is UNSET else spec.contact,
    )


def exception_of(document: schema.PolicyException) -> PolicyException:
    """Return the exception that *document* describes."""
    spec, match = document.spec, document.spec.match
    return PolicyException(
        use=ExceptionUse(
            name=document.metadata.name,
            namespace=document.metadata.namespace,
            until=spec.until.isoformat(),
            reason=spec.reason,
            owner=spec.owner,
            ticket="" if spec.ticket is UNSET else spec.ticket,
        ),
        until=spec.until,
        match=match,
        checks=frozenset(spec.checks),
        names=name_matcher(match.names),
        containers=name_matcher(match.containers) if match.containers else None,
        images=tuple(image_matcher(pattern) for pattern in match.images),
    )


def content_hash(document: Any) -> str:
    """Return the SHA-256, in hexadecimal, of what *document* says: comments and the order of keys do not change it."""
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()


def _image_fits(patterns: tuple[Callable[[Image], bool], ...], finding: Finding) -> bool:
    try:
        image = parse_image(_image_of(finding))
    except InvalidReferenceError:
        return False
    return any(fits(image) for fits in patterns)


def _image_of(finding: Finding) -> str:
    return finding.image or (finding.container and finding.container.image) or ""
