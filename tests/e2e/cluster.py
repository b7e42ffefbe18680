"""A real Kubernetes control plane on loopback, with one simulated node.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are upstream's own; KWOK makes the node ready and marks
scheduled pods as running, though nothing runs in them, so that rollouts and jobs complete.

``python -m tests.e2e.cluster FOLDER`` starts one to play with and stops it on Ctrl-C.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e import tools
from tests.e2e.component import ClusterError, Component, answers
from tests.e2e.credentials import kubeconfig, write_private_key, write_secret
from tests.e2e.registration import SYSTEM_NAMESPACES, configuration, probed, workload_rules
from tests.ports import free_ports

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
START_SECONDS = 120.0
KUBECTL_SECONDS = 300.0
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "5000"}
SIMULATED = "simulated"
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": SIMULATED,
        "labels": {
            "kubernetes.io/hostname": SIMULATED,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
        },
    },
    "status": {"capacity": CAPACITY, "allocatable": CAPACITY},
}


class Cluster:
    """A control plane that lives as long as the ``with`` block around it.

    ``kubeconfig`` is the administrator's, a member of system:masters; ``kubectl --as`` acts as anybody else.
    """

    def __init__(self, folder: Path, *, apiserver_flags: Sequence[str] = ()) -> None:
        """Prepare a cluster whose state and logs go to *folder*; nothing runs yet."""
        self.folder = folder.absolute()
        self.kubeconfig = self.folder / "kubeconfig"
        self.server = ""
        self._programs: dict[str, Path] = {}
        self._apiserver_flags = apiserver_flags
        self._running = ExitStack()
        self._components: dict[str, Component] = {}
        self._probes: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start everything and wait until pods can run."""
        with ExitStack() as undo:
            undo.callback(self.stop)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop everything."""
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """The process ids by component."""
        return {name: component.pid for name, component in self._components.items()}

    def start(self) -> None:
        """Start all components, each once the one before it serves; raise ClusterError if one does not.

        What was started before an error keeps running until ``stop``.
        """
        self._programs = {name: tools.build(name) for name in ("etcd", "controlplane", "kwok")}
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        client_port, peer_port, api_port = free_ports(3)
        self._start_etcd(client_port, peer_port)
        self._start_apiserver(api_port, client_port)
        self._start_clients()
        self.apply(NODE)
        self._wait("node/simulated", "condition=Ready", "kwok")
        self._wait("serviceaccount/default", "create", "kube-controller-manager")

    def stop(self) -> None:
        """Stop what runs, the last started first."""
        self._running.close()

    def kubectl(
        self, *args: str | Path, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator; raise ClusterError with its output if it fails and *check* is set."""
        done = subprocess.run(
            [self._programs["controlplane"], "kubectl", *args],
            env={**os.environ, "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig), "KUBERC": "off"},
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
        )
        if check and done.returncode:
            command = shlex.join(["kubectl", *map(str, args)])
            message = f"{command} failed with code {done.returncode}:\n{done.stdout}{done.stderr}"
            raise ClusterError(message)
        return done

    def apply(
        self, manifest: str | Mapping[str, Any], *args: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run ``kubectl apply`` on *manifest*: YAML, or one object; *args* are further flags."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl("apply", "-f", "-", *args, stdin=text, check=check)

    def create_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Create a namespace and wait for its default service account, without which it takes no pods."""
        metadata = {"name": name, "labels": dict(labels or {})}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self.kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=30s")

    def logs(self, component: str) -> str:
        """Return all that *component*, one of COMPONENTS, has printed."""
        return (self.folder / f"{component}.log").read_text(errors="replace")

    def register_webhook(  # noqa: PLR0913 - all but the address are optional and named
        self,
        url: str,
        ca_bundle_b64: str,
        *,
        failure_policy: str = "Fail",
        rules: Sequence[Mapping[str, Any]] | None = None,
        name: str = "validate.podgate.io",
        timeout: int = 10,
        exclude_namespaces: Iterable[str] = SYSTEM_NAMESPACES,
    ) -> None:
        """Make the API server call the webhook at *url* for *rules*, and return once it does.

        *rules* are by default all that hold pods. Registering a name again replaces it. Nothing is called here, so the
        webhook need not run yet.
        """
        webhook = {
            "clientConfig": {"url": url, "caBundle": ca_bundle_b64},
            "failurePolicy": failure_policy,
            "timeoutSeconds": timeout,
            "rules": workload_rules() if rules is None else [*rules],
        }
        probe = secrets.token_hex(4)
        self.apply(configuration(name, webhook, exclude_namespaces, probe))
        self._probes[name] = probe
        self._wait_for_admission(lambda: self._refuses(name, probe), f"the webhook {name} to be in force")

    def unregister_webhook(self, name: str = "validate.podgate.io") -> None:
        """Remove a registered webhook, and return once the API server no longer calls it."""
        self.kubectl("delete", "validatingwebhookconfiguration", name, "--ignore-not-found")
        if probe := self._probes.pop(name, None):
            self._wait_for_admission(lambda: not self._refuses(name, probe), f"the webhook {name} to be gone")

    def _refuses(self, name: str, probe: str) -> bool:
        """Return whether the configuration *name* with *probe* is in force."""
        done = self.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probed(probe)), check=False)
        if done.returncode and f'"probe.{name}"' not in done.stderr:
            message = f"the probe of {name} failed for another reason:\n{done.stderr}"
            raise ClusterError(message)
        return done.returncode != 0

    def _wait_for_admission(self, ready: Callable[[], bool], what: str) -> None:
        self._components["kube-apiserver"].wait_until(ready, what, seconds=30)

    def _wait(self, what: str, condition: str, component: str) -> None:
        """Wait for an object that *component* makes or changes."""
        limit = f"--timeout={START_SECONDS:.0f}s"
        done = self.kubectl("wait", "-n", "default", f"--for={condition}", what, limit, check=False)
        if done.returncode:
            self._components[component].fail(f"did not bring {what} to {condition}: {done.stderr.strip()}")

    def _start_etcd(self, client_port: int, peer_port: int) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (client_port, peer_port))
        flags = {
            "data-dir": "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "true",  # nothing here needs to survive a crash
        }
        etcd = self._run("etcd", [self._programs["etcd"]], flags)
        etcd.wait_until(lambda: answers(client_port, "/readyz"), "it was ready", START_SECONDS)

    def _start_apiserver(self, port: int, etcd_port: int) -> None:
        token = secrets.token_hex(16)
        write_secret(self.folder / "tokens.csv", f'{token},admin,admin,"system:masters"\n')
        write_private_key(self.folder / "service-account.key")
        flags = {
            "etcd-servers": f"http://127.0.0.1:{etcd_port}",
            "bind-address": "127.0.0.1",
            "secure-port": str(port),
            "cert-dir": "certificates",
            "token-auth-file": "tokens.csv",
            "authorization-mode": "RBAC",
            "allow-privileged": "true",
            "service-cluster-ip-range": "10.96.0.0/16",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-signing-key-file": "service-account.key",
            "service-account-key-file": "service-account.key",
            "enable-aggregator-routing": "true",  # webhooks by Service are called at the pods: there is no kube-proxy
        }
        certificate = self.folder / "certificates/apiserver.crt"
        apiserver = self._run("kube-apiserver", self._controlplane("kube-apiserver"), flags, self._apiserver_flags)
        apiserver.wait_until(lambda: _serves(port, token, certificate), "it was ready", START_SECONDS)
        self.server = f"https://127.0.0.1:{port}"
        write_secret(self.kubeconfig, kubeconfig(self.server, certificate.read_bytes(), token))

    def _start_clients(self) -> None:
        """Start the components that speak to the API server only, and need no waiting for each other."""
        flags = {"kubeconfig": str(self.kubeconfig), "leader-elect": "false", "secure-port": "0"}
        controllers = {
            "controllers": "*,-node-ipam-controller",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": "service-account.key",
            "root-ca-file": "certificates/apiserver.crt",
        }
        name = "kube-controller-manager"
        self._run(name, self._controlplane(name), {**flags, **controllers})
        self._run("kube-scheduler", self._controlplane("kube-scheduler"), flags)
        stages = {
            "kubeconfig": str(self.kubeconfig),
            "manage-single-node": SIMULATED,
            "config": str(tools.kwok_stages()),
        }
        self._run("kwok", [self._programs["kwok"]], stages)

    def _controlplane(self, program: str) -> list[str | Path]:
        return [self._programs["controlplane"], program]

    def _run(
        self, name: str, program: Sequence[str | Path], flags: Mapping[str, str], more: Sequence[str] = ()
    ) -> Component:
        """Start a component; ``stop`` will end it."""
        command = [*program, *(f"--{flag}={value}" for flag, value in flags.items()), *more]
        component = Component(name, command, self.folder / f"{name}.log")
        self._components[name] = component
        self._running.callback(component.stop)
        return component


def _serves(port: int, token: str, certificate: Path) -> bool:
    """Return whether the API server is ready; its certificate, which it writes when it starts, is verified."""
    if not certificate.exists():
        return False
    try:
        tls = ssl.create_default_context(cafile=str(certificate))
    except ssl.SSLError:  # half written
        return False
    return answers(port, "/readyz", token=token, tls=tls)


def main(folder: Path) -> None:
    """Run a cluster in *folder* until SIGINT or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with suppress(KeyboardInterrupt), Cluster(folder) as cluster:
        sys.stdout.write(f"ready after {time.monotonic() - began:.0f} s; export KUBECONFIG={cluster.kubeconfig}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.e2e.cluster FOLDER")
    main(Path(sys.argv[1]))
