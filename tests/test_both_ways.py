"""`podgate check` and the webhook give the same verdict: each fixture of every check is judged both ways.

The webhook is `podgate serve` in a process of its own, asked over HTTPS; `podgate check` is another process. Each case
gets a policy of its own, for a namespace of its own, so that one server serves them all. Their reports share one store
as far as they agree what a tag stands for: those that do not are judged in a later round, with another store.

The webhook's clock cannot be set, so the times in a case are moved to be those of now.
"""

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec import Struct

from tests.image_reports import DIGEST, SCANNED_AT, full_report, full_reports
from tests.reviews import NOW, At, body_of, pod, review_of
from tests.served import Served
from webhook.checks import CHECKS
from webhook.model.image import DEFAULT_TAG, InvalidReferenceError, parse_image
from webhook.model.report import FullReport
from webhook.model.review import parse_review
from webhook.reports.sqlite import SqliteReports

FIXTURES = Path(__file__).parent / "fixtures" / "checks"
# What no API server takes, podgate check calls an error, and the webhook never sees.
UNASKED = ("no-containers", "pod-without-containers")
CASES = sorted(path for path in FIXTURES.glob("*/*.yaml") if path.stem not in UNASKED)
# Seconds that a case is judged later than it asks for, at least: the same for both, whichever is asked first.
LATE = 5
LONG_AGO = timedelta(days=3650)
# A pod that passes once the reports of its round are known.
MARKER = "docker.io/library/round"
MARKER_POLICY = {
    "apiVersion": "podgate.io/v1",
    "kind": "ClusterPolicy",
    "metadata": {"name": "marker"},
    "spec": {"match": {"namespaces": {"include": ["marker"]}}, "checks": {"image-vulnerabilities": {}}},
}


class Case(Struct, frozen=True, kw_only=True):
    """A fixture, ready to be judged: its manifest in a namespace of its own, its times moved and its digests its own.

    `claims` say what each tag in the manifest must stand for: a digest, or None for no report. `paths` are those in the
    header's findings, or None where these are about the very second.
    """

    name: str
    namespace: str
    policy: dict[str, Any]
    manifest: dict[str, Any]
    reports: tuple[FullReport, ...]
    claims: dict[str, str | None]
    paths: list[str] | None


def read(number: int, path: Path, began: datetime) -> Case:
    """Return the fixture *path* as it is to be judged some seconds after *began*."""
    text = re.sub(r"sha256:[0-9a-f]{64}", lambda digest: own_digest(number, digest[0]), path.read_text())
    header, manifest = yaml.safe_load_all(text)
    by = began - timedelta(seconds=LATE) - header.get("now", NOW)
    moved = move(header, by)
    namespace = f"case-{number}"
    reports = reports_of(number, moved, SCANNED_AT + by)
    tags = {tag: each.report.digest for each in sorted(reports, key=scanned_at) for tag in each.report.tags}
    inner = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    return Case(
        name=f"{path.parent.name}/{path.stem}",
        namespace=namespace,
        policy={
            "apiVersion": "podgate.io/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": namespace},
            "spec": {
                "match": {"namespaces": {"include": [namespace]}},
                "checks": {path.parent.name: moved["options"]},
            },
        },
        manifest=inner,
        reports=tuple(reports),
        claims={tag: tags.get(tag) for tag in [*tags_in(inner), *tags]},
        paths=[finding["path"] for finding in header["findings"]] if holds(number, path, header, inner) else None,
    )


def reports_of(number: int, header: dict[str, Any], scanned: datetime) -> list[FullReport]:
    """Return the reports in *header*; where they do not say it, they are of the case's own digest, as of *scanned*."""
    plainest = {"digest": own_digest(number, DIGEST), "scannedAt": scanned}
    return full_reports({**plainest, **report} for report in header.get("reports") or ())


