"""The committed answers are those of the code that containerd, the kubelet and kubectl use."""

import pytest

from tests.e2e import oracles

pytestmark = pytest.mark.e2e
every_oracle = pytest.mark.parametrize("oracle", oracles.ORACLES)


@every_oracle
def test_committed_answers_are_those_of_the_oracle(oracle: str) -> None:
    answers = oracles.ask(oracle, oracles.inputs(oracle))

    assert answers == oracles.committed(oracle), f"to write them anew: {oracles.WRITE}"


@every_oracle
def test_no_text_is_asked_about_twice(oracle: str) -> None:
    inputs = oracles.inputs(oracle)

    assert len(inputs) == len(set(inputs))
