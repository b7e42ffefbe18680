"""How fast podgate is beside Kubernetes' own Pod Security webhook (Go), both measured in one run: `make bench`.

Both judge the same reviews over TLS and HTTP/1.1, as the API server sends them to a Service: pods captured from a real
API server, allowed and denied half and half, no two alike. Rounds alternate, since the speed of a machine drifts: only
the ratios of one run count. podgate runs the shipped policies and writes its denial log to a file. Beside them it has a
policy about vulnerabilities and holds 10,000 image reports (`REPORTS=0`: none); every pod that is allowed names another
of those images.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from tests.bench.reports import POLICY, fill_store
from tests.e2e import tools
from tests.e2e.cluster import Cluster
from tests.ports import free_ports
from tests.served import Served
from webhook.server.certificate import make_certificate

HERE = Path(__file__).parent
REVIEWS = HERE.parent / "fixtures" / "reviews"
ALLOWED, DENIED = "pod-create-pinned-nonroot.json", "pod-create-latest-root.json"
NAMESPACE = "bench"
SAMPLE = 'podgate_reviews_total{{kind="Pod",operation="CREATE",verdict="{}"}}'
LOOKUPS = 'podgate_evidence_lookups_total{{state="{}"}}'
CONNECTIONS = (1, 8, 25)
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS", "3"))
REPORTS = int(os.environ.get("REPORTS", "10000"))


class Round(Struct, frozen=True):
    """What wrk measured: reviews and failures, and latencies and the time it took in microseconds."""

    reviews: int
    microseconds: int
    failed: int
    p50: int
    p99: int

    @property
    def rate(self) -> float:
        """Reviews per second."""
        return self.reviews / self.microseconds * 1_000_000


class Peer(Struct):
    """A webhook to measure."""

    name: str
    url: str
    pid: int
    rounds: dict[int, list[Round]] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    if not shutil.which("wrk"):
        sys.exit("make bench needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="podgate-bench-") as name:
        folder = Path(name)
        templates = [write_template(folder, REVIEWS / review) for review in (ALLOWED, DENIED)]
        with Cluster(folder / "cluster") as cluster:
            cluster.create_namespace(NAMESPACE)
            log, store = folder / "denials.jsonl", folder / "reports.db"
            fill_store(store, REPORTS)
            policies = folder / "podgate/policies"
            policies.mkdir(parents=True)
            (policies / "vulnerabilities.yaml").write_text(POLICY)
            began = time.monotonic()
            with Served(folder / "podgate", f"--denial-log={log}", f"--reports={store}") as podgate:
                print(f"podgate was ready after {time.monotonic() - began:.2f} s, with {REPORTS:,} reports to hold")
                ours = Peer("podgate", podgate.url, worker_of(podgate.process.pid))
                with psa(cluster, folder) as peer:
                    for each in (ours, peer):
                        expect_verdicts(each, templates)
                    measure([ours, peer], templates)
                    report(ours, peer, podgate, log)


def write_template(folder: Path, review: Path) -> Path:
    """Write *review* with the parts marked that differ from pod to pod; return the file."""
    value = json.loads(review.read_text())
    request = value["request"]
    uids, name = (request["uid"], request["object"]["metadata"]["uid"]), request["name"]
    request["namespace"] = request["object"]["metadata"]["namespace"] = NAMESPACE
    request["name"] = request["object"]["metadata"]["name"] = "@@NAME@@"
    if review.name == ALLOWED:
        for container in request["object"]["spec"]["containers"]:
            container["image"] = "registry.example.com/team/app-@@IMAGE@@:1.2.3"
    text = json.dumps(value, separators=(",", ":"))
    for uid in uids:
        text = text.replace(uid, "@@UID@@")
    text, volumes = re.subn(r"kube-api-access-[a-z0-9]{5}", "kube-api-access-@@SUFFIX@@", text)
    if not volumes:
        sys.exit(f"{review.name} ({name}) has no token volume: it was not captured from a real API server")
    file = folder / review.name
    file.write_text(text)
    return file


@contextmanager
def psa(cluster: Cluster, folder: Path) -> Iterator[Peer]:
    """Run Kubernetes' Pod Security webhook at the restricted level."""
    (port,) = free_ports(1)
    (folder / "psa").mkdir()
    certificate, key = make_certificate(["127.0.0.1"]).write(folder / "psa")
    flags: dict[str, object] = {
        "kubeconfig": cluster.kubeconfig,
        "config": HERE.parent / "e2e/go/psa-webhook/config.yaml",
        "secure-port": port,
        "bind-address": "127.0.0.1",
        "tls-cert-file": certificate,
        "tls-private-key-file": key,
    }
    command: list[str | Path] = [tools.build("psa-webhook"), *(f"--{flag}={value}" for flag, value in flags.items())]
    with (folder / "psa.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_for(f"https://127.0.0.1:{port}/readyz")
            yield Peer("psa-webhook", f"https://127.0.0.1:{port}/", process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def wait_for(url: str) -> None:
    """Wait until *url* answers."""
    curl = ["curl", "-fsk", "--retry", "60", "--retry-delay", "1", "--retry-all-errors", "-o", os.devnull, url]
    subprocess.run(curl, check=True, timeout=90, stderr=subprocess.DEVNULL)


def expect_verdicts(peer: Peer, templates: list[Path]) -> None:
    """Stop unless *peer* allows the first review and denies the second."""
    verdicts = []
    for template in templates:
        body = template.read_bytes().replace(b"@@IMAGE@@", b"00000")
        curl = ["curl", "-sk", "-H", "content-type: application/json", "-d", "@-", peer.url]
        answer = subprocess.run(curl, check=True, capture_output=True, input=body).stdout
        verdicts.append(json.loads(answer)["response"]["allowed"])
    if verdicts != [True, False]:
        sys.exit(f"{peer.name} must allow the first review and deny the second, not {verdicts}")


def measure(peers: list[Peer], templates: list[Path]) -> None:
    """Run the rounds, each peer first in every other one."""
    run(peers[0], templates, 8, "00", seconds=2)
    run(peers[1], templates, 8, "00", seconds=2)
    for number in range(ROUNDS):
        for connections in CONNECTIONS:
            for peer in peers if number % 2 else reversed(peers):
                label = f"{number + 1:02x}{connections:02x}"
                result = run(peer, templates, connections, label, seconds=SECONDS)
                if result.failed:
                    sys.exit(f"{peer.name} failed {result.failed} of {result.reviews} reviews")
                peer.rounds.setdefault(connections, []).append(result)
            print(f"round {number + 1} of {ROUNDS}, {connections} connections done", file=sys.stderr)


def run(peer: Peer, templates: list[Path], connections: int, label: str, *, seconds: int) -> Round:
    """Run wrk once."""
    flags = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=10s", "-s", str(HERE / "reviews.lua")]
    command = ["wrk", *flags, peer.url, "--", label, *map(str, templates)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)
    return Round(**json.loads(done.stdout.splitlines()[-1]))


def report(ours: Peer, peer: Peer, podgate: Served, log: Path) -> None:
    """Print the medians, and what else there is to know of the run."""
    print(f"\n{'':12} {'connections':>11} {'reviews/s':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for connections in CONNECTIONS:
        for each in (ours, peer):
            rounds = each.rounds[connections]
            p50, p99 = (statistics.median(getattr(r, name) for r in rounds) / 1000 for name in ("p50", "p99"))
            rate = statistics.median(r.rate for r in rounds)
            print(f"{each.name:12} {connections:>11} {rate:>10,.0f} {p50:>8.2f} {p99:>8.2f}")
        ratios = [a.rate / b.rate for a, b in zip(ours.rounds[connections], peer.rounds[connections], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{'ratio':12} {connections:>11} {statistics.median(ratios):>10.2f}   ({spread} in {ROUNDS} rounds)")
    time.sleep(2)  # wrk leaves reviews behind that it no longer waits for
    verdicts = {verdict: int(podgate.metric(SAMPLE.format(verdict))) for verdict in ("allowed", "denied", "error")}
    counted = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.items())
    lines = sum(file.read_bytes().count(b"\n") for file in log.parent.glob(f"{log.name}*"))
    print(f"\npodgate judged {counted}; its denial log has {lines:,} lines")
    print(f"resident memory: podgate's worker {memory(ours.pid)} MiB, psa-webhook {memory(peer.pid)} MiB")
    looked_up = {state: int(podgate.metric(LOOKUPS.format(state))) for state in ("scanned", "unscanned")}
    print(f"reports held: {int(podgate.metric('podgate_reports')):,}; lookups: {looked_up}")
    if REPORTS and looked_up["scanned"] < verdicts["allowed"]:
        sys.exit("every pod that was allowed must have been looked up")
    if lines != verdicts["denied"] or verdicts["error"]:
        sys.exit("every denial must be in the denial log, and none may be an error")


def worker_of(pid: int) -> int:
    """Return the process id of the worker that the process *pid* started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def memory(pid: int) -> int:
    """Return the resident memory of a process, in MiB."""
    status: Any = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(status[1]) // 1024


if __name__ == "__main__":
    main()
