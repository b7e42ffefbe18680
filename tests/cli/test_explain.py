"""podgate explain: what it says of policies, checks, evidence and exceptions, as text and as JSON."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.image_reports import full_report
from webhook.cli import main
from webhook.reports.sqlite import SqliteReports

NOW = "2026-11-24T12:00:00Z"
POLICIES = """\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {name: supply-chain}
spec:
  match: {namespaces: {exclude: [kube-*]}}
  checks:
    image-pinned: {level: tag}
    image-vulnerabilities:
      max: {high: 0}
      maxReportAge: 7d
      unscanned: warn
      ignore:
        - {id: CVE-2099-0001, until: "2027-01-01T00:00:00Z", reason: not reachable, packages: [lib*]}
        - {id: CVE-2099-0002, until: "2026-01-01T00:00:00Z", reason: waiting for a release}
---
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {name: bank}
spec:
  match: {namespaces: {include: [bank]}, objectSelector: {matchLabels: {tier: prod}}}
  checks: {image-pinned: {}}
---
apiVersion: podgate.io/v1
kind: PolicyException
metadata: {name: legacy, namespace: shop}
spec:
  checks: [image-vulnerabilities]
  match: {kinds: [Deployment], names: [web], containers: [app]}
  until: "2027-01-01T00:00:00Z"
  reason: waiting for the vendor
  owner: team-shop
  ticket: SEC-1
---
apiVersion: podgate.io/v1
kind: PolicyException
metadata: {name: old, namespace: shop}
spec: {checks: [image-pinned], until: "2026-01-01T00:00:00Z", reason: then, owner: team-shop}
---
apiVersion: podgate.io/v1
kind: PolicyException
metadata: {name: bank, namespace: bank}
spec: {checks: [image-pinned], until: "2027-01-01T00:00:00Z", reason: ours, owner: team-bank}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
        - {name: app, image: nginx:1.2}
        - {name: proxy, image: redis}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web-5c8d-x
  namespace: shop
  labels: {pod-template-hash: 5c8d}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5c8d, uid: "1", controller: true}]
spec: {containers: [{name: app, image: nginx:1.2}]}
"""
NGINX, REDIS = "sha256:" + "a" * 64, "sha256:" + "b" * 64
VULNERABILITIES = [
    {"id": "CVE-2099-0001", "severity": "high", "package": "libssl", "installed": "1"},
    {"id": "CVE-2099-0002", "severity": "high", "package": "curl", "installed": "8", "fixed": "9"},
]
REPORTS = [
    full_report(
        digest=NGINX,
        tags=["docker.io/library/nginx:1.2"],
        databaseUpdatedAt="2026-11-23T12:00:00Z",
        vulnerabilities=VULNERABILITIES,
    ),
    full_report(digest=REDIS, tags=["docker.io/library/redis:latest"], platform="linux/arm64"),
]
EXPLAINED = """\
web.yaml:1: Deployment shop/web
  Deployment web, CREATE by podgate-check
    policies:
      bank: does not match
        namespaces: shop is not one of bank
        objectSelector: label tier is not prod
      supply-chain: matches
        image-pinned {level: tag}, warn: 1 violation
          warn spec.template.spec.containers[1].image: "redis" must have a tag other than "latest"
            fix: set spec.template.spec.containers[1].image to redis:<version>
"""
OF_ITS_PODS = f"""\
  ReplicaSet web-xxxxxxxxxx, CREATE by system:serviceaccount:kube-system:deployment-controller: as Deployment
  Pod web-xxxxxxxxxx-xxxxx, CREATE by system:serviceaccount:kube-system:replicaset-controller
    policies:
      bank: does not match
        namespaces: shop is not one of bank
        objectSelector: label tier is not prod
      supply-chain: matches
        image-pinned {{level: tag}}, enforce: 1 violation
          deny spec.template.spec.containers[1].image: "redis" must have a tag other than "latest"
            fix: set spec.template.spec.containers[1].image to redis:<version>
        image-vulnerabilities {{max: {{high: 0}}, maxReportAge: 7d, unscanned: warn}}, enforce: 1 violation, 1 excused
          deny spec.template.spec.containers[1].image: "redis" must have been scanned for linux/amd64: {REDIS}, \
