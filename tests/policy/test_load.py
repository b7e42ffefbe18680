"""Loading: all that is sound, and an error for all that is not."""

import os
from pathlib import Path

import pytest

from webhook.checks import CHECKS
from webhook.policy.load import LONGEST_FILE, Loaded, load_policies, policy_files

KNOWN = ", ".join(CHECKS)

POLICY = """\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata: {{name: {name}}}
spec:
  checks: {{image-pinned: {{}}}}
"""
EXCEPTION = """\
apiVersion: podgate.io/v1
kind: PolicyException
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  checks: [image-pinned]
  until: 2027-01-31T00:00:00Z
  reason: waiting for the vendor
  owner: team-shop
"""


def policy(name: str) -> str:
    return POLICY.format(name=name)


def exception(name: str, namespace: str = "shop") -> str:
    return EXCEPTION.format(name=name, namespace=namespace)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def names(loaded: Loaded) -> list[str]:
    return [policy.use.name for policy in loaded.policies.policies]


def test_a_folder_is_loaded_in_the_order_of_names(tmp_path: Path) -> None:
    write(tmp_path, a=policy("second"), b=policy("third") + "---\n" + policy("first"))

    loaded = load_policies(tmp_path)

    assert loaded.errors == ()
    assert names(loaded) == ["first", "second", "third"]


def test_exceptions_are_loaded_in_the_order_of_namespace_and_name(tmp_path: Path) -> None:
    write(tmp_path, a=policy("a"), b=exception("b", "x"), c=exception("a", "y"), d=exception("a", "x"))

    loaded = load_policies(tmp_path)

    assert loaded.errors == ()
    uses = [exception.use for exception in loaded.policies.exceptions]
    assert [(use.namespace, use.name) for use in uses] == [("x", "a"), ("x", "b"), ("y", "a")]


def test_one_file_is_loaded_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "policies.txt"
    file.write_text(policy("a"))

    assert names(load_policies(file)) == ["a"]


def test_yaml_and_json_files_are_found_in_subfolders_too(tmp_path: Path) -> None:
    folder = tmp_path / "team" / "inner.d"
    folder.mkdir(parents=True)
    (tmp_path / "a.yaml").write_text(policy("a"))
    (tmp_path / "team" / "b.yml").write_text(policy("b"))
    (folder / "c.json").write_text(
        '{"apiVersion": "podgate.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "c"},'
        ' "spec": {"checks": {"image-pinned": {}}}}'
    )

    loaded = load_policies(tmp_path)

    assert loaded.errors == ()
    assert names(loaded) == ["a", "b", "c"]


def test_other_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, a=policy("a"))
    (tmp_path / "README.md").write_text("# Policies")
    (tmp_path / "b.yaml.bak").write_text(policy("b"))
    (tmp_path / ".c.yaml").write_text(policy("c"))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "d.yaml").write_text(policy("d"))

    assert policy_files(tmp_path) == [tmp_path / "a.yaml"]


def mount(volume: Path, **files: str) -> None:
    """Lay *files* out as the kubelet does for a ConfigMap (kubernetes, pkg/volume/util/atomic_writer.go)."""
    data = volume / f"..2026_11_24_{len(list(volume.iterdir()))}"
    for name, text in files.items():
        file = data / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".yaml").write_text(text)
    (volume / "..data_tmp").symlink_to(data.name)
    (volume / "..data_tmp").rename(volume / "..data")
    for entry in data.iterdir():
        if not (volume / entry.name).is_symlink():
            (volume / entry.name).symlink_to(f"..data/{entry.name}")


