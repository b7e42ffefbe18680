"""Which workloads a review is about: an owner counts only where its controller asks."""

from typing import Any

import pytest

from tests.reviews import Manifest, pod, review_of, workload
from webhook.policy.owner import identities

MANAGER = "system:kube-controller-manager"


def as_controller(name: str) -> str:
    return f"system:serviceaccount:kube-system:{name}"


def owned(kind: str, name: str, *, controller: bool | None = True) -> list[dict[str, Any]]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": controller}]


def pod_of(kind: str, name: str, **labels: str) -> Manifest:
    return pod("nginx", name="made-by-it", ownerReferences=owned(kind, name), labels=labels)


@pytest.mark.parametrize(
    ("manifest", "creator", "owners"),
    [
        pytest.param(pod_of("StatefulSet", "db"), "statefulset-controller", [("StatefulSet", "db")], id="StatefulSet"),
        pytest.param(pod_of("DaemonSet", "log"), "daemon-set-controller", [("DaemonSet", "log")], id="DaemonSet"),
        pytest.param(pod_of("Job", "migrate"), "job-controller", [("Job", "migrate")], id="Job"),
        pytest.param(
            pod_of("Job", "nightly-29384700"),
            "job-controller",
            [("Job", "nightly-29384700"), ("CronJob", "nightly")],
            id="Job of a CronJob",
        ),
        pytest.param(
            pod_of("Job", "monthly-report-29384700"),
            "job-controller",
            [("Job", "monthly-report-29384700"), ("CronJob", "monthly-report")],
            id="Job of a CronJob with a hyphen",
        ),
        pytest.param(pod_of("Job", "a-b"), "job-controller", [("Job", "a-b")], id="Job with a hyphen"),
        pytest.param(pod_of("Job", "29384700"), "job-controller", [("Job", "29384700")], id="Job that is a number"),
        pytest.param(pod_of("Job", "a-"), "job-controller", [("Job", "a-")], id="Job with a hyphen last"),
        pytest.param(pod_of("Job", "a-1x"), "job-controller", [("Job", "a-1x")], id="Job with more than a number"),
        pytest.param(
            pod_of("ReplicationController", "web"),
            "replication-controller",
            [("ReplicationController", "web")],
            id="ReplicationController",
        ),
        pytest.param(
            pod_of("ReplicaSet", "web-5c8df8cf64", **{"pod-template-hash": "5c8df8cf64"}),
            "replicaset-controller",
            [("ReplicaSet", "web-5c8df8cf64"), ("Deployment", "web")],
            id="ReplicaSet of a Deployment",
        ),
        pytest.param(
            pod_of("ReplicaSet", "web-5c8df8cf64"),
            "replicaset-controller",
            [("ReplicaSet", "web-5c8df8cf64")],
            id="ReplicaSet without a hash",
        ),
        pytest.param(
            pod_of("ReplicaSet", "web-", **{"pod-template-hash": ""}),
            "replicaset-controller",
            [("ReplicaSet", "web-")],
            id="ReplicaSet with an empty hash",
        ),
        pytest.param(
            pod_of("ReplicaSet", "web-5c8df8cf64", **{"pod-template-hash": "8cf64"}),
            "replicaset-controller",
            [("ReplicaSet", "web-5c8df8cf64")],
            id="ReplicaSet with another hash",
        ),
        pytest.param(
            workload("ReplicaSet", {}, name="web-5c8df8cf64", ownerReferences=owned("Deployment", "web")),
            "deployment-controller",
            [("Deployment", "web")],
            id="Deployment",
        ),
        pytest.param(
            workload("Job", {}, name="nightly-29384700", ownerReferences=owned("CronJob", "nightly")),
            "cronjob-controller",
            [("CronJob", "nightly")],
            id="CronJob",
        ),
    ],
)
def test_an_owner_counts_where_its_controller_asks(
    manifest: Manifest, creator: str, owners: list[tuple[str, str]]
) -> None:
    itself = (manifest["kind"], manifest["metadata"]["name"])

    assert identities(review_of(manifest, user=as_controller(creator))) == (itself, *owners)
    assert identities(review_of(manifest, user=MANAGER)) == (itself, *owners)
    assert identities(review_of(manifest, user="jane")) == (itself,)


@pytest.mark.parametrize(
    "user",
    [
        "",
        "jane",
        "deployment-controller",
        as_controller("deployment-controller"),
        as_controller("statefulset-controller"),
        "system:serviceaccount:shop:replicaset-controller",
        "system:serviceaccount:kube-system:replicaset-controller2",
        "system:serviceaccount:kube-system",
    ],
)
def test_an_owner_that_anyone_else_writes_is_forged(user: str) -> None:
    manifest = pod_of("ReplicaSet", "legacy-5c8df8cf64", **{"pod-template-hash": "5c8df8cf64"})

    assert identities(review_of(manifest, user=user)) == (("Pod", "made-by-it"),)


def test_an_owner_of_a_kind_that_makes_no_such_objects_does_not_count() -> None:
    manifest = pod_of("Deployment", "web")

    assert identities(review_of(manifest, user=MANAGER)) == (("Pod", "made-by-it"),)


@pytest.mark.parametrize("controller", [None, False])
def test_an_owner_that_is_no_controller_does_not_count(*, controller: bool | None) -> None:
    references = owned("Job", "migrate", controller=controller)

    review = review_of(pod("nginx", name="a", ownerReferences=references), user=MANAGER)

    assert identities(review) == (("Pod", "a"),)


def test_of_several_owners_the_controller_counts() -> None:
    references = owned("Job", "first", controller=None) + owned("StatefulSet", "db")

    review = review_of(pod("nginx", name="db-0", ownerReferences=references), user=MANAGER)

    assert identities(review) == (("Pod", "db-0"), ("StatefulSet", "db"))


def test_an_object_without_owners_is_itself() -> None:
    assert identities(review_of(pod("nginx"), user=MANAGER)) == (("Pod", "web"),)


def test_an_object_that_has_no_name_yet_goes_by_the_start_of_it() -> None:
    manifest = pod("nginx", generateName="web-")
    del manifest["metadata"]["name"]

    assert identities(review_of(manifest)) == (("Pod", "web-"),)
