"""The chart as Helm renders it: from which values, to which objects."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.chart import (
    CHART,
    IMAGE,
    ROOT,
    VALUES_SCHEMA,
    HelmError,
    Manifest,
    Values,
    lint,
    of_kind,
    render,
    values_schema,
)
from tests.served import Served
from webhook import __version__
from webhook.cli.serve import serve
from webhook.policy.load import load_policies, policy_files

pytestmark = pytest.mark.e2e

PINNED: dict[str, Any] = {"checks": {"image-pinned": {}}}
WRONG: dict[str, tuple[Values, str]] = {
    "a misspelt value": ({"imag": {}}, "additional properties 'imag' not allowed"),
    "no replicas": ({"replicas": 0}, "at '/replicas': minimum: got 0, want 1"),
    "root": ({"runAsUser": 0}, "at '/runAsUser': minimum: got 0, want 1"),
    "text for a number": (
        {"webhook": {"timeoutSeconds": "5"}},
        "at '/webhook/timeoutSeconds': got string, want integer",
    ),
    "too long to wait": ({"webhook": {"timeoutSeconds": 31}}, "at '/webhook/timeoutSeconds': maximum: got 31, want 30"),
    "an unknown failure policy": ({"webhook": {"failurePolicy": "Open"}}, "at '/webhook/failurePolicy': value must be"),
    "a URL without TLS": (
        {"webhook": {"url": "http://gate/validate"}},
        "at '/webhook/url': 'http://gate/validate' does",
    ),
    "a condition without a name": (
        {"webhook": {"matchConditions": [{"expression": "true"}]}},
        "at '/webhook/matchConditions/0': missing property 'name'",
    ),
    "a digest that is none": ({"image": {"digest": "sha256:1"}}, "at '/image/digest': 'sha256:1' does not match"),
    "a Secret without a name": (
        {
            "certificate": {
                "source": "secret",
                "caBundle": "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----",
            }
        },
        "at '/certificate/secretName': minLength: got 0, want 1",
    ),
    "an authority that is none": ({"certificate": {"caBundle": "MA=="}}, "at '/certificate/caBundle': 'MA=='"),
    "cert-manager without an issuer": (
        {"certificate": {"source": "cert-manager"}},
        "at '/certificate/issuer/name': minLength: got 0, want 1",
    ),
    "two claims": (
        {"reports": {"claim": {"create": True, "existing": "reports"}}},
        "at '/reports/claim/existing': maxLength: got 7, want 0",
    ),
    "a policy without a check": (
        {"policies": {"non-root": {"checks": {"run-as-non-root": None}}}},
        "at '/policies/non-root/checks': minProperties: got 0, want 1",
    ),
    "null for a value": ({"webhook": {"failurePolicy": None}}, "at '/webhook': missing property 'failurePolicy'"),
    "null for a part": ({"certificate": None}, "missing property 'certificate'"),
    "a name that no Service has": ({"fullnameOverride": "1gate"}, '"1gate": a Service cannot have this name'),
    "an empty volume that nobody fills": (
        {"reports": {"claim": {"create": True, "readOnly": True}}},
        "reports.claim.readOnly: with reports.claim.create nobody could put a report",
    ),
    "no policy at all": (
        {"policies": {"non-root": None, "supply-chain": None, "vulnerabilities": None}},
        "at '/policies': minProperties: got 0, want 1",
    ),
    "a misspelt option of a check": (
        {"policies": {"supply-chain": {"checks": {"image-pinned": {"levle": "tag"}}}}},
        "at '/policies/supply-chain/checks/image-pinned': additional properties 'levle' not allowed",
    ),
    "a policy without checks": ({"policies": {"empty": {}}}, "at '/policies/empty': missing property 'checks'"),
    "a policy's name that is none": (
        {"policies": {"No": PINNED}},
        "at '/policies': additional properties 'No' not allowed",
    ),
    "an exception without a reason": (
        {"exceptions": {"billing": {"legacy": {"checks": ["image-pinned"], "until": "2099-01-01T00:00:00Z"}}}},
        "at '/exceptions/billing/legacy': missing properties 'reason', 'owner'",
    ),
}


@pytest.fixture(scope="module")
def default() -> list[Manifest]:
    return render(IMAGE)


def podgate(manifests: list[Manifest]) -> Manifest:
    """Return the spec of podgate's pods."""
    spec: Manifest = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def webhook(manifests: list[Manifest]) -> Manifest:
    (one,) = of_kind(manifests, "ValidatingWebhookConfiguration")["webhooks"]
    assert isinstance(one, dict)
    return one