def holds(number: int, path: Path, header: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Return whether the fixture's verdict is still the same a minute later: some are about the very second."""
    check_type = CHECKS[path.parent.name]
    configured = check_type.configure(msgspec.convert(header["options"], check_type.options))
    review, reports, now = review_of(manifest), reports_of(number, header, SCANNED_AT), header.get("now", NOW)
    found = [[f.path for f in configured(review, At(at, reports))] for at in (now, now + timedelta(minutes=1))]
    return found[0] == found[1]


def own_digest(number: int, digest: str) -> str:
    return f"sha256:{hashlib.sha256(f'{number} {digest}'.encode()).hexdigest()}"


def scanned_at(report: FullReport) -> datetime:
    return report.report.scanned_at


def move(value: Any, by: timedelta) -> Any:
    """Return *value* with every time in it moved by so much; one long ago stays, since it may be about the very day."""
    if isinstance(value, dict):
        return {key: move(item, by) for key, item in value.items()}
    if isinstance(value, list):
        return [move(item, by) for item in value]
    if not isinstance(value, datetime):
        return value
    moment = value.replace(tzinfo=value.tzinfo or UTC)
    return moment if NOW - moment > LONG_AGO else moment + by


def tags_in(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield the full names of the images that have a tag, or none, and no digest."""
    for use in parse_review(body_of(manifest)).workload.image_uses():
        try:
            image = parse_image(use.reference or "")
        except InvalidReferenceError:
            continue
        if image.digest is None:
            yield f"{image.full_name}:{image.tag or DEFAULT_TAG}"


def rounds(cases: Iterable[Case]) -> list[list[Case]]:
    """Part *cases* so that in no part two want a tag to stand for different things."""
    parts: list[tuple[dict[str, str | None], list[Case]]] = []
    for case in cases:
        for claims, members in parts:
            if all(claims.get(tag, digest) == digest for tag, digest in case.claims.items()):
                claims.update(case.claims)
                members.append(case)
                break
        else:
            parts.append((dict(case.claims), [case]))
    return [members for _, members in parts]


def entries(violations: list[dict[str, Any]], mode: str) -> list[tuple[Any, ...]]:
    """Return what a finding says, as the denial log and `podgate check` both have it."""
    keys = ("policy", "check", mode, "path", "message", "fix", "vulnerabilities")
    return sorted((tuple(str(violation[key]) for key in keys) for violation in violations), key=str)


def evidence(said: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in said)


def ask(webhook: Served, case: Case) -> tuple[bool, dict[str, Any]]:
    """Return whether the webhook lets *case* pass, and its record."""
    before = len(webhook.records())
    allowed = webhook.ask(body_of(case.manifest))["allowed"]
    (record,) = webhook.records()[before:]
    return allowed, record


def check(folder: Path, policies: Path, reports: Path) -> dict[str, dict[str, Any]]:
    """Return what `podgate check` says of each case in *folder*, by namespace."""
    options = (f"--policies={policies}", f"--reports={reports}", "--user=jane", "--output=json")
    done = subprocess.run(
        [sys.executable, "-m", "webhook", "check", *options, folder], capture_output=True, timeout=120, check=False
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    said: dict[str, Any] = json.loads(done.stdout)
    return {workload["namespace"]: workload for workload in said["workloads"]}


def put(store: SqliteReports, number: int, cases: list[Case]) -> None:
    """Replace what *store* holds by the reports of *cases*, and one whose tag is the round's *number*."""
    store.delete(list(store.reports()))
    marker = full_report(digest=own_digest(number, "marker"), tags=[f"{MARKER}:{number}"])
    store.put([marker, *(report for case in cases for report in case.reports)])


def wait_for(webhook: Served, number: int) -> None:
    """Wait until the webhook knows the reports of the round *number*."""
    marker = body_of(pod(f"round:{number}", namespace="marker"))
    deadline = time.monotonic() + 20
    while not webhook.ask(marker)["allowed"]:
        assert time.monotonic() < deadline, webhook.errors.read_text()
        time.sleep(0.05)


def write(folder: Path, documents: dict[str, dict[str, Any]]) -> Path:
    """Write each of *documents* to a file of its name in the new *folder*."""
    folder.mkdir()
    for name, document in documents.items():
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(document))
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Case, bool, dict[str, Any], dict[str, Any]]]:
    """Each case, whether the webhook lets it pass, the webhook's record, and what `podgate check` says."""
    folder = tmp_path_factory.mktemp("both-ways")
    began = datetime.now(UTC)
    cases = [read(number, path, began) for number, path in enumerate(CASES)]
    policies = write(folder / "all", {"marker": MARKER_POLICY, **{case.namespace: case.policy for case in cases}})
    reports = folder / "reports.db"
    store = SqliteReports(reports)
    found = []
    with Served(folder, "--log-allowed", f"--reports={reports}", policies=policies) as webhook:
        for number, members in enumerate(rounds(cases)):
            put(store, number, members)
            manifests = write(folder / f"manifests-{number}", {case.namespace: case.manifest for case in members})
            wait_for(webhook, number)
            checked = check(manifests, policies, reports)
            found += [(case, *ask(webhook, case), checked[case.namespace]) for case in members]
    return found


def test_check_and_the_webhook_give_the_same_verdict_on_every_fixture(
    judged: list[tuple[Case, bool, dict[str, Any], dict[str, Any]]],
) -> None:
    assert len(judged) == len(CASES)
    for case, allowed, record, workload in judged:
        own = [finding for finding in workload["findings"] if finding["ownMode"] is not None]

        assert (workload["verdict"] != "refused") == allowed, case.name
        assert entries(own, "ownMode") == entries(record["violations"], "mode"), case.name
        assert evidence(workload["evidence"]) == evidence(record["evidence"]), case.name


def test_both_find_what_the_header_of_a_fixture_says(
    judged: list[tuple[Case, bool, dict[str, Any], dict[str, Any]]],
) -> None:
    for case, _, record, _ in judged:
        if case.paths is not None:
            assert [violation["path"] for violation in record["violations"]] == case.paths, case.name
    assert sum(case.paths is None for case, *_ in judged) < len(CASES) / 10
