"""What can be wrong with a pod."""


class CannotStartError(RuntimeError):
    """Something that a container needs is not there, now at least: it waits with *reason*, and is tried again."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnsupportedError(RuntimeError):
    """The pod asks for what this kubelet lacks; the message names the field."""
