"""What the tests of the server share."""

from collections.abc import Iterator

import pytest

from tests.served import Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """podgate with the shipped policies, for tests that leave it as it is."""
    with Served(tmp_path_factory.mktemp("served")) as running:
        yield running