def policy_folder(folder: Path, manifests: list[Manifest]) -> Path:
    """Return *folder* with the files of the ConfigMap."""
    for name, text in of_kind(manifests, "ConfigMap")["data"].items():
        (folder / name).write_text(text)
    return folder


def test_helm_finds_nothing_to_criticise() -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in lint(IMAGE)


def test_the_chart_is_of_this_podgate() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == __version__


def test_the_image_must_be_said() -> None:
    with pytest.raises(HelmError, match=r"image\.repository: must be set to where you pushed podgate's image"):
        render({})


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused_by_its_name(values: Values, message: str) -> None:
    with pytest.raises(HelmError) as error:
        render({**IMAGE, **values})

    assert message in str(error.value)


def test_the_schema_knows_the_values_that_there_are_and_no_others() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads(VALUES_SCHEMA.read_text())
    open_ended = {"policies", "exceptions", "nodeSelector", "affinity", "podAnnotations", "podLabels", "labels"}

    def compare(value: dict[str, Any], node: dict[str, Any]) -> None:
        assert set(value) == set(node["properties"]) - {"global"}
        assert node["additionalProperties"] is False
        for name in set(value) - open_ended - {"requests", "limits"}:
            if isinstance(value[name], dict):
                compare(value[name], node["properties"][name])

    compare(values, schema)


def test_regression_large_numbers_of_a_values_file_were_written_as_floats() -> None:
    # Helm reads YAML's numbers as floats, and writes those of a million and more with an exponent.
    pod = of_kind(render({**IMAGE, "runAsUser": 1000650000, "reports": {"memory": 2000000}}), "Deployment")["spec"][
        "template"
    ]["spec"]

    assert pod["securityContext"]["runAsUser"] == 1000650000
    assert "--reports-memory=2000000" in pod["containers"][0]["args"]