def test_a_mounted_configmap_is_read_through_its_links_and_once(tmp_path: Path) -> None:
    mount(tmp_path, a=policy("a"), team__b=policy("b"), team__inner__c=policy("c"))

    loaded = load_policies(tmp_path)

    assert loaded.errors == ()
    assert names(loaded) == ["a", "b", "c"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", a=policy("a"))
    (tmp_path / "a" / "loop").symlink_to("..")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").mkdir()
    write(tmp_path / "c", c=policy("c"))

    loaded = load_policies(tmp_path)

    assert loaded.errors == ()
    assert names(loaded) == ["a", "c"]


def test_a_broken_file_takes_no_other_down(tmp_path: Path) -> None:
    write(tmp_path, a="a: [", b=policy("b"), c="a: !!bool maybe", d="\0", e=policy("e"))

    loaded = load_policies(tmp_path)

    assert names(loaded) == ["b", "e"]
    assert loaded.errors == (
        f"{tmp_path}/a.yaml:2:1: not YAML: did not find expected node content",
        f"{tmp_path}/c.yaml:1:4: not a value of tag:yaml.org,2002:bool",
        f"{tmp_path}/d.yaml:1:1: not YAML: it holds characters that YAML forbids",
    )


def test_a_broken_document_takes_no_other_of_its_file_down(tmp_path: Path) -> None:
    wrong = policy("wrong").replace("image-pinned", "image-pined")
    write(tmp_path, a=f"{policy('a')}---\n{wrong}---\n{policy('b')}---\n{exception('c')}")

    loaded = load_policies(tmp_path)

    assert names(loaded) == ["a", "b"]
    assert [exception.use.name for exception in loaded.policies.exceptions] == ["c"]
    (error,) = loaded.errors
    assert error == (
        f"{tmp_path}/a.yaml:11:25: spec.checks.image-pined: unknown field, "
        f"expected one of {KNOWN}; did you mean image-pinned?"
    )


def test_the_second_policy_of_a_name_is_refused_and_the_first_counts(tmp_path: Path) -> None:
    strict = policy("a").replace("image-pinned", "run-as-non-root")
    write(tmp_path, a=policy("a"), b=strict)

    loaded = load_policies(tmp_path)

    assert [check.id for policy in loaded.policies.policies for check in policy.checks] == ["image-pinned"]
    assert loaded.errors == (
        f"{tmp_path}/b.yaml:3:18: metadata.name: there is one of that name already: {tmp_path}/a.yaml:3:18",
    )


def test_the_second_exception_of_a_name_in_a_namespace_is_refused(tmp_path: Path) -> None:
    write(tmp_path, a=policy("x"), b=exception("x", "shop"), c=exception("x", "bank"), d=exception("x", "shop"))

    loaded = load_policies(tmp_path)

    assert [exception.use.namespace for exception in loaded.policies.exceptions] == ["bank", "shop"]
    assert loaded.errors == (
        f"{tmp_path}/d.yaml:3:18: metadata.name: there is one of that name already: {tmp_path}/b.yaml:3:18",
    )


@pytest.mark.parametrize("files", [{}, {"a": ""}, {"a": "---\n# later\n"}, {"a": exception("a")}])
def test_a_folder_without_a_policy_is_an_error(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, **files)

    loaded = load_policies(tmp_path)

    assert loaded.errors == (f"{tmp_path}: no ClusterPolicy found: an empty set would let everything pass",)


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    loaded = load_policies(tmp_path / "none")

    assert loaded.policies.policies == ()
    assert loaded.errors == (f"{tmp_path}/none: No such file or directory",)


def test_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, b=policy("b"))
    (tmp_path / "a.yaml").symlink_to("none.yaml")

    loaded = load_policies(tmp_path)

    assert names(loaded) == ["b"]
    assert loaded.errors == (f"{tmp_path}/a.yaml: No such file or directory",)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, a=policy("a"))
    descriptor = os.open(tmp_path, os.O_DIRECTORY)
    for _ in range(20):  # deeper than a path can be long
        os.mkdir("d" * 250, dir_fd=descriptor)
        inner = os.open("d" * 250, os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)

    loaded = load_policies(tmp_path)

    assert names(loaded) == ["a"]
    (error,) = loaded.errors
    assert error.endswith("d: File name too long")


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_a_file_is_so_long(tmp_path: Path, extra: int, *, fits: bool) -> None:
    text = policy("a")
    write(tmp_path, a=text + "#" * (LONGEST_FILE - len(text) + extra))

    loaded = load_policies(tmp_path)

    assert loaded.errors == (() if fits else (f"{tmp_path}/a.yaml: more than 4194304 bytes",))


def test_every_shipped_policy_is_sound() -> None:
    loaded = load_policies(Path(__file__).parents[2] / "policies")

    assert loaded.errors == ()
    assert loaded.policies.policies
