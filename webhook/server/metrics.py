"""What podgate measures of itself, for Prometheus."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from webhook import __version__
from webhook.denials.record import Verdict
from webhook.model.decision import Decision
from webhook.model.report import EvidenceState
from webhook.model.review import WORKLOAD_KINDS
from webhook.reports.index import IndexState

# Seconds. A verdict takes some tens of microseconds; the API server waits for at most 30 s, 10 s by default.
BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 10)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        """Make every metric; those without labels show from the start."""
        self.registry = registry = CollectorRegistry()
        Info("podgate_build", "What runs.", registry=registry).info({"version": __version__})
        self._reviews = Counter(
            "podgate_reviews", "Reviews answered.", ["verdict", "operation", "kind"], registry=registry
        )
        self._violations = Counter(
            "podgate_violations", "Violations found.", ["policy", "check", "mode"], registry=registry
        )
        self.duration = Histogram(
            "podgate_review_duration_seconds",
            "From the body of a review to its answer, the denial log included.",
            buckets=BUCKETS,
            registry=registry,
        )
        self.bad_requests = Counter(
            "podgate_bad_requests", "Requests for the port of reviews that were answered by a 4xx.", registry=registry
        )
        self._reloads = Counter("podgate_policy_loads", "Readings of the policies.", ["result"], registry=registry)
        self._reload_good = Gauge(
            "podgate_policy_last_load_successful", "1 if the last reading found no error.", registry=registry
        )
        self._policies = Gauge("podgate_policies", "Policies in force.", registry=registry)
        self._exceptions = Gauge("podgate_policy_exceptions", "Exceptions loaded, ended or not.", registry=registry)
        self.log_failures = Counter(
            "podgate_denial_log_failures", "Records that could not be written.", registry=registry
        )
        self.certificate_expiry = Gauge(
            "podgate_certificate_not_after_timestamp_seconds", "When the certificate ends.", registry=registry
        )
        # Finding a child by its labels costs more than counting: what was found once is kept.
        self._review = lru_cache(maxsize=256)(self._reviews.labels)
        self._violation = lru_cache(maxsize=4096)(self._violations.labels)
        for result in ("success", "failure"):
            self._reloads.labels(result)
        self._evidence = _Evidence(registry)

    def count_review(self, verdict: Verdict, operation: str, kind: str, decision: Decision) -> None:
        """Count an answered review. Kinds that podgate does not know are one, so that the series stay few."""
        self._review(verdict, operation, kind if kind in _KINDS else "other").inc()
        for violation in decision.violations:
            self._violation(violation.policy, violation.check, str(violation.mode)).inc()
        self._evidence.count(decision)

    def set_reports(self, state: IndexState) -> None:
        """Tell how many reports are held, of when, and whether the store could be read."""
        self._evidence.set_reports(state)

    def count_load(self, *, success: bool, policies: int, exceptions: int) -> None:
        """Count a reading of the policies and what is in force after it."""
        self._reloads.labels("success" if success else "failure").inc()
        self._reload_good.set(success)
        self._policies.set(policies)
        self._exceptions.set(exceptions)


class _Evidence:
    """The metrics of image reports and of what was looked up in them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        lookups = Counter(
            "podgate_evidence_lookups", "What was known of the images asked about.", ["state"], registry=registry
        )
        self._reports = Gauge("podgate_reports", "Image reports held in memory.", registry=registry)
        self._reports_left_out = Gauge(
            "podgate_reports_left_out", "Image reports in the store that memory has no room for.", registry=registry
        )
        self._reports_without_details = Gauge(
            "podgate_reports_without_details", "Image reports held without their vulnerabilities.", registry=registry
        )
        self._newest_report = Gauge(
            "podgate_report_newest_timestamp_seconds",
            "When the newest scan was made; 0 for none.",
            registry=registry,
        )
        self._oldest_report = Gauge(
            "podgate_report_oldest_timestamp_seconds",
            "When the oldest scan was made; 0 for none.",
            registry=registry,
        )
        self._reports_good = Gauge(
            "podgate_report_store_readable", "1 if the last look at the store of reports worked.", registry=registry
        )
        self._lookups = {state: lookups.labels(state.value) for state in EvidenceState}

    def count(self, decision: Decision) -> None:
        for evidence in decision.evidence:
            self._lookups[evidence.state].inc()

    def set_reports(self, state: IndexState) -> None:
        self._reports.set(state.held)
        self._reports_left_out.set(state.left_out)
        self._reports_without_details.set(state.without_details)
        self._newest_report.set(state.newest.timestamp() if state.newest else 0)
        self._oldest_report.set(state.oldest.timestamp() if state.oldest else 0)
        self._reports_good.set(not state.error)


_KINDS = frozenset(WORKLOAD_KINDS)
