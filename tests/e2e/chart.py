"""The Helm chart helm/podgate: rendering it as users do, and the policy format in the schema of its values.

``python -m tests.e2e.chart`` writes the definitions of docs/policy.schema.json into helm/podgate/values.schema.json.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.e2e import tools

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/podgate"
VALUES_SCHEMA = CHART / "values.schema.json"
POLICY_SCHEMA = ROOT / "docs/policy.schema.json"
NAMESPACE = "podgate"
RELEASE = "podgate"
IMAGE = {"image": {"repository": "registry.example.com/podgate"}}
HELM_SECONDS = 120
_LOOKAHEAD = re.compile(r"\(\?[=!][^)]*\)")

Values = Mapping[str, Any]
Manifest = dict[str, Any]


class HelmError(RuntimeError):
    """Helm refused; str() is what it printed."""


def helm(*args: str | Path, stdin: str = "", kubeconfig: Path | None = None) -> str:
    """Run Helm and return its output with its warnings; raises HelmError.

    It reaches the cluster of *kubeconfig*, or none.
    """
    home = tools.cache() / "helm"
    done = subprocess.run(
        [tools.build("helm"), *args],
        env={**os.environ, "HELM_CACHE_HOME": str(home), "HELM_CONFIG_HOME": str(home), "HELM_DATA_HOME": str(home)}
        | {"KUBECONFIG": str(kubeconfig or os.devnull)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=HELM_SECONDS,
        check=False,
    )
    if done.returncode:
        raise HelmError(done.stdout + done.stderr)
    return done.stdout + done.stderr


def lint(values: Values) -> str:
    """Return what `helm lint --strict` says of the chart with *values*; raises HelmError where it finds something."""
    version = tools.kubernetes_version()
    return helm("lint", CHART, "--strict", f"--kube-version={version}", "--values=-", stdin=json.dumps(values))


def render(values: Values, *, kubeconfig: Path | None = None, namespace: str = NAMESPACE) -> list[Manifest]:
    """Return the objects that the chart is with *values*, tests among them; raises HelmError.

    With *kubeconfig* the chart sees what is in the cluster, as it does in an upgrade.
    """
    flags = ["--values=-", f"--namespace={namespace}", f"--kube-version={tools.kubernetes_version()}"]
    if kubeconfig is not None:
        flags += ["--dry-run=server"]
    text = helm("template", RELEASE, CHART, *flags, stdin=json.dumps(values), kubeconfig=kubeconfig)
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: list[Manifest], kind: str) -> Manifest:
    """Return the one object of *kind*, not counting tests."""
    (found,) = (
        each
        for each in manifests
        if each["kind"] == kind and "helm.sh/hook" not in each["metadata"].get("annotations", {})
    )
    return found


def with_policy_format(schema: dict[str, Any], policy_schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return *schema*, of values, with the definitions that policies and exceptions are made of.

    It is in draft 7, which older Helms know, too. Go's regular expressions, which Helm uses, have no lookahead: what is
    let through without it podgate refuses.
    """
    definitions = policy_schema["$defs"]
    needed = _reached(["ClusterPolicySpec", "PolicyExceptionSpec"], definitions)
    parts = {name: definitions[name] for name in definitions if name in needed}
    draft7 = json.loads(json.dumps(parts).replace("#/$defs/", "#/definitions/"))
    return schema | {"definitions": _without_lookahead(draft7)}


def _reached(names: list[str], definitions: Mapping[str, Any]) -> set[str]:
    """Return *names* and all that they refer to."""
    reached: set[str] = set()
    while names:
        name = names.pop()
        if name not in reached:
            reached.add(name)
            names += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(definitions[name]))
    return reached


def _without_lookahead(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _LOOKAHEAD.sub("", value) if key == "pattern" and isinstance(value, str) else _without_lookahead(value)
            for key, value in node.items()
        }
    return [_without_lookahead(each) for each in node] if isinstance(node, list) else node


def values_schema() -> str:
    """Return the text that values.schema.json is to have."""
    schema = with_policy_format(json.loads(VALUES_SCHEMA.read_text()), json.loads(POLICY_SCHEMA.read_text()))
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VALUES_SCHEMA.write_text(values_schema())
    sys.stdout.write(f"{VALUES_SCHEMA}\n")
