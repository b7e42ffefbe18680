"""The small kubelet really runs pods, and what they notice is what their spec says."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.kubelet import ImageRoot, Kubelet
from tests.e2e.pods import (
    ENDED,
    Object,
    get,
    inside,
    lines,
    new_namespace,
    pod,
    python,
    start,
    until,
    worker,
)

pytestmark = pytest.mark.e2e

REPORT = """
import json, os, pathlib
def tried(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError as error:
        return error.strerror
    return "written"
def shown(path):
    status = os.stat(path)
    return [oct(status.st_mode), status.st_uid, status.st_gid]
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "user": [os.getuid(), os.getgid(), sorted(os.getgroups())],
    "pid": os.getpid(),
    "host": os.uname().nodename,
    "folder": os.getcwd(),
    "capabilities": [int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"]],
    "written": {path: tried(path) for path in ("/x", "/scratch/x", "/config/x", "/claim/x")},
    "config": pathlib.Path("/config/nested/colour").read_text(),
    "mode": shown("/config/nested/colour"),
    "secret": pathlib.Path("/secret/password").read_text(),
    "labels": pathlib.Path("/info/labels").read_text(),
    "token": shown("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    "env": dict(os.environ),
}), flush=True)
"""
REPORT_OF_SHELL = """
while read key real rest; do case $key in Uid:|Gid:) echo $key $real;; esac; done < /proc/self/status
echo $GREETING $1, in $PWD
echo made > made
echo /run/secrets/*/*
"""


def unpacked(folder: Path) -> Path:
    """Lay out an image that has a shell, and nothing else; a link leads out of it for whoever does not mind that."""
    libraries = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    for path in ("/bin/sh", *re.findall(r"(/\S+)", libraries)):
        (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path[1:])
    (folder / "home").mkdir()
    (folder / "home").chmod(0o777)
    (folder / "run").mkdir()
    (folder / "var").mkdir()
    (folder / "var/run").symlink_to("/run")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def kubelet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    folder = tmp_path_factory.mktemp("kubelet")
    config = {
        "Entrypoint": ["/bin/sh", "-c", REPORT_OF_SHELL],
        "Cmd": ["name", "by default"],
        "Env": ["GREETING=hello"],
        "User": "10001:10002",
        "WorkingDir": "/home",
    }
    shell = ImageRoot.unpacked(unpacked(folder / "shell"), config)
    with worker(cluster, folder, {"shell": shell}) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    with new_namespace(cluster, request.node.name) as name:
        yield name


def provide(cluster: Cluster, namespace: str) -> None:
    """Make what the reporting pod reads."""
    of = {"namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **of}, "data": {"k": "red"}})
    cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", **of}, "stringData": {"password": "p"}}
    )
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "v", **of}, "spec": claim})


def reporting() -> tuple[Object, Object]:
    """Return a container that reports, and the rest of its pod's spec."""
    label = {"fieldRef": {"fieldPath": "metadata.labels"}}
    volumes = [
        {"name": "config", "configMap": {"name": "c", "items": [{"key": "k", "path": "nested/colour", "mode": 0o600}]}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "info", "downwardAPI": {"items": [{"path": "labels", **label}]}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "v"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    env = [
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "JOINED", "value": "$(COLOUR) $$(COLOUR) $(ABSENT)"},
    ]
    container = python(
        REPORT + "import time; time.sleep(60)",
        env=env,
        envFrom=[{"prefix": "IN_", "secretRef": {"name": "s"}}],
        workingDir="/scratch",
        resources={"limits": {"memory": "96Mi"}},
        securityContext={
            "runAsGroup": 3000,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        volumeMounts=[{"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes],
    )
    context = {"runAsUser": 10001, "runAsNonRoot": True, "fsGroup": 4000, "supplementalGroups": [5000]}
    return container, {"securityContext": context, "volumes": volumes}


def test_process_has_the_user_groups_rights_environment_and_files_of_its_spec(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    provide(cluster, namespace)
    container, spec = reporting()

    start(cluster, kubelet, namespace, container, **spec)
    report = json.loads(until(lambda: kubelet.log(namespace, "app", "app"), "reported"))

    variables = report.pop("env")
    assert report == {
        "user": [10001, 3000, [3000, 4000, 5000]],
        "pid": 1,
        "host": "app",
        "folder": "/scratch",
        "capabilities": [0, 0, "1"],
        "written": {
            "/x": "Read-only file system",
            "/scratch/x": "written",
            "/config/x": "Read-only file system",
            "/claim/x": "written",
        },
        "config": "red",
        "mode": ["0o100640", 0, 4000],
        "secret": "p",
        "labels": 'app="app"\ntier="back"',
        "token": ["0o100640", 10001, 4000],
    }
    (address,) = (each["status"]["podIP"] for each in get(cluster, namespace))
    expected = {
        "ADDRESS": address,
        "COLOUR": "red",
        "LIMIT": "96",
        "JOINED": "red $(COLOUR) $(ABSENT)",
        "IN_password": "p",
        "HOSTNAME": "app",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    assert {name: variables[name] for name in expected} == expected
    (claimed,) = (kubelet.folder / "claims").glob("*/x")
    assert (claimed.read_text(), claimed.stat().st_uid, claimed.stat().st_gid) == ("x", 10001, 4000)


