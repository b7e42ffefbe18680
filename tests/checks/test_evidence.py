"""What holds of every check about images, whatever the reports say."""

import shlex
import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.image_reports import DIGEST, SCANNED_AT, full_report
from tests.policies import exception, policy
from tests.reviews import NOW, At, Manifest, pod, review_of, workload
from webhook.checks.image_vulnerabilities import ID
from webhook.evaluate import evaluate
from webhook.model.decision import Decision, Mode
from webhook.model.facts import NotHeldError
from webhook.model.image import LONGEST_REPOSITORY
from webhook.model.quote import LONGEST_QUOTE
from webhook.model.report import Report, Severity, Vulnerability
from webhook.policy.policies import Policy, PolicyException, policy_set

IMAGE = f"registry.example.com/team/app@{DIGEST}"
TAG = "registry.example.com/team/app:1.2"
VULNERABLE = {"vulnerabilities": [{"id": "CVE-1", "severity": "critical"}], "tags": [TAG]}
EVERY_CHECK: dict[str, Any] = {
    "image-vulnerabilities": {"max": {"unknown": 0, "low": 0}, "maxReportAge": "7d"},
    "image-size": {"maxSize": "1k", "maxLayers": 1},
    "image-age": {},
    "image-end-of-life": {},
    "run-as-non-root": {"imageUser": True},
}


def decide(
    manifest: Manifest, reports: Iterable[Manifest], *given_: Policy | PolicyException, age: timedelta = timedelta()
) -> Decision:
    """Return the decision at a time by which the reports are older by *age*."""
    policies = policy_set(
        [one for one in given_ if isinstance(one, Policy)], [one for one in given_ if isinstance(one, PolicyException)]
    )
    return evaluate(review_of(manifest), policies, At(NOW + age, [full_report(**each) for each in reports]))


def kinds(decision: Decision) -> Counter[tuple[str, str, Mode]]:
    """Return how often each path is found wanting by each check, and what that does; numbers and times aside."""
    return Counter((each.check, each.finding.path, each.mode) for each in decision.violations)


# Laws

SETTINGS = st.sampled_from(["deny", "warn", "allow"])
SEVERITIES = st.sampled_from([str(severity) for severity in Severity])
IDS, PACKAGES = st.sampled_from(["CVE-1", "CVE-2"]), st.sampled_from(["openssl", "zlib1g"])
VULNERABILITIES = st.fixed_dictionaries(
    {"id": IDS, "severity": SEVERITIES, "package": PACKAGES, "fixed": st.sampled_from(["", "1", "1, 2"])}
)
IGNORED = st.fixed_dictionaries(
    {
        "id": IDS,
        "until": st.sampled_from(["2026-11-24T12:00:00Z", "2026-11-24T12:00:01Z", "2027-01-31T00:00:00Z"]),
        "reason": st.just("r"),
    },
    optional={
        "packages": st.lists(PACKAGES, max_size=2),
        "images": st.lists(st.sampled_from(["registry.example.com/team/*", "nginx"]), max_size=2),
    },
)
OPTIONS = st.fixed_dictionaries(
    {"ignore": st.lists(IGNORED, max_size=3)},
    optional={
        "max": st.dictionaries(SEVERITIES, st.integers(0, 2)),
        "onlyFixable": st.booleans(),
        "maxReportAge": st.sampled_from(["1h", "6h", "1d"]),
        **dict.fromkeys(("unscanned", "stale", "unscannable", "otherPlatform"), SETTINGS),
    },
)
REPORTS = st.fixed_dictionaries(
    {"vulnerabilities": st.lists(VULNERABILITIES, max_size=5)},
    optional={
        "unscannable": st.just("no packages"),
        "platform": st.sampled_from(["linux/amd64", "linux/arm64"]),
        "tags": st.just([TAG]),
        "databaseUpdatedAt": st.just(SCANNED_AT - timedelta(hours=12)),
    },
)
PODS = st.sampled_from([pod(IMAGE), pod(TAG), pod(IMAGE, TAG, "nginx")])


@given(PODS, OPTIONS, REPORTS, VULNERABILITIES, st.integers(0, 5))
def test_adding_a_vulnerability_never_removes_a_violation(
    manifest: Manifest, options: Manifest, report: Manifest, more: Manifest, where: int
) -> None:
    found = report["vulnerabilities"]
    worse = {**report, "vulnerabilities": [*found[:where], more, *found[where:]]}
    judged = policy(checks={"image-vulnerabilities": options})

    before, after = decide(manifest, [report], judged), decide(manifest, [worse], judged)

    assert kinds(before) <= kinds(after)
    assert before.allowed or not after.allowed


