"""Answers: a decision as the API server wants it (k8s.io/api admission/v1 types.go, AdmissionResponse)."""

import msgspec
from msgspec import Struct

from webhook.model.decision import Decision, Mode, Violation
from webhook.model.review import Review

# The API server keeps some 4,096 characters of warnings for all webhooks together, and cuts each to 256 past that
# (k8s.io/apiserver, pkg/endpoints/filters/warning.go).
MOST_WARNING_CHARACTERS = 3_500
LONGEST_WARNING = 1_000

_ENVELOPE = (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":', b"}")
_ENCODER = msgspec.json.Encoder()


class Status(Struct, frozen=True):
    """A metav1.Status."""

    code: int
    reason: str
    message: str


class Response(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An AdmissionResponse."""

    uid: str
    allowed: bool
    status: Status | None = None
    warnings: tuple[str, ...] = ()
    audit_annotations: dict[str, str] = {}


def render(review: Review, decision: Decision) -> bytes:
    """Return the AdmissionReview that answers *review*."""
    if not (decision.violations or decision.excused):
        return _envelope(Response(review.uid, allowed=True))
    refused = not decision.allowed
    return _envelope(
        Response(
            review.uid,
            allowed=not refused,
            status=Status(403, "Forbidden", denial(review, decision)) if refused else None,
            warnings=warnings(decision.of(Mode.WARN)),
            audit_annotations=_annotations(decision),
        )
    )


def render_error(uid: str, code: int, reason: str, message: str) -> bytes:
    """Return the AdmissionReview that refuses review *uid* because no verdict could be reached.

    An HTTP error would leave the verdict to failurePolicy, and Ignore lets the pod in.
    """
    annotations = {"error": message}
    return _envelope(Response(uid, allowed=False, status=Status(code, reason, message), audit_annotations=annotations))


def denial(review: Review, decision: Decision) -> str:
    """Return the message of a refusal: every enforced violation, then what to do, once for each fix."""
    violations = decision.of(Mode.ENFORCE)
    name = review.name or review.workload.metadata.generate_name
    count = f"{len(violations)} violation{'s' if len(violations) > 1 else ''}"
    lines = [f"podgate refuses {review.kind} {name}: {count}"]
    for violation in violations:
        lines += [f"  {violation}", *(f"    {detail}" for detail in violation.finding.details)]
    lines += ["to fix:"]
    lines += [f"  {fix}" for fix in dict.fromkeys(violation.finding.fix for violation in violations)]
    lines += [f"exceptions: {contact}" for contact in decision.contacts]
    return "\n".join(lines)


def warnings(violations: tuple[Violation, ...]) -> tuple[str, ...]:
    """Return a warning of one line for each violation, as many as the API server passes on, and how many are left."""
    lines: list[str] = []
    room = MOST_WARNING_CHARACTERS
    for violation in violations:
        line = str(violation)
        line = line if len(line) <= LONGEST_WARNING else f"{line[: LONGEST_WARNING - 1]}…"
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
    left = len(violations) - len(lines)
    more = f"{left} more violation{'s are' if left > 1 else ' is'} in podgate's denial log"
    return (*lines, more) if left else tuple(lines)


def _annotations(decision: Decision) -> dict[str, str]:
    """Return the audit annotations. Their keys carry no prefix: the API server adds the webhook's name."""
    annotations = {}
    audited = decision.of(Mode.AUDIT)
    if audited:
        annotations["violations"] = "\n".join(map(str, audited))
    if decision.excused:
        annotations["exceptions"] = "\n".join(
            f"{excused.violation} excused by {excused.exception.namespace}/{excused.exception.name}"
            f" until {excused.exception.until}"
            for excused in decision.excused
        )
    return annotations


def _envelope(response: Response) -> bytes:
    return _ENVELOPE[0] + _ENCODER.encode(response) + _ENVELOPE[1]