@pytest.mark.parametrize(("claim", "together"), [({}, False), ({"create": True}, True), ({"existing": "r"}, True)])
def test_regression_replicas_of_one_volume_were_spread_over_nodes(claim: Values, *, together: bool) -> None:
    node: Values = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}

    pod = of_kind(render({**IMAGE, "affinity": node, "reports": {"claim": claim}}), "Deployment")["spec"]["template"]

    affinity = pod["spec"]["affinity"]
    assert "nodeAffinity" in affinity
    assert ("podAffinity" in affinity) is together
    if together:
        (term,) = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert term["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_regression_a_policy_and_an_exception_shared_a_key() -> None:
    policy: Values = {"checks": {"image-pinned": {}}}
    excusing = {"checks": ["image-pinned"], "until": "2027-01-31T00:00:00Z", "reason": "r", "owner": "o"}
    values = {"policies": {"exception.billing.legacy": policy}, "exceptions": {"billing": {"legacy": excusing}}}

    data = of_kind(render({**IMAGE, **values}), "ConfigMap")["data"]

    assert sorted(yaml.safe_load(text)["kind"] for text in data.values()) == [*["ClusterPolicy"] * 4, "PolicyException"]


def test_the_schema_has_the_policy_format_of_today() -> None:
    assert VALUES_SCHEMA.read_text() == values_schema(), "run python -m tests.e2e.chart"


def test_the_policies_are_the_shipped_ones(default: list[Manifest], tmp_path: Path) -> None:
    rendered = policy_folder(tmp_path, default)
    shipped = [yaml.safe_load(file.read_text()) for file in policy_files(ROOT / "policies")]

    assert load_policies(rendered).errors == ()
    assert [yaml.safe_load(file.read_text()) for file in policy_files(rendered)] == shipped


def test_policies_and_exceptions_come_from_values(tmp_path: Path) -> None:
    excuse = {"checks": ["image-pinned"], "until": "2099-01-01T00:00:00Z", "reason": "old", "owner": "team-billing"}
    values = {
        "policies": {"non-root": None, "vulnerabilities": None, "supply-chain": {"mode": "warn"}, "mine": PINNED},
        "exceptions": {"billing": {"legacy": excuse}, "1": {"legacy": excuse}},
    }

    folder = policy_folder(tmp_path, render({**IMAGE, **values}))
    loaded = load_policies(folder)

    assert loaded.errors == ()
    assert [each.use.name for each in loaded.policies.policies] == ["mine", "supply-chain"]
    assert yaml.safe_load((folder / "supply-chain.yaml").read_text())["spec"]["mode"] == "warn"
    excused = {(each.use.namespace, each.use.name) for each in loaded.policies.exceptions}
    assert excused == {("1", "legacy"), ("billing", "legacy")}


def test_only_what_policies_match_is_asked_about() -> None:
    narrow = {**PINNED, "match": {"kinds": ["Pod", "CronJob"], "operations": ["CREATE"]}}
    shipped = {"non-root": None, "supply-chain": None, "vulnerabilities": None}

    (pods, jobs) = webhook(render({**IMAGE, "policies": {**shipped, "narrow": narrow}}))["rules"]
    wide = webhook(render({**IMAGE, "policies": {"narrow": narrow}}))["rules"]

    assert (pods["apiGroups"], pods["resources"]) == ([""], ["pods", "pods/ephemeralcontainers"])
    assert (jobs["apiGroups"], jobs["resources"]) == (["batch"], ["cronjobs"])
    assert pods["operations"] == jobs["operations"] == ["CREATE"]
    assert sorted(resource for rule in wide for resource in rule["resources"]) == [
        *("cronjobs", "daemonsets", "deployments", "jobs", "pods", "pods/ephemeralcontainers", "podtemplates"),
        *("replicasets", "replicationcontrollers", "statefulsets"),
    ]
    assert {operation for rule in wide for operation in rule["operations"]} == {"CREATE", "UPDATE"}


def test_namespaces_in_which_the_cluster_mends_itself_are_left_out() -> None:
    values = {**IMAGE, "webhook": {"excludeNamespaces": ["monitoring"]}}

    selector = webhook(render(values, namespace="gate"))["namespaceSelector"]

    (expression,) = selector["matchExpressions"]
    assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
    assert expression["values"] == ["kube-system", "gate", "monitoring"]


def test_podgate_takes_the_arguments(default: list[Manifest]) -> None:
    values = {**IMAGE, "cluster": "a b", "log": {"allowed": True, "level": "debug"}, "drainSeconds": 7}
    for manifests, expected in (
        (default, {"cluster": "", "log_allowed": False, "log_level": "info", "drain_seconds": 5}),
        (render(values), {"cluster": "a b", "log_allowed": True, "log_level": "debug", "drain_seconds": 7}),
    ):
        (container,) = podgate(manifests)["containers"]
        command, *arguments = container["args"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        given = serve.make_context("podgate", arguments).params
        folders = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}

        assert (container["command"], command) == (["podgate"], "serve")
        assert expected.items() <= given.items()
        assert {given["policies"], given["tls_cert"].parent, given["tls_key"].parent, Path("/tmp")} < folders  # noqa: S108  # the mount's name


def test_a_replica_is_given_the_time_it_needs_to_end() -> None:
    values = {**IMAGE, "preStopSeconds": 10, "drainSeconds": 20, "webhook": {"timeoutSeconds": 30}}

    spec = podgate(render(values))

    assert spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == 10
    assert spec["terminationGracePeriodSeconds"] == 10 + 20 + 30 + 5


def test_nothing_is_granted(default: list[Manifest]) -> None:
    kinds = {each["kind"] for each in default}

    assert not {kind for kind in kinds if "Role" in kind}
    assert of_kind(default, "ServiceAccount")["automountServiceAccountToken"] is False
    assert all(
        pod["automountServiceAccountToken"] is False
        for pod in (podgate(default), *(each["spec"] for each in default if each["kind"] == "Pod"))
    )


def test_our_own_policies_refuse_nothing_in_it(tmp_path: Path) -> None:
    manifests = tmp_path / "rendered.yaml"
    manifests.write_text(yaml.safe_dump_all(render(IMAGE, namespace="gate")))

    command = [sys.executable, "-m", "webhook", "check", str(manifests), "--policies", str(ROOT / "policies")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_what_helm_test_runs_gets_a_verdict(tmp_path: Path) -> None:
    (pod,) = (each for each in render(IMAGE) if each["kind"] == "Pod")
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["python", "-c"]

    with Served(tmp_path) as served:
        authority = {"PODGATE_URL": served.url, "PODGATE_AUTHORITY": served.authority.read_text()}
        command = [sys.executable, "-c", *container["args"]]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=30, env={**os.environ, **authority}
        )

    assert done.returncode == 0, done.stderr
    assert '"nginx:latest" must have the tag of an exact version' in done.stdout
