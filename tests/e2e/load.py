"""Pods created at a steady rate, one in two to be refused, and what became of each.

Each has a scheduling gate: it is stored as any other, but no scheduler and no node has work with it.
"""

import base64
import json
import ssl
import threading
import time
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml
from msgspec import Struct

RATE = 50  # a second
CONNECTIONS = 32
ANSWER_SECONDS = 15
REFUSAL = "(supply-chain/image-pinned)"
CREATED, REFUSED = 201, 403
PINNED, UNPINNED = "registry.example.com/shop/web:1.4.2", "registry.example.com/shop/web:latest"


class Answer(Struct, frozen=True):
    """What the API server said to the create of *pod*: HTTP status, 0 where it said nothing, and message."""

    pod: str
    begun: float  # by time.monotonic
    seconds: float
    pinned: bool
    status: int
    message: str

    @property
    def right(self) -> bool:
        """Whether the policy decided: what is pinned was created, the other refused by podgate."""
        if self.pinned:
            return self.status == CREATED
        return self.status == REFUSED and REFUSAL in self.message


def pod(name: str, image: str) -> dict[str, Any]:
    """Return a pod that no policy objects to but for its image."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "schedulingGates": [{"name": "e2e.podgate.io/stored-only"}],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001},
            "containers": [{"name": "app", "image": image}],
        },
    }


class Load:
    """RATE creates a second in *namespace*, as long as the ``with`` block lasts; *answers* has them all afterwards."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.answers: list[Answer] = []
        self._server = urlsplit(cluster["server"])
        self._tls = ssl.create_default_context(cadata=authority)
        self._headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json"}
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._stopped = threading.Event()
        self._began = 0.0
        self._ended = 0.0
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop, and wait for the last answers."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._ended = time.monotonic()
        self.answers.sort(key=lambda answer: answer.begun)

    def __str__(self) -> str:
        slowest = max(answer.seconds for answer in self.answers)
        failed = sum(answer.status not in {CREATED, REFUSED} for answer in self.answers)
        return f"{failed} of {len(self.answers)} creates failed, {self.rate:.1f} a second, the slowest {slowest:.2f} s"

    @property
    def rate(self) -> float:
        """How many answers came a second."""
        return len(self.answers) / (self._ended - self._began)

    @property
    def wrong(self) -> list[Answer]:
        """The answers that no policy gave."""
        return [answer for answer in self.answers if not answer.right]

    def _run(self, number: int) -> None:
        """Send every CONNECTIONS-th create, each at its time, over one connection as long as that lasts."""
        connection = HTTPSConnection(
            str(self._server.hostname), self._server.port, timeout=ANSWER_SECONDS, context=self._tls
        )
        while not self._stopped.wait(max(0.0, self._began + number / RATE - time.monotonic())):
            self.answers.append(self._create(connection, number))
            number += CONNECTIONS
        connection.close()

    def _create(self, connection: HTTPSConnection, number: int) -> Answer:
        name, pinned = f"load-{number}", number // 2 % 2 == 0  # both kinds over every connection
        body = json.dumps(pod(name, PINNED if pinned else UNPINNED))
        begun = time.monotonic()
        try:
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            status, message = response.status, json.load(response).get("message", "")
        except (OSError, HTTPException) as error:
            connection.close()
            status, message = 0, f"{type(error).__name__}: {error}"
        return Answer(name, begun, time.monotonic() - begun, pinned, status, message)
