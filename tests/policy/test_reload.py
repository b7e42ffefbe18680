"""Keeping policies fresh: look by look, without waiting."""

import logging
import os
import shutil
import threading
from pathlib import Path

import pytest

from webhook.policy.reload import INTERVAL, PolicyFolder, PolicyState

POLICY = """\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {{name: {name}}}
spec:
  checks: {{image-pinned: {{}}}}
"""
NOT_YAML = "a: [\n"


def policy(name: str) -> str:
    return POLICY.format(name=name)


def names(state: PolicyState) -> list[str]:
    return [policy.use.name for policy in state.policies.policies]


class Folder:
    """A folder of policies and the PolicyFolder that looks at it."""

    def __init__(self, path: Path, **files: str) -> None:
        self.path = path
        for name, text in files.items():
            self.write(name, text)
        self.told: list[PolicyState] = []
        self.policies = PolicyFolder(path, on_load=self.told.append)

    def write(self, name: str, text: str) -> None:
        (self.path / f"{name}.yaml").write_text(text)

    def look(self, times: int = 2) -> list[str]:
        """Return what is in force after so many looks; two take in a change that is over."""
        for _ in range(times):
            self.policies.look()
        return names(self.policies.state)

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(error.removeprefix(f"{self.path}/") for error in self.policies.state.errors)


def test_policies_are_in_force_from_the_start(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))

    assert names(folder.policies.state) == ["a"]
    assert folder.policies.state.complete
    assert folder.errors == ()
    assert folder.told == [folder.policies.state]


def test_no_policy_is_in_force_and_the_state_incomplete_before_anything_is_read() -> None:
    assert PolicyState() == PolicyState(complete=False, errors=())
    assert names(PolicyState()) == []


def test_it_tells_nobody_where_nobody_asks(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(policy("a"))

    assert names(PolicyFolder(tmp_path).state) == ["a"]


def test_nothing_is_read_again_while_nothing_changes(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))

    folder.look(times=5)

    assert len(folder.told) == 1


@pytest.mark.parametrize(("looks", "in_force"), [(0, ["a"]), (1, ["a"]), (2, ["a", "b"])])
def test_a_new_file_counts_with_the_second_look(tmp_path: Path, looks: int, in_force: list[str]) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    folder.write("b", policy("b"))

    assert folder.look(looks) == in_force


def test_a_change_is_read_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    folder.write("b", policy("b"))

    folder.look(times=6)

    assert len(folder.told) == 2


def test_a_file_that_is_renamed_is_read_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"), b=NOT_YAML)
    (tmp_path / "b.yaml").rename(tmp_path / "c.yaml")

    folder.look()

    assert folder.errors == ("c.yaml:2:1: not YAML: did not find expected node content",)


def test_a_link_to_nowhere_that_is_renamed_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").symlink_to("nowhere")
    folder = Folder(tmp_path, a=policy("a"))
    (tmp_path / "b.yaml").rename(tmp_path / "c.yaml")

    folder.look()

    assert folder.errors == ("c.yaml: No such file or directory",)


def test_a_file_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))

    for end in range(10, len(policy("half")), 10):
        folder.write("a", policy("half")[:end])
        assert folder.look(times=1) == ["a"]
    assert len(folder.told) == 1

    folder.write("a", policy("whole"))
    assert folder.look(times=1) == ["a"]
    assert folder.look(times=1) == ["whole"]
    assert len(folder.told) == 2


def test_an_edit_that_is_undone_is_not_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    kept = tmp_path / "a.yaml.bak"
    (tmp_path / "a.yaml").rename(kept)
    folder.look(times=1)
    kept.rename(tmp_path / "a.yaml")

    assert folder.look() == ["a"]
    assert len(folder.told) == 1


def test_an_edit_counts_that_changes_neither_size_nor_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    status = (tmp_path / "a.yaml").stat()
    (tmp_path / "new").write_text(policy("b"))
    os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "new").rename(tmp_path / "a.yaml")

    assert folder.look() == ["b"]


def test_an_edit_in_place_counts_by_its_time_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    status = (tmp_path / "a.yaml").stat()
    folder.write("a", policy("b"))
    os.utime(tmp_path / "a.yaml", ns=(status.st_atime_ns, status.st_mtime_ns + 1))

    assert folder.look() == ["b"]


