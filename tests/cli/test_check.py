"""podgate check: what it prints, which files it reads, and its exit code."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.checking import (
    AUDIT,
    DEPLOYMENT,
    EXCEPTION,
    FIX,
    IMAGE,
    MESSAGE,
    NO_OBJECT,
    PINNED,
    POD,
    SCANNED,
    WARN,
    as_json,
    check,
    enter,
    write,
)
from tests.image_reports import full_report
from webhook.reports.sqlite import SqliteReports


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(tmp_path, monkeypatch)
    return tmp_path


# What is printed


def test_findings_are_grouped_by_object_with_file_and_line() -> None:
    write(a=POD + "---\n" + DEPLOYMENT)

    done = check("a.yaml")

    assert (
        done.stdout
        == f"""\
a.yaml:9: Deployment shop/web: its pods are refused
  deny     {IMAGE} (line 20): {MESSAGE} (pinned/image-pinned)
           fix: {FIX}
  exceptions: #platform

2 workloads in 1 file: 1 would be refused, 1 clean; 1 finding, 0 excused
"""
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_an_object_that_is_refused_itself_is_said_to_be() -> None:
    write(a=POD.replace(":1.29.3", ""))

    assert check("a.yaml").stdout.startswith("a.yaml:1: Pod default/one: refused\n  deny     spec.containers[0].image")


def test_what_warns_and_what_is_audited_has_its_word() -> None:
    write(a=DEPLOYMENT, warn=WARN, audit=AUDIT)

    warned, audited = check("a.yaml", policies="warn.yaml").stdout, check("a.yaml", policies="audit.yaml").stdout

    assert warned.startswith(f"a.yaml:1: Deployment shop/web\n  warn     {IMAGE} (line 12): ")
    assert audited.startswith(f"a.yaml:1: Deployment shop/web\n  audit    {IMAGE} (line 12): ")
    assert warned.endswith("\n1 workload in 1 file: 1 warned about; 1 finding, 0 excused\n")
    assert audited.endswith("\n1 workload in 1 file: 1 audited; 1 finding, 0 excused\n")


def test_what_an_exception_excuses_is_told_with_it() -> None:
    write(a=DEPLOYMENT, p=PINNED + "---\n" + EXCEPTION)

    done = check("--now=2026-11-24T12:00:00Z", "a.yaml")

    assert (
        done.stdout
        == f"""\
a.yaml:1: Deployment shop/web
  excused  {IMAGE} (line 12): {MESSAGE} (pinned/image-pinned)
           by shop/moving until 2027-01-31T00:00:00+00:00: waiting for the vendor (team-shop, SEC-1234)

1 workload in 1 file: 1 clean; 0 findings, 1 excused
"""
    )
    assert done.returncode == 0


def test_an_exception_counts_until_the_time_that_is_asked_about() -> None:
    write(a=DEPLOYMENT, p=PINNED + "---\n" + EXCEPTION)

    codes = [check(f"--now={now}", "a.yaml").returncode for now in ("2027-01-30T23:59:59Z", "2027-01-31T00:00:00Z")]

    assert codes == [0, 1]


def test_details_of_a_finding_stand_beneath_it(folder: Path) -> None:
    vulnerability = {"id": "CVE-2024-3094", "severity": "critical", "package": "liblzma5", "installed": "5.6.0"}
    report = full_report(tags=["docker.io/library/nginx:1.29.3"], vulnerabilities=[vulnerability])
    SqliteReports(folder / "reports.db").put([report])
    write(a=POD, s=SCANNED)

    done = check("--reports=reports.db", "--now=2026-11-24T12:00:00Z", "a.yaml", policies="s.yaml")

    assert "\n             critical CVE-2024-3094: liblzma5 5.6.0, " in done.stdout


def test_output_of_helm_names_the_template_and_can_come_by_a_pipe() -> None:
    done = check("-", given=f"---\n# Source: shop/templates/web.yaml\n{DEPLOYMENT}")

    assert done.stdout.startswith("stdin:3: Deployment shop/web (shop/templates/web.yaml): its pods are refused\n")
    assert done.stdout.splitlines()[1].startswith(f"  deny     {IMAGE} (line 14): ")


def test_escape_sequences_of_a_manifest_do_not_reach_the_terminal() -> None:
    name = '"a\\e[2J"'
    write(a=POD.replace("one}", f"{name}}}").replace("nginx:1.29.3", name), b=f"{name}: 1\n{name}: 2\n")

    done = check("a.yaml", "b.yaml")

    assert done.stdout.startswith("a.yaml:1: Pod default/a\\x1b[2J: refused\n")
    assert done.stderr == "error: b.yaml:2:1: the key a\\x1b[2J stands here twice\n"
    assert "\x1b" not in done.stdout + done.stderr


def test_nothing_but_errors_is_printed_where_quiet_is_asked_for() -> None:
    write(a=DEPLOYMENT, b="a: 1")

    done = check("-q", "a.yaml", "b.yaml")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: b.yaml:1:1: {NO_OBJECT}\n")


def on_a_terminal(*words: str, **environment: str) -> str:
    """Return what podgate check prints on a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "webhook", "check", "--policies=p.yaml", *words]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=os.environ | environment) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # how Linux tells that the other end is closed
                break
            text += chunk
        process.wait(60)
    os.close(ours)
    return text.decode()