which the tag stood for, was for linux/arm64 only
            fix: scan it: trivy image --scanners vuln --format json --platform linux/amd64 redis | \
podgate report import -
          excused by legacy spec.template.spec.containers[0].image: "nginx:1.2" must have at most 0 high \
vulnerabilities, not 1 (the tag stood for {NGINX} when scanned at 2026-11-24T06:00:00Z with the vulnerability database \
of 2026-11-23T12:00:00Z)
          ignores CVE-2099-0001 until 2027-01-01T00:00:00+00:00: not reachable
            spec.template.spec.containers[0].image: libssl 1 in nginx:1.2
          ignores nothing by CVE-2099-0002 until 2026-01-01T00:00:00+00:00: waiting for a release
            until: it ended on 2026-01-01T00:00:00+00:00
    evidence:
      nginx:1.2 on linux/amd64: scanned
        the tag stood for {NGINX} when scanned at 2026-11-24T06:00:00Z with the vulnerability database of \
2026-11-23T12:00:00Z
        report 01a20bc6-e339-7214-ae80-c2a0d6d624b2, by Trivy 0.76.0, 24h old
        vulnerabilities: 2 high (1 fixable)
      redis on linux/amd64: of another platform: what the tag stood for, {REDIS}, was scanned for linux/arm64
    exceptions:
      this object goes by Pod web-xxxxxxxxxx-xxxxx, ReplicaSet web-xxxxxxxxxx, Deployment web
      legacy, until 2027-01-01T00:00:00+00:00 (waiting for the vendor; team-shop; SEC-1): applies
        excuses spec.template.spec.containers[0].image (supply-chain/image-vulnerabilities)
        does not excuse: checks: image-pinned is not one of image-vulnerabilities; containers: proxy is not one of app
          spec.template.spec.containers[1].image (supply-chain/image-pinned)
        does not excuse: containers: proxy is not one of app
          spec.template.spec.containers[1].image (supply-chain/image-vulnerabilities)
      old, until 2026-01-01T00:00:00+00:00 (then; team-shop): does not apply
        until: it ended on 2026-01-01T00:00:00+00:00
      1 more in other namespaces, which do not count here
    verdict: refused
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("policies.yaml").write_text(POLICIES)
    Path("web.yaml").write_text(DEPLOYMENT)
    Path("pod.yaml").write_text(POD)
    SqliteReports(Path("reports.db")).put(REPORTS)
    return tmp_path


def explain(*words: str, stdin: str = "") -> Result:
    given = ["explain", "--policies=policies.yaml", "--reports=reports.db", "--now", NOW, *words]
    return CliRunner().invoke(main, given, input=stdin, prog_name="podgate")


def requests(*words: str) -> list[dict[str, Any]]:
    """Return what is said in JSON of the requests for the one object in a file."""
    result = explain("-o", "json", *words)
    (explained,) = json.loads(result.stdout)["objects"]
    return list(explained["requests"])


@pytest.mark.usefixtures("folder")
def test_an_object_and_its_pods_are_explained_from_policies_to_verdict() -> None:
    result = explain("web.yaml")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(EXPLAINED)
    assert result.stdout.endswith(f"    verdict: allowed, with warnings\n{OF_ITS_PODS}\n")


@pytest.mark.usefixtures("folder")
def test_json_says_the_same_with_states_and_severities_by_name() -> None:
    deployment, replicaset, pod = requests("web.yaml")

    assert [each["verdict"] for each in (deployment, replicaset, pod)] == ["warned", "warned", "denied"]
    assert [(each["name"], each["matches"], each["whyNot"]) for each in pod["policies"]] == [
        ("bank", False, ["namespaces: shop is not one of bank", "objectSelector: label tier is not prod"]),
        ("supply-chain", True, []),
    ]
    pinned, vulnerabilities = pod["policies"][1]["checks"]
    assert (pinned["id"], pinned["mode"], pinned["options"]) == ("image-pinned", "enforce", {"level": "tag"})
    assert [(each["mode"], each["excusedBy"]) for each in vulnerabilities["violations"]] == [
        ("enforce", None),
        ("enforce", "legacy"),
    ]
    assert vulnerabilities["ignore"][0]["vulnerabilities"] == [
        {
            "path": "spec.template.spec.containers[0].image",
            "image": "nginx:1.2",
            "package": "libssl",
            "installed": "1",
        }
    ]
    assert vulnerabilities["ignore"][1]["whyNot"] == ["until: it ended on 2026-01-01T00:00:00+00:00"]


