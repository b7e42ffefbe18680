"""The record of a verdict: what is in it, and what never is."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.image_reports import DIGEST, full_reports
from tests.policies import exception, policy
from tests.reviews import API_VERSIONS, NOW, At, Manifest, body_of, pod, review_of, workload
from webhook.denials.log import DenialLog
from webhook.denials.record import Record, record_of, verdict_of
from webhook.evaluate import NOTHING_FOUND, evaluate
from webhook.model.decision import Decision
from webhook.model.review import Review, parse_review
from webhook.policy.policies import Policy, PolicyException, policy_set
from webhook.policy.reload import PolicyState
from webhook.server.admission import Admission
from webhook.server.metrics import Metrics

REVIEWS = Path(__file__).parents[1] / "fixtures/reviews"
MARKER = "hunter2-the-secret"
PINNED = '"nginx" must have the tag of an exact version, or a digest'


def record(review: Review, decision: Decision = NOTHING_FOUND, error: str = "") -> dict[str, Any]:
    """Return the record as it stands in the log."""
    made = record_of(review, decision, time=NOW, cluster="prod", duration_microseconds=90, error=error)
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(made))
    return decoded


def decide(review: Review, *given: Policy | PolicyException, facts: At | None = None) -> Decision:
    policies = [one for one in given if isinstance(one, Policy)]
    exceptions = [one for one in given if isinstance(one, PolicyException)]
    return evaluate(review, policy_set(policies, exceptions), facts or At())


def test_the_record_of_a_denial_has_all_of_it() -> None:
    review = review_of(pod("nginx", "app:1.2.3"))
    applied = policy("supply-chain")

    assert record(review, decide(review, applied)) == {
        "time": "2026-11-24T12:00:00Z",
        "verdict": "denied",
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "cluster": "prod",
        "namespace": "shop",
        "kind": "Pod",
        "name": "web",
        "generateName": "",
        "subresource": "",
        "operation": "CREATE",
        "dryRun": False,
        "owner": None,
        "user": "jane",
        "groups": ["system:authenticated"],
        "policies": [{"name": "supply-chain", "hash": applied.use.hash}],
        "violations": [
            {
                "policy": "supply-chain",
                "check": "image-pinned",
                "mode": "enforce",
                "path": "spec.containers[0].image",
                "message": PINNED,
                "fix": "set spec.containers[0].image to nginx:<major>.<minor>.<patch>",
                "vulnerabilities": [],
            }
        ],
        "excused": [],
        "images": ["nginx", "app:1.2.3"],
        "evidence": [],
        "durationMicroseconds": 90,
        "error": "",
    }


LOG4SHELL = {
    "id": "CVE-2099-0001",
    "severity": "critical",
    "package": "log4j",
    "installed": "2.14.0",
    "fixed": "2.17.1",
    "status": "fixed",
    "path": "app/log4j.jar",
}


def test_all_vulnerabilities_are_in_the_record_and_the_report_that_has_them() -> None:
    tag = "docker.io/library/app:1.2.3"
    found = [LOG4SHELL, *({**LOG4SHELL, "id": f"CVE-2099-1{number:03}", "severity": "low"} for number in range(20))]
    report = {"tags": [tag], "databaseUpdatedAt": "2026-11-24T00:00:00Z", "vulnerabilities": found}
    checked = policy(checks={"image-vulnerabilities": {}})

    decision = decide(review_of(pod("app:1.2.3")), checked, facts=At(reports=full_reports([report])))
    written = record(review_of(pod("app:1.2.3")), decision)

    assert written["violations"][0]["vulnerabilities"] == found
    assert written["evidence"] == [
        {
            "image": "app:1.2.3",
            "platform": "linux/amd64",
            "state": "scanned",
            "digest": DIGEST,
            "byTag": True,
            "report": "01a20bc6-e339-7214-ae80-c2a0d6d624b2",
            "scannedAt": "2026-11-24T06:00:00Z",
            "databaseUpdatedAt": "2026-11-24T00:00:00Z",
        }
    ]


def test_the_vulnerabilities_that_an_exception_excuses_are_in_the_record() -> None:
    report = {"vulnerabilities": [LOG4SHELL]}
    review = review_of(pod(f"app@{DIGEST}"))
    checked, excusing = policy(checks={"image-vulnerabilities": {}}), exception(checks=["image-vulnerabilities"])

    written = record(review, decide(review, checked, excusing, facts=At(reports=full_reports([report]))))

    assert [each["vulnerabilities"] for each in written["excused"]] == [[LOG4SHELL]]


def test_an_image_that_nobody_scanned_is_evidence_too() -> None:
    review = review_of(pod("app:1.2.3"))

    written = record(review, decide(review, policy(checks={"image-vulnerabilities": {"unscanned": "allow"}})))

    assert written["verdict"] == "allowed"
    assert written["evidence"] == [
        {
            "image": "app:1.2.3",
            "platform": "linux/amd64",
            "state": "unscanned",
            "digest": None,
            "byTag": False,
            "report": None,
            "scannedAt": None,
            "databaseUpdatedAt": None,
        }
    ]


def test_the_record_of_an_excused_violation_names_the_exception() -> None:
    review = review_of(pod("nginx"))

    written = record(review, decide(review, policy(), exception("legacy", ticket="SEC-1234")))

    assert (written["verdict"], written["violations"]) == ("excused", [])
    assert written["excused"] == [
        {
            "policy": "a",
            "check": "image-pinned",
            "path": "spec.containers[0].image",
            "message": PINNED,
            "exception": {
                "name": "legacy",
                "namespace": "shop",
                "until": "2027-01-31T00:00:00+00:00",
                "reason": "waiting for the vendor",
                "owner": "team-shop",
                "ticket": "SEC-1234",
            },
            "vulnerabilities": [],
        }
    ]


@pytest.mark.parametrize(("mode", "verdict"), [("enforce", "denied"), ("warn", "warned"), ("audit", "audited")])
def test_the_verdict_is_what_the_violation_did(mode: str, verdict: str) -> None:
    assert verdict_of(decide(review_of(pod("nginx")), policy(mode=mode))) == verdict


@pytest.mark.parametrize(
    ("modes", "verdict"),
    [(("audit", "warn"), "warned"), (("warn", "enforce", "audit"), "denied"), (("audit", "audit"), "audited")],
)
def test_the_verdict_is_the_hardest_thing_that_happened(modes: tuple[str, ...], verdict: str) -> None:
    policies = [policy(f"p{index}", mode=mode) for index, mode in enumerate(modes)]

    assert verdict_of(decide(review_of(pod("nginx")), *policies)) == verdict


def test_what_breaks_nothing_is_allowed() -> None:
    assert verdict_of(NOTHING_FOUND) == "allowed"


def test_a_verdict_that_was_not_reached_is_an_error_whatever_was_found() -> None:
    review = review_of(pod("nginx"))

    written = record(review, decide(review, policy()), error="the disk is on fire")

    assert (written["verdict"], written["error"]) == ("error", "the disk is on fire")


def test_the_owner_is_the_controller_among_the_owners() -> None:
    owners = [{"kind": "Node", "name": "n1"}, {"kind": "ReplicaSet", "name": "web-5c8d", "controller": True}]

    written = record(review_of(pod("nginx", ownerReferences=owners)))

    assert written["owner"] == {"kind": "ReplicaSet", "name": "web-5c8d"}


def test_owners_that_are_no_controllers_are_none() -> None:
    assert record(review_of(pod("nginx", ownerReferences=[{"kind": "Node", "name": "n1"}])))["owner"] is None


def test_a_name_that_was_made_stands_beside_what_it_was_made_from() -> None:
    written = record(parse_review((REVIEWS / "pod-create-generate-name.json").read_bytes()))

    assert written["generateName"] == "import-"
    assert written["name"].startswith("import-")


def test_a_name_that_is_yet_to_be_made_is_empty() -> None:
    manifest = pod("nginx", generateName="import-")
    del manifest["metadata"]["name"]

    written = record(review_of(manifest))

    assert (written["name"], written["generateName"]) == ("", "import-")


def test_a_user_without_groups_has_none() -> None:
    assert record(review_of(pod("nginx"), groups=None))["groups"] == []


def test_the_images_are_those_of_every_container_and_volume_and_not_what_is_unset() -> None:
    spec = {
        "initContainers": [{"name": "i", "image": "init:1"}],
        "containers": [{"name": "a", "image": "app:1"}, {"name": "b"}],
        "ephemeralContainers": [{"name": "e", "image": "debug:1"}],
        "volumes": [{"name": "v", "image": {"reference": "data:1"}}, {"name": "w", "emptyDir": {}}],
    }

    assert record(review_of(workload("Pod", spec)))["images"] == ["init:1", "app:1", "debug:1", "data:1"]


def test_a_line_break_in_a_name_stays_within_its_line() -> None:
    line = msgspec.json.encode(
        record_of(
            review_of(pod("nginx\n{}", name="a\nb\u2028c")),
            NOTHING_FOUND,
            time=datetime(2026, 11, 24, tzinfo=UTC),
            cluster="",
            duration_microseconds=0,
            error="",
        )
    )

    assert b"\n" not in line
    assert msgspec.json.decode(line)["name"] == "a\nb\u2028c"


def test_records_have_no_fields_but_those_documented() -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/denial-log.schema.json").read_text())

    assert set(record(review_of(pod("nginx")))) == set(schema["$defs"]["Record"]["properties"])


# What never is


class Lines:
    """A sink that keeps what it is given, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.lines: list[bytes] = []
        self._fails = fails

    def write(self, line: bytes) -> None:
        if self._fails:
            raise OSError(28, "No space left on device")
        self.lines.append(line)


