"""Ask podgate, at $PODGATE_URL with the authority $PODGATE_AUTHORITY (PEM), for its verdict on a pod; print that."""

# ruff: noqa: INP001  # a script that a pod is given as text

import json
import os
import ssl
import sys
import urllib.request

UID = "c2f10a6e-5c1b-4c0f-9a5f-5f1d3e0b7a11"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "app", "namespace": "helm-test"},
    "spec": {"containers": [{"name": "app", "image": "nginx:latest", "securityContext": {"runAsUser": 0}}]},
}
REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "app",
        "namespace": "helm-test",
        "operation": "CREATE",
        "userInfo": {"username": "helm-test"},
        "object": POD,
        "dryRun": True,
    },
}

request = urllib.request.Request(  # noqa: S310  # the chart gives the address, with https
    os.environ["PODGATE_URL"], json.dumps(REVIEW).encode(), {"Content-Type": "application/json"}
)
authority = ssl.create_default_context(cadata=os.environ["PODGATE_AUTHORITY"])
with urllib.request.urlopen(request, timeout=10, context=authority) as answer:  # noqa: S310  # as above
    response = json.load(answer)["response"]
if response["uid"] != UID:
    sys.exit(f"the answer is to {response['uid']}")
if response.get("status", {}).get("code") == 500:  # noqa: PLR2004  # what podgate says of a fault of its own
    sys.exit(f"no verdict was reached: {response['status'].get('message')}")
print("allowed" if response["allowed"] else f"denied: {response['status']['message']}")  # noqa: T201  # the pod's log