@pytest.mark.usefixtures("folder")
def test_json_has_the_evidence_and_how_old_it_is() -> None:
    nginx, redis = requests("web.yaml")[0]["evidence"]

    report = nginx.pop("report")
    assert nginx == {
        "image": "nginx:1.2",
        "platform": "linux/amd64",
        "state": "scanned",
        "digest": NGINX,
        "byTag": True,
        "platforms": [],
    }
    assert report["ageSeconds"] == 86400
    assert report["counts"] == {"critical": 0, "high": 2, "medium": 0, "low": 0, "unknown": 0}
    assert report["fixable"] == {"critical": 0, "high": 1, "medium": 0, "low": 0, "unknown": 0}
    assert (redis["state"], redis["platforms"], redis["report"]) == ("otherPlatform", ["linux/arm64"], None)


@pytest.mark.usefixtures("folder")
def test_json_has_each_exception_with_what_it_is_to_each_violation() -> None:
    pod = requests("web.yaml")[-1]

    legacy, old = pod["exceptions"]
    assert [(each["check"], each["whyNot"], each["excusedAlreadyBy"]) for each in legacy["violations"]] == [
        ("image-vulnerabilities", [], None),
        (
            "image-pinned",
            ["checks: image-pinned is not one of image-vulnerabilities", "containers: proxy is not one of app"],
            None,
        ),
        ("image-vulnerabilities", ["containers: proxy is not one of app"], None),
    ]
    assert (old["applies"], old["whyNot"]) == (False, ["until: it ended on 2026-01-01T00:00:00+00:00"])
    assert pod["exceptionsElsewhere"] == 1
    assert pod["workloads"][-1] == {"kind": "Deployment", "name": "web"}


@pytest.mark.usefixtures("folder")
def test_an_owner_that_anyone_could_have_written_is_said_not_to_count() -> None:
    by_user = explain("pod.yaml").stdout
    by_controller = explain("pod.yaml", "--user=system:serviceaccount:kube-system:replicaset-controller").stdout

    assert "this object goes by Pod web-5c8d-x\n" in by_user
    assert (
        "its owner ReplicaSet web-5c8d does not count: podgate-check is not the controller that makes a Pod for it\n"
        in by_user
    )
    assert "kinds: Pod is not one of Deployment\n" in by_user
    assert by_user.endswith("verdict: refused\n\n")
    assert "this object goes by Pod web-5c8d-x, ReplicaSet web-5c8d, Deployment web\n" in by_controller
    assert "does not count: " not in by_controller
    assert by_controller.endswith("verdict: allowed, by exceptions alone\n\n")
    assert requests("pod.yaml")[0]["uncountedOwner"] == {"kind": "ReplicaSet", "name": "web-5c8d"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"unscannable": "it has no package database"}, "unscannable: it has no package database", id="un"),
        pytest.param({"scannedAt": "2026-11-01T00:00:00Z"}, "stale, scanned too long ago", id="stale"),
        pytest.param({"tags": ["docker.io/library/app:2"]}, "not scanned: no report names this tag", id="unscanned"),
    ],
)
def test_each_state_of_evidence_has_its_words(folder: Path, given: dict[str, Any], said: str) -> None:
    SqliteReports(folder / "app.db").put([full_report(**{"tags": ["docker.io/library/app:1"], "scanner": "", **given})])
    (folder / "app.yaml").write_text(POD.replace("nginx:1.2", "app:1"))

    result = explain("app.yaml", "--reports=app.db")

    assert f"      app:1 on linux/amd64: {said}\n" in result.stdout