def test_terminals_get_colours_and_nothing_else_does() -> None:
    write(a=DEPLOYMENT)

    assert "\x1b[31mdeny" in on_a_terminal("a.yaml")
    assert "\x1b" not in on_a_terminal("a.yaml", NO_COLOR="1")
    assert "\x1b" not in check("a.yaml").stdout
    assert "\x1b" not in on_a_terminal("--output=json", "a.yaml")


def test_many_files_have_a_bar_on_terminals() -> None:
    for number in range(60):
        Path(f"{number}.yaml").write_text(POD)

    assert re.search(r"judging .* 6\d/6\d", on_a_terminal("."))
    assert "judging" not in on_a_terminal("1.yaml", "2.yaml")
    assert check(".").stderr == ""


# Which files are read


def test_a_folder_stands_for_the_manifests_in_it_and_hidden_ones_are_left_out(folder: Path) -> None:
    for name in (
        "k/a.yaml",
        "k/b/c.yml",
        "k/b/d.json",
        "k/.hidden.yaml",
        "k/.git/e.yaml",
        "k/README.md",
        "k/values.txt",
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(POD if not name.endswith(".json") else json.dumps(yaml.safe_load(POD)))

    said = as_json("k")

    assert [workload["file"] for workload in said["workloads"]] == ["k/a.yaml", "k/b/c.yml", "k/b/d.json"]


def test_a_file_that_is_named_twice_is_judged_once() -> None:
    write(a=POD)

    assert as_json("a.yaml", ".", "a.yaml")["summary"]["workloads"] == 1


def test_a_file_that_is_named_may_end_as_it_likes() -> None:
    Path("manifest").write_text(POD)

    assert as_json("manifest")["summary"]["workloads"] == 1


def test_kinds_without_pods_are_passed_over() -> None:
    write(a="apiVersion: v1\nkind: ConfigMap\n---\n" * 2 + "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\n")

    done = check("a.yaml", "p.yaml")

    passed_over = "4 other objects passed over (ClusterPolicy, ConfigMap, Job)"
    assert (done.returncode, done.stdout) == (0, f"0 workloads in 2 files; {passed_over}\n")
    assert done.stderr == "note: no workload was found, so nothing was judged\n"


def test_an_empty_folder_is_said_to_hold_nothing() -> None:
    Path("empty").mkdir()

    done = check("empty")

    assert (done.returncode, done.stdout) == (0, "0 workloads in 0 files\n")
    assert done.stderr == "note: no workload was found, so nothing was judged\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kustomization.yaml", "resources: [a.yaml]"),
        ("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"),
        ("other.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"),
    ],
)
def test_a_kustomization_says_how_to_render_it(name: str, text: str) -> None:
    Path("k").mkdir()
    Path("k", name).write_text(text)
    Path("k/a.yaml").write_text(POD)

    done = check("k")

    assert done.returncode == 0
    assert done.stderr == f"note: k/{name}: left out, render it first: kustomize build k | podgate check -\n"