@given(PODS, OPTIONS, REPORTS, IGNORED, st.integers(0, 3))
def test_adding_an_ignore_never_adds_a_violation(
    manifest: Manifest, options: Manifest, report: Manifest, more: Manifest, where: int
) -> None:
    ignore = options["ignore"]
    lenient = {**options, "ignore": [*ignore[:where], more, *ignore[where:]]}

    before = decide(manifest, [report], policy(checks={"image-vulnerabilities": options}))
    after = decide(manifest, [report], policy(checks={"image-vulnerabilities": lenient}))

    assert kinds(after) <= kinds(before)
    assert after.allowed or not before.allowed


@given(PODS, OPTIONS, REPORTS, st.integers(0, 48))
def test_older_evidence_never_makes_a_denied_pod_allowed(
    manifest: Manifest, options: Manifest, report: Manifest, hours: int
) -> None:
    judged = policy(checks={"image-vulnerabilities": options})
    older = {**report, "scannedAt": SCANNED_AT - timedelta(hours=hours)}

    before, after = decide(manifest, [report], judged), decide(manifest, [older], judged)

    assert kinds(before) <= kinds(after)


@given(PODS, OPTIONS, REPORTS, st.integers(0, 10**6))
def test_as_time_goes_by_no_denied_pod_becomes_allowed(
    manifest: Manifest, options: Manifest, report: Manifest, minutes: int
) -> None:
    judged = policy(checks={"image-vulnerabilities": options, "image-age": {}})
    report = {**report, "createdAt": SCANNED_AT}

    before = decide(manifest, [report], judged)
    after = decide(manifest, [report], judged, age=timedelta(minutes=minutes))

    assert kinds(before) <= kinds(after)


@given(PODS, OPTIONS, REPORTS)
def test_no_more_is_found_of_fixable_vulnerabilities_than_of_all(
    manifest: Manifest, options: Manifest, report: Manifest
) -> None:
    every, fixable = (
        decide(manifest, [report], policy(checks={"image-vulnerabilities": {**options, "onlyFixable": only}}))
        for only in (False, True)
    )

    assert kinds(fixable) <= kinds(every)


@given(OPTIONS, REPORTS)
def test_what_is_shown_and_logged_of_vulnerabilities_is_what_counts(options: Manifest, report: Manifest) -> None:
    decision = decide(pod(IMAGE), [report], policy(checks={"image-vulnerabilities": options}))

    for violation in decision.violations:
        logged = violation.finding.vulnerabilities
        ids = {each["id"] for each in report["vulnerabilities"]}
        assert {each.id for each in logged} <= ids
        assert all(each.fixed for each in logged) or not options.get("onlyFixable")
        assert list(logged) == sorted(logged, key=lambda each: -each.severity)
        assert len(violation.finding.details) <= len(logged)


# What is asked, and what is named


class Hasty(At):
    """Facts that hold no single vulnerabilities."""

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        raise AssertionError(report)


@pytest.mark.parametrize(
    ("options", "fixed"),
    [
        pytest.param({"max": {"critical": 1, "high": 1}}, "", id="exactly as many as allowed"),
        pytest.param({"max": {"critical": 0}, "onlyFixable": True}, "", id="none that is fixable"),
        pytest.param({"max": {}}, "1", id="no limit"),
    ],
)
def test_an_image_that_has_few_enough_needs_no_look_at_each_vulnerability(options: Manifest, fixed: str) -> None:
    severities = ("critical", "high", "low", "unknown")
    found = [{"id": f"CVE-{severity}", "severity": severity, "fixed": fixed} for severity in severities]
    facts = Hasty(reports=[full_report(vulnerabilities=found)])

    assert evaluate(review_of(pod(IMAGE)), policy_set([policy(checks={ID: options})], []), facts).allowed


class Short(At):
    """Facts that have no room for single vulnerabilities."""

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        raise NotHeldError(report.digest)


@pytest.mark.parametrize(
    ("options", "has"),
    [
        pytest.param({}, "at most 0 critical vulnerabilities, not 2", id="counts"),
        pytest.param({"onlyFixable": True}, "at most 0 critical fixable vulnerabilities, not 1", id="of the fixable"),
        pytest.param({"max": {"critical": 1, "high": 0}}, "at most 1 critical and 0 high vulnerabilities, not 2 and 1"),
        pytest.param(
            {"ignore": [{"id": "CVE-1", "until": "2027-01-31T00:00:00Z", "reason": "r"}]},
            "at most 0 critical vulnerabilities, not 2",
            id="none is ignored",
        ),
    ],
)
def test_an_image_whose_vulnerabilities_are_not_held_is_judged_by_their_counts(options: Manifest, has: str) -> None:
    found = [
        {"id": "CVE-1", "severity": "critical", "fixed": "2"},
        {"id": "CVE-2", "severity": "critical"},
        {"id": "CVE-3", "severity": "high"},
    ]
    facts = Short(reports=[full_report(vulnerabilities=found)])

    (violation,) = evaluate(review_of(pod(IMAGE)), policy_set([policy(checks={ID: options})], []), facts).violations

    assert has in violation.finding.message
    assert violation.finding.details == ("they are not held in memory: podgate report show has them",)
    assert violation.finding.fix == (
        "upgrade what podgate report show names, or raise --reports-memory where an ignored one is among them"
    )
    assert (violation.mode, violation.finding.image, violation.finding.vulnerabilities) == (Mode.ENFORCE, IMAGE, ())


