"""The committed answers are those of the parser that containerd and the kubelet use."""

import pytest

from tests.e2e import references

pytestmark = pytest.mark.e2e


def test_committed_answers_are_those_of_the_parser() -> None:
    inputs = references.inputs()

    answers = references.ask(inputs)

    assert answers == references.committed(), f"to write them anew: {references.WRITE}"


def test_no_input_is_asked_twice() -> None:
    inputs = references.inputs()

    assert len(inputs) == len(set(inputs))
