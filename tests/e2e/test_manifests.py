"""The committed answers are those of the decoder that kubectl uses."""

import pytest

from tests.e2e import manifests

pytestmark = pytest.mark.e2e


def test_committed_answers_are_those_of_the_decoder() -> None:
    inputs = manifests.inputs()

    answers = manifests.ask(inputs)

    assert answers == manifests.committed(), f"to write them anew: {manifests.WRITE}"


def test_no_text_is_asked_about_twice() -> None:
    inputs = manifests.inputs()

    assert len(inputs) == len(set(inputs))
