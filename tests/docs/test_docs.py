"""The documentation says what the code does: nothing has drifted, every example works, every link leads somewhere."""

import importlib.util
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from tests.reviews import At
from webhook.checks import CHECKS
from webhook.denials.record import record_of
from webhook.evaluate import evaluate
from webhook.model.review import parse_review
from webhook.policy.document import read_documents
from webhook.policy.load import load_policies, parse_document
from webhook.policy.schema import API_VERSION
from webhook.server.answer import denial

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
POLICIES = ROOT / "policies"
REVIEWS = ROOT / "tests/fixtures/reviews"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
GENERATED = [
    "checks.md",
    "cli.md",
    "denial-log.schema.json",
    "metrics.md",
    "policies.md",
    "policy.schema.json",
]
POLICY = {
    "apiVersion": API_VERSION,
    "kind": "ClusterPolicy",
    "metadata": {"name": "pinned"},
    "spec": {"checks": {"image-pinned": {"level": "digest"}}},
}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fences(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    without_code = re.sub(r"(?<!\[)`[^`\n]*`(?!\])", "", prose(page))
    return re.findall(r"\]\(([^)\s]+)\)", without_code)


def policies_in(page: Path) -> list[str]:
    return [text for text in fences(page, "yaml") if f"apiVersion: {API_VERSION}" in text]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {"".join(c for c in h.lower() if c.isalnum() or c in "-_ ").replace(" ", "-") for h in headings}


def schema(name: str) -> Draft202012Validator:
    read = json.loads((DOCS / name).read_text())
    Draft202012Validator.check_schema(read)
    return Draft202012Validator(read, format_checker=FormatChecker())


def errors(name: str, value: object) -> list[tuple[str, str]]:
    return [(error.json_path, error.message) for error in schema(name).iter_errors(value)]


def patterns(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for child in node.values():
            yield from patterns(child)
    elif isinstance(node, list):
        for child in node:
            yield from patterns(child)


def denied_record() -> dict[str, Any]:
    review = parse_review((REVIEWS / "pod-create-latest-root.json").read_bytes())
    decision = evaluate(review, load_policies(POLICIES).policies, At())
    time = datetime(2026, 11, 24, tzinfo=UTC)
    record = record_of(review, decision, time=time, cluster="test", duration_microseconds=90, error="")
    return json.loads(msgspec.json.encode(record))  # type: ignore[no-any-return]  # an object


# What is generated


def test_the_generated_files_are_what_the_code_says() -> None:
    assert generator().main(["--check"]) == 0


def test_make_docs_writes_all_that_is_generated(tmp_path: Path) -> None:
    assert generator().main(["--folder", str(tmp_path)]) == 0

    assert sorted(file.name for file in tmp_path.iterdir()) == GENERATED
    assert all((tmp_path / name).read_text() == (DOCS / name).read_text() for name in GENERATED)


def test_check_names_the_files_that_drifted_and_leaves_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator().main(["--folder", str(tmp_path)])
    (tmp_path / "cli.md").write_text("old")
    (tmp_path / "metrics.md").unlink()

    code = generator().main(["--check", "--folder", str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / name}: differs from the code, run make docs" for name in ("cli.md", "metrics.md")
    ]
    assert (tmp_path / "cli.md").read_text() == "old"


# What is written by hand


@pytest.mark.parametrize(
    ("page", "text"),
    [(page, text) for page in PAGES for text in policies_in(page)],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_a_policy_in_the_documentation_loads(page: Path, text: str) -> None:
    documents = list(read_documents(page.name, text.encode()))

    assert documents
    for document in documents:
        parse_document(document)
        assert errors("policy.schema.json", document.value) == []


def test_the_policy_reference_shows_a_policy_and_an_exception() -> None:
    kinds = [yaml.safe_load(text)["kind"] for text in policies_in(DOCS / "policies.md")]

    assert kinds == ["ClusterPolicy", "PolicyException"]


@every_page
def test_an_example_is_of_the_language_that_it_is_marked_as(page: Path) -> None:
    for text in fences(page, "yaml"):
        assert list(yaml.safe_load_all(text))
    for text in fences(page, "json"):
        json.loads(text)


@every_page
def test_a_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@every_page
def test_every_fence_says_what_is_in_it(page: Path) -> None:
    opened = re.findall(r"^```(.*)$", page.read_text(), re.MULTILINE)[::2]

    assert set(opened) <= {"yaml", "json", "text", "console", "python"}


def test_the_denial_in_the_readme_is_the_real_one() -> None:
    review = parse_review((REVIEWS / "pod-create-latest-root.json").read_bytes())
    decision = evaluate(review, load_policies(POLICIES).policies, At())

    assert denial(review, decision) in (ROOT / "README.md").read_text()


# The schemas


@pytest.mark.parametrize("file", sorted(POLICIES.glob("*.yaml")), ids=lambda file: file.name)
def test_a_policy_that_is_shipped_fits_the_schema_and_names_it(file: Path) -> None:
    for document in read_documents(file.name, file.read_bytes()):
        assert errors("policy.schema.json", document.value) == []
    first = file.read_text().partition("\n")[0]
    assert first == "# yaml-language-server: $schema=../docs/policy.schema.json"


@pytest.mark.parametrize(
    ("wrong", "path", "message"),
    [
        ({"kind": "Policy"}, "$.kind", "'Policy' is not one of ['ClusterPolicy', 'PolicyException']"),
        ({"metadata": {}}, "$.metadata", "'name' is a required property"),
        ({"metadata": {"name": "pinned\n"}}, "$.metadata.name", "'pinned\\n' does not match"),
        ({"spec": {"checks": {"image-pinned": {"level": "x"}}}}, "$.spec.checks['image-pinned'].level", "'x' is not"),
        (
            {"spec": {"checks": {"run-as-non-root": {}}, "mdoe": "warn"}},
            "$.spec",
            "Additional properties are not allowed ('mdoe'",
        ),
        ({"spec": {"checks": {"run-as-non-root": None}}}, "$.spec.checks['run-as-non-root']", "None is not of type"),
        ({"spec": {"checks": {}}}, "$.spec.checks", "{} should be non-empty"),
    ],
)
def test_the_schema_says_just_what_is_wrong(wrong: dict[str, Any], path: str, message: str) -> None:
    ((found, says),) = errors("policy.schema.json", POLICY | wrong)

    assert found == path
    assert says.startswith(message)


def test_an_exception_without_an_end_does_not_fit_the_schema() -> None:
    exception = {
        "apiVersion": API_VERSION,
        "kind": "PolicyException",
        "metadata": {"name": "legacy", "namespace": "billing"},
        "spec": {"checks": ["image-pinned"], "reason": "tried out", "owner": "team-billing"},
    }

    assert errors("policy.schema.json", exception) == [("$.spec", "'until' is a required property")]


@pytest.mark.parametrize("name", ["policy.schema.json", "denial-log.schema.json"])
def test_patterns_mean_the_same_to_editors_that_run_javascript(name: str) -> None:
    only_python = r"\(\?P|\(\?[aiLmsux-]|\(\?#|\(\?>|\\[AZ]|[*+?}]\+"

    assert [p for p in patterns(json.loads((DOCS / name).read_text())) if re.search(only_python, p)] == []


@pytest.mark.parametrize("name", ["policy.schema.json", "denial-log.schema.json"])
def test_every_field_of_our_own_is_described(name: str) -> None:
    definitions = json.loads((DOCS / name).read_text())["$defs"]
    elsewhere = {"ExceptionUse", "PolicyUse", *CHECKS}  # described as a whole, and in the manual pages

    undescribed = [
        f"{title}.{field}"
        for title, definition in definitions.items()
        for field, node in definition["properties"].items()
        if title not in elsewhere and "description" not in node and "$ref" not in node
    ]

    assert undescribed == []


def test_the_record_of_a_denial_fits_the_schema() -> None:
    record = denied_record()

    assert record["verdict"] == "denied"
    assert errors("denial-log.schema.json", record) == []


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"verdict": "refused"}, "$.verdict"),
        ({"durationMicroseconds": -1}, "$.durationMicroseconds"),
        ({"owner": "web"}, "$.owner"),
        ({"violations": [{"policy": "pinned"}]}, "$.violations[0]"),
    ],
)
def test_an_altered_record_does_not_fit_the_schema(wrong: dict[str, Any], path: str) -> None:
    found = errors("denial-log.schema.json", denied_record() | wrong)

    assert {where for where, _ in found} == {path}


@pytest.mark.parametrize("field", ["uid", "time", "verdict", "images"])
def test_a_record_without_a_field_does_not_fit_the_schema(field: str) -> None:
    record = denied_record()
    del record[field]

    assert errors("denial-log.schema.json", record) == [("$", f"'{field}' is a required property")]
