"""Probes of a container that runs, each in a thread of its own.

Follows `pkg/kubelet/prober/worker.go` of k8s.io/kubernetes.
"""

import threading
from collections.abc import Callable

from tests.e2e.kubelet.actions import Target, act
from tests.e2e.kubelet.api import Object

_HELD_SECONDS = 0.05


class Prober:
    """One probe; `passed` is its result so far, `failed` whether it failed as often as it may.

    A liveness probe has passed until it fails, the others have not until they succeed.
    """

    def __init__(self, probe: Object, target: Target, *, passed: bool, held: Callable[[], bool]) -> None:
        """Start to probe, once *held* returns false."""
        self.passed = passed
        self.failed = False
        self.failure = ""
        self._probe = probe
        self._target = target
        self._held = held
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Probe no more."""
        self._stopped.set()

    def _run(self) -> None:
        self._stopped.wait(self._probe.get("initialDelaySeconds", 0))
        while self._held() and not self._stopped.wait(_HELD_SECONDS):
            pass
        successes = failures = 0
        while not self._stopped.is_set():
            failure = act(self._probe, self._target, self._probe.get("timeoutSeconds", 1))
            if failure is None:
                successes, failures = successes + 1, 0
            else:
                successes, failures = 0, failures + 1
                self.failure = failure
            if successes >= self._probe.get("successThreshold", 1):
                self.passed, self.failed = True, False
            elif failures >= self._probe.get("failureThreshold", 3):
                self.passed, self.failed = False, True
            self._stopped.wait(self._probe.get("periodSeconds", 10))


class Probes:
    """The probes of a container from one start to the next."""

    def __init__(self, container: Object, target: Target) -> None:
        """Start those that *container* has; readiness and liveness wait for the startup probe."""

        def prober(field: str, *, passed: bool, held: Callable[[], bool]) -> Prober | None:
            probe = container.get(field)
            return Prober(probe, target, passed=passed, held=held) if probe else None

        self._startup = prober("startupProbe", passed=False, held=lambda: False)
        self._liveness = prober("livenessProbe", passed=True, held=lambda: not self.started)
        self._readiness = prober("readinessProbe", passed=False, held=lambda: not self.started)

    @property
    def started(self) -> bool:
        """Whether the startup probe has passed, or there is none."""
        return self._startup is None or self._startup.passed

    @property
    def ready(self) -> bool:
        """Whether requests may come."""
        return self.started and (self._readiness is None or self._readiness.passed)

    @property
    def failure(self) -> str | None:
        """Why the container must be restarted, or None."""
        for prober in (self._startup, self._liveness):
            if prober is not None and prober.failed:
                return prober.failure
        return None

    def keep_readiness(self) -> None:
        """Stop what could restart a container that is ending."""
        for prober in (self._startup, self._liveness):
            if prober is not None:
                prober.stop()

    def stop(self) -> None:
        """Stop all."""
        self.keep_readiness()
        if self._readiness is not None:
            self._readiness.stop()
