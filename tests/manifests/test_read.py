"""Objects in manifest files: lists, what Helm prints, and what is no object."""

import io
from typing import Any

import pytest

from webhook.manifests import read as reading
from webhook.manifests.read import Manifest, read_bounded, read_manifests
from webhook.policy.document import DocumentError

NO_OBJECT = "not a Kubernetes object: expected apiVersion and kind"
UNRENDERED = "it looks like a Helm template: render it first: helm template . | podgate check -"
HELM_OUTPUT = b"""\
---
# Source: shop/templates/service.yaml
apiVersion: v1
kind: Service
metadata:
  name: web
---
# Source: shop/charts/cache/templates/deployment.yaml
# The cache.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cache
"""


def read(text: str | bytes) -> list[Manifest | DocumentError]:
    return list(read_manifests("a.yaml", text.encode() if isinstance(text, str) else text))


def objects(text: str | bytes) -> list[Manifest]:
    found = read(text)
    assert all(isinstance(item, Manifest) for item in found), found
    return [item for item in found if isinstance(item, Manifest)]


def errors(text: str | bytes) -> list[str]:
    return [str(item) for item in read(text) if isinstance(item, DocumentError)]


def test_an_object_says_what_it_is_and_where() -> None:
    (manifest,) = objects("# words\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n")

    assert (manifest.file, manifest.place().line) == ("a.yaml", 2)
    assert (manifest.api_version, manifest.group, manifest.kind) == ("apps/v1", "apps", "Deployment")
    assert manifest.metadata == {"name": "web"}
    assert manifest.value == {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    assert manifest.place("metadata.name").line == 5


def test_the_core_group_has_no_name() -> None:
    assert objects("apiVersion: v1\nkind: Pod")[0].group == ""


@pytest.mark.parametrize("metadata", ["", "1", "[a]", "null"])
def test_metadata_that_is_no_mapping_says_nothing(metadata: str) -> None:
    assert objects(f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}")[0].metadata == {}


def test_objects_come_in_the_order_of_the_file() -> None:
    text = "apiVersion: v1\nkind: A\n---\napiVersion: v1\nkind: B\n---\n---\n# none\n---\napiVersion: v1\nkind: C\n"

    assert [(manifest.kind, manifest.place().line) for manifest in objects(text)] == [("A", 1), ("B", 4), ("C", 10)]


def test_helm_says_which_template_an_object_is_from() -> None:
    assert [(manifest.kind, manifest.place().line, manifest.source) for manifest in objects(HELM_OUTPUT)] == [
        ("Service", 3, "shop/templates/service.yaml"),
        ("Deployment", 10, "shop/charts/cache/templates/deployment.yaml"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: 1\n- apiVersion: v1\n  kind: Job\n",
        (
            '{"apiVersion": "v1", "kind": "List", "items": [\n\n\n{"apiVersion": "v1", "kind": "Pod",\n\n"spec": 1},'
            '{"apiVersion": "v1", "kind": "Job"}]}'
        ),
    ],
    ids=["yaml", "json"],
)
def test_the_items_of_a_list_are_objects_each_at_its_line(text: str) -> None:
    pod, job = objects(text)

    assert (pod.kind, pod.place().line, pod.place("spec").line) == ("Pod", 4, 6)
    assert job.kind == "Job"
    assert str(job.error("spec.x", "expected y")).endswith(": spec.x: expected y")


def test_the_items_of_a_typed_list_need_not_say_what_they_are() -> None:
    text = "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: a}\n- kind: Other\n"

    found = [(manifest.api_version, manifest.kind) for manifest in objects(text)]

    assert found == [("apps/v1", "Deployment"), ("apps/v1", "Other")]


def test_lists_in_lists_are_taken_apart() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: PodList\n  items:\n  - spec: {x: 1}\n"

    (pod,) = objects(text)

    assert (pod.kind, pod.path, pod.place("spec.x").line) == ("Pod", "items[0].items[0]", 7)


@pytest.mark.parametrize("items", ["", "{}", "1"])
def test_a_kind_that_is_named_like_a_list_and_has_none_is_an_object(items: str) -> None:
    assert [manifest.kind for manifest in objects(f"apiVersion: v1\nkind: AllowList\nitems: {items}")] == ["AllowList"]


def test_an_empty_list_holds_nothing() -> None:
    assert read("apiVersion: v1\nkind: List\nitems: []") == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("replicas: 2", f"a.yaml:1:1: {NO_OBJECT}", id="values of a chart"),
        pytest.param("kind: Pod", f"a.yaml:1:1: {NO_OBJECT}", id="no version"),
        pytest.param("apiVersion: v1", f"a.yaml:1:1: {NO_OBJECT}", id="no kind"),
        pytest.param("apiVersion: 1\nkind: Pod", f"a.yaml:1:1: {NO_OBJECT}", id="version as a number"),
        pytest.param("apiVersion: v1\nkind: ''", f"a.yaml:1:1: {NO_OBJECT}", id="empty kind"),
        pytest.param("just words", f"a.yaml:1:1: {NO_OBJECT}", id="text"),
        pytest.param("- a\n- b", f"a.yaml:1:1: {NO_OBJECT}", id="list"),
        pytest.param(
            "apiVersion: v1\nkind: List\nitems: [{}, {kind: Pod}]",
            f"a.yaml:3:9: items[0]: {NO_OBJECT}",
            id="item without version",
        ),
        pytest.param(
            "apiVersion: v1\nkind: PodList\nitems: [1]", f"a.yaml:3:9: items[0]: {NO_OBJECT}", id="item as a number"
        ),
    ],
)
def test_what_is_no_object_is_said_with_its_place(text: str, error: str) -> None:
    assert errors(text)[0] == error


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  {{- include 'labels' . }}\n", 4),
        ("{{- if .Values.enabled }}\napiVersion: v1\n{{- end }}\n", 1),
        ("apiVersion: v1\nkind: Pod\n---\na: {{ .Values.a }}\n", 4),
    ],
)
def test_a_template_that_is_not_rendered_says_how_to_render_it(text: str, line: int) -> None:
    assert errors(text) == [f"a.yaml:{line}:1: {UNRENDERED}"]


def test_braces_in_text_are_no_template() -> None:
    assert objects("apiVersion: v1\nkind: ConfigMap\ndata: {a: '{{ .x }}'}")[0].kind == "ConfigMap"


def test_a_document_that_is_wrong_does_not_spoil_the_others() -> None:
    found = read("apiVersion: v1\nkind: A\n---\n[\n---\napiVersion: v1\nkind: B\n")

    assert [getattr(item, "kind", None) for item in found] == ["A", None, "B"]


def test_a_file_may_be_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_FILE", 10)

    assert read_bounded(io.BytesIO(b"0123456789")) == b"0123456789"
    with pytest.raises(ValueError, match=r"^more than 10 bytes$"):
        read_bounded(io.BytesIO(b"0123456789a"))


def test_nothing_is_read_past_the_end_that_is_allowed() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> Any:
            assert size is not None
            assert 0 < size <= reading.LONGEST_FILE + 1
            return b""

    assert read_bounded(Endless()) == b""
