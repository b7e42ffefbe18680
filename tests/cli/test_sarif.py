"""podgate check --output sarif: valid by the schema that OASIS publishes, whatever was found."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.checking import AUDIT, DEPLOYMENT, EXCEPTION, FIX, IMAGE, MESSAGE, PINNED, POD, WARN, check, enter, write
from webhook.checks import CHECKS

TESTS = Path(__file__).parents[1]
SCHEMA = json.loads((TESTS / "fixtures" / "sarif" / "sarif-schema-2.1.0.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(tmp_path, monkeypatch)
    return tmp_path


def run_in(*words: str, **more: str) -> dict[str, Any]:
    """Return the only run of the log that `podgate check` prints, which is valid."""
    log = json.loads(check("--output=sarif", *words, **more).stdout)
    assert [error.message for error in VALIDATOR.iter_errors(log)] == []
    assert (log["version"], log["$schema"]) == ("2.1.0", SCHEMA["id"])
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_the_schema_refuses_what_is_no_sarif() -> None:
    assert not VALIDATOR.is_valid({"version": "2.1.0", "runs": [{"results": []}]})
    assert not VALIDATOR.is_valid({"version": "2.2", "runs": []})


def test_a_finding_is_a_result_at_its_file_and_line() -> None:
    Path("k").mkdir()
    Path("k/a b.yaml").write_text(DEPLOYMENT)

    (result,) = run_in("k")["results"]

    assert result.pop("partialFingerprints").keys() == {"podgate/v1"}
    assert result == {
        "ruleId": "image-pinned",
        "ruleIndex": list(CHECKS).index("image-pinned"),
        "level": "error",
        "message": {"text": f"Deployment shop/web: {IMAGE}: {MESSAGE} (pinned/image-pinned)\nfix: {FIX}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": "k/a%20b.yaml"}, "region": {"startLine": 12}},
                "logicalLocations": [{"fullyQualifiedName": f"Deployment shop/web {IMAGE}", "kind": "member"}],
            }
        ],
    }


def test_every_check_is_a_rule_with_its_manual() -> None:
    write(a=POD)

    rules = run_in("a.yaml")["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == list(CHECKS)
    assert [rule["shortDescription"]["text"] for rule in rules] == [
        each.manual.partition("\n")[0] for each in CHECKS.values()
    ]
    assert all("## How to fix" in rule["help"]["markdown"] for rule in rules)


@pytest.mark.parametrize(("policy", "level"), [(PINNED, "error"), (WARN, "warning"), (AUDIT, "note")])
def test_the_level_is_what_a_finding_does(policy: str, level: str) -> None:
    write(a=DEPLOYMENT, p=policy)

    assert [result["level"] for result in run_in("a.yaml")["results"]] == [level]


def test_what_is_excused_is_a_suppressed_result() -> None:
    write(a=DEPLOYMENT, p=PINNED + "---\n" + EXCEPTION)

    (result,) = run_in("--now=2026-11-24T12:00:00Z", "a.yaml")["results"]

    assert result["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "excused by shop/moving until 2027-01-31T00:00:00+00:00: "
            "waiting for the vendor (team-shop, SEC-1234)",
        }
    ]


def test_what_cannot_be_judged_is_a_notification() -> None:
    write(a="a: 1")

    run = run_in("a.yaml", "b.yaml")

    assert run["results"] == []
    assert run["invocations"] == [
        {
            "executionSuccessful": False,
            "exitCode": 2,
            "toolExecutionNotifications": [
                {
                    "level": "error",
                    "message": {"text": "a.yaml:1:1: not a Kubernetes object: expected apiVersion and kind"},
                    "locations": [
                        {"physicalLocation": {"artifactLocation": {"uri": "a.yaml"}, "region": {"startLine": 1}}}
                    ],
                },
                {
                    "level": "error",
                    "message": {"text": "b.yaml: No such file or directory"},
                    "locations": [{"physicalLocation": {"artifactLocation": {"uri": "b.yaml"}}}],
                },
            ],
        }
    ]


def test_an_object_without_a_verdict_is_told_of() -> None:
    Path("a.yaml").write_text(POD)
    Path("p.yaml").write_text(PINNED + "---\na: 1\n")

    (invocation,) = run_in("a.yaml")["invocations"]

    assert [each["message"]["text"] for each in invocation["toolExecutionNotifications"]] == [
        "p.yaml:8:1: apiVersion: expected podgate.io/v1",
        "a.yaml:1:1: Pod default/one is not judged: a policy or the reports could not be read",
    ]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 2)


def test_a_run_without_errors_says_its_exit_code() -> None:
    write(a=DEPLOYMENT)

    (invocation,) = run_in("a.yaml")["invocations"]

    assert invocation == {"executionSuccessful": True, "exitCode": 1, "toolExecutionNotifications": []}


def test_files_below_this_folder_are_named_from_here_and_others_by_their_whole_path(folder: Path) -> None:
    (folder / "here").mkdir()
    write(outside=DEPLOYMENT)
    Path("here/a.yaml").write_text(DEPLOYMENT)

    def uris(*words: str, **more: str) -> list[str]:
        locations = [result["locations"][0]["physicalLocation"] for result in run_in(*words, **more)["results"]]
        return [location["artifactLocation"]["uri"] for location in locations]

    assert uris(str(folder / "here/a.yaml")) == ["here/a.yaml"]
    assert uris("-", given=DEPLOYMENT) == ["stdin"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "here")
        assert uris(str(folder / "outside.yaml"), policies="../p.yaml") == [(folder / "outside.yaml").as_uri()]


def fingerprints(*words: str) -> list[str]:
    return [result["partialFingerprints"]["podgate/v1"] for result in run_in(*words)["results"]]


def test_a_fingerprint_stays_when_lines_or_files_change_and_no_two_are_equal() -> None:
    two = DEPLOYMENT + "        - name: b\n          image: nginx:latest\n"
    write(a=two, moved="# words\n" + two, twice=DEPLOYMENT + "---\n" + DEPLOYMENT)

    assert fingerprints("a.yaml") == fingerprints("moved.yaml")
    assert len(set(fingerprints("a.yaml"))) == 2
    assert len(set(fingerprints("twice.yaml"))) == 2


def test_what_every_fixture_of_every_check_gives_is_valid(folder: Path) -> None:
    """Each manifest is held against each check with its plainest options."""
    checks: dict[str, Any] = {check_id: {} for check_id in CHECKS}
    spec = {"checks": checks, "controllers": "enforce"}
    policy = {"apiVersion": "podgate.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "all"}, "spec": spec}
    (folder / "all.json").write_text(json.dumps(policy))
    found = sorted((TESTS / "fixtures" / "checks").glob("*/*.yaml"))
    cases = [case for case in found if case.stem not in ("no-containers", "pod-without-containers")]
    manifests = [case.read_text().split("\n---\n", 1)[1] for case in cases]
    (folder / "k.yaml").write_text("\n---\n".join(manifests))

    run = run_in("k.yaml", policies="all.json")

    assert {result["ruleId"] for result in run["results"]} >= {"image-pinned", "image-vulnerabilities"}
    assert len(run["results"]) > len(cases)
    assert run["invocations"][0]["executionSuccessful"]