def test_a_removed_policy_is_in_force_no_longer(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"), b=policy("b"))
    (tmp_path / "b.yaml").unlink()

    assert folder.look() == ["a"]


def test_a_broken_edit_leaves_the_last_good_set_in_force(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"), b=policy("b"))
    folder.write("a", NOT_YAML)
    folder.write("c", policy("c"))

    assert folder.look() == ["a", "b"]
    assert folder.policies.state.complete
    assert folder.errors == ("a.yaml:2:1: not YAML: did not find expected node content",)
    assert folder.told[-1] == folder.policies.state


def test_a_mended_edit_comes_into_force_with_what_came_meanwhile(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    folder.write("a", NOT_YAML)
    folder.look()
    folder.write("c", policy("c"))
    assert folder.look() == ["a"]
    folder.write("a", policy("mended"))

    assert folder.look() == ["c", "mended"]
    assert folder.errors == ()


def test_a_start_with_a_broken_file_takes_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=NOT_YAML, b=policy("b"))

    assert names(folder.policies.state) == ["b"]
    assert not folder.policies.state.complete
    assert folder.errors == ("a.yaml:2:1: not YAML: did not find expected node content",)


def test_after_a_start_with_a_broken_file_more_can_be_read_before_all_can(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=NOT_YAML, b=policy("b"))
    folder.write("c", policy("c"))

    assert folder.look() == ["b", "c"]
    assert not folder.policies.state.complete
    folder.write("a", policy("a"))
    assert folder.look() == ["a", "b", "c"]
    assert folder.policies.state.complete
    assert folder.errors == ()


def test_removing_all_files_leaves_the_last_good_set_in_force(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    (tmp_path / "a.yaml").unlink()

    assert folder.look() == ["a"]
    assert folder.policies.state.errors == (
        f"{tmp_path}: no ClusterPolicy found: an empty set would let everything pass",
    )


def test_removing_the_folder_leaves_the_last_good_set_in_force(tmp_path: Path) -> None:
    path = tmp_path / "policies"
    path.mkdir()
    folder = Folder(path, a=policy("a"))
    shutil.rmtree(path)

    assert folder.look() == ["a"]
    assert folder.policies.state.errors == (f"{path}: No such file or directory",)


def test_a_folder_that_comes_later_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policies"
    folder = Folder(path)
    assert not folder.policies.state.complete
    path.mkdir()
    folder.write("a", policy("a"))

    assert folder.look() == ["a"]
    assert folder.policies.state.complete


def test_a_configmap_that_is_updated_by_its_link_comes_into_force(tmp_path: Path) -> None:
    for name in ("one", "two"):
        data = tmp_path / f"..{name}"
        data.mkdir()
        (data / "a.yaml").write_text(policy(name))
        os.utime(data / "a.yaml", ns=(0, 0))
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    folder = Folder(tmp_path)
    assert names(folder.policies.state) == ["one"]

    (tmp_path / "..data_tmp").symlink_to("..two")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    assert folder.look(times=1) == ["one"]
    assert folder.look(times=1) == ["two"]


def test_a_link_to_nowhere_is_an_error_and_mended_by_its_target(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a=policy("a"))
    (tmp_path / "b.yaml").symlink_to("target")
    assert folder.look() == ["a"]
    assert folder.errors == ("b.yaml: No such file or directory",)

    (tmp_path / "target").write_text(policy("b"))

    assert folder.look() == ["a", "b"]


def test_what_is_loaded_and_what_is_refused_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = Folder(tmp_path, a=policy("a"), b=policy("b"))
    folder.write("a", NOT_YAML)
    folder.look()

    loaded, refused = caplog.records

    assert loaded.getMessage() == "policies loaded"
    assert vars(loaded)["policies"] == ["a", "b"]
    assert vars(loaded)["exceptions"] == 0
    assert refused.levelname == "ERROR"
    assert refused.getMessage() == "policy refused"
    assert vars(refused)["error"] == f"{tmp_path}/a.yaml:2:1: not YAML: did not find expected node content"
    assert vars(refused)["in_force"] == "last good set"


def test_the_log_says_where_no_good_set_is_in_force(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Folder(tmp_path, a=NOT_YAML)

    (refused,) = caplog.records

    assert vars(refused)["in_force"] == "readable part"


def test_the_thread_outlives_surprises_until_it_is_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    surprised, recovered = threading.Event(), threading.Event()

    def on_load(state: PolicyState) -> None:
        if names(state) == ["surprising"]:
            surprised.set()
            msg = "a surprise"
            raise ValueError(msg)
        if names(state) == ["after-it"]:
            recovered.set()

    (tmp_path / "a.yaml").write_text(policy("a"))
    folder = PolicyFolder(tmp_path, on_load)
    before = set(threading.enumerate())

    folder.watch(interval=0.01)
    (thread,) = set(threading.enumerate()) - before
    # Renamed into place: at this pace of looking a file can be seen empty before it is written.
    for name, seen in (("surprising", surprised), ("after-it", recovered)):
        (tmp_path / "new").write_text(policy(name))
        (tmp_path / "new").rename(tmp_path / "a.yaml")
        assert seen.wait(10)
    folder.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert (thread.name, thread.daemon) == ("policy-reload", True)
    (record,) = caplog.records
    assert record.getMessage() == "policies could not be looked at"
    assert vars(record)["path"] == str(tmp_path)


def test_a_change_counts_within_one_second() -> None:
    assert 2 * INTERVAL < 1
