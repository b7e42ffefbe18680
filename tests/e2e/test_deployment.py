"""The chart's life in a cluster: installed, changed, restarted, drained, taken back and removed, under load.

Everything goes through the Service of three replicas, which the API server chooses from anew for each review.
"""

import json
import os
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.chart import NAMESPACE, RELEASE, ROOT
from tests.e2e.cluster import Cluster
from tests.e2e.deployment import NODES, REPLICAS, Deployment, create, deployment, identities, in_force, opened
from tests.e2e.load import CREATED, PINNED, REFUSAL, UNPINNED, Load
from tests.e2e.pods import endpoints, get, inside, new_namespace, until
from tests.e2e.walkthrough import Shell, difference, read_steps

pytestmark = pytest.mark.e2e

LEAST_RATE = 45
KILLS = 3
# Until the API server no longer asks: what was killed, since the node looks once a second; what was removed.
KILLED_SECONDS, REMOVED_SECONDS = 4, 1.5
GOES_ON_SECONDS = 9  # by default 5 of preStopSeconds and 5 of drainSeconds, less what it takes to be forgotten
TAKES_UP_SECONDS = 1  # until the API server has taken up what is registered
PAGE = ROOT / "docs/operating.md"
SECTION = "## When podgate is down"
SOFT = {"policies": {"supply-chain": {"mode": "warn"}}}


@pytest.fixture(scope="module")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(cluster, tmp_path_factory.mktemp("nodes")) as running:
        yield running


@pytest.fixture
def installed(release: Deployment) -> Deployment:
    """The release as its values are by default."""
    release.upgrade()
    return release


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    with new_namespace(cluster, request.node.name) as name:
        yield name


def made(cluster: Cluster, namespace: str, load: Load) -> bool:
    """Return whether those pods are in *namespace* that were said to be created, and no others."""
    stored = {each["metadata"]["name"] for each in get(cluster, namespace)}
    return stored == {answer.pod for answer in load.answers if answer.status == CREATED}


def test_install_waits_until_every_replica_runs_and_a_pod_is_refused(
    cluster: Cluster, release: Deployment, namespace: str
) -> None:
    release.install()

    replicas = release.replicas()
    refused, allowed = create(cluster, namespace, UNPINNED), create(cluster, namespace, PINNED)

    assert len(replicas) == REPLICAS
    assert {each["spec"]["nodeName"] for each in replicas} == set(NODES)
    assert REFUSAL in refused.stderr
    assert (allowed.returncode, allowed.stderr) == (0, "")


def test_helm_test_gets_a_verdict_through_the_service(installed: Deployment) -> None:
    printed = installed.helm("test", RELEASE)

    lines = [line for each in installed.replicas() for line in installed.log(each).splitlines()]
    asked = [json.loads(line)["verdict"] for line in lines if '"namespace":"helm-test"' in line]
    assert "Phase:          Succeeded" in printed
    assert asked == ["denied"]


def test_its_account_may_do_nothing_that_not_every_account_may(
    cluster: Cluster, installed: Deployment, namespace: str
) -> None:
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", namespace)

    def may(account: str, where: str) -> list[str]:
        listed = cluster.kubectl("auth", "can-i", "--list", f"--as=system:serviceaccount:{account}", "-n", where)
        return sorted(listed.stdout.splitlines())

    for where in (NAMESPACE, namespace, "kube-system"):
        assert may(f"{NAMESPACE}:{RELEASE}", where) == may(f"{namespace}:nobody", where)
    mine = {each["spec"]["serviceAccountName"] for each in installed.replicas()}
    asked = ("get secrets", "get configmaps", "list pods", "create pods", "update validatingwebhookconfigurations")
    user = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}"
    answers = [cluster.kubectl("auth", "can-i", *each.split(), user, "-n", NAMESPACE, check=False) for each in asked]
    assert [each.stdout.strip() for each in answers] == ["no"] * len(asked)
    assert mine == {RELEASE}


