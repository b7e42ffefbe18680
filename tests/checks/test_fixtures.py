"""Every file in tests/fixtures/checks is a case: a header with options and the exact findings, then a manifest.

The header may hold `reports`, in the short form of tests.image_reports, and the time `now`. Files of one folder whose
names differ only after a dot (unscanned.deny.yaml, unscanned.allow.yaml) differ in one thing, and so do their verdicts.
"""

from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.image_reports import full_reports
from tests.reviews import NOW, At, review_of
from webhook.checks import CHECKS
from webhook.checks.evidence import EvidenceOptions
from webhook.model import duration
from webhook.model.decision import Finding, Mode
from webhook.model.image import parse_image
from webhook.model.quote import LONGEST_QUOTE
from webhook.model.report import EvidenceState

FIXTURES = Path(__file__).parents[1] / "fixtures" / "checks"
CASES = sorted(FIXTURES.glob("*/*.yaml"))
GROUPS = {
    name: list(cases)
    for name, cases in groupby(
        (case for case in CASES if "." in case.stem), lambda case: f"{case.parent.name}/{case.stem.partition('.')[0]}"
    )
}
ABOUT_IMAGES = [check_id for check_id, check in CHECKS.items() if issubclass(check.options, EvidenceOptions)]
# The states of evidence in which a setting decides, by that setting.
SETTINGS = {
    "unscanned": EvidenceState.UNSCANNED,
    "otherPlatform": EvidenceState.OTHER_PLATFORM,
    "stale": EvidenceState.STALE,
    "unscannable": EvidenceState.UNSCANNABLE,
}
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")

Header = dict[str, Any]
Manifest = dict[str, Any]


def read(case: Path) -> tuple[Header, Manifest]:
    header, manifest = yaml.safe_load_all(case.read_text())
    return header, manifest


def facts_of(header: Header) -> At:
    return At(header.get("now", NOW), full_reports(header.get("reports")))


def find(check_id: str, header: Header, manifest: Manifest) -> list[Finding]:
    check = CHECKS[check_id]
    configured = check.configure(msgspec.convert(header["options"], check.options))
    return list(configured(review_of(manifest), facts_of(header)))


def in_header(finding: Finding) -> dict[str, Any]:
    """Return *finding* as a header has it: without what is as ever."""
    shown: dict[str, Any] = {"path": finding.path, "message": finding.message, "fix": finding.fix}
    if finding.mode is not Mode.ENFORCE:
        shown["mode"] = str(finding.mode)
    if finding.details:
        shown["details"] = list(finding.details)
    return shown


