"""The request path: the body of a request in, the answer out. It waits for nothing but the denial log."""

import contextlib
import logging
import time
from collections.abc import Callable

import msgspec

from webhook.denials.log import DenialLog
from webhook.denials.record import record_of, verdict_of
from webhook.evaluate import NOTHING_FOUND, evaluate, must_pass
from webhook.model.decision import Decision
from webhook.model.facts import Facts
from webhook.model.quote import quote
from webhook.model.review import ObjectError, Review, ReviewError, parse_review
from webhook.policy.reload import PolicyState
from webhook.reports.index import IndexState
from webhook.server.answer import render, render_error
from webhook.server.metrics import Metrics

FAULT = "podgate failed to judge this, which is a fault of podgate: its log has more under this uid"

_log = logging.getLogger(__name__)


class BadRequestError(ValueError):
    """The request is no review that can be answered: an HTTP error, whose status and reason these are."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    def as_json(self) -> bytes:
        """Return the body of the answer."""
        return msgspec.json.encode({"reason": str(self)})


class Admission:
    """Answers reviews by the policies in force."""

    def __init__(  # noqa: PLR0913  # each is a part of the webhook
        self,
        policies: Callable[[], PolicyState],
        log: DenialLog,
        metrics: Metrics,
        facts: Facts,
        *,
        reports: Callable[[], IndexState] = lambda: IndexState(complete=True),
        cluster: str = "",
    ) -> None:
        """Judge by what *policies* returns at each review, and *facts*; write to *log* and count in *metrics*.

        *reports* returns the state of the index that *facts* looks into, where it looks into one.
        """
        self._policies = policies
        self._denials = log
        self._metrics = metrics
        self._cluster = cluster
        self._facts = facts
        self._reports = reports

    def answer(self, content_type: str, body: bytes) -> bytes:
        """Return the AdmissionReview that answers *body*; raises BadRequestError where that is no review."""
        began = time.perf_counter()
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise BadRequestError(415, "the content type must be application/json")
        try:
            review, unreadable = parse_review(body), ""
        except ReviewError as error:
            raise BadRequestError(400, str(error)) from error
        except ObjectError as error:
            review, unreadable = error.review, str(error)
        try:
            if unreadable:
                return self._refuse_unjudged(review, began, 400, "BadRequest", unreadable)
            return self._judge(review, began)
        except Exception:  # noqa: BLE001  # a fault of any kind must become a refusal
            # The one place that catches broadly: a fault of ours must be a refusal that we said, not an HTTP error,
            # which failurePolicy may turn into an allow.
            _log.exception("review failed", extra={"uid": review.uid})
            message = f"{FAULT}: {review.uid}"
            with contextlib.suppress(Exception):  # the fault may be in the log itself
                self._conclude(review, NOTHING_FOUND, began, error=message)
            return render_error(review.uid, 500, "InternalError", message)
        finally:
            self._metrics.duration.observe(time.perf_counter() - began)

    def _judge(self, review: Review, began: float) -> bytes:
        state, reports = self._policies(), self._reports()  # before they are used: they may be complete a moment later
        decision = evaluate(review, state.policies, self._facts)
        if decision.allowed and not state.complete and not must_pass(review):
            errors = "; ".join(state.errors)
            message = f"podgate has policies that it has never been able to read, so nothing is let in: {errors}"
            return self._refuse_unjudged(review, began, 500, "InternalError", message)
        if decision.allowed and decision.evidence and not reports.complete:
            message = f"podgate has never been able to read its reports, so it lets no image in: {reports.error}"
            return self._refuse_unjudged(review, began, 500, "InternalError", message)
        unreadable = [each for each in decision.evidence if each.report is None and each.digest in reports.unreadable]
        if decision.allowed and unreadable:
            image = quote(unreadable[0].image)
            message = f"podgate cannot read what its store has on {image}, so it does not let it in: {reports.error}"
            return self._refuse_unjudged(review, began, 500, "InternalError", message)
        answer = render(review, decision)
        self._conclude(review, decision, began)
        return answer

    def _refuse_unjudged(self, review: Review, began: float, code: int, reason: str, message: str) -> bytes:
        self._conclude(review, NOTHING_FOUND, began, error=message)
        return render_error(review.uid, code, reason, message)

    def _conclude(self, review: Review, decision: Decision, began: float, *, error: str = "") -> None:
        """Log and count the verdict; plain allows are logged by choice."""
        seconds = time.perf_counter() - began
        verdict = "error" if error else verdict_of(decision)
        self._metrics.count_review(verdict, review.operation, review.kind, decision)
        if verdict == "allowed" and not self._denials.log_allowed:
            return
        self._denials.write(
            record_of(
                review,
                decision,
                time=self._facts.now(),
                cluster=self._cluster,
                duration_microseconds=round(seconds * 1_000_000),
                error=error,
            )
        )
