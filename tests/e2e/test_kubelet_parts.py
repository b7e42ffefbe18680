"""Parts of the small kubelet that need no cluster."""

from pathlib import Path

import pytest

from tests.e2e.kubelet import ImageRoot, atomic, launch, process
from tests.e2e.kubelet.atomic import File
from tests.e2e.kubelet.environment import expand

pytestmark = pytest.mark.e2e


def test_missing_program_is_named() -> None:
    with pytest.raises(RuntimeError) as error:
        process.require("ip", "absent-program")

    assert str(error.value) == "the small kubelet needs absent-program (packages iproute2 and util-linux)"


def test_references_are_expanded_as_kubernetes_does() -> None:
    assert expand("$(A)-$$(A)-$(B)-$-$(A", {"A": "1"}) == "1-$(A)-$(B)-$-$(A"


def test_links_in_an_image_do_not_lead_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "up").symlink_to("../../../etc")

    assert launch.resolve(tmp_path, "/var/run/secrets") == tmp_path / "run/secrets"
    assert launch.resolve(tmp_path, "/up/passwd") == tmp_path / "etc/passwd"


def test_unchanged_files_are_not_written_again(tmp_path: Path) -> None:
    files = {"a": File(b"1"), "b/c": File(b"2")}

    first = atomic.write(tmp_path, files)
    link = (tmp_path / "..data").readlink()
    again = atomic.write(tmp_path, files)

    assert (first, again) == (True, False)
    assert (tmp_path / "..data").readlink() == link
    assert (tmp_path / "b/c").read_bytes() == b"2"


def test_image_whose_user_has_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^config\.User: nobody must be numeric$"):
        ImageRoot.unpacked(tmp_path, {"User": "nobody"})