def verdict(header: Header) -> str:
    """Return what the findings of *header* do at most."""
    modes = {finding.get("mode", "enforce") for finding in header["findings"]}
    return next((word for mode, word in (("enforce", "deny"), ("warn", "warn")) if mode in modes), "allow")


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return the paths of what differs, as deep as they are in both."""
    if one == other:
        return []
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() & other.keys():
        return [each for key in {**one, **other} for each in differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return [each for n, pair in enumerate(pairs) for each in differences(*pair, f"{path}[{n}]")]
    return [path]


def changes(cases: list[Path]) -> list[list[str]]:
    """Return what differs between each of *cases* and the next, their findings aside."""
    given = [{**header, "manifest": manifest, "findings": None} for header, manifest in map(read, cases)]
    return [differences(one, other) for one, other in pairwise(given)]


def states(header: Header, manifest: Manifest) -> set[EvidenceState]:
    """Return the states of the evidence about the images in *manifest*."""
    facts, review, options = facts_of(header), review_of(manifest), header["options"]
    age = duration.parse_duration(options["maxReportAge"]) if "maxReportAge" in options else None
    platforms = review.workload.platforms(tuple(options.get("platforms", ["linux/amd64"])))
    images = [parse_image(use.reference or "") for use in review.workload.image_uses()]
    return {facts.evidence(image, platform, age).state for image in images for platform in platforms}


@every_case
def test_findings_are_those_in_the_header(case: Path) -> None:
    header, manifest = read(case)

    found = find(case.parent.name, header, manifest)

    assert [in_header(finding) for finding in found] == header["findings"]


@every_case
def test_a_header_has_options_reports_time_and_findings_and_nothing_else(case: Path) -> None:
    header, _ = read(case)

    assert [key for key in header if key not in ("reports", "now")] == ["options", "findings"]


@every_case
def test_what_is_found_is_said_in_single_lines_of_a_length_that_can_be_read(case: Path) -> None:
    header, manifest = read(case)

    for finding in find(case.parent.name, header, manifest):
        assert all(line.isprintable() for line in (finding.path, finding.message, finding.fix, *finding.details))
        assert max(map(len, (finding.message, *finding.details))) < 3 * LONGEST_QUOTE


def test_every_folder_is_a_check() -> None:
    assert {case.parent.name for case in CASES} == set(CHECKS)


@pytest.mark.parametrize("check_id", CHECKS)
def test_a_check_has_passing_and_failing_fixtures(check_id: str) -> None:
    passing = {not read(case)[0]["findings"] for case in CASES if case.parent.name == check_id}

    assert passing == {True, False}


# What flips a verdict


@pytest.mark.parametrize("name", GROUPS)
def test_the_cases_of_a_group_differ_in_one_thing_and_in_their_verdicts(name: str) -> None:
    (first, *rest) = changes(GROUPS[name])

    assert len(first) == 1
    assert all(each == first for each in rest)
    assert len({verdict(read(case)[0]) for case in GROUPS[name]}) > 1


@pytest.mark.parametrize(
    ("check_id", "setting"),
    [
        (check_id, setting)
        for check_id in ABOUT_IMAGES
        for setting in SETTINGS
        if setting in CHECKS[check_id].options.__struct_encode_fields__
    ],
)
def test_each_state_of_evidence_has_each_setting_and_that_verdict(check_id: str, setting: str) -> None:
    cases = GROUPS[f"{check_id}/{setting}"]

    for case in cases:
        header, manifest = read(case)

        assert states(header, manifest) == {SETTINGS[setting]}
        assert case.stem == f"{setting}.{header['options'][setting]}"
        assert verdict(header) == header["options"][setting]
    assert len(cases) == 3


@pytest.mark.parametrize("check_id", ABOUT_IMAGES)
def test_each_check_about_images_judges_what_was_scanned_and_both_verdicts_are_shown(check_id: str) -> None:
    cases = [read(case) for case in GROUPS[f"{check_id}/scanned"]]

    assert all(states(header, manifest) == {EvidenceState.SCANNED} for header, manifest in cases)
    assert {verdict(header) for header, _ in cases} == {"allow", "deny"}


@pytest.mark.parametrize(
    "name", ["image-vulnerabilities/ignore-until", "image-vulnerabilities/report-age", "image-age/max-age"]
)
def test_each_expiry_flips_the_verdict_when_the_clock_moves_past_it(name: str) -> None:
    assert changes(GROUPS[name]) == [[".now"]]
    assert {verdict(read(case)[0]) for case in GROUPS[name]} == {"allow", "deny"}


@pytest.mark.parametrize("check_id", CHECKS)
@pytest.mark.parametrize("place", ["initContainers", "containers", "ephemeralContainers"])
def test_every_kind_of_container_is_found_wanting_in_some_fixture(check_id: str, place: str) -> None:
    paths = {f["path"] for case in CASES if case.parent.name == check_id for f in read(case)[0]["findings"]}

    assert any(f"spec.{place}[" in path for path in paths)


@pytest.mark.parametrize("check_id", [*ABOUT_IMAGES, "image-pinned"])
def test_an_image_volume_is_found_wanting_in_some_fixture(check_id: str) -> None:
    paths = {f["path"] for case in CASES if case.parent.name == check_id for f in read(case)[0]["findings"]}

    assert any(path.endswith(".image.reference") for path in paths)