def test_an_image_whose_vulnerabilities_are_not_held_and_few_enough_is_let_in() -> None:
    facts = Short(reports=[full_report(vulnerabilities=[{"id": "CVE-1", "severity": "critical"}])])

    policies = policy_set([policy(checks={ID: {"max": {"critical": 1}}})], [])

    assert evaluate(review_of(pod(IMAGE)), policies, facts).allowed


@pytest.mark.parametrize(
    ("reports", "checks"),
    [
        pytest.param([], EVERY_CHECK.keys() - {"run-as-non-root"}, id="not scanned"),
        pytest.param([{"platform": "linux/arm64"}], EVERY_CHECK.keys() - {"run-as-non-root"}, id="other platform"),
        pytest.param([{"unscannable": "no packages"}], {ID}, id="unscannable"),
        pytest.param([{"scannedAt": SCANNED_AT - timedelta(days=30)}], {ID}, id="stale"),
        pytest.param([{"vulnerabilities": [{"id": "CVE-1", "severity": "low"}]}], {ID}, id="vulnerable"),
        pytest.param([{"size": 10**10, "layers": 100}], {"image-size"}, id="large"),
        pytest.param([{"createdAt": SCANNED_AT - timedelta(days=900)}], {"image-age"}, id="old"),
        pytest.param([{"endOfLife": True}], {"image-end-of-life"}, id="ended"),
    ],
)
def test_a_finding_names_its_container_and_image(reports: list[Manifest], checks: set[str]) -> None:
    spec = {
        "containers": [{"name": "a", "image": IMAGE}],
        "volumes": [{"name": "model", "image": {"reference": IMAGE}}],
    }

    decision = decide(workload("Pod", spec), reports, policy(checks={check: EVERY_CHECK[check] for check in checks}))

    named = [
        (each.finding.container and each.finding.container.name, each.finding.image) for each in decision.violations
    ]
    assert {each.check for each in decision.violations} == checks
    assert set(named) == {("a", IMAGE), (None, IMAGE)}


def test_times_are_in_utc_wherever_podgate_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        decision = decide(pod(IMAGE), [VULNERABLE], policy(checks={ID: {}}))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert "scanned at 2026-11-24T06:00:00Z" in decision.violations[0].finding.message


# Text of an image's author

TEXT = st.text(max_size=30) | st.builds(lambda text: text * 500, st.text(min_size=1, max_size=20))


@given(st.dictionaries(st.sampled_from(["id", "package", "installed", "fixed", "status", "path", "title"]), TEXT), TEXT)
def test_whatever_an_image_says_of_itself_a_finding_is_printable_lines(said: dict[str, str], text: str) -> None:
    vulnerable = {"id": "CVE-1", "severity": "critical", **said}
    report = {
        "vulnerabilities": [vulnerable] * 12,
        "unscannable": text,
        "user": text,
        "os": {"family": text, "name": text, "end_of_life": True},
        "size": 10**10,
        "layers": 100,
    }

    decision = decide(pod(IMAGE), [report], policy(checks=EVERY_CHECK))

    assert decision.violations
    for violation in decision.violations:
        finding = violation.finding
        assert all(line.isprintable() for line in (str(violation), finding.fix, *finding.details))
        # Each character can become ten: \U0001f600 and the like.
        assert max(map(len, finding.details), default=0) <= 10 * LONGEST_QUOTE + 1
        assert len(str(violation)) <= 12 * LONGEST_QUOTE
        assert len(finding.fix) <= 12 * 10 * LONGEST_QUOTE


@given(TEXT, TEXT)
def test_a_platform_that_is_anything_is_one_word_of_the_command(system: str, architecture: str) -> None:
    spec = {
        "os": {"name": system},
        "nodeSelector": {"kubernetes.io/arch": architecture},
        "containers": [{"name": "a", "image": IMAGE}],
    }

    decision = decide(workload("Pod", spec), [{"platform": "linux/mips"}], policy(checks=EVERY_CHECK))

    for violation in decision.violations:
        assert str(violation).isprintable()
        _, colon, command = violation.finding.fix.partition("scan it: ")
        if colon:
            flags = ["--scanners", "vuln", "--format", "json", "--platform"]
            assert shlex.split(command)[:7] == ["trivy", "image", *flags]
            assert shlex.split(command)[8:] == [IMAGE, "|", "podgate", "report", "import", "-"]


