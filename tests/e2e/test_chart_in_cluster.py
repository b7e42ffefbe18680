"""The chart against a real API server: what it can render, what it finds there when it renders again, its life.

No podgate runs in the cluster that a registration could lead to: where the chart is installed, it is to be ignored.
"""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.e2e.chart import CHART, IMAGE, RELEASE, Manifest, Values, helm, of_kind, render
from tests.e2e.cluster import Cluster

pytestmark = pytest.mark.e2e

RELEASE_NAMESPACE = "podgate"
GONE_SECONDS = 30
CRDS = (Path(__file__).parent / "custom-resources.yaml").read_text()
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
EXCUSE = {"checks": ["image-pinned"], "until": "2099-01-01T00:00:00Z", "reason": "old", "owner": "team-billing"}
MATRIX: dict[str, Values] = {
    "as it is": {},
    "one replica of a digest": {"replicas": 1, "image": {**IMAGE["image"], "digest": f"sha256:{'0' * 64}"}},
    "no user of its own": {"runAsUser": None},
    "where it runs": {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "priorityClassName": "system-cluster-critical",
    },
    "with labels and Secrets to pull with": {
        "podLabels": {"team": "platform"},
        "podAnnotations": {"note": "yes"},
        "image": {**IMAGE["image"], "pullSecrets": ["pull"]},
    },
    "of a long name": {"fullnameOverride": "g" * 52},
    "a claim made": {"reports": {"claim": {"create": True, "storageClassName": "fast"}}},
    "a claim that is there, to read from": {"reports": {"claim": {"existing": "reports", "readOnly": True}}},
    "a certificate of one's own": {"certificate": {"source": "secret", "secretName": "gate", "caBundle": PEM}},
    "a certificate of cert-manager": {
        "certificate": {"source": "cert-manager", "issuer": {"name": "platform"}},
        "webhook": {"url": "https://192.0.2.7/validate"},
    },
    "a URL": {"webhook": {"url": "https://gate.example.com:8443/validate"}},
    "open, with conditions": {
        "webhook": {
            "failurePolicy": "Ignore",
            "timeoutSeconds": 30,
            "excludeNamespaces": ["monitoring"],
            "matchConditions": [{"name": "not-a-node", "expression": '!("system:nodes" in request.userInfo.groups)'}],
        }
    },
    "scraped": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "policies and exceptions": {
        "policies": {"cron": {"match": {"kinds": ["CronJob"]}, "checks": {"image-pinned": {}}}},
        "exceptions": {"billing": {"legacy": EXCUSE}},
        "cluster": "prod: eu #1",
        "log": {"allowed": True},
    },
}


