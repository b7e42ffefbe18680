"""The ValidatingWebhookConfiguration that makes the API server call podgate, and a probe of whether it is in force."""

from collections.abc import Iterable
from typing import Any

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
PROBE_LABEL = "e2e.podgate.io/probe"
WORKLOADS = {
    ("", "v1"): ["pods", "pods/ephemeralcontainers", "replicationcontrollers", "podtemplates"],
    ("apps", "v1"): ["deployments", "replicasets", "statefulsets", "daemonsets"],
    ("batch", "v1"): ["jobs", "cronjobs"],
}


def workload_rules() -> list[dict[str, Any]]:
    """Return rules for everything that holds a pod or a pod's template."""
    return [
        {
            "apiGroups": [group],
            "apiVersions": [version],
            "resources": resources,
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "scope": "Namespaced",
        }
        for (group, version), resources in WORKLOADS.items()
    ]


def configuration(name: str, webhook: dict[str, Any], exclude_namespaces: Iterable[str], probe: str) -> dict[str, Any]:
    """Return a configuration with *webhook*, and a second one that refuses what carries the label value *probe*.

    The API server takes a configuration up as a whole, a moment after it was written. The second webhook, which calls
    a port that nobody listens on, shows when: from then on a labelled ConfigMap is refused. The first is never called.
    """
    excluded = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(exclude_namespaces)}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": name,
                "sideEffects": "NoneOnDryRun",
                "admissionReviewVersions": ["v1"],
                "matchPolicy": "Equivalent",
                "namespaceSelector": {"matchExpressions": [excluded]},
                **webhook,
            },
            {
                "name": f"probe.{name}",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
                "timeoutSeconds": 1,
                "objectSelector": {"matchLabels": {PROBE_LABEL: probe}},
                "rules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]},
                ],
            },
        ],
    }


def probed(probe: str) -> dict[str, Any]:
    """Return the ConfigMap that is refused while the configuration with *probe* is in force."""
    metadata = {"name": "probe", "namespace": "default", "labels": {PROBE_LABEL: probe}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