# What cannot be judged


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("a: [", "a.yaml:2:1: not YAML: did not find expected node content", id="no YAML"),
        pytest.param("a: 1", f"a.yaml:1:1: {NO_OBJECT}", id="no object"),
        pytest.param(
            "kind: Pod\nname: {{ .Values.name }}",
            "a.yaml:2:1: it looks like a Helm template: render it first: helm template . | podgate check -",
            id="not rendered",
        ),
        pytest.param(
            POD.replace("nginx:1.29.3", "1.30"),
            "a.yaml:7:14: spec.containers[0].image: expected text, got a number: put it in quotes",
            id="an image that is a number",
        ),
        pytest.param(
            DEPLOYMENT.replace("apps/v1", "extensions/v1beta1"),
            "a.yaml:1:13: apiVersion: no API server serves Deployment there: use apps/v1",
            id="a version that is no longer served",
        ),
        pytest.param(
            POD.replace("kind: Pod", "kind: pod"),
            "a.yaml:2:7: kind: expected Pod, of v1",
            id="a kind in lower case",
        ),
        pytest.param(
            POD.replace("containers:", "Containers:"),
            "a.yaml:5:3: spec: no containers: is a field misspelt?",
            id="a misspelt field",
        ),
    ],
)
def test_what_cannot_be_judged_is_said_and_the_rest_is_judged(text: str, error: str) -> None:
    write(a=text, b=DEPLOYMENT)

    done = check("a.yaml", "b.yaml")

    assert done.stderr == f"error: {error}\n"
    assert "b.yaml:1: Deployment shop/web" in done.stdout
    assert done.stdout.endswith("; 1 error\n")
    assert done.returncode == 2


def test_a_file_that_is_not_there_is_an_error() -> None:
    write(a=POD)

    done = check("a.yaml", "b.yaml")

    assert (done.returncode, done.stderr) == (2, "error: b.yaml: No such file or directory\n")
    assert done.stdout.startswith("1 workload in 2 files: 1 clean")


def test_nothing_is_called_clean_where_a_policy_could_not_be_read() -> None:
    write(a=POD, b=DEPLOYMENT, warn=WARN + "---\na: 1\n", p=PINNED + "---\na: 1\n")

    warned, refused = check("a.yaml", "b.yaml", policies="warn.yaml"), check("a.yaml", "b.yaml")

    assert warned.stdout.startswith("b.yaml:1: Deployment shop/web: not judged\n  warn     ")
    assert warned.stdout.endswith("\n2 workloads in 2 files: 2 not judged; 1 finding, 0 excused; 1 error\n")
    assert refused.stdout.startswith("b.yaml:1: Deployment shop/web: its pods are refused\n  deny     ")
    assert "2 workloads in 2 files: 1 would be refused, 1 not judged; " in refused.stdout
    assert (warned.returncode, refused.returncode) == (2, 2)


@pytest.mark.parametrize("reports", ["none.db", "broken.db", "reports"])
def test_nothing_is_called_clean_where_reports_could_not_be_read(reports: str) -> None:
    write(a=POD)
    Path("broken.db").write_bytes(b"SQLite format 3\0" + b"no more" * 1000)
    Path("reports").mkdir()
    Path("reports/a.json").write_text("{}")

    done = check(f"--reports={reports}", "a.yaml")

    assert done.stdout == "1 workload in 1 file: 1 not judged; 0 findings, 0 excused; 1 error\n"
    assert done.returncode == 2


def test_a_policy_that_is_wrong_is_an_error_and_the_others_count() -> None:
    write(a=DEPLOYMENT, p=PINNED + "---\n" + PINNED.replace("pinned}", "b}").replace("checks", "cheks"))

    done = check("a.yaml")

    assert done.returncode == 2
    assert done.stderr.startswith("error: p.yaml:13:10: spec.cheks: unknown field, expected one of checks, ")
    assert "(pinned/image-pinned)" in done.stdout


