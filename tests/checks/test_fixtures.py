"""Every file in tests/fixtures/checks is a case: a header with options and the exact findings, then a manifest."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.reviews import At, review_of
from webhook.checks import CHECKS
from webhook.model.decision import Finding

FIXTURES = Path(__file__).parents[1] / "fixtures" / "checks"
CASES = sorted(FIXTURES.glob("*/*.yaml"))


def read(case: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    header, manifest = yaml.safe_load_all(case.read_text())
    return header, manifest


def find(check_id: str, options: dict[str, Any], manifest: dict[str, Any]) -> list[Finding]:
    check = CHECKS[check_id]
    configured = check.configure(msgspec.convert(options, check.options))
    return list(configured(review_of(manifest), At()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_findings_are_those_in_the_header(case: Path) -> None:
    header, manifest = read(case)

    found = find(case.parent.name, header["options"], manifest)

    assert [{"path": f.path, "message": f.message, "fix": f.fix} for f in found] == header["findings"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_a_header_has_options_and_findings_and_nothing_else(case: Path) -> None:
    header, _ = read(case)

    assert list(header) == ["options", "findings"]


def test_every_folder_is_a_check() -> None:
    assert {case.parent.name for case in CASES} == set(CHECKS)


@pytest.mark.parametrize("check_id", CHECKS)
def test_a_check_has_passing_and_failing_fixtures(check_id: str) -> None:
    passing = {not read(case)[0]["findings"] for case in CASES if case.parent.name == check_id}

    assert passing == {True, False}