def with_secrets(kind: str, image: str) -> Manifest:
    """Return a workload that holds the marker wherever a user may keep a secret."""
    container = {
        "name": "app",
        "image": image,
        "command": ["sh", "-c", MARKER],
        "args": [f"--password={MARKER}"],
        "env": [{"name": "PASSWORD", "value": MARKER}, {"name": MARKER, "valueFrom": {"secretKeyRef": MARKER}}],
        "envFrom": [{"prefix": MARKER}],
        "workingDir": f"/{MARKER}",
        "lifecycle": {"postStart": {"exec": {"command": [MARKER]}}},
        "livenessProbe": {"httpGet": {"path": "/", "httpHeaders": [{"name": "Authorization", "value": MARKER}]}},
    }
    spec = {
        "containers": [container],
        "initContainers": [{**container, "name": "init"}],
        "ephemeralContainers": [{**container, "name": "debug"}],
        "volumes": [{"name": "v", "csi": {"volumeAttributes": {"token": MARKER}}}],
        "imagePullSecrets": [{"name": MARKER}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": [MARKER]}],
    }
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(spec), MARKER: MARKER}
    return workload(kind, spec, annotations=annotations, labels={"l": MARKER}, managedFields=[{"manager": MARKER}])


def admission(lines: Lines) -> Admission:
    policies = [policy(checks={"image-pinned": {}, "run-as-non-root": {}}, controllers="enforce")]
    state = PolicyState(policy_set(policies, []), complete=True)
    return Admission(lambda: state, DenialLog(lines, log_allowed=True), Metrics(), At())


