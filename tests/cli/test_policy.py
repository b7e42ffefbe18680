"""podgate policy check: what is wrong in policies and exceptions, and which exceptions end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checking import EXCEPTION, PINNED

SHIPPED = Path(__file__).parents[2] / "policies"
NOW = "--now=2026-11-24T12:00:00Z"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def policy_check(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webhook", "policy", "check", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_sound_is_counted() -> None:
    Path("a.yaml").write_text(PINNED + "---\n" + EXCEPTION)

    done = policy_check(NOW, "a.yaml", str(SHIPPED))

    sound = len(list(SHIPPED.glob("*.yaml"))) + 1
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{sound} policies, 1 exception: no errors\n"


def test_what_is_wrong_is_named_with_file_line_column_path_and_what_was_expected() -> None:
    Path("a.yaml").write_text(PINNED.replace("{}", "{level: digset}"))
    Path("b.yaml").write_text(PINNED + "---\n" + EXCEPTION.replace("  owner: team-shop\n", "") + "---\na: [\n")

    done = policy_check("a.yaml", "b.yaml")

    assert done.returncode == 1
    expected = "expected one of tag, version, digest, got digset; did you mean digest?"
    assert done.stderr.splitlines() == [
        f"error: a.yaml:6:34: spec.checks.image-pinned.level: {expected}",
        "error: b.yaml:12:3: spec: owner is missing",
        "error: b.yaml:19:1: not YAML: did not find expected node content",
    ]
    assert done.stdout == "1 policy, 0 exceptions: 3 errors\n"


def test_every_error_of_a_folder_is_told() -> None:
    Path("p").mkdir()
    Path("p/a.yaml").write_text(PINNED.replace("checks", "cheks"))
    Path("p/b.yaml").write_text(PINNED)
    Path("p/c.yaml").write_text(PINNED)

    done = policy_check("p")

    assert done.returncode == 1
    assert [error.partition(": ")[2].partition(": ")[0] for error in done.stderr.splitlines()] == [
        "p/a.yaml:6:10",
        "p/c.yaml:3:18",
    ]
    assert done.stdout == "1 policy, 0 exceptions: 2 errors\n"


def test_two_of_one_name_are_found_across_paths() -> None:
    Path("a.yaml").write_text(PINNED)
    Path("b.yaml").write_text(PINNED)

    done = policy_check("a.yaml", "b.yaml")

    assert done.stderr == "error: b.yaml:3:18: metadata.name: there is one of that name already: a.yaml:3:18\n"


def test_exceptions_alone_are_sound() -> None:
    Path("a.yaml").write_text(EXCEPTION)

    assert policy_check(NOW, "a.yaml").stdout == "0 policies, 1 exception: no errors\n"


@pytest.mark.parametrize(
    ("words", "warning"),
    [
        (("--now=2027-01-16T23:59:59Z",), ""),
        (("--now=2027-01-17T00:00:00Z",), "warning: exception shop/moving ends 2027-01-31T00:00:00+00:00\n"),
        (("--now=2027-01-17T00:00:00Z", "--soon=13"), ""),
        (("--now=2027-01-30T23:59:59Z", "--soon=0"), ""),
        (
            ("--now=2027-01-31T00:00:00Z", "--soon=0"),
            "warning: exception shop/moving ended 2027-01-31T00:00:00+00:00\n",
        ),
    ],
)
def test_exceptions_that_have_ended_or_soon_will_are_warned_about(words: tuple[str, ...], warning: str) -> None:
    Path("a.yaml").write_text(EXCEPTION)

    done = policy_check(*words, "a.yaml")

    assert (done.returncode, done.stderr) == (0, warning)


def test_what_a_policy_ignores_no_longer_or_never_limits_is_warned_about() -> None:
    ignore = "ignore: [{id: CVE-1, until: 2026-11-24T12:00:00Z, reason: a}, {id: CVE-2, until: %s, reason: a}]"
    of_two = ignore % "2026-11-24T12:00:01Z"
    Path("a.yaml").write_text(
        PINNED.replace(
            "image-pinned: {}",
            f"image-vulnerabilities: {{max: {{}}, maxReportAge: 0d, {of_two}}}, image-age: {{maxAge: 0s}}",
        )
    )

    done = policy_check(NOW, "--soon=0", "a.yaml")

    where = "warning: policy pinned: spec.checks."
    assert done.stderr.splitlines() == [
        f"{where}image-age.maxAge: 0 is no time: nothing is ever young enough",
        f"{where}image-vulnerabilities.max: it limits nothing: images pass with any number of vulnerabilities",
        f"{where}image-vulnerabilities.ignore[0]: CVE-1 ended 2026-11-24T12:00:00+00:00",
        f"{where}image-vulnerabilities.maxReportAge: 0 is no time: nothing is ever young enough",
    ]
    assert done.returncode == 0
    assert "ignore[1]: CVE-2 ends 2026-11-24T12:00:01+00:00" in policy_check(NOW, "a.yaml").stderr


@pytest.mark.parametrize(
    "options",
    ["image-vulnerabilities: {max: {unknown: 0}, maxReportAge: 1s}", "image-vulnerabilities: {}", "image-age: {}"],
)
def test_what_limits_anything_is_not_warned_about(options: str) -> None:
    Path("a.yaml").write_text(PINNED.replace("image-pinned: {}", options))

    done = policy_check("a.yaml")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("none.yaml", "error: none.yaml: No such file or directory\n"),
        ("empty", "error: empty: no policy and no exception found\n"),
    ],
)
def test_what_cannot_be_read_is_exit_code_2(name: str, error: str) -> None:
    Path("empty").mkdir()

    done = policy_check(name)

    assert (done.returncode, done.stderr) == (2, error)


def test_json_says_the_same_for_programs() -> None:
    Path("a.yaml").write_text(PINNED + "---\n" + EXCEPTION + "---\na: 1\n")

    done = policy_check("--output=json", "--now=2027-02-01T00:00:00Z", "a.yaml")

    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout) == {
        "policies": ["pinned"],
        "exceptions": ["shop/moving"],
        "errors": [{"file": "a.yaml", "message": "apiVersion: expected podgate.io/v1", "line": 19, "column": 1}],
        "warnings": ["exception shop/moving ended 2027-01-31T00:00:00+00:00"],
        "exitCode": 1,
    }
