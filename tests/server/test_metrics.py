"""What podgate measures of itself: few series, whatever users write."""

from datetime import UTC, datetime

import pytest

from tests.policies import policy
from tests.reviews import API_VERSIONS, At, pod, review_of
from webhook import __version__
from webhook.evaluate import NOTHING_FOUND, evaluate
from webhook.model.decision import Decision
from webhook.model.report import Evidence, EvidenceState
from webhook.policy.policies import policy_set
from webhook.reports.index import IndexState
from webhook.server.metrics import BUCKETS, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics, name: str) -> list[dict[str, str]]:
    return [sample.labels for family in metrics.registry.collect() for sample in family.samples if sample.name == name]


def test_a_review_is_counted_by_verdict_operation_and_kind() -> None:
    metrics = Metrics()

    metrics.count_review("denied", "CREATE", "Pod", NOTHING_FOUND)
    metrics.count_review("denied", "CREATE", "Pod", NOTHING_FOUND)
    metrics.count_review("allowed", "UPDATE", "Deployment", NOTHING_FOUND)

    assert value(metrics, "podgate_reviews_total", verdict="denied", operation="CREATE", kind="Pod") == 2
    assert value(metrics, "podgate_reviews_total", verdict="allowed", operation="UPDATE", kind="Deployment") == 1


@pytest.mark.parametrize("kind", API_VERSIONS)
def test_kinds_that_hold_pods_are_told_apart(kind: str) -> None:
    metrics = Metrics()

    metrics.count_review("allowed", "CREATE", kind, NOTHING_FOUND)

    assert series(metrics, "podgate_reviews_total") == [{"verdict": "allowed", "operation": "CREATE", "kind": kind}]


def test_all_other_kinds_are_one_so_that_the_series_stay_few() -> None:
    metrics = Metrics()

    for number in range(1000):
        metrics.count_review("allowed", "CREATE", f"Kind{number}", NOTHING_FOUND)

    assert series(metrics, "podgate_reviews_total") == [{"verdict": "allowed", "operation": "CREATE", "kind": "other"}]
    assert value(metrics, "podgate_reviews_total", verdict="allowed", operation="CREATE", kind="other") == 1000


def test_every_violation_is_counted_by_policy_check_and_mode() -> None:
    metrics = Metrics()
    policies = policy_set([policy("a"), policy("b", mode="audit")], [])
    decision = evaluate(review_of(pod("nginx", "redis:8")), policies, At())

    metrics.count_review("denied", "CREATE", "Pod", decision)

    assert value(metrics, "podgate_violations_total", policy="a", check="image-pinned", mode="enforce") == 2
    assert value(metrics, "podgate_violations_total", policy="b", check="image-pinned", mode="audit") == 2


def test_the_buckets_tell_apart_what_takes_microseconds_and_what_takes_seconds() -> None:
    metrics = Metrics()

    for seconds in (0.00004, 0.0002, 0.02, 7, 60):
        metrics.duration.observe(seconds)

    bucket = "podgate_review_duration_seconds_bucket"
    bounds = [labels["le"] for labels in series(metrics, bucket)]
    assert bounds == [*(f"{float(bound)}" if bound >= 0.0001 else f"{bound:.0e}" for bound in BUCKETS), "+Inf"]
    assert [value(metrics, bucket, le=le) for le in ("5e-05", "0.00025", "0.025", "10.0", "+Inf")] == [1, 2, 3, 4, 5]


def test_a_load_is_counted_with_what_is_in_force_after_it() -> None:
    metrics = Metrics()

    metrics.count_load(success=True, policies=3, exceptions=2)
    metrics.count_load(success=False, policies=3, exceptions=2)

    assert value(metrics, "podgate_policy_loads_total", result="success") == 1
    assert value(metrics, "podgate_policy_loads_total", result="failure") == 1
    assert value(metrics, "podgate_policy_last_load_successful") == 0
    assert (value(metrics, "podgate_policies"), value(metrics, "podgate_policy_exceptions")) == (3, 2)
    metrics.count_load(success=True, policies=1, exceptions=0)
    assert value(metrics, "podgate_policy_last_load_successful") == 1
    assert (value(metrics, "podgate_policies"), value(metrics, "podgate_policy_exceptions")) == (1, 0)


@pytest.mark.parametrize("state", EvidenceState)
def test_lookups_of_evidence_are_counted_by_state_and_show_from_the_start(state: EvidenceState) -> None:
    metrics = Metrics()
    evidence = Evidence("app:1.2.3", "linux/amd64", state)
    before = value(metrics, "podgate_evidence_lookups_total", state=state.value)

    metrics.count_review("allowed", "CREATE", "Pod", Decision(evidence=(evidence, evidence)))

    assert (before, value(metrics, "podgate_evidence_lookups_total", state=state.value)) == (0, 2)


def test_the_reports_are_shown_by_number_and_age_and_whether_they_can_be_read() -> None:
    metrics = Metrics()
    oldest, newest = (datetime(2026, 11, day, tzinfo=UTC) for day in (1, 24))

    metrics.set_reports(IndexState(complete=True, held=7, left_out=3, without_details=2, oldest=oldest, newest=newest))

    assert value(metrics, "podgate_reports") == 7
    assert value(metrics, "podgate_reports_left_out") == 3
    assert value(metrics, "podgate_reports_without_details") == 2
    assert value(metrics, "podgate_report_oldest_timestamp_seconds") == oldest.timestamp()
    assert value(metrics, "podgate_report_newest_timestamp_seconds") == newest.timestamp()
    assert value(metrics, "podgate_report_store_readable") == 1


def test_a_store_that_cannot_be_read_shows_and_no_reports_have_no_age() -> None:
    metrics = Metrics()

    metrics.set_reports(IndexState(error="reports.db: the file is gone"))

    assert value(metrics, "podgate_report_store_readable") == 0
    assert value(metrics, "podgate_report_oldest_timestamp_seconds") == 0
    assert value(metrics, "podgate_report_newest_timestamp_seconds") == 0


@pytest.mark.parametrize("result", ["success", "failure"])
def test_loads_show_as_0_before_the_first_so_that_an_increase_can_be_seen(result: str) -> None:
    assert value(Metrics(), "podgate_policy_loads_total", result=result) == 0


def test_what_has_no_labels_shows_from_the_start() -> None:
    metrics = Metrics()

    assert value(metrics, "podgate_bad_requests_total") == 0
    assert value(metrics, "podgate_denial_log_failures_total") == 0
    assert value(metrics, "podgate_review_duration_seconds_count") == 0
    assert value(metrics, "podgate_build_info", version=__version__) == 1


def test_two_sets_of_metrics_do_not_know_each_other() -> None:
    one, other = Metrics(), Metrics()

    one.bad_requests.inc()

    assert value(other, "podgate_bad_requests_total") == 0
