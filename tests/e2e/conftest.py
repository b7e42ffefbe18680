"""What the end-to-end tests share."""

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.registry import Registry


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster, one for all tests: let each use namespaces and webhook names of its own.

    SIGTERM, such as timeout(1) sends, ends the tests as Ctrl-C does: else it would leave the cluster running.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Cluster(tmp_path_factory.mktemp("cluster")) as running:
            yield running
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry of images, one for all tests: let each push under names of its own."""
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running
