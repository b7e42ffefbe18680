"""The captured reviews are those of the steps."""

import json
from pathlib import Path

import pytest

from tests.e2e.capture import MANIFESTS, REVIEWS, STEPS, Step


def test_every_step_has_its_review_and_nothing_else_lies_there() -> None:
    assert sorted(path.stem for path in REVIEWS.glob("*.json")) == sorted(step.review for step in STEPS)


def test_every_manifest_is_used() -> None:
    used = {argument for step in STEPS for argument in step.command}

    assert [path.name for path in MANIFESTS.iterdir() if str(path) not in used] == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.review)
def test_captured_review_is_what_its_step_leads_to(step: Step) -> None:
    text = (REVIEWS / f"{step.review}.json").read_text()

    assert step.wanted(json.loads(text))
    assert str(Path.home()) not in text
