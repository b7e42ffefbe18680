"""Policies and exceptions from what differs in them from the plainest one."""

from typing import Any

import msgspec

from webhook.policy import schema
from webhook.policy.policies import Policy, PolicyException, exception_of, policy_of


def policy(name: str = "a", **spec: Any) -> Policy:
    """Return a policy that enforces image-pinned, where *spec* says nothing else."""
    document = {
        "apiVersion": "podgate.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {"checks": {"image-pinned": {}}, **spec},
    }
    return policy_of(msgspec.convert(document, schema.ClusterPolicy))


def exception(name: str = "a", namespace: str = "shop", **spec: Any) -> PolicyException:
    """Return an exception from image-pinned, where *spec* says nothing else."""
    document = {
        "apiVersion": "podgate.io/v1",
        "kind": "PolicyException",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "checks": ["image-pinned"],
            "until": "2027-01-31T00:00:00Z",
            "reason": "waiting for the vendor",
            "owner": "team-shop",
            **spec,
        },
    }
    return exception_of(msgspec.convert(document, schema.PolicyException))
