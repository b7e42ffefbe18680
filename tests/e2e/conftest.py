"""What the end-to-end tests share."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster, one for all tests: let each use namespaces and webhook names of its own."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running
