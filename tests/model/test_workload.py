"""Workloads: where each kind keeps its pod, and every container of it."""

from typing import Any

import pytest

from tests.reviews import API_VERSIONS, Manifest, workload, workload_in
from webhook.model.pod import PodSpec
from webhook.model.workload import Container, ImageUse, WorkloadObject

PATHS = {
    "Pod": "spec",
    "Deployment": "spec.template.spec",
    "ReplicaSet": "spec.template.spec",
    "StatefulSet": "spec.template.spec",
    "DaemonSet": "spec.template.spec",
    "Job": "spec.template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
    "ReplicationController": "spec.template.spec",
    "PodTemplate": "template.spec",
}


@pytest.mark.parametrize(("kind", "path"), PATHS.items())
def test_init_app_and_ephemeral_containers_are_found_at_their_paths(kind: str, path: str) -> None:
    spec = {
        "ephemeralContainers": [{"name": "e"}],
        "containers": [{"name": "c"}, {"name": "d", "image": "nginx"}],
        "initContainers": [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}],
    }

    found = workload_in(workload(kind, spec))

    assert found.kind == kind
    assert found.path == path
    assert found.containers == (
        Container(f"{path}.initContainers[0]", "a", None, None),
        Container(f"{path}.initContainers[1]", "b", None, None),
        Container(f"{path}.containers[0]", "c", None, None),
        Container(f"{path}.containers[1]", "d", "nginx", None),
        Container(f"{path}.ephemeralContainers[0]", "e", None, None),
    )


@pytest.mark.parametrize("kind", PATHS)
def test_only_a_pod_is_a_pod(kind: str) -> None:
    assert workload_in(workload(kind, {})).is_pod is (kind == "Pod")


@pytest.mark.parametrize("empty", [None, []])
def test_lists_can_be_null(empty: list[Any] | None) -> None:
    lists = ("initContainers", "containers", "ephemeralContainers", "volumes")

    found = workload_in(workload("Pod", dict.fromkeys(lists, empty)))

    assert found.containers == ()
    assert found.image_uses() == ()


@pytest.mark.parametrize("kind", API_VERSIONS)
@pytest.mark.parametrize(
    "rest",
    [
        pytest.param({}, id="no spec"),
        pytest.param({"spec": None, "template": None}, id="spec null"),
        pytest.param({"spec": {}, "template": {}}, id="spec empty"),
        pytest.param({"spec": {"template": None, "jobTemplate": None}, "template": {"spec": None}}, id="template null"),
        pytest.param({"spec": {"template": {}, "jobTemplate": {}}}, id="template empty"),
        pytest.param({"spec": {"template": {"spec": None}, "jobTemplate": {"spec": None}}}, id="spec of it null"),
        pytest.param({"spec": {"jobTemplate": {"spec": {"template": None}}}}, id="template of it null"),
    ],
)
def test_a_workload_without_a_template_has_an_empty_pod(kind: str, rest: Manifest) -> None:
    manifest = {"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": {"name": "web"}, **rest}

    found = workload_in(manifest)

    assert found.pod == PodSpec()
    assert found.containers == ()
    assert found.path == PATHS[kind]


def test_image_volumes_come_after_the_containers() -> None:
    spec = {
        "containers": [{"name": "a", "image": "nginx"}],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "model", "image": {"reference": "model:1"}},
            {"name": "none", "image": {}},
        ],
    }

    found = workload_in(workload("Deployment", spec))

    assert found.image_uses() == (
        ImageUse("spec.template.spec.containers[0].image", "nginx", found.containers[0]),
        ImageUse("spec.template.spec.volumes[1].image.reference", "model:1", None),
        ImageUse("spec.template.spec.volumes[2].image.reference", None, None),
    )


def test_unset_false_and_true_are_three_things() -> None:
    contexts: list[Any] = [None, {}, {"runAsNonRoot": None}, {"runAsNonRoot": False}, {"runAsNonRoot": True}]
    spec = {"containers": [{"securityContext": context} for context in contexts]}

    found = [container.security_context for container in workload_in(workload("Pod", spec)).containers]

    assert [context and context.run_as_non_root for context in found] == [None, None, None, False, True]


def test_what_holds_a_pod_must_say_where() -> None:
    with pytest.raises(NotImplementedError):
        _ = WorkloadObject().pod


X86, ARM, ARMV7, WINDOWS = "linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64"


@pytest.mark.parametrize(
    ("spec", "among", "left"),
    [
        pytest.param({}, [X86, ARM], [X86, ARM], id="nothing said"),
        pytest.param({"os": None, "nodeSelector": None}, [X86, ARM], [X86, ARM], id="null"),
        pytest.param({"os": {}, "nodeSelector": {"disk": "ssd"}}, [X86, ARM], [X86, ARM], id="nothing said of it"),
        pytest.param({"os": {"name": "linux"}}, [X86, ARM, WINDOWS], [X86, ARM], id="os"),
        pytest.param({"os": {"name": "windows"}}, [X86, WINDOWS], [WINDOWS], id="another os"),
        pytest.param(
            {"nodeSelector": {"kubernetes.io/os": "windows"}}, [X86, WINDOWS], [WINDOWS], id="os of the nodes"
        ),
        pytest.param(
            {"os": {"name": "linux"}, "nodeSelector": {"kubernetes.io/os": "windows"}},
            [X86, WINDOWS],
            [X86],
            id="the pod's os before that of the nodes",
        ),
        pytest.param({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, [X86, ARM], [ARM], id="architecture"),
        pytest.param({"nodeSelector": {"kubernetes.io/arch": "arm"}}, [X86, ARMV7, ARM], [ARMV7], id="with a variant"),
        pytest.param(
            {"os": {"name": "linux"}, "nodeSelector": {"kubernetes.io/arch": "amd64"}},
            [WINDOWS, ARM, X86],
            [X86],
            id="os and architecture",
        ),
        pytest.param({"nodeSelector": {"beta.kubernetes.io/arch": "arm64"}}, [X86, ARM], [X86, ARM], id="old label"),
        pytest.param({"nodeSelector": {"kubernetes.io/arch": "s390x"}}, [X86, ARM], ["linux/s390x"], id="none left"),
        pytest.param({"nodeSelector": {"kubernetes.io/arch": "arm"}}, [X86], [ARMV7], id="none left, by its one name"),
        pytest.param(
            {"nodeSelector": {"kubernetes.io/arch": "a b"}}, [X86], ["linux/a b"], id="none left, and none at all"
        ),
        pytest.param({"os": {"name": "windows"}}, [ARM, X86], ["windows/arm64"], id="none of that os left"),
        pytest.param(
            {"os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/arch": "s390x"}},
            [X86],
            ["windows/s390x"],
            id="neither",
        ),
    ],
)
def test_a_pod_can_run_on_the_platforms_that_its_os_and_node_selector_leave(
    spec: Manifest, among: list[str], left: list[str]
) -> None:
    found = workload_in(workload("Deployment", spec))

    assert found.platforms(tuple(among)) == tuple(left)