@pytest.fixture(scope="module")
def gate(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with what the chart expects to find: its namespace, restricted, and others' kinds of objects."""
    cluster.create_namespace(RELEASE_NAMESPACE, {"pod-security.kubernetes.io/enforce": "restricted"})
    cluster.apply(CRDS)
    cluster.kubectl("wait", "--for=condition=Established", "-f", "-", "--timeout=30s", stdin=CRDS)
    yield cluster
    cluster.kubectl("delete", "-f", "-", stdin=CRDS)
    cluster.kubectl("delete", "namespace", RELEASE_NAMESPACE)


@pytest.fixture
def service_account(gate: Cluster) -> Iterator[None]:
    """The chart's service account, without which no pod of its is admitted."""
    account = of_kind(render(IMAGE), "ServiceAccount")
    gate.apply(account)
    yield
    gate.kubectl("delete", "-n", RELEASE_NAMESPACE, "serviceaccount", account["metadata"]["name"])


@pytest.fixture
def installed(gate: Cluster) -> Iterator[Manifest]:
    """The Secret that the chart makes, in the cluster."""
    secret = of_kind(render(IMAGE, kubeconfig=gate.kubeconfig), "Secret")
    gate.apply(secret)
    yield secret
    gate.kubectl("delete", "-n", RELEASE_NAMESPACE, "secret", secret["metadata"]["name"])


def again(cluster: Cluster, values: Values | None = None) -> tuple[Manifest, list[Manifest]]:
    """Return the Secret, and everything, as an upgrade with *values* renders it."""
    manifests = render({**IMAGE, **(values or {})}, kubeconfig=cluster.kubeconfig)
    return of_kind(manifests, "Secret"), manifests


def certificates(secret: Manifest, key: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(base64.b64decode(secret["data"][key]))


def ca_bundle(manifests: list[Manifest]) -> str:
    bundle: str = of_kind(manifests, "ValidatingWebhookConfiguration")["webhooks"][0]["clientConfig"]["caBundle"]
    return bundle


def note(manifests: list[Manifest]) -> str:
    """Return what makes pods new when the certificate is."""
    template = of_kind(manifests, "Deployment")["spec"]["template"]
    noted: str = template["metadata"]["annotations"]["podgate.io/certificate"]
    return noted


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_the_api_server_takes_every_object(gate: Cluster, values: Values) -> None:
    manifests = yaml.safe_dump_all(render({**IMAGE, **values}))

    done = gate.apply(manifests, "--dry-run=server", "--validate=strict")

    assert done.stderr == "", "warnings"


@pytest.mark.usefixtures("service_account")
@pytest.mark.parametrize("values", [{}, {"runAsUser": None}], ids=["as it is", "no user of its own"])
def test_its_pods_pass_the_restricted_standard(gate: Cluster, values: Values) -> None:
    manifests = render({**IMAGE, **values})
    template = of_kind(manifests, "Deployment")["spec"]["template"]
    metadata = {**template["metadata"], "name": "replica", "namespace": RELEASE_NAMESPACE}
    (test,) = (each for each in manifests if each["kind"] == "Pod")
    loose: dict[str, Any] = {**template["spec"], "securityContext": {}}

    for pod in ({"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}, test):
        gate.apply(pod, "--dry-run=server")
    refused = gate.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": loose}, "--dry-run=server", check=False
    )

    assert 'violates PodSecurity "restricted:latest"' in refused.stderr


def test_the_certificate_is_for_the_service(gate: Cluster) -> None:
    secret, manifests = again(gate)

    (leaf,), (authority,) = certificates(secret, "tls.crt"), certificates(secret, "ca.crt")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    leaf.verify_directly_issued_by(authority)
    assert names.get_values_for_type(x509.DNSName) == [f"{RELEASE}.{RELEASE_NAMESPACE}.svc"]
    assert leaf.not_valid_after_utc - datetime.now(UTC) > timedelta(days=1094)
    assert ca_bundle(manifests) == secret["data"]["ca.crt"]


def test_the_certificate_is_kept_over_upgrades(gate: Cluster, installed: Manifest) -> None:
    secret, manifests = again(gate, {"replicas": 5})

    assert secret == installed
    assert ca_bundle(manifests) == installed["data"]["ca.crt"]
    assert note(manifests) == note(again(gate)[1])


@pytest.mark.parametrize(
    ("host", "kind", "expected"),
    [("gate.example.com", x509.DNSName, "gate.example.com"), ("[2001:db8::7]", x509.IPAddress, "2001:db8::7")],
)
def test_a_url_makes_a_new_certificate_and_the_old_authority_stays(
    gate: Cluster, installed: Manifest, host: str, kind: type[x509.DNSName], expected: str
) -> None:
    before = note(again(gate)[1])

    secret, manifests = again(gate, {"webhook": {"url": f"https://{host}:8443/validate"}})

    (leaf,), authorities = certificates(secret, "tls.crt"), certificates(secret, "ca.crt")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert expected in map(str, names.get_values_for_type(kind))
    leaf.verify_directly_issued_by(authorities[0])
    assert authorities[1:] == certificates(installed, "ca.crt")
    assert note(manifests) != before


def test_in_the_second_half_of_its_time_it_is_made_anew(gate: Cluster, installed: Manifest) -> None:
    name, renew_after = (
        installed["metadata"]["name"],
        int(installed["metadata"]["annotations"]["podgate.io/renew-after"]),
    )
    past = f"podgate.io/renew-after={int(datetime.now(UTC).timestamp()) - 1}"
    gate.kubectl("annotate", "-n", RELEASE_NAMESPACE, "--overwrite", "secret", name, past)

    secret, _ = again(gate)
    gate.apply(secret)
    kept, _ = again(gate)

    half = datetime.fromtimestamp(renew_after, UTC) - datetime.now(UTC)
    assert timedelta(days=547) < half < timedelta(days=548)
    assert certificates(secret, "tls.crt") != certificates(installed, "tls.crt")
    assert certificates(secret, "ca.crt")[1:] == certificates(installed, "ca.crt")
    assert kept == secret


def test_the_notes_say_what_is_enforced_and_where(gate: Cluster) -> None:
    values = {**IMAGE, "exceptions": {"billing": {"legacy": EXCUSE}}, "policies": {"supply-chain": {"mode": "warn"}}}

    flags = ("--dry-run=server", f"--namespace={RELEASE_NAMESPACE}", "--values=-")
    printed = helm("install", RELEASE, CHART, *flags, stdin=json.dumps(values), kubeconfig=gate.kubeconfig)

    notes = printed.partition("NOTES:\n")[2]
    assert "in every namespace but\nkube-system, podgate." in notes
    assert (
        "- supply-chain: image-pinned\n    warn; for the templates of controllers at most warn\n"
        "    namespaces: all, but not kube-system, podgate\n- vulnerabilities: image-vulnerabilities\n    enforce;"
    ) in notes
    assert "Excused: billing/legacy\n" in notes
    assert "While no replica is ready, nothing is created there: failurePolicy is Fail." in notes
    assert "every image counts as not scanned" in notes


def test_it_is_installed_changed_taken_back_and_removed_without_a_trace(gate: Cluster) -> None:
    before = owned(gate)
    install(gate, {})
    installed = deployed(gate)

    install(gate, {"policies": {"supply-chain": {"mode": "warn"}}})
    softened = deployed(gate)
    helm("rollback", RELEASE, f"--namespace={RELEASE_NAMESPACE}", "--wait", kubeconfig=gate.kubeconfig)
    taken_back = deployed(gate)
    helm("uninstall", RELEASE, f"--namespace={RELEASE_NAMESPACE}", "--wait", kubeconfig=gate.kubeconfig)

    assert "mode: enforce" in installed["policy"]
    assert softened == {**installed, "policy": installed["policy"].replace("mode: enforce", "mode: warn")}
    assert taken_back == installed
    assert before == []
    deadline = time.monotonic() + GONE_SECONDS
    while left := owned(gate):  # what belonged to a Deployment or a Service is collected a moment later
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def install(cluster: Cluster, values: Values) -> None:
    """Install the chart, or upgrade it, and wait until its replicas are ready."""
    ignored = {"webhook": {"failurePolicy": "Ignore", "timeoutSeconds": 1}}
    flags = ("--install", "--wait", "--timeout=60s", f"--namespace={RELEASE_NAMESPACE}", "--values=-")
    stdin = json.dumps({**IMAGE, **ignored, **values})
    helm("upgrade", RELEASE, CHART, *flags, stdin=stdin, kubeconfig=cluster.kubeconfig)


def deployed(cluster: Cluster) -> dict[str, str]:
    """Return the policy supply-chain, the certificate, and the revision of the Deployment: another has new pods."""

    def read(what: str, path: str) -> str:
        return cluster.kubectl("get", "-n", RELEASE_NAMESPACE, what, f"-o=jsonpath={{{path}}}").stdout

    return {
        "policy": read("configmap/podgate-policies", r".data.supply-chain\.yaml"),
        "certificate": read("secret/podgate-certificate", r".data.tls\.crt"),
        "revision": read("deployment/podgate", r".metadata.annotations.deployment\.kubernetes\.io/revision"),
    }


def owned(cluster: Cluster) -> list[str]:
    """Return the names of all objects of the release, of whatever kind."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o=name").stdout.split()
    selected = f"--selector=app.kubernetes.io/instance={RELEASE}"
    found = cluster.kubectl("get", ",".join(kinds), "--all-namespaces", selected, "-o=name", "--ignore-not-found")
    release = cluster.kubectl("get", "secrets", "-n", RELEASE_NAMESPACE, "--selector=owner=helm", "-o=name")
    return [*found.stdout.split(), *release.stdout.split()]
