"""The request path: whatever comes in, a verdict that podgate said itself goes out, or a 4xx."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from tests.policies import policy
from tests.reviews import At, body_of, pod
from webhook.denials.log import DenialLog
from webhook.model.review import Review
from webhook.policy.load import load_policies
from webhook.policy.policies import Policy, PolicySet, policy_set
from webhook.policy.reload import PolicyState
from webhook.reports.index import IndexState
from webhook.server.admission import FAULT, Admission, BadRequestError
from webhook.server.app import admission_app
from webhook.server.metrics import Metrics

ROOT = Path(__file__).parents[2]
REVIEWS = {file.stem: file.read_bytes() for file in sorted((ROOT / "tests/fixtures/reviews").glob("*.json"))}
SHIPPED = PolicyState(load_policies(ROOT / "policies").policies, complete=True)
JSON = "application/json"
READ = IndexState(complete=True)
GOOD, BAD = REVIEWS["pod-create-pinned-nonroot"], REVIEWS["pod-create-latest-root"]


class Lines:
    """A sink that keeps what it is given, or fails."""

    def __init__(self, error: OSError | None = None) -> None:
        self.lines: list[bytes] = []
        self._error = error

    def write(self, line: bytes) -> None:
        if self._error:
            raise self._error
        self.lines.append(line)

    def records(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.lines]


class Bench(Struct):
    """An Admission with all that it writes to."""

    admission: Admission
    lines: Lines
    metrics: Metrics

    def ask(self, body: bytes) -> dict[str, Any]:
        review: dict[str, Any] = msgspec.json.decode(self.admission.answer(JSON, body))
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response: dict[str, Any] = review["response"]
        return response

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0


def bench(
    state: PolicyState = SHIPPED,
    *,
    reports: IndexState = READ,
    log_allowed: bool = False,
    error: OSError | None = None,
) -> Bench:
    lines, metrics = Lines(error), Metrics()
    log = DenialLog(lines, log_allowed=log_allowed, on_failure=metrics.log_failures.inc)
    admission = Admission(lambda: state, log, metrics, At(), reports=lambda: reports, cluster="test")
    return Bench(admission, lines, metrics)


class BrokenPolicy(Struct, frozen=True):
    """Stands in for a policy with a fault of ours in it."""

    def matches(self, review: Review) -> bool:
        raise ZeroDivisionError(review.uid)


def test_an_allowed_review_is_answered_with_no_more_than_that_and_not_logged() -> None:
    tried = bench()

    response = tried.ask(GOOD)

    assert response == {"uid": msgspec.json.decode(GOOD)["request"]["uid"], "allowed": True}
    assert tried.lines.lines == []
    assert tried.count("podgate_reviews_total", verdict="allowed", operation="CREATE", kind="Pod") == 1
    assert tried.count("podgate_review_duration_seconds_count") == 1


def test_plain_allows_are_logged_by_choice() -> None:
    tried = bench(log_allowed=True)

    tried.ask(GOOD)

    (record,) = tried.lines.records()
    assert (record["verdict"], record["violations"], record["cluster"]) == ("allowed", [], "test")
    assert record["time"] == "2026-11-24T12:00:00Z"


def test_a_refusal_has_code_403_and_its_line() -> None:
    tried = bench()

    response = tried.ask(BAD)

    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["reason"]) == (403, "Forbidden")
    (record,) = tried.lines.records()
    assert (record["verdict"], record["dryRun"], len(record["violations"])) == ("denied", False, 8)
    violations = {"policy": "supply-chain", "check": "image-pinned", "mode": "enforce"}
    assert tried.count("podgate_violations_total", **violations) == 3


def test_a_dry_run_is_marked_in_its_line() -> None:
    tried = bench(log_allowed=True)

    tried.ask(REVIEWS["pod-create-dry-run"])

    assert [record["dryRun"] for record in tried.lines.records()] == [True]


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_the_content_type_is_json(content_type: str) -> None:
    assert bench().admission.answer(content_type, GOOD).startswith(b'{"apiVersion":"admission.k8s.io/v1"')


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_a_415(content_type: str) -> None:
    with pytest.raises(BadRequestError, match="the content type must be application/json") as caught:
        bench().admission.answer(content_type, GOOD)

    assert caught.value.status == 415


def test_an_object_that_cannot_be_read_is_refused_by_code_400_with_its_path_and_logged() -> None:
    body = body_of(pod("nginx")).replace(b'"image": "nginx"', b'"image": 5')
    tried = bench()

    response = tried.ask(body)

    message = (
        "request.object is no Pod that can be read: Expected `str | null`, got `int` - at `$.spec.containers[0].image`"
    )
    assert response["status"] == {"code": 400, "reason": "BadRequest", "message": message}
    assert response["auditAnnotations"] == {"error": message}
    (record,) = tried.lines.records()
    assert (record["verdict"], record["error"], record["user"]) == ("error", message, "jane")
    assert tried.count("podgate_reviews_total", verdict="error", operation="CREATE", kind="Pod") == 1


def test_a_fault_of_ours_is_a_refusal_of_code_500_with_the_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken: Any = BrokenPolicy()
    tried = bench(PolicyState(PolicySet((broken,)), complete=True))

    with caplog.at_level(logging.ERROR):
        response = tried.ask(GOOD)

    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert response["status"]["message"] == f"{FAULT}: {response['uid']}"
    assert response["auditAnnotations"] == {"error": f"{FAULT}: {response['uid']}"}
    assert "ZeroDivisionError" in caplog.text
    assert [record["verdict"] for record in tried.lines.records()] == ["error"]


def test_a_fault_in_the_log_itself_is_a_refusal_of_code_500_too() -> None:
    class Faulty:
        def write(self, line: bytes) -> None:
            raise RuntimeError(line)

    metrics = Metrics()
    admission = Admission(lambda: SHIPPED, DenialLog(Faulty()), metrics, At())

    response = msgspec.json.decode(admission.answer(JSON, BAD))["response"]

    assert (response["allowed"], response["status"]["code"]) == (False, 500)


def test_a_log_that_cannot_be_written_refuses_nobody_and_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    tried = bench(log_allowed=True, error=OSError(28, "No space left on device"))

    with caplog.at_level(logging.ERROR):
        response = tried.ask(GOOD)

    assert response["allowed"] is True
    assert tried.count("podgate_denial_log_failures_total") == 1
    record = next(record for record in caplog.records if record.getMessage() == "denial log cannot be written")
    assert record.__dict__["record"]["uid"] == response["uid"]


def incomplete() -> PolicyState:
    return PolicyState(SHIPPED.policies, complete=False, errors=("policies/x.yaml:3:5: spec.mode: expected one of …",))


def test_while_a_policy_has_never_been_readable_what_the_others_allow_is_refused() -> None:
    response = bench(incomplete()).ask(GOOD)

    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert "policies/x.yaml:3:5: spec.mode" in response["status"]["message"]


def test_while_a_policy_has_never_been_readable_the_others_still_say_why_they_refuse() -> None:
    assert bench(incomplete()).ask(BAD)["status"]["code"] == 403


@pytest.mark.parametrize(
    "name", ["pod-delete", "pod-update-label", "pod-update-finalizers-deleting", "deployment-update-scale"]
)
def test_while_a_policy_has_never_been_readable_what_must_pass_passes(name: str) -> None:
    assert bench(incomplete()).ask(REVIEWS[name])["allowed"] is True


# Reports that were never read


UNREAD = IndexState(error="reports.db: not a store of reports, nor any file of SQLite")


def asking(setting: str) -> PolicyState:
    """Return a policy that asks for reports, and does *setting* where there is none."""
    return PolicyState(
        policy_set([policy(checks={"image-vulnerabilities": {"unscanned": setting}})], []), complete=True
    )


@pytest.mark.parametrize("setting", ["warn", "allow"])
def test_regression_an_image_was_let_in_as_unscanned_while_reports_had_never_been_read(setting: str) -> None:
    tried = bench(asking(setting), reports=UNREAD)

    response = tried.ask(body_of(pod("registry.example.com/app:v1")))

    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert response["status"]["message"] == (
        "podgate has never been able to read its reports, so it lets no image in: "
        "reports.db: not a store of reports, nor any file of SQLite"
    )
    assert tried.lines.records()[0]["verdict"] == "error"


def test_while_reports_have_never_been_read_what_is_refused_says_why() -> None:
    response = bench(asking("deny"), reports=UNREAD).ask(body_of(pod("registry.example.com/app:v1")))

    assert response["status"]["code"] == 403
    assert "must have been scanned" in response["status"]["message"]


def test_while_reports_have_never_been_read_what_asks_for_none_is_let_in() -> None:
    pinned = PolicyState(policy_set([policy(checks={"image-pinned": {}})], []), complete=True)

    assert bench(pinned, reports=UNREAD).ask(GOOD)["allowed"] is True


def test_while_reports_have_never_been_read_what_must_pass_passes() -> None:
    tried = bench(asking("allow"), reports=UNREAD)

    assert tried.ask(REVIEWS["pod-delete"])["allowed"] is True


def test_an_image_whose_report_is_damaged_is_not_let_in_as_unscanned() -> None:
    digest = f"sha256:{'a' * 64}"
    damaged = IndexState(complete=True, error=f"damaged in the store: {digest}", unreadable=frozenset([digest]))
    tried = bench(asking("allow"), reports=damaged)

    response = tried.ask(body_of(pod(f"registry.example.com/app@{digest}")))
    other = tried.ask(body_of(pod("registry.example.com/app:v1")))

    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert response["status"]["message"] == (
        f'podgate cannot read what its store has on "registry.example.com/app@{digest}", so it does not let it in: '
        f"damaged in the store: {digest}"
    )
    assert other["allowed"] is True


def test_reports_that_are_read_while_a_review_is_judged_come_too_late_for_it() -> None:
    states = iter([UNREAD, READ])
    log, metrics = DenialLog(Lines()), Metrics()
    admission = Admission(lambda: asking("allow"), log, metrics, At(), reports=lambda: next(states))

    answers = [
        msgspec.json.decode(admission.answer(JSON, body_of(pod("registry.example.com/app:v1")))) for _ in range(2)
    ]

    assert [answer["response"]["allowed"] for answer in answers] == [False, True]


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    with admission_app(bench().admission).test_client() as client:
        yield client


def post(client: FlaskClient, body: bytes) -> None:
    """Post anything: an AdmissionReview for its uid comes back, or a 4xx with a reason."""
    answer = client.post("/validate", data=body, content_type=JSON)

    value = json.loads(answer.data)
    if answer.status_code == 200:
        assert value["kind"] == "AdmissionReview"
        assert value["response"]["uid"] == json.loads(body)["request"]["uid"]
        assert value["response"].get("status", {}).get("code", 403) in (403, 400)
    else:
        assert 400 <= answer.status_code < 500
        assert value["reason"]


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_get_a_4xx_or_a_review(client: FlaskClient, body: bytes) -> None:
    post(client, body)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from places(child, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real review with one to three of its values replaced or dropped."""
    value = json.loads(REVIEWS[draw(st.sampled_from(sorted(REVIEWS)))])
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in places(value) if path[0] == "request"]
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        at = value
        for key in path[:-1]:
            at = at[key]
        if draw(st.booleans()):
            at[path[-1]] = draw(VALUES)
        else:
            del at[path[-1]]
    return json.dumps(value).encode()


@given(mutated())
@settings(max_examples=600, deadline=None)
def test_any_mutation_of_a_real_review_gets_a_4xx_or_a_review(client: FlaskClient, body: bytes) -> None:
    post(client, body)


@pytest.mark.parametrize("depth", [100, 10_000, 200_000])
def test_deep_nesting_gets_a_4xx_or_a_review(client: FlaskClient, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth

    post(client, nested)
    post(client, GOOD.replace(b'"dryRun": false', b'"options2": ' + nested, 1).replace(b'"metadata": {', b'"x": {', 1))
    answer = client.post("/validate", data=GOOD[:-20] + nested, content_type=JSON)
    assert answer.status_code == 400


def test_policies_match_the_type_that_the_bench_replaces() -> None:
    assert {name for name in vars(BrokenPolicy) if name == "matches"} <= set(vars(Policy))
