"""podgate: a Kubernetes admission controller for what runs in a pod."""

__version__ = "0.1.0"