@pytest.mark.usefixtures("folder")
def test_a_digest_without_a_report_and_an_object_of_other_platforms_are_named() -> None:
    other = explain("-", stdin=POD.replace("nginx:1.2", f"redis@{REDIS}")).stdout
    unknown = explain("-", stdin=POD.replace("nginx:1.2", f"app@sha256:{'c' * 64}")).stdout

    assert f"linux/amd64: of another platform: {REDIS} was scanned for linux/arm64\n" in other
    assert f"linux/amd64: not scanned: there is no report of sha256:{'c' * 64}\n" in unknown


def test_what_finds_nothing_says_so_in_each_part(folder: Path) -> None:
    (folder / "policies.yaml").write_text(
        "apiVersion: podgate.io/v1\nkind: ClusterPolicy\nmetadata: {name: a}\nspec: {checks: {image-pinned: {}}}\n"
    )

    result = explain(
        "-", stdin="{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{image: nginx:1.29.3}]}}"
    )

    assert result.stdout == (
        "stdin:1: Pod default/web\n"
        "  Pod web, CREATE by podgate-check\n"
        "    policies:\n"
        "      a: matches\n"
        "        image-pinned, enforce: passes\n"
        "    evidence:\n"
        "      no check asked for any\n"
        "    exceptions:\n"
        "      there are none\n"
        "    verdict: allowed\n"
        "\n"
    )


@pytest.mark.usefixtures("folder")
def test_an_exception_with_nothing_to_excuse_and_one_that_comes_too_late_say_so() -> None:
    twice = POLICIES.replace("old, namespace: shop", "second, namespace: shop").replace(
        'checks: [image-pinned], until: "2026', 'checks: [image-vulnerabilities], until: "2027'
    )
    Path("policies.yaml").write_text(twice)

    result = explain("pod.yaml", "--user=system:serviceaccount:kube-system:replicaset-controller")

    assert (
        "        legacy excuses already spec.containers[0].image (supply-chain/image-vulnerabilities)\n"
        in result.stdout
    )
    Path("policies.yaml").write_text(twice.replace("unscanned: warn", "unscanned: allow"))
    assert "        there is nothing to excuse\n" in explain("-", stdin=POD.replace("nginx:1.2}", "other:1}")).stdout


@pytest.mark.usefixtures("folder")
def test_what_is_never_refused_is_said_to_be_asked_nothing() -> None:
    deleting = POD.replace("  labels:", '  deletionTimestamp: "2026-11-24T11:59:00Z"\n  labels:')

    result = explain("-", "--operation=update", stdin=deleting)

    assert result.stdout == (
        "stdin:1: Pod shop/web-5c8d-x\n"
        "  Pod web-5c8d-x, UPDATE by podgate-check\n"
        "    podgate refuses no such request: no policy is asked\n"
        "    verdict: allowed\n"
        "\n"
    )


# Files, errors, exit codes


@pytest.mark.usefixtures("folder")
def test_the_exit_code_is_0_whatever_the_verdict() -> None:
    assert explain("web.yaml").exit_code == 0
    assert explain("pod.yaml", "web.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        pytest.param("bad.yaml", "a: [", "error: bad.yaml:2:1: not YAML", id="no YAML"),
        pytest.param("bad.yaml", "a: 1", "error: bad.yaml:1:1: not a Kubernetes object", id="no object"),
        pytest.param(
            "bad.yaml", POD.replace("[{name: app, image: nginx:1.2}]", "3"), "error: bad.yaml:8:", id="no pod"
        ),
        pytest.param(
            "policies.yaml", POLICIES.replace("level: tag", "level: tg"), "error: policies.yaml:7:", id="policy"
        ),
        pytest.param("reports.db", "not a store", "error: reports.db", id="reports"),
    ],
)
def test_what_cannot_be_read_is_exit_code_2_and_the_rest_is_explained(
    folder: Path, file: str, text: str, error: str
) -> None:
    (folder / "bad.yaml").write_text(POD)
    (folder / file).unlink()
    (folder / file).write_text(text)

    result = explain("bad.yaml", "web.yaml")

    assert result.exit_code == 2
    assert result.stderr.startswith(error)
    assert "web.yaml:1: Deployment shop/web\n" in result.stdout


