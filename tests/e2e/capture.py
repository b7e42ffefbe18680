"""Capture AdmissionReviews from a real API server, as fixtures for tests that need none.

``python -m tests.e2e.capture`` starts a cluster, does with kubectl what users do, and writes what the API server asked
its webhook into ``tests/fixtures/reviews``: every field, in the order in which it was sent, indented. It takes up to a
minute and a half, most of it until a CronJob is due.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import tools
from tests.e2e.cluster import Cluster
from tests.e2e.recorder import Recorder, Review

MANIFESTS = Path(__file__).parent / "manifests"
REVIEWS = Path(__file__).parents[1] / "fixtures/reviews"
NAMESPACES = ("shop", "billing")
CONTROLLER_SECONDS = 90  # a CronJob is due once a minute
README = """\
Captured from kube-apiserver {version} by `python -m tests.e2e.capture`. Do not edit: capture again.
"""


@dataclass(frozen=True)
class Step:
    """A command for kubectl and the review that it leads to; without a command, one more review of the step before."""

    review: str
    operation: str
    resource: str
    command: tuple[str, ...] = ()
    user: str = "admin"

    def wanted(self, review: Review) -> bool:
        """Return whether this is the review to capture; a resource may be followed by a subresource."""
        request = review["request"]
        resource = "/".join(filter(None, (request["resource"]["resource"], request.get("subResource"))))
        return (request["operation"], resource, request["userInfo"]["username"]) == (
            self.operation,
            self.resource,
            self.user,
        )


def created(review: str, resource: str, *flags: str, verb: str = "apply", user: str = "admin") -> Step:
    """Return the step in which a user creates what the manifest of the same name holds."""
    return Step(review, "CREATE", resource, (verb, "-f", str(MANIFESTS / f"{review}.yaml"), *flags), user)


def updated(review: str, resource: str, *command: str) -> Step:
    """Return the step in which a user changes an object."""
    return Step(review, "UPDATE", resource, command)


def deleted(review: str, resource: str, *names: str) -> Step:
    """Return the step in which a user deletes an object."""
    return Step(review, "DELETE", resource, ("delete", *names, "--wait=false"))


def followed(review: str, operation: str, resource: str, controller: str) -> Step:
    """Return what a controller does because of the step before."""
    return Step(review, operation, resource, user=f"system:serviceaccount:kube-system:{controller}")


SHOP = ("-n", "shop")
STEPS = (
    created("pod-create-pinned-nonroot", "pods"),
    updated("pod-update-label", "pods", "label", "pod/catalog", "team=shop", *SHOP),
    updated(
        "pod-update-image", "pods", "set", "image", "pod/catalog", "app=registry.example.com/shop/catalog:1.4.3", *SHOP
    ),
    updated(
        "pod-ephemeralcontainers",
        "pods/ephemeralcontainers",
        *("debug", "catalog", "--image=busybox:1.37", "--container=debugger", "--target=app", *SHOP),
        *("--", "sleep", "600"),
    ),
    deleted("pod-delete", "pods", "pod/catalog", *SHOP),
    created("pod-create-latest-root", "pods"),
    created("pod-create-generate-name", "pods", verb="create"),
    created("pod-create-dry-run", "pods", "--dry-run=server"),
    created("pod-create-windows", "pods"),
    created("pod-create-host-users-false", "pods"),
    created("pod-create-image-volume", "pods"),
    created("pod-create-native-sidecar", "pods"),
    created("pod-create-as-user", "pods", "--as=jane", "--as-group=dev", verb="create", user="jane"),
    created("pod-create-with-finalizer", "pods"),
    Step("pod-delete-with-finalizer", "DELETE", "pods", ("delete", "pod/ledger", "-n", "billing", "--wait=false")),
    updated(
        "pod-update-finalizers-deleting",
        "pods",
        *("patch", "pod/ledger", "-n", "billing", "--type=merge", '-p={"metadata":{"finalizers":null}}'),
    ),
    created("deployment-create-latest-root", "deployments"),
    followed("replicaset-create-by-deployment", "CREATE", "replicasets", "deployment-controller"),
    followed("pod-create-by-replicaset", "CREATE", "pods", "replicaset-controller"),
    updated("deployment-update-scale", "deployments", *SHOP, "patch", "deployment/web", '-p={"spec":{"replicas":3}}'),
    followed("replicaset-update-scale-by-deployment", "UPDATE", "replicasets", "deployment-controller"),
    updated("deployment-update-label", "deployments", "label", "deployment/web", "tier=front", *SHOP),
    updated("deployment-update-template", "deployments", "set", "image", "deployment/web", "web=nginx:1.29.3", *SHOP),
    deleted("deployment-delete", "deployments", "deployment/web", *SHOP),
    created("statefulset-create", "statefulsets"),
    followed("pod-create-by-statefulset", "CREATE", "pods", "statefulset-controller"),
    created("daemonset-create", "daemonsets"),
    followed("pod-create-by-daemonset", "CREATE", "pods", "daemon-set-controller"),
    created("replicationcontroller-create", "replicationcontrollers"),
    created("podtemplate-create", "podtemplates"),
    created("job-create", "jobs"),
    followed("pod-create-by-job", "CREATE", "pods", "job-controller"),
    created("cronjob-create", "cronjobs"),
    followed("job-create-by-cronjob", "CREATE", "jobs", "cronjob-controller"),
)


def capture(folder: Path) -> dict[str, str]:
    """Return the text of every review by its name; the cluster's files go to *folder*."""
    with Cluster(folder) as cluster, Recorder(folder) as recorder:
        for namespace in NAMESPACES:
            cluster.create_namespace(namespace)
        cluster.kubectl("create", "rolebinding", "dev", "--clusterrole=edit", "--group=dev", *SHOP)
        cluster.register_webhook(recorder.url, recorder.ca_bundle)
        reviews = take(STEPS, cluster, recorder)
        cluster.unregister_webhook()  # else the API server asks a recorder that has gone
    return {name: json.dumps(review, indent=2, ensure_ascii=False) + "\n" for name, review in reviews.items()}


def take(steps: tuple[Step, ...], cluster: Cluster, recorder: Recorder) -> dict[str, Review]:
    """Take *steps* one after the other and return the review of each."""
    reviews = {}
    since = 0
    for step in steps:
        if step.command:
            since = len(recorder)
            cluster.kubectl(*step.command)
        reviews[step.review] = recorder.find(step.wanted, since=since, seconds=CONTROLLER_SECONDS)
        sys.stderr.write(f"{step.review}\n")
    return reviews


def main() -> None:
    """Capture all and replace what was captured before."""
    with tempfile.TemporaryDirectory() as folder:
        reviews = capture(Path(folder))
    for earlier in REVIEWS.glob("*.json"):
        earlier.unlink()
    REVIEWS.mkdir(parents=True, exist_ok=True)
    (REVIEWS / "README.md").write_text(README.format(version=tools.kubernetes_version()))
    for name, text in reviews.items():
        (REVIEWS / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
