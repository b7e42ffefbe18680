"""Reviews: those a real API server sent, and what is no review."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reviews import API_VERSIONS, body_of, pod, review_of, workload
from webhook.model.review import WORKLOAD_KINDS, ObjectError, Review, ReviewError, UserInfo, parse_review
from webhook.model.workload import NO_WORKLOAD
from webhook.policy.owner import identities

CAPTURED = Path(__file__).parents[1] / "fixtures" / "reviews"
FILES = sorted(CAPTURED.glob("*.json"))
NO_REVIEW = "the body is no AdmissionReview of admission.k8s.io/v1: "


def captured(name: str) -> Review:
    return parse_review((CAPTURED / f"{name}.json").read_bytes())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_captured_review_is_read_as_it_stands(file: Path) -> None:
    body = file.read_bytes()
    request = json.loads(body)["request"]

    review = parse_review(body)

    assert review.uid == request["uid"]
    assert review.kind == request["kind"]["kind"]
    assert review.operation == request["operation"]
    assert (review.namespace, review.name) == (request["namespace"], request["name"])
    assert review.subresource == request.get("subResource", "")
    assert review.user == UserInfo(request["userInfo"]["username"], tuple(request["userInfo"]["groups"]))
    assert review.dry_run is request["dryRun"]
    assert (review.workload is NO_WORKLOAD) is (review.operation == "DELETE")
    assert (review.old is None) is (review.operation != "UPDATE")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_container_and_image_of_a_captured_review_is_found_where_it_stands(file: Path) -> None:
    review = json.loads(file.read_bytes())
    standing = {
        (path, value)
        for path, value in leaves(review["request"]["object"], "")
        if path.endswith((".image", ".image.reference")) and not path.startswith(("metadata", "status"))
    }

    found = {(use.path, use.reference) for use in parse_review(file.read_bytes()).workload.image_uses()}

    assert found == standing


def leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    """Return every value in *value* that holds no other, with its path."""
    if isinstance(value, dict):
        children = [(f"{path}.{key}".removeprefix("."), child) for key, child in value.items()]
    elif isinstance(value, list):
        children = [(f"{path}[{index}]", child) for index, child in enumerate(value)]
    else:
        return [(path, value)]
    return [leaf for child_path, child in children for leaf in leaves(child, child_path)]


@pytest.mark.parametrize(
    ("name", "images"),
    [
        (
            "pod-create-latest-root",
            {
                "spec.initContainers[0].image": "busybox",
                "spec.containers[0].image": "nginx:latest",
                "spec.containers[1].image": "docker.io/example/agent",
            },
        ),
        ("deployment-create-latest-root", {"spec.template.spec.containers[0].image": "nginx:latest"}),
        (
            "cronjob-create",
            {
                "spec.jobTemplate.spec.template.spec.containers[0].image": (
                    "registry.example.com/billing/invoices:latest"
                )
            },
        ),
        ("podtemplate-create", {"template.spec.containers[0].image": "registry.example.com/shop/label-printer:0.9"}),
        (
            "pod-create-native-sidecar",
            {
                "spec.initContainers[0].image": "registry.example.com/platform/proxy:1.30",
                "spec.initContainers[1].image": "registry.example.com/shop/checkout:5.0",
                "spec.containers[0].image": "registry.example.com/shop/checkout:5.0",
            },
        ),
        (
            "pod-create-image-volume",
            {
                "spec.containers[0].image": "registry.example.com/shop/recommend:3.1",
                "spec.volumes[0].image.reference": "registry.example.com/shop/weights:2026-11",
            },
        ),
        (
            "pod-ephemeralcontainers",
            {
                "spec.containers[0].image": "registry.example.com/shop/catalog:1.4.3",
                "spec.ephemeralContainers[0].image": "busybox:1.37",
            },
        ),
        ("deployment-delete", {}),
    ],
)
def test_images_of_captured_reviews_have_these_paths(name: str, images: dict[str, str]) -> None:
    assert {use.path: use.reference for use in captured(name).workload.image_uses()} == images


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("pod-update-label", True),
        ("pod-update-finalizers-deleting", True),
        ("deployment-update-label", True),
        ("deployment-update-scale", True),
        ("replicaset-update-scale-by-deployment", True),
        ("pod-update-image", False),
        ("deployment-update-template", False),
        ("pod-ephemeralcontainers", False),
    ],
)
def test_a_captured_update_changes_the_pod_or_does_not(name: str, *, same: bool) -> None:
    review = captured(name)

    assert review.old is not None
    assert (review.old.pod == review.workload.pod) is same


@pytest.mark.parametrize(
    ("name", "owners"),
    [
        ("pod-create-by-replicaset", ["ReplicaSet", "Deployment web"]),
        ("pod-create-by-statefulset", ["StatefulSet store"]),
        ("pod-create-by-daemonset", ["DaemonSet node-logs"]),
        ("pod-create-by-job", ["Job migrate"]),
        ("replicaset-create-by-deployment", ["Deployment web"]),
        ("replicaset-update-scale-by-deployment", ["Deployment web"]),
        ("job-create-by-cronjob", ["CronJob invoices"]),
        ("pod-create-as-user", []),
    ],
)
def test_what_a_real_controller_creates_is_its_owners(name: str, owners: list[str]) -> None:
    review = captured(name)

    itself, *found = identities(review)

    assert itself == (review.kind, review.name)
    assert all(f"{kind} {name}".startswith(owner) for (kind, name), owner in zip(found, owners, strict=True))


def test_a_captured_review_tells_what_else_checks_read() -> None:
    assert captured("pod-create-host-users-false").workload.pod.host_users is False
    assert captured("pod-create-dry-run").dry_run
    assert captured("pod-update-finalizers-deleting").workload.metadata.deletion_timestamp is not None
    assert captured("pod-create-generate-name").workload.metadata.generate_name == "import-"


def test_every_kind_is_captured() -> None:
    assert {captured(file.stem).kind for file in FILES} == set(WORKLOAD_KINDS)


# What is no review


def error_of(body: bytes) -> str:
    with pytest.raises(ReviewError) as caught:
        parse_review(body)
    return str(caught.value).removeprefix(NO_REVIEW)


def changed(path: tuple[str, ...], value: Any) -> bytes:
    """Return the review of a pod with *value* at *path*."""
    review = json.loads(body_of(pod("nginx")))
    parent = review
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return json.dumps(review).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "Input data was truncated", id="empty"),
        pytest.param(b"{", "Input data was truncated", id="truncated"),
        pytest.param(b"<html>", "JSON is malformed: invalid character (byte 0)", id="no JSON"),
        pytest.param(b"[]", "Expected `object`, got `array`", id="list"),
        pytest.param(b"{}", "Object missing required field `apiVersion`", id="nothing in it"),
        pytest.param(b"{}{}", "Object missing required field `apiVersion`", id="two"),
        pytest.param(
            changed(("apiVersion",), "admission.k8s.io/v1beta1"),
            "Invalid enum value 'admission.k8s.io/v1beta1' - at `$.apiVersion`",
            id="older version",
        ),
        pytest.param(changed(("kind",), "Pod"), "Invalid enum value 'Pod' - at `$.kind`", id="another kind"),
        pytest.param(
            b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
            "Object missing required field `request`",
            id="no request",
        ),
        pytest.param(changed(("request",), None), "Expected `object`, got `null` - at `$.request`", id="request null"),
        pytest.param(changed(("request", "uid"), ""), "request.uid must not be empty", id="uid empty"),
        pytest.param(changed(("request", "uid"), 5), "Expected `str`, got `int` - at `$.request.uid`", id="uid 5"),
        pytest.param(
            changed(("request",), {"uid": "1"}), "Object missing required field `kind` - at `$.request`", id="no kind"
        ),
        pytest.param(
            changed(("request", "operation"), "PATCH"),
            "Invalid enum value 'PATCH' - at `$.request.operation`",
            id="unknown operation",
        ),
        pytest.param(
            changed(("request", "userInfo", "groups"), [5]),
            "Expected `str`, got `int` - at `$.request.userInfo.groups[0]`",
            id="group 5",
        ),
        pytest.param(
            body_of(pod("nginx")).replace(b"jane", b"\xff\xfe"), "it holds text that is not UTF-8", id="not UTF-8"
        ),
        pytest.param(
            body_of(pod("nginx")).replace(b'"object":', b'"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"object":'),
            "it is nested too deeply",
            id="nested",
        ),
    ],
)
def test_what_is_no_review_is_told_why(body: bytes, why: str) -> None:
    assert error_of(body) == why


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        pytest.param(("object",), None, "request.object must be set", id="null"),
        pytest.param(
            ("object",),
            [],
            "request.object is no Pod that can be read: Expected `object | null`, got `array`",
            id="list",
        ),
        pytest.param(
            ("object", "spec", "containers"),
            5,
            "request.object is no Pod that can be read: Expected `array | null`, got `int` - at `$.spec.containers`",
            id="containers",
        ),
        pytest.param(
            ("object", "spec", "containers"),
            [{"image": 5}],
            "request.object is no Pod that can be read: "
            "Expected `str | null`, got `int` - at `$.spec.containers[0].image`",
            id="image",
        ),
        pytest.param(
            ("object", "spec", "initContainers"),
            [{}, {"securityContext": {"runAsUser": "0"}}],
            "request.object is no Pod that can be read: "
            "Expected `int | null`, got `str` - at `$.spec.initContainers[1].securityContext.runAsUser`",
            id="runAsUser",
        ),
        pytest.param(
            ("object", "spec", "securityContext"),
            {"runAsNonRoot": "true"},
            "request.object is no Pod that can be read: "
            "Expected `bool | null`, got `str` - at `$.spec.securityContext.runAsNonRoot`",
            id="runAsNonRoot",
        ),
        pytest.param(
            ("object", "metadata", "labels"),
            {"a": 1},
            "request.object is no Pod that can be read: Expected `str`, got `int` - at `$.metadata.labels[...]`",
            id="label",
        ),
    ],
)
def test_an_object_that_cannot_be_read_is_told_where(path: tuple[str, ...], value: Any, why: str) -> None:
    with pytest.raises(ObjectError) as caught:
        parse_review(changed(("request", *path), value))

    assert str(caught.value) == why
    review = caught.value.review
    assert (review.kind, review.namespace, review.name, review.workload) == ("Pod", "shop", "web", NO_WORKLOAD)


def test_an_object_that_is_absent_is_none() -> None:
    review = json.loads(body_of(pod("nginx")))
    del review["request"]["object"]

    with pytest.raises(ObjectError, match=r"^request\.object must be set$"):
        parse_review(json.dumps(review).encode())


def test_text_in_an_object_that_is_not_utf8_is_refused_without_it() -> None:
    with pytest.raises(ObjectError) as caught:
        parse_review(body_of(pod("nginx")).replace(b'"nginx"', b'"\xff"'))

    assert str(caught.value) == "request.object is no Pod that can be read: it holds text that is not UTF-8"


def test_the_object_before_an_update_must_be_readable_too() -> None:
    body = body_of(pod("nginx"), operation="UPDATE", old=pod("nginx")).replace(
        b'"oldObject": {"apiVersion": "v1"', b'"oldObject": {"metadata": 5'
    )

    with pytest.raises(ObjectError) as caught:
        parse_review(body)

    assert str(caught.value) == (
        "request.oldObject is no Pod that can be read: Expected `object`, got `int` - at `$.metadata`"
    )


def test_the_object_before_a_create_is_not_read() -> None:
    assert review_of(pod("nginx"), old={"metadata": 5}).old is None


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_other_operations_than_create_and_update_hold_no_workload(operation: str) -> None:
    review = review_of(pod("nginx"), operation=operation, old={"metadata": 5})

    assert review.workload is NO_WORKLOAD
    assert review.name == "web"


@pytest.mark.parametrize(
    ("group", "kind"),
    [("example.com", "Pod"), ("", "Deployment"), ("apps", "Pod"), ("autoscaling", "Scale"), ("", "Service")],
)
def test_other_kinds_hold_no_workload(group: str, kind: str) -> None:
    body = changed(("request", "kind"), {"group": group, "version": "v1", "kind": kind})

    assert parse_review(body).workload is NO_WORKLOAD


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v2alpha1"])
def test_the_version_of_a_kind_does_not_matter(version: str) -> None:
    body = changed(("request", "kind"), {"group": "", "version": version, "kind": "Pod"})

    assert len(parse_review(body).workload.containers) == 1


def test_the_name_is_that_of_the_object_or_else_of_the_request() -> None:
    assert parse_review(changed(("request", "name"), "")).name == "web"
    assert parse_review(changed(("request", "object", "metadata"), {})).name == "web"
    assert parse_review(changed(("request", "object", "metadata", "name"), "other")).name == "other"


@pytest.mark.parametrize("given", [None, False])
def test_a_run_is_dry_only_where_it_says_so(given: bool | None) -> None:  # noqa: FBT001  # one argument
    assert parse_review(changed(("request", "dryRun"), given)).dry_run is False


def test_a_user_can_be_of_no_group() -> None:
    assert parse_review(changed(("request", "userInfo"), {})).user == UserInfo("", None)


def test_unknown_fields_are_passed_over() -> None:
    body = changed(("request", "object", "spec", "newInVersion9"), {"containers": 5})

    assert len(parse_review(body).workload.containers) == 1


def test_every_kind_that_is_a_workload_is_tested() -> None:
    assert set(API_VERSIONS) == set(WORKLOAD_KINDS)
    assert all(review_of(workload(kind, {})).workload is not NO_WORKLOAD for kind in WORKLOAD_KINDS)