@pytest.mark.usefixtures("folder")
def test_nothing_is_called_allowed_where_a_policy_could_not_be_read() -> None:
    Path("policies.yaml").write_text(POLICIES + "---\na: 1\n")

    result = explain("web.yaml")

    assert re.findall(r"verdict: (.*)", result.stdout) == [
        "not judged: a policy or the reports could not be read",
        "refused",
    ]
    assert [each["verdict"] for each in requests("web.yaml")] == ["notJudged", "notJudged", "denied"]


@pytest.mark.usefixtures("folder")
def test_what_is_never_refused_is_allowed_even_where_a_policy_could_not_be_read() -> None:
    Path("policies.yaml").write_text("a: 1\n")

    result = explain(
        "-",
        "--operation=update",
        stdin=POD.replace("  labels:", '  deletionTimestamp: "2026-11-24T11:59:00Z"\n  labels:'),
    )

    assert re.findall(r"verdict: (.*)", result.stdout) == ["allowed"]


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_not_there_is_exit_code_2() -> None:
    text, as_json = explain("none.yaml"), explain("none.yaml", "-o", "json")

    assert (text.exit_code, text.stdout) == (2, "")
    assert text.stderr == "error: none.yaml: No such file or directory\n"
    assert json.loads(as_json.stdout)["errors"] == [{"file": "none.yaml", "message": "No such file or directory"}]


@pytest.mark.usefixtures("folder")
def test_a_file_without_workloads_has_nothing_to_explain() -> None:
    service = "{apiVersion: v1, kind: Service, metadata: {name: web}}"

    result = explain("-", stdin=service)

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no workload found: there is nothing to explain\n"
    assert json.loads(explain("-", "-o", "json", stdin=service).stdout)["objects"] == []


@pytest.mark.usefixtures("folder")
def test_escape_sequences_of_a_manifest_do_not_reach_the_terminal() -> None:
    manifest = POD.replace("web-5c8d-x", '"a\\x1b[2J"').replace("nginx:1.2", '"app\\x1b]0;x\\x07"')

    result = explain("-", stdin=manifest)

    assert r"Pod a\x1b[2J, CREATE" in result.stdout
    assert [line for line in result.stdout.splitlines() if not line.isprintable()] == []


def on_terminal(folder: Path, **environment: str) -> str:
    """Return what the command prints to a terminal."""
    command = [
        sys.executable,
        "-m",
        "webhook",
        "explain",
        "--policies=policies.yaml",
        "--reports=reports.db",
        "pod.yaml",
    ]
    ours, theirs = pty.openpty()
    root = str(Path(__file__).parents[2])
    keep = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    given = {**keep, "PYTHONPATH": root, "TERM": "xterm", **environment}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, cwd=folder, env=given) as process:
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 65536):
                text += chunk
        except OSError:  # Linux's way of saying that the other end was closed
            pass
        process.wait(60)
    os.close(ours)
    return text.decode()


def test_colours_are_for_terminals_that_want_them(folder: Path) -> None:
    assert "\x1b[1mPod web-5c8d-x\x1b[0m" in on_terminal(folder)
    assert "\x1b[" not in on_terminal(folder, NO_COLOR="1")
    assert "\x1b[" not in explain("pod.yaml").stdout


@pytest.mark.parametrize("command", ["check", "explain"])
def test_regression_explain_wrote_errors_to_the_terminal_as_they_were(command: str, tmp_path: Path) -> None:
    policies, file = tmp_path / "policies.yaml", tmp_path / "\x1b[31m.yaml"
    policies.write_text(POLICIES)
    file.write_text("a: [")

    result = CliRunner().invoke(main, [command, f"--policies={policies}", str(file)])

    assert result.exit_code == 2
    assert "\\x1b[31m.yaml" in result.stderr
    assert "\x1b" not in result.stderr