def test_replicas_have_no_token_and_no_connection_that_they_opened(
    cluster: Cluster, installed: Deployment, namespace: str
) -> None:
    create(cluster, namespace, UNPINNED)

    pids = [installed.pid(each) for each in installed.replicas()]

    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {65532}
    for pid in pids:
        assert [str(each) for each in inside(pid, "/").glob("**/run/secrets")] == []
        assert opened(pid) == []


def test_a_changed_policy_comes_into_force_in_the_running_replicas_and_is_taken_back(
    cluster: Cluster, installed: Deployment, namespace: str
) -> None:
    before = identities(in_force(cluster, installed, namespace, "denied"))

    installed.upgrade(SOFT)
    in_force(cluster, installed, namespace, "warned")
    let_in = [create(cluster, namespace, UNPINNED, "--dry-run=server") for _ in range(REPLICAS * 3)]
    installed.helm("rollback", RELEASE, "--wait")
    after = in_force(cluster, installed, namespace, "denied")
    refused = [create(cluster, namespace, UNPINNED, "--dry-run=server") for _ in range(REPLICAS * 3)]

    assert [each.returncode for each in let_in] == [0] * 9
    assert all(REFUSAL in each.stderr for each in (*let_in, *refused))
    assert [each.returncode for each in refused] == [1] * 9
    assert identities(after) == before


def test_no_create_fails_while_all_replicas_are_replaced(
    cluster: Cluster, installed: Deployment, namespace: str
) -> None:
    before = installed.replicas()

    with Load(cluster.kubeconfig, namespace) as load:
        installed.kubectl("rollout", "restart", f"deployment/{RELEASE}")
        installed.wait()
        until(lambda: len(get(cluster, NAMESPACE)) == REPLICAS, "the old ones gone", seconds=60)
        time.sleep(2)

    print(f"\nall replaced: {load}")
    replaced = installed.replicas()
    assert not identities(before) & identities(replaced)
    assert all('"verdict":"denied"' in installed.log(each) for each in replaced)
    assert load.wrong == []
    assert load.rate >= LEAST_RATE
    assert made(cluster, namespace, load)


def test_no_create_fails_while_a_node_is_drained(cluster: Cluster, installed: Deployment, namespace: str) -> None:
    (node, *_) = NODES
    drained = [each for each in installed.replicas() if each["spec"]["nodeName"] == node]
    assert drained, f"nothing runs on {node}"

    try:
        with Load(cluster.kubeconfig, namespace) as load:
            cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s")
            installed.wait()
            time.sleep(2)
    finally:
        cluster.kubectl("uncordon", node)

    print(f"\ndrained: {load}")
    assert {each["spec"]["nodeName"] for each in installed.replicas()} == set(NODES) - {node}
    assert load.wrong == []
    assert load.rate >= LEAST_RATE
    assert made(cluster, namespace, load)


def test_replica_that_is_to_end_goes_on_for_seconds_after_its_service_has_forgotten_it(
    cluster: Cluster, installed: Deployment
) -> None:
    replica = installed.replicas()[0]
    pid, address = installed.pid(replica), replica["status"]["podIP"]

    installed.kubectl("delete", "pod", replica["metadata"]["name"], "--wait=false")
    until(lambda: address not in endpoints(cluster, NAMESPACE), "out of the EndpointSlice")
    forgotten = time.monotonic()
    until(lambda: not Path(f"/proc/{pid}").exists(), "ended")

    assert time.monotonic() - forgotten > GOES_ON_SECONDS


def kill(release: Deployment, number: int) -> float:
    """Kill a replica and wait until it is ready again; return when it was killed, by time.monotonic."""
    replicas = release.replicas()
    at = time.monotonic()
    os.kill(release.pid(replicas[number]), signal.SIGKILL)
    until(lambda: identities(release.replicas()) != identities(replicas), "started anew")
    release.wait()
    return at


