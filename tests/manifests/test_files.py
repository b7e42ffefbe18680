"""Files of manifests: which are read, what is counted, and what goes wrong with one of them alone."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.policies import policy
from tests.reviews import NOW, At
from webhook.manifests import read as reading
from webhook.manifests.files import Files, Outcome, Problem, manifest_files
from webhook.manifests.judge import ManifestVerdict, judge
from webhook.manifests.read import Manifest
from webhook.manifests.review import Asking
from webhook.policy.policies import policy_set

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n"


def by_policy(manifest: Manifest) -> ManifestVerdict:
    return judge(manifest, policy_set([policy()], []), At(), Asking(now=NOW))


def outcome(*names: str, stdin: str = "", judged: Callable[[Manifest], ManifestVerdict] = by_policy) -> Outcome:
    files = Files(judged, io.BytesIO(stdin.encode()))
    for name in names:
        files.read(name)
    return files.outcome()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_workloads_are_judged_and_other_objects_counted() -> None:
    Path("a.yaml").write_text(POD + "---\napiVersion: v1\nkind: Service\n---\n" + POD)

    found = outcome("a.yaml")

    assert [(v.manifest.kind, v.manifest.place().line, v.refused) for v in found.verdicts] == [
        ("Pod", 1, True),
        ("Pod", 9, True),
    ]
    assert (found.files, found.others, found.problems, found.notes) == (1, ("Service",), (), ())


def test_standard_input_is_a_file_named_stdin() -> None:
    found = outcome("-", stdin=POD)

    assert [verdict.manifest.file for verdict in found.verdicts] == ["stdin"]
    assert found.files == 1


def test_each_problem_has_its_place_and_the_rest_is_judged() -> None:
    Path("a.yaml").write_text("a: 1\n---\n" + POD + "---\n" + POD.replace("image: a", "image: 1"))

    found = outcome("a.yaml", "b.yaml", ".")

    assert len(found.verdicts) == 1
    assert list(map(str, found.problems)) == [
        "a.yaml:1:1: not a Kubernetes object: expected apiVersion and kind",
        "a.yaml:11:38: spec.containers[0].image: expected text, got a whole number: put it in quotes",
        "b.yaml: No such file or directory",
        ".: Is a directory",
    ]
    assert found.problems[0] == Problem(
        "a.yaml", "not a Kubernetes object: expected apiVersion and kind", line=1, column=1
    )


def test_a_file_that_is_too_long_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_FILE", 10)
    Path("a.yaml").write_text(POD)

    assert outcome("a.yaml", "-", stdin=POD).problems == (
        Problem("a.yaml", "more than 10 bytes"),
        Problem("stdin", "more than 10 bytes"),
    )


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "ReplicaSet"])
def test_a_version_that_is_no_longer_served_is_a_problem(kind: str) -> None:
    found = outcome("-", stdin=f"apiVersion: extensions/v1beta1\nkind: {kind}\n")

    assert [str(problem) for problem in found.problems] == [
        f"stdin:1:13: apiVersion: no API server serves {kind} there: use apps/v1"
    ]


@pytest.mark.parametrize(
    ("api_version", "kind", "problem"),
    [
        ("v1", "pod", "2:7: kind: expected Pod, of v1"),
        ("v1", "Deployment", "1:13: apiVersion: no API server serves Deployment there: use apps/v1"),
        ("app/v1", "Deployment", "1:13: apiVersion: no API server serves Deployment there: use apps/v1"),
        ("apps/v1", "cronJob", "2:7: kind: expected CronJob, of batch/v1"),
        ("apps/v1", "Pod", "1:13: apiVersion: no API server serves Pod there: use v1"),
    ],
)
def test_a_misspelt_kind_is_a_problem_and_not_passed_over(api_version: str, kind: str, problem: str) -> None:
    found = outcome("-", stdin=f"apiVersion: {api_version}\nkind: {kind}\n")

    assert ([str(each) for each in found.problems], found.others) == ([f"stdin:{problem}"], ())


def test_a_custom_resource_may_have_the_name_of_a_workload() -> None:
    found = outcome("-", stdin="apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\n")

    assert (found.problems, found.others) == ((), ("Job",))


def test_other_kinds_of_that_group_are_other_objects() -> None:
    assert outcome("-", stdin="apiVersion: extensions/v1beta1\nkind: Ingress\n").others == ("Ingress",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kustomization.yaml", "resources: []"),
        ("kustomization.yml", "["),
        ("Kustomization", "a: 1"),
        ("b.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization"),
    ],
)
def test_a_kustomization_is_left_out_with_a_note(name: str, text: str) -> None:
    Path(name).write_text(text)

    found = outcome(name)

    assert found.notes == (f"{name}: left out, render it first: kustomize build . | podgate check -",)
    assert (found.problems, found.others) == ((), ())


def test_a_kustomization_of_another_group_is_an_object() -> None:
    assert outcome("-", stdin="apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization").others == (
        "Kustomization",
    )


def test_names_stand_for_files_each_once_and_folders_for_what_they_hold() -> None:
    for name in ("k/b.yaml", "k/a.json", "k/c/d.yml", "k/.e.yaml", "k/f.txt", "g.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()

    assert manifest_files(["g.txt", "k", "k/b.yaml", "-", "g.txt", "none"]) == [
        "g.txt",
        "k/a.json",
        "k/b.yaml",
        "k/c/d.yml",
        "-",
        "none",
    ]
