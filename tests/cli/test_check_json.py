"""podgate check: its JSON, and the reports it judges by."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.checking import (
    AUDIT,
    DEPLOYMENT,
    EXCEPTION,
    FIX,
    IMAGE,
    MESSAGE,
    PINNED,
    POD,
    SCANNED,
    WARN,
    as_json,
    check,
    enter,
    podgate,
    write,
)
from tests.image_reports import full_report
from webhook.reports.sqlite import SqliteReports

TRIVY = Path(__file__).parents[1] / "fixtures" / "trivy" / "samples"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(tmp_path, monkeypatch)
    return tmp_path


# JSON


def test_json_says_all_that_there_is_to_know() -> None:
    write(a=DEPLOYMENT, p=PINNED, b="[")

    assert as_json("a.yaml", "b.yaml") == {
        "workloads": [
            {
                "file": "a.yaml",
                "line": 1,
                "source": "",
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "namespace": "shop",
                "name": "web",
                "verdict": "podsRefused",
                "findings": [
                    {
                        "policy": "pinned",
                        "check": "image-pinned",
                        "mode": "enforce",
                        "ownMode": "warn",
                        "path": IMAGE,
                        "line": 12,
                        "message": MESSAGE,
                        "fix": FIX,
                        "details": [],
                        "vulnerabilities": [],
                    }
                ],
                "excused": [],
                "evidence": [],
                "contacts": ["#platform"],
            }
        ],
        "errors": [
            {"file": "b.yaml", "message": "not YAML: did not find expected node content", "line": 2, "column": 1}
        ],
        "notes": [],
        "summary": {
            "files": 2,
            "workloads": 1,
            "refused": 0,
            "podsRefused": 1,
            "warned": 0,
            "audited": 0,
            "clean": 0,
            "notJudged": 0,
            "findings": 1,
            "excused": 0,
            "otherObjects": 0,
        },
        "exitCode": 2,
    }


def test_json_has_what_is_excused_and_by_what() -> None:
    write(a=DEPLOYMENT, p=PINNED + "---\n" + EXCEPTION)

    (workload,) = as_json("--now=2026-11-24T12:00:00Z", "a.yaml")["workloads"]

    assert workload["verdict"] == "clean"
    assert workload["excused"] == [
        {
            "policy": "pinned",
            "check": "image-pinned",
            "path": IMAGE,
            "line": 12,
            "message": MESSAGE,
            "exception": {
                "name": "moving",
                "namespace": "shop",
                "until": "2027-01-31T00:00:00+00:00",
                "reason": "waiting for the vendor",
                "owner": "team-shop",
                "ticket": "SEC-1234",
            },
        }
    ]


def test_json_has_the_vulnerabilities_that_a_finding_is_about(folder: Path) -> None:
    vulnerability = {"id": "CVE-2024-3094", "severity": "critical", "package": "liblzma5", "installed": "5.6.0"}
    report = full_report(tags=["docker.io/library/nginx:1.29.3"], vulnerabilities=[vulnerability])
    SqliteReports(folder / "r.db").put([report])
    write(a=POD, s=SCANNED)

    (workload,) = as_json("--reports=r.db", "--now=2026-11-24T12:00:00Z", "a.yaml", policies="s.yaml")["workloads"]

    assert workload["findings"][0]["vulnerabilities"] == [vulnerability | {"fixed": "", "status": "", "path": ""}]
    assert workload["evidence"] == [
        {
            "image": "nginx:1.29.3",
            "platform": "linux/amd64",
            "state": "scanned",
            "digest": report.report.digest,
            "byTag": True,
            "report": report.report.id,
            "scannedAt": "2026-11-24T06:00:00Z",
            "databaseUpdatedAt": None,
        }
    ]


@pytest.mark.parametrize(
    ("policy", "kind", "verdict"),
    [
        (PINNED, DEPLOYMENT, "podsRefused"),
        (PINNED, POD.replace(":1.29.3", ""), "refused"),
        (WARN, DEPLOYMENT, "warned"),
        (AUDIT, DEPLOYMENT, "audited"),
        (PINNED, POD, "clean"),
        (PINNED + "---\na: 1\n", POD, "notJudged"),
        (WARN + "---\na: 1\n", DEPLOYMENT, "notJudged"),
        (PINNED + "---\na: 1\n", DEPLOYMENT, "podsRefused"),
    ],
)
def test_json_has_a_word_for_each_verdict(policy: str, kind: str, verdict: str) -> None:
    write(a=kind, p=policy)

    said = as_json("a.yaml")

    assert said["workloads"][0]["verdict"] == verdict
    assert said["summary"][verdict] == 1


# Reports


def test_without_reports_every_image_is_unscanned() -> None:
    write(a=POD, s=SCANNED)

    (workload,) = as_json("a.yaml", policies="s.yaml")["workloads"]

    assert [evidence["state"] for evidence in workload["evidence"]] == ["unscanned"]
    assert workload["verdict"] == "refused"


def test_reports_are_found_where_podgate_report_import_puts_them(folder: Path) -> None:
    SqliteReports(folder / "data/podgate/reports.db").put([full_report(tags=["docker.io/library/nginx:1.29.3"])])
    write(a=POD, s=SCANNED)

    assert check("--now=2026-11-24T12:00:00Z", "a.yaml", policies="s.yaml").returncode == 0


def test_reports_are_judged_as_of_the_time_that_is_asked_about(folder: Path) -> None:
    SqliteReports(folder / "r.db").put([full_report(tags=["docker.io/library/nginx:1.29.3"])])
    write(a=POD, s=SCANNED)

    states = [
        as_json("--reports=r.db", f"--now={now}", "a.yaml", policies="s.yaml")["workloads"][0]["evidence"][0]["state"]
        for now in ("2026-11-25T00:00:00Z", "2027-11-25T00:00:00Z")
    ]

    assert states == ["scanned", "stale"]


def test_reports_can_be_what_trivy_wrote() -> None:
    sample = (TRIVY / "remote-digest.json").read_bytes()
    (digest,) = json.loads(sample)["Metadata"]["RepoDigests"]
    Path("r").mkdir()
    Path("r/a.json").write_bytes(sample)
    Path("r/b.json.gz").write_bytes(gzip.compress(sample))
    write(a=POD.replace("nginx:1.29.3", digest), s=SCANNED)

    for reports in ("r", "r/a.json", "r/b.json.gz"):
        (workload,) = as_json(f"--reports={reports}", "--now=2026-11-24T12:00:00Z", "a.yaml", policies="s.yaml")[
            "workloads"
        ]
        assert [evidence["state"] for evidence in workload["evidence"]] == ["scanned"], reports


@pytest.mark.parametrize("command", [("check",), ("explain",)])
def test_reports_can_come_by_a_pipe_but_not_beside_manifests(command: tuple[str, ...]) -> None:
    sample = (TRIVY / "remote-digest.json").read_text()
    (digest,) = json.loads(sample)["Metadata"]["RepoDigests"]
    write(a=POD.replace("nginx:1.29.3", digest), s=SCANNED)
    words = (*command, "--policies=s.yaml", "--reports=-", "--now=2026-11-24T12:00:00Z", "--output=json")

    done, broken, twice = (
        podgate(*words, "a.yaml", given=sample),
        podgate(*words, "a.yaml", given="{"),
        podgate(*words, "-", given=sample),
    )

    assert '"state": "scanned"' in done.stdout
    assert broken.stderr.startswith("error: stdin: ")
    assert (twice.returncode, "standard input is either manifests or the --reports" in twice.stderr) == (2, True)


def test_a_report_of_a_scan_in_the_future_does_not_count_in_a_folder_either() -> None:
    sample = (TRIVY / "remote-digest.json").read_bytes()
    (digest,) = json.loads(sample)["Metadata"]["RepoDigests"]
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    Path("r").mkdir()
    Path("r/a.json").write_text(json.dumps(json.loads(sample) | {"CreatedAt": later}))
    write(a=POD.replace("nginx:1.29.3", digest), s=SCANNED)

    done = check("--reports=r", "--output=json", "a.yaml", policies="s.yaml")

    assert done.stderr.startswith("error: r/a.json: scanned in the future, at ")
    assert json.loads(done.stdout)["workloads"][0]["evidence"][0]["state"] == "unscanned"


def test_hidden_reports_are_left_out_and_a_folder_that_holds_none_is_an_error() -> None:
    for name in ("r/.old/a.json", "r/.b.json", "r/c.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}")
    write(a=POD)

    done = check("--reports=r", "a.yaml")

    assert (done.returncode, done.stderr) == (2, "error: r: holds no reports: expected *.json or *.json.gz\n")


def test_a_report_that_cannot_be_read_is_an_error_and_the_others_count() -> None:
    sample = (TRIVY / "remote-digest.json").read_bytes()
    (digest,) = json.loads(sample)["Metadata"]["RepoDigests"]
    Path("r").mkdir()
    Path("r/a.json").write_bytes(sample)
    Path("r/b.json").write_bytes(sample[:100])
    write(a=POD.replace("nginx:1.29.3", digest), s=SCANNED)

    done = check("--reports=r", "--now=2026-11-24T12:00:00Z", "--output=json", "a.yaml", policies="s.yaml")

    assert done.returncode == 2
    assert done.stderr.startswith("error: r/b.json: ")
    assert json.loads(done.stdout)["workloads"][0]["evidence"][0]["state"] == "scanned"


def test_reports_that_are_named_and_not_there_are_an_error() -> None:
    write(a=POD, s=SCANNED)

    done = check("--reports=r.db", "a.yaml", policies="s.yaml")

    assert (done.returncode, done.stderr) == (2, "error: r.db: there is no such file or folder\n")


def test_a_store_that_cannot_be_read_is_an_error() -> None:
    Path("r.db").write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    write(a=POD, s=SCANNED)

    done = check("--reports=r.db", "a.yaml", policies="s.yaml")

    assert done.returncode == 2
    assert done.stderr == "error: r.db: not a store of reports, nor any file of SQLite\n"