def test_killed_replica_fails_creates_for_a_moment_and_lets_nothing_in(
    cluster: Cluster, installed: Deployment, namespace: str
) -> None:
    killed: list[float] = []

    with Load(cluster.kubeconfig, namespace) as load:
        for number in range(KILLS):
            time.sleep(2 + number / KILLS)  # at different times of the node's second
            killed.append(kill(installed, number % REPLICAS))

    print(f"\nkilled: {load}")
    failed = [[each.begun - at for each in load.wrong if 0 <= each.begun - at < KILLED_SECONDS] for at in killed]
    print([f"{len(each)} until {max(each, default=0):.2f} s" for each in failed])
    assert sum(map(len, failed)) == len(load.wrong)
    assert {each.status for each in load.wrong} <= {500}
    assert all("failed calling webhook" in each.message for each in load.wrong)
    assert load.rate >= LEAST_RATE
    assert made(cluster, namespace, load)


def test_no_create_fails_while_the_registration_is_taken_away_and_put_back(
    cluster: Cluster, installed: Deployment, namespace: str
) -> None:
    with Load(cluster.kubeconfig, namespace) as load:
        cluster.kubectl("delete", "validatingwebhookconfiguration", RELEASE)
        time.sleep(TAKES_UP_SECONDS)
        away = time.monotonic()
        installed.upgrade()
        time.sleep(TAKES_UP_SECONDS)
        back = time.monotonic()
        time.sleep(TAKES_UP_SECONDS)

    print(f"\ntaken away and put back: {load}")
    assert {each.status for each in load.wrong} == {CREATED}
    assert [each for each in load.wrong if each.begun > back] == []
    assert [each for each in load.wrong if each.begun < away]
    assert made(cluster, namespace, load)


def test_what_to_do_when_it_is_down_is_as_the_page_says(
    cluster: Cluster, installed: Deployment, tmp_path: Path
) -> None:
    section = PAGE.read_text().partition(f"{SECTION}\n")[2].partition("\n## ")[0]
    steps = read_steps(section)
    differences = []

    with Shell(tmp_path, environment(cluster, tmp_path), {}) as shell:
        (tmp_path / "helm").symlink_to(ROOT / "helm")
        for step in steps:
            code, printed = shell.run(step.commands)
            expected = 1 if "Error from server" in step.output else 0
            if (differs := difference(step, printed)) or code != expected:
                differences.append(f"{step.commands}{differs}\nexit code {code}, expected {expected}")
            time.sleep(TAKES_UP_SECONDS)  # a reader takes longer to read on

    assert not differences, "\n\n".join(differences)
    assert steps
    assert len(installed.replicas()) == REPLICAS


def environment(cluster: Cluster, folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has kubectl and helm, in *folder*."""
    programs, home = folder / "bin", str(tools.cache() / "helm")
    programs.mkdir()
    (programs / "helm").symlink_to(tools.build("helm"))
    kubectl = programs / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {shlex.quote(str(tools.build("controlplane")))} kubectl "$@"\n')
    kubectl.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.defpath}",
        "HOME": str(folder),
        "KUBECONFIG": str(cluster.kubeconfig),
        "KUBERC": "off",
        **{f"HELM_{kind}_HOME": home for kind in ("CACHE", "CONFIG", "DATA")},
    }


def test_removed_it_leaves_nothing_behind_and_pods_are_created_a_second_later(
    cluster: Cluster, installed: Deployment, namespace: str
) -> None:
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o=name").stdout.split()
    selected = (f"--selector=app.kubernetes.io/instance={RELEASE}", "--all-namespaces", "-o=name", "--ignore-not-found")

    with Load(cluster.kubeconfig, namespace) as load:
        time.sleep(1)
        removed = time.monotonic()
        installed.helm("uninstall", RELEASE, "--wait")
        time.sleep(REMOVED_SECONDS + 1)

    print(f"\nremoved: {load}")
    failed = [each for each in load.wrong if each.status != CREATED]
    afterwards = [each for each in load.answers if each.begun > removed + REMOVED_SECONDS]
    print(f"{len(failed)} until {max((each.begun - removed for each in failed), default=0):.2f} s")
    assert all("failed calling webhook" in each.message for each in failed)
    assert {each.status for each in afterwards} == {CREATED}
    until(lambda: not cluster.kubectl("get", ",".join(kinds), *selected).stdout, "nothing left of it", seconds=30)
    assert installed.kubectl("get", "secrets,configmaps", "--field-selector=metadata.name!=kube-root-ca.crt") == ""