def test_without_policies_nothing_can_be_judged() -> None:
    write(a=POD)

    done = check("a.yaml", policies="")

    assert done.returncode == 2
    assert "Missing option '--policies' (env var: 'PODGATE_POLICIES')" in done.stderr


def test_an_empty_folder_of_policies_is_an_error() -> None:
    write(a=POD)
    Path("none").mkdir()

    done = check("a.yaml", policies="none")

    assert done.returncode == 2
    assert done.stderr == "error: none: no ClusterPolicy found: an empty set would let everything pass\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--now=yesterday", "a"), "'yesterday' is no time such as 2026-11-24T12:00:00Z"),
        (("--now=2026-11-24T12:00:00", "a"), "'2026-11-24T12:00:00' has no time zone: end it with Z or an offset"),
        ((), "Missing argument 'FILE|DIR|-...'"),
        (("--output=xml", "a"), "Invalid value for '--output'"),
        (("--fail-on=deny", "a"), "Invalid value for '--fail-on'"),
    ],
)
def test_wrong_usage_is_said(words: tuple[str, ...], message: str) -> None:
    done = check(*words)

    assert done.returncode == 2
    assert message in done.stderr


# The exit code


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        (PINNED, [1, 1, 1, 0]),
        (WARN, [0, 1, 1, 0]),
        (AUDIT, [0, 0, 1, 0]),
        (PINNED.replace("{}", "{level: tag}"), [1] * 3 + [0]),
    ],
    ids=["enforce", "warn", "audit", "another level"],
)
def test_fail_on_says_from_what_on_findings_are_exit_code_1(policy: str, codes: list[int]) -> None:
    write(a=DEPLOYMENT, p=policy)

    found = [check(f"--fail-on={mode}", "a.yaml").returncode for mode in ("enforce", "warn", "audit", "never")]

    assert found == codes


def test_nothing_found_is_exit_code_0_whatever_counts() -> None:
    write(a=POD)

    assert [check(f"--fail-on={mode}", "a.yaml").returncode for mode in ("enforce", "audit", "never")] == [0, 0, 0]


def test_what_cannot_be_judged_is_exit_code_2_even_where_findings_never_count() -> None:
    write(a=DEPLOYMENT, b="[")

    assert check("--fail-on=never", "a.yaml", "b.yaml").returncode == 2


# Who applies it, where, and when


def test_policies_match_the_namespace_user_groups_and_operation_that_are_given() -> None:
    match = (
        "  match:\n    namespaces: {include: [test]}\n    users: {include: [ci]}\n    groups: {include: [deployers]}\n"
    )
    write(a=POD.replace(":1.29.3", ""), p=PINNED + match + "    operations: [UPDATE]\n")
    asked = ["--namespace=test", "--user=ci", "--group=deployers", "--group=others", "--operation=update"]

    assert check(*asked, "a.yaml").returncode == 1
    for left_out in ("--namespace=test", "--user=ci", "--group=deployers", "--operation=update"):
        assert check(*(word for word in asked if word != left_out), "a.yaml").returncode == 0


def test_who_applies_is_nobody_that_policies_usually_spare() -> None:
    match = "  match:\n    groups: {exclude: ['system:masters']}\n    users: {exclude: ['system:*', '*admin*']}\n"
    write(a=POD.replace(":1.29.3", ""), p=PINNED + match)

    assert check("a.yaml").returncode == 1


def test_settings_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    SqliteReports(folder / "held.db").put([full_report(tags=["docker.io/library/nginx:1.29.3"])])
    write(a=POD, s=SCANNED)
    monkeypatch.setenv("PODGATE_POLICIES", "s.yaml")
    monkeypatch.setenv("PODGATE_REPORTS", "held.db")

    assert check("--now=2026-11-24T12:00:00Z", "a.yaml", policies="").returncode == 0


# How fast it starts


def test_no_web_server_is_imported() -> None:
    write(a=POD)
    command = [sys.executable, "-X", "importtime", "-m", "webhook", "check", "--policies=p.yaml", "a.yaml"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "webhook" in imported
    assert not imported & {"flask", "granian", "werkzeug", "prometheus_client", "cryptography", "rich"}
