"""A policy folder edited while 200 reviews a second flow: no review fails, and the new verdict comes within 2 s."""

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.served import POLICIES, Served

REVIEW = (Path(__file__).parents[1] / "fixtures/reviews/pod-create-pinned-nonroot.json").read_bytes()
UID = msgspec.json.decode(REVIEW)["request"]["uid"].encode()
CONNECTIONS = 4
RATE = 200  # reviews per second, over all connections
DEMANDING = (POLICIES / "supply-chain.yaml").read_text().replace("level: version", "level: digest")
UNPINNED = REVIEW.replace(b"@sha256:652f55016243bf1b9f1bbea46d5749ef892dbe394e46de9d66ab1aacf0b4af57", b"")
assert UNPINNED != REVIEW


class Flow:
    """Reviews that flow: every answer's time and verdict, and everything that went wrong."""

    def __init__(self, served: Served) -> None:
        self.verdicts: list[tuple[float, bool]] = []
        self.failures: list[str] = []
        self._served = served
        self._end = threading.Event()

    def run(self) -> None:
        connection = self._served.connect(seconds=5)
        connection.connect()
        count = 0
        while not self._end.wait(CONNECTIONS / RATE):
            count += 1
            try:
                self._ask(connection, f"{threading.get_ident()}-{count}".encode())
            except (OSError, http.client.HTTPException, KeyError) as error:
                self.failures.append(repr(error))
        connection.close()

    def _ask(self, connection: http.client.HTTPSConnection, uid: bytes) -> None:
        connection.request("POST", "/validate", UNPINNED.replace(UID, uid), {"content-type": "application/json"})
        answer = connection.getresponse()
        response: dict[str, Any] = msgspec.json.decode(answer.read())["response"]
        code = response.get("status", {}).get("code", 200)
        if answer.status != 200 or response["uid"] != uid.decode() or code not in (200, 403):
            self.failures.append(f"{answer.status} {response}")
        self.verdicts.append((time.monotonic(), response["allowed"]))

    def stop(self) -> None:
        self._end.set()

    def seconds_until(self, *, allowed: bool, since: float) -> float:
        """Return how long after *since* the last answer came that was not *allowed*."""
        late = [at for at, verdict in list(self.verdicts) if at > since and verdict is not allowed]
        return max(late, default=since) - since


@contextmanager
def flowing(served: Served) -> Iterator[Flow]:
    flow = Flow(served)
    threads = [threading.Thread(target=flow.run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        yield flow
    finally:
        flow.stop()
        for thread in threads:
            thread.join(20)


def rewrite(served: Served, text: str) -> None:
    (served.policies / "supply-chain.yaml").write_text(text)


def edit(served: Served, flow: Flow, change: Callable[[], None], *, allowed: bool) -> None:
    """Make a change and see the new verdict within 2 s, for good."""
    began = time.monotonic()
    change()
    time.sleep(2.5)
    assert served.process.poll() is None
    assert flow.seconds_until(allowed=allowed, since=began) < 2
    assert any(at > began + 2 and verdict is allowed for at, verdict in list(flow.verdicts))


def test_edits_are_followed_and_a_broken_one_leaves_the_old_set_in_force(tmp_path: Path) -> None:
    original = (POLICIES / "supply-chain.yaml").read_text()
    broken = original.replace("level: version", "level: versions")
    line = broken.splitlines().index("      level: versions") + 1

    with Served(tmp_path) as served, flowing(served) as flow:
        edit(served, flow, lambda: rewrite(served, DEMANDING), allowed=False)
        edit(served, flow, lambda: rewrite(served, broken), allowed=False)
        where = f"{served.policies}/supply-chain.yaml:{line}:14: spec.checks.image-pinned.level: expected one of"
        status, ready = served.get("/readyz")
        good = served.metric("podgate_policy_last_load_successful")
        failures = served.metric('podgate_policy_loads_total{result="failure"}')
        edit(served, flow, lambda: rewrite(served, original), allowed=True)
        recovered = served.metric("podgate_policy_last_load_successful")

    assert flow.failures == []
    assert len(flow.verdicts) > 0.7 * RATE * 8
    assert (status, good, failures, recovered) == (200, 0, 1, 1)
    assert f"[!]policies: in force: policies 3, exceptions 0; {where}" in ready
    assert where in served.errors.read_text()


def test_a_broken_edit_of_what_was_demanding_does_not_open_the_gate(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        rewrite(served, DEMANDING)
        served.wait_until(lambda: not served.ask(UNPINNED)["allowed"], "refusing", 5)

        rewrite(served, "")
        for name in ("non-root.yaml", "vulnerabilities.yaml"):
            (served.policies / name).unlink()
        served.wait_until(lambda: served.metric("podgate_policy_last_load_successful") == 0, "loaded again", 5)

        assert served.ask(UNPINNED)["allowed"] is False
        assert "no ClusterPolicy found" in served.get("/readyz")[1]


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """Return a folder as the kubelet mounts a ConfigMap: links to files below ..data, itself a link."""
    folder = tmp_path / "mounted"
    publish(folder, "first", (POLICIES / "supply-chain.yaml").read_text())
    (folder / "supply-chain.yaml").symlink_to("..data/supply-chain.yaml")
    return folder


def publish(folder: Path, version: str, text: str) -> None:
    """Swap in new content as the kubelet's AtomicWriter does: a new folder, and ..data renamed onto it."""
    (folder / f"..{version}").mkdir(parents=True)
    (folder / f"..{version}" / "supply-chain.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(f"..{version}")
    os.replace(folder / "..data_tmp", folder / "..data")  # noqa: PTH105  # rename(2), as the kubelet does


def test_the_symlink_swap_of_a_mounted_config_map_is_followed(tmp_path: Path, mounted: Path) -> None:
    with Served(tmp_path / "served", f"--policies={mounted}") as served, flowing(served) as flow:
        edit(served, flow, lambda: publish(mounted, "second", DEMANDING), allowed=False)

    assert flow.failures == []
