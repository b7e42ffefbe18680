"""A small kubelet: it really runs the pods of a node of its own, where KWOK only says so.

It follows Kubernetes' kubelet (k8s.io/kubernetes `pkg/kubelet`) in what a pod can notice: volumes and their updates,
environment, user, groups and capabilities, a root of its own, a network namespace with the pod's address, probes,
restarts, the way a pod ends, and the status it writes. It runs as root on Linux and needs iproute2 and util-linux.

What it does not do: DNS (the names of Services are in /etc/hosts), seccomp and cgroup limits, `kubectl exec` and
`attach`, sidecars, ephemeral containers, postStart, gRPC probes, host namespaces, and pulling images: an image is a
folder that is given. A pod that asks for what is missing fails and its status says what.
"""

from tests.e2e.kubelet.images import ImageRoot
from tests.e2e.kubelet.kubelet import Kubelet

__all__ = ["ImageRoot", "Kubelet"]
