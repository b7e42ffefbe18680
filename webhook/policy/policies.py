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
from webhook.model.review import Review
from webhook.policy import schema
from webhook.policy.match import Condition, Matcher, conditions_of, image_matcher, name_matcher
from webhook.policy.owner import identities


class PolicyCheck(Struct, frozen=True):
    """A configured check of a policy and what its violations do, in pods and in pod templates."""

    id: str
    mode: Mode
    template_mode: Mode
    check: Check


class Policy(Struct, frozen=True):
    """A ClusterPolicy, ready to use."""

    use: PolicyUse
    conditions: tuple[Condition, ...]
    checks: tuple[PolicyCheck, ...]
    contact: str | None

    def matches(self, review: Review) -> bool:
        """Whether the policy applies to *review*."""
        return all(condition(review) for condition in self.conditions)


class PolicyException(Struct, frozen=True):
    """A PolicyException, ready to use."""

    use: ExceptionUse
    until: datetime
    checks: frozenset[str]
    kinds: frozenset[str]
    names: Matcher
    containers: Matcher | None
    images: tuple[Callable[[Image], bool], ...]

    def applies(self, review: Review, now: datetime) -> bool:
        """Whether the exception is for the workload of *review*, or one it was made from, and has not ended."""
        if now >= self.until or review.namespace != self.use.namespace:
            return False
        return any((not self.kinds or kind in self.kinds) and self.names(name) for kind, name in identities(review))

    def excuses(self, check: str, finding: Finding) -> bool:
        """Whether a finding of *check* is excused, for a review that the exception applies to."""
        if check not in self.checks:
            return False
        if self.containers and not (finding.container and self.containers(finding.container.name)):
            return False
        return not self.images or _image_fits(self.images, finding)


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
            checks.append(PolicyCheck(check.id, own, min(own, controllers), check.configure(settings)))
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
        checks=frozenset(spec.checks),
        kinds=frozenset(match.kinds),
        names=name_matcher(match.names),
        containers=name_matcher(match.containers) if match.containers else None,
        images=tuple(image_matcher(pattern) for pattern in match.images),
    )


def content_hash(document: Any) -> str:
    """Return the SHA-256, in hexadecimal, of what *document* says: comments and the order of keys do not change it."""
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()


def _image_fits(patterns: tuple[Callable[[Image], bool], ...], finding: Finding) -> bool:
    reference = finding.image or (finding.container and finding.container.image)
    try:
        image = parse_image(reference or "")
    except InvalidReferenceError:
        return False
    return any(fits(image) for fits in patterns)
