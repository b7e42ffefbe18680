"""What podgate measures of itself: few series, whatever users write."""

import pytest

from tests.policies import policy
from tests.reviews import API_VERSIONS, At, pod, review_of
from webhook import __version__
from webhook.evaluate import NOTHING_FOUND, evaluate
from webhook.policy.policies import policy_set
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