@pytest.mark.parametrize("length", [LONGEST_QUOTE - 1, LONGEST_QUOTE, LONGEST_QUOTE + 1, 100_000])
def test_a_name_longer_than_a_message_bears_is_left_out_of_the_command(length: int) -> None:
    image = f"{'r' * (length - 7)}.io/app"
    decision = decide(pod(image), [], policy(checks={"image-size": {}}))

    named = image if length <= LONGEST_QUOTE else "<image>"
    command = f"trivy image --scanners vuln --format json --platform linux/amd64 {named} | podgate report import -"
    assert len(image) == length > LONGEST_REPOSITORY - 10
    assert [violation.finding.fix for violation in decision.violations] == [f"scan it: {command}"]


# Platforms


@pytest.mark.parametrize("check_id", [*EVERY_CHECK])
def test_regression_a_platform_by_another_name_than_that_of_reports_was_never_scanned(check_id: str) -> None:
    named = ["linux/arm64/v8", "linux/x86_64", "linux/aarch64", "Linux/ARM"]

    (check,) = policy(checks={check_id: {**EVERY_CHECK[check_id], "platforms": named}}).checks

    assert getattr(check.options, "platforms") == ("linux/arm64", "linux/amd64", "linux/arm/v7")  # noqa: B009  # not all have them


@pytest.mark.parametrize("wrong", ["linux", "linux/", "linux/arm/v7/x", "linux amd64", "linux/amd64\n", ""])
def test_what_is_no_platform_is_an_error_at_its_place(wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.spec\.checks\.image-size\.platforms\[1\]"):
        policy(checks={"image-size": {"platforms": ["linux/amd64", wrong]}})


# Exceptions

ENFORCED = policy(checks={"image-vulnerabilities": {}}, controllers="enforce")
REPLICASET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5c8d", "uid": "1", "controller": True}


def excepting(**match: Any) -> PolicyException:
    return exception(checks=["image-vulnerabilities"], match=match)


@pytest.mark.parametrize(
    ("match", "stand"),
    [
        ({}, []),
        ({"containers": ["a"]}, ["b"]),
        ({"containers": ["*"]}, []),
        ({"images": ["registry.example.com/team/*"]}, []),
        ({"images": ["registry.example.com/team/app:*"]}, ["a"]),
        ({"images": [f"registry.example.com/team/app@{DIGEST}"]}, ["b"]),
        ({"images": ["nginx"]}, ["a", "b"]),
        ({"containers": ["b"], "images": [f"registry.example.com/team/app@{DIGEST}"]}, ["a", "b"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["Pod", "Deployment", "CronJob"])
def test_an_exception_by_container_or_image_excuses_the_vulnerabilities_of_that_alone(
    kind: str, match: Manifest, stand: list[str]
) -> None:
    spec = {"containers": [{"name": "a", "image": IMAGE}, {"name": "b", "image": TAG}]}

    decision = decide(workload(kind, spec), [VULNERABLE], ENFORCED, excepting(**match))

    assert [each.finding.container and each.finding.container.name for each in decision.violations] == stand
    assert len(decision.excused) == 2 - len(stand)
    assert all(each.violation.finding.vulnerabilities for each in decision.excused)


def test_an_exception_by_image_excuses_an_image_volume_and_one_by_container_does_not() -> None:
    spec = {"containers": [], "volumes": [{"name": "model", "image": {"reference": IMAGE}}]}
    manifest = workload("Pod", spec)

    by_image = decide(manifest, [VULNERABLE], ENFORCED, excepting(images=["registry.example.com/**"]))
    by_container = decide(manifest, [VULNERABLE], ENFORCED, excepting(containers=["*"]))

    assert by_image.allowed
    assert not by_container.allowed


def test_an_exception_for_a_deployment_excuses_the_vulnerabilities_of_its_pods() -> None:
    made = pod(IMAGE, name="web-5c8d-x", ownerReferences=[REPLICASET], labels={"pod-template-hash": "5c8d"})
    excused = excepting(kinds=["Deployment"], names=["web"], images=["registry.example.com/team/app"])
    facts = At(reports=[full_report(**VULNERABLE)])
    policies = policy_set([ENFORCED], [excused])

    by_controller, by_a_user = (
        evaluate(review_of(made, user=user), policies, facts)
        for user in ("system:serviceaccount:kube-system:replicaset-controller", "jane")
    )

    assert by_controller.allowed
    assert len(by_controller.excused) == 1
    assert not by_a_user.allowed