def test_pod_reaches_the_api_server_as_its_service_account(cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
    cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    code = """
import os, pathlib, ssl, time, urllib.error, urllib.request
folder = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
tls = ssl.create_default_context(cafile=folder / "ca.crt")
url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}/api/v1/namespaces/{(folder / 'namespace').read_text()}/pods"
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {(folder / 'token').read_text()}"})
try:
    urllib.request.urlopen(request, context=tls)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), flush=True)
time.sleep(60)
"""

    start(cluster, kubelet, namespace, python(code), serviceAccountName="reader")
    answer = until(lambda: kubelet.log(namespace, "app", "app"), "answered")

    assert answer.startswith("403 ")
    assert f"system:serviceaccount:{namespace}:reader" in answer


def test_changed_config_map_appears_whole_within_three_seconds(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    code = """
import os, time
seen = None
while True:
    folder = os.path.realpath("/config/..data")
    try:
        both = open(folder + "/a").read(), open(folder + "/b").read()
    except FileNotFoundError:  # swapped between the two
        continue
    if both != seen:
        print("saw", *both, flush=True)
        seen = both
    time.sleep(0.002)
"""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace}}
    cluster.apply({**config, "data": {"a": "1", "b": "1", "only": "first"}})
    volumes = [{"name": "config", "configMap": {"name": "c"}}]
    container = python(ENDED + code, volumeMounts=[{"name": "config", "mountPath": "/config"}])
    start(cluster, kubelet, namespace, container, volumes=volumes)
    until(lambda: lines(kubelet, namespace, "saw"), "seen")
    folder = inside(kubelet.pid(namespace, "app", "app"), "/config")
    before = (folder / "..data").readlink()

    cluster.apply({**config, "data": {"a": "2", "b": "2", "new": "second"}})
    until(lambda: len(lines(kubelet, namespace, "saw")) > 1, "updated", seconds=3)

    assert lines(kubelet, namespace, "saw") == ["1 1", "2 2"]
    after = (folder / "..data").readlink()
    assert after != before
    until(lambda: {each.name for each in folder.iterdir()} == {"..data", after.name, "a", "b", "new"}, "cleaned up")


@pytest.mark.parametrize(("given", "greeted"), [({}, "by default"), ({"args": ["name", "by the pod"]}, "by the pod")])
def test_image_gives_root_command_user_and_folder(
    cluster: Cluster, kubelet: Kubelet, namespace: str, given: Object, greeted: str
) -> None:
    cluster.apply(pod(kubelet, namespace, {"name": "app", "image": "shell", **given}, restartPolicy="Never"))
    until(lambda: get(cluster, namespace)[0]["status"]["phase"] == "Succeeded", "succeeded")

    assert kubelet.log(namespace, "app", "app").splitlines() == [
        "Uid: 10001",
        "Gid: 10002",
        f"hello {greeted}, in /home",
        "/run/secrets/kubernetes.io/serviceaccount",
    ]
    assert list((kubelet.folder / "shell/home").iterdir()) == []
