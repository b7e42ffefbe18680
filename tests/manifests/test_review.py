"""Reviews from manifests, held against those that a real API server sent for the same manifests."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from tests.reviews import NOW, workload
from webhook.manifests.read import Manifest, read_manifests
from webhook.manifests.review import Asking, is_workload, reviews_of
from webhook.model.pod import PodSpec, SecurityContext
from webhook.model.review import Review, parse_review
from webhook.policy.document import DocumentError
from webhook.policy.owner import identities

TESTS = Path(__file__).parents[1]
MANIFESTS = sorted((TESTS / "e2e" / "manifests").glob("*.yaml"))
MADE = {
    "deployment-create-latest-root": ("replicaset-create-by-deployment", "pod-create-by-replicaset"),
    "cronjob-create": ("job-create-by-cronjob",),
    "job-create": ("pod-create-by-job",),
    "daemonset-create": ("pod-create-by-daemonset",),
    "statefulset-create": ("pod-create-by-statefulset",),
}
ASKING = Asking(now=NOW)


def captured(name: str) -> Review:
    return parse_review((TESTS / "fixtures" / "reviews" / f"{name}.json").read_bytes())


def read(text: str | bytes) -> Manifest:
    (manifest,) = read_manifests("a.yaml", text.encode() if isinstance(text, str) else text)
    assert isinstance(manifest, Manifest)
    return manifest


def reviews(name: str) -> list[Review]:
    return reviews_of(read((TESTS / "e2e" / "manifests" / f"{name}.yaml").read_bytes()), ASKING)


def given(manifest: dict[str, Any], **asking: Any) -> list[Review]:
    return reviews_of(read(msgspec.json.encode(manifest)), structs.replace(ASKING, **asking))


def as_read(pod: PodSpec) -> PodSpec:
    """Return *pod* without what no check reads: an empty security context, and volumes without an image."""
    volumes = tuple(volume for volume in pod.volumes or () if volume.image is not None)
    context = None if pod.security_context == SecurityContext() else pod.security_context
    return structs.replace(pod, volumes=volumes, security_context=context)


@pytest.mark.parametrize("name", [path.stem for path in MANIFESTS])
def test_a_manifest_becomes_the_review_that_the_api_server_sent(name: str) -> None:
    own, sent = reviews(name)[0], captured(name)

    assert as_read(own.workload.pod) == as_read(sent.workload.pod)
    assert own.workload.containers == sent.workload.containers
    assert (own.kind, own.namespace, own.operation) == (sent.kind, sent.namespace, sent.operation)
    assert (own.workload.kind, own.workload.path) == (sent.workload.kind, sent.workload.path)
    assert (own.workload.metadata.labels or {}) == (sent.workload.metadata.labels or {})
    assert own.name[:-5] == sent.name[:-5]
    if not own.workload.metadata.generate_name:
        assert own.name == sent.name


@pytest.mark.parametrize("name", MADE)
def test_what_controllers_make_is_reviewed_as_the_api_server_does(name: str) -> None:
    for own, sent in zip(reviews(name)[1:], map(captured, MADE[name]), strict=False):
        assert as_read(own.workload.pod) == as_read(sent.workload.pod)
        assert (own.kind, own.namespace, own.user) == (sent.kind, sent.namespace, sent.user)
        assert bool(own.workload.metadata.generate_name) == bool(sent.workload.metadata.generate_name)
        assert len(own.name) == len(sent.name)
        labels, sent_labels = own.workload.metadata.labels or {}, sent.workload.metadata.labels or {}
        assert labels.keys() <= sent_labels.keys()
        assert {key.rpartition("/")[2] for key in sent_labels.keys() - labels.keys()} <= {
            "controller-uid",
            "controller-revision-hash",
            "pod-template-generation",
        }
        assert [kind for kind, _ in identities(own)] == [kind for kind, _ in identities(sent)]
        assert identities(own)[2:] == identities(sent)[2:]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Pod", [["Pod web"]]),
        ("PodTemplate", [["PodTemplate web"]]),
        (
            "Deployment",
            [
                ["Deployment web"],
                ["ReplicaSet web-xxxxxxxxxx", "Deployment web"],
                ["Pod web-xxxxxxxxxx-xxxxx", "ReplicaSet web-xxxxxxxxxx", "Deployment web"],
            ],
        ),
        ("ReplicaSet", [["ReplicaSet web"], ["Pod web-xxxxx", "ReplicaSet web"]]),
        ("StatefulSet", [["StatefulSet web"], ["Pod web-0", "StatefulSet web"]]),
        ("DaemonSet", [["DaemonSet web"], ["Pod web-xxxxx", "DaemonSet web"]]),
        ("Job", [["Job web"], ["Pod web-xxxxx", "Job web"]]),
        ("ReplicationController", [["ReplicationController web"], ["Pod web-xxxxx", "ReplicationController web"]]),
        (
            "CronJob",
            [
                ["CronJob web"],
                ["Job web-29925360", "CronJob web"],
                ["Pod web-29925360-xxxxx", "Job web-29925360", "CronJob web"],
            ],
        ),
    ],
)
def test_what_is_made_of_a_workload_has_it_for_a_verified_owner(kind: str, expected: list[list[str]]) -> None:
    made = given(workload(kind, {"containers": [{"name": "a", "image": "a"}]}))

    assert [[" ".join(pair) for pair in identities(review)] for review in made] == expected


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_what_is_made_of_a_workload_keeps_its_paths(kind: str) -> None:
    own, *made = given(workload(kind, {"containers": [{"name": "a", "image": "a"}]}))

    for review in made:
        assert (review.workload.path, review.workload.containers) == (own.workload.path, own.workload.containers)
        assert review.workload.kind == review.kind
    assert [review.workload.is_pod for review in made] == [False, True]


def test_labels_of_each_template_go_to_what_is_made_of_it() -> None:
    manifest = workload("CronJob", {}, labels={"a": "1"})
    manifest["spec"]["jobTemplate"]["metadata"] = {"labels": {"b": "2"}}
    manifest["spec"]["jobTemplate"]["spec"]["template"]["metadata"] = {"labels": {"c": "3"}}

    labels = [review.workload.metadata.labels or {} for review in given(manifest)]

    job = "web-29925360"
    assert labels == [{"a": "1"}, {"b": "2"}, {"c": "3", "job-name": job, "batch.kubernetes.io/job-name": job}]


@pytest.mark.parametrize("kind", ["Job", "ReplicationController"])
@pytest.mark.parametrize(("own", "expected"), [(None, {"c": "3"}), ({}, {"c": "3"}), ({"a": "1"}, {"a": "1"})])
def test_a_job_or_replication_controller_without_labels_takes_those_of_its_template(
    kind: str, own: dict[str, str] | None, expected: dict[str, str]
) -> None:
    manifest = workload(kind, {}, **({} if own is None else {"labels": own}))
    manifest["spec"]["template"]["metadata"] = {"labels": {"c": "3"}}

    assert given(manifest)[0].workload.metadata.labels == expected


def test_a_job_made_by_a_cronjob_without_labels_takes_those_of_its_pods() -> None:
    manifest = workload("CronJob", {})
    manifest["spec"]["jobTemplate"]["spec"]["template"]["metadata"] = {"labels": {"c": "3"}}

    assert given(manifest)[1].workload.metadata.labels == {"c": "3"}


def test_a_job_whose_metadata_is_no_mapping_takes_none() -> None:
    with pytest.raises(DocumentError, match="metadata: expected a mapping, got a list"):
        given(workload("Job", {}) | {"metadata": [], "spec": {"template": {"metadata": {"labels": {"c": "3"}}}}})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{containers: [{name: ~, image: ~}]}", [("", None)]),
        ("{containers: [~, {name: a}]}", [("", None), ("a", None)]),
        ("{containers: ~, os: ~, nodeSelector: {a: ~}, securityContext: ~}", []),
        ("~", []),
    ],
)
def test_a_null_is_a_field_that_is_not_set(spec: str, expected: list[tuple[str, str | None]]) -> None:
    (review,) = reviews_of(read(f"apiVersion: v1\nkind: Pod\nmetadata: ~\nspec: {spec}"), ASKING)

    assert [(container.name, container.image) for container in review.workload.containers] == expected


def test_a_deployment_takes_no_labels_of_its_template() -> None:
    manifest = workload("Deployment", {})
    manifest["spec"]["template"]["metadata"] = {"labels": {"c": "3"}}

    assert not given(manifest)[0].workload.metadata.labels


def test_who_applies_it_how_and_where_is_as_asked() -> None:
    manifest = workload("Deployment", {})
    del manifest["metadata"]["namespace"]

    own, *made = given(manifest, user="jane", groups=("dev",), operation="UPDATE", namespace="test")

    assert (own.user.username, own.user.groups) == ("jane", ("dev", "system:authenticated"))
    assert (own.operation, own.namespace, own.old, own.dry_run, own.subresource) == ("UPDATE", "test", None, False, "")
    assert [(review.operation, review.namespace) for review in made] == [("CREATE", "test")] * 2


def test_a_namespace_in_the_manifest_wins() -> None:
    assert {review.namespace for review in given(workload("Job", {}), namespace="test")} == {"shop"}


def test_a_name_that_is_to_be_generated_has_its_beginning() -> None:
    manifest = workload("Job", {})
    manifest["metadata"] = {"generateName": "import-"}

    assert [review.name for review in given(manifest)] == ["import-xxxxx", "import-xxxxx-xxxxx"]


def test_the_job_of_a_cronjob_is_named_after_the_minute() -> None:
    at = datetime.fromisoformat("1970-01-01T01:01:59Z")

    assert [review.name for review in given(workload("CronJob", {}), now=at)] == ["web", "web-61", "web-61-xxxxx"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    name: a",
            "a.yaml:5:5: spec.containers: expected a list, got a mapping",
            id="containers as a mapping",
        ),
        pytest.param(
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - name: a\n      image: 1.30",
            "a.yaml:6:14: spec.containers[0].image: expected text, got a number: put it in quotes",
            id="image as a number",
        ),
        pytest.param(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: 1}",
            "a.yaml:3:18: metadata.name: expected text, got a whole number: put it in quotes",
            id="name as a number",
        ),
        pytest.param(
            "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template: []",
            "a.yaml:4:13: spec.template: expected a mapping, got a list",
            id="template as a list",
        ),
        pytest.param(
            "apiVersion: v1\nkind: Pod\nmetadata: {labels: {a: y}}",
            "a.yaml:3:20: metadata.labels[...]: expected text, got true or false: put it in quotes",
            id="label as a boolean",
        ),
        pytest.param(
            "apiVersion: v1\nkind: Pod\nmetadata: 1",
            "a.yaml:3:11: metadata: expected a mapping, got a whole number",
            id="metadata",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text: str, error: str) -> None:
    with pytest.raises(DocumentError) as caught:
        reviews_of(read(text), ASKING)

    assert str(caught.value) == error


def test_errors_in_the_item_of_a_list_are_placed_there() -> None:
    text = "apiVersion: v1\nkind: PodList\nitems:\n- spec: {}\n- spec:\n    containers: {}\n"
    first, second = (item for item in read_manifests("a.yaml", text.encode()) if isinstance(item, Manifest))

    assert reviews_of(first, ASKING)[0].kind == "Pod"
    with pytest.raises(DocumentError) as caught:
        reviews_of(second, ASKING)
    assert str(caught.value) == "a.yaml:6:17: spec.containers: expected a list, got a mapping"


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("v1", "Pod", True),
        ("apps/v1", "Deployment", True),
        ("apps/v1beta2", "Deployment", True),
        ("batch/v1", "Job", True),
        ("v1", "Job", False),
        ("example.com/v1", "Deployment", False),
        ("v1", "ConfigMap", False),
        ("v1", "List", False),
    ],
)
def test_a_workload_is_known_by_group_and_kind(api_version: str, kind: str, *, expected: bool) -> None:
    assert is_workload(read(f"apiVersion: {api_version}\nkind: {kind}")) is expected