@pytest.mark.parametrize("kind", API_VERSIONS)
@pytest.mark.parametrize("fails", [False, True], ids=["log", "operational log"])
def test_no_secret_of_a_manifest_reaches_a_log_nor_the_answer(
    kind: str, caplog: pytest.LogCaptureFixture, *, fails: bool
) -> None:
    lines = Lines(fails=fails)
    tried = admission(lines)
    good = {"securityContext": {"runAsNonRoot": True}, **with_secrets(kind, "app:1.2.3")}
    bad = with_secrets(kind, "nginx:latest")
    unreadable = body_of(bad).replace(b'"name": "init"', b'"name": 5')

    with caplog.at_level(logging.DEBUG):
        answers = [
            tried.answer("application/json", body)
            for body in (
                body_of(good),
                body_of(bad),
                unreadable,
                body_of(bad, operation="UPDATE", old=good),
                body_of(bad, operation="DELETE", old=bad),
            )
        ]

    written = b"".join(lines.lines) + b"".join(answers)
    operational = "".join(str(vars(logged)) for logged in caplog.records)
    assert MARKER.encode() not in written
    assert MARKER not in operational
    assert len(lines.lines) == (0 if fails else 5)
    assert operational.count("denial log cannot be written") >= (5 if fails else 0)


def test_the_record_names_no_field_that_could_hold_a_secret() -> None:
    forbidden = {"annotations", "env", "command", "args", "labels", "object", "manifest"}

    assert not forbidden & {field.encode_name for field in msgspec.structs.fields(Record)}
