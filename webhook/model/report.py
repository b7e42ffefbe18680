"""Image reports: what a scan of an image found, and what is known of an image at all.

A report is kept in two parts. Report is what most verdicts need, and is held in memory for every image; ReportDetails
can be large, and is asked for only where a verdict shows or counts single vulnerabilities.
"""

from datetime import datetime
from enum import IntEnum, StrEnum

from msgspec import Struct


class Severity(IntEnum):
    """Trivy's severities (trivy-db, pkg/types/types.go); the worse the larger."""

    UNKNOWN = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name.lower()


class Vulnerability(Struct, frozen=True, omit_defaults=True):
    """A known vulnerability of a package in an image.

    `fixed` is the version that mends it, or several, as Trivy gives it; empty where there is none. `path` is the file
    that holds a language's package, where Trivy says it. `status` is Trivy's: fixed, affected, will_not_fix and so on.
    """

    id: str
    package: str
    installed: str
    severity: Severity
    fixed: str = ""
    status: str = ""
    path: str = ""
    title: str = ""


class Suppressed(Struct, frozen=True, omit_defaults=True):
    """A vulnerability that whoever scanned told Trivy to leave out (--show-suppressed): it counts nowhere.

    `statement` is the reason given, `source` the ignore file or VEX document.
    """

    id: str
    package: str
    status: str = ""
    statement: str = ""
    source: str = ""


class OperatingSystem(Struct, frozen=True):
    """The operating system of an image; `end_of_life` where its vendor mends nothing any more, as Trivy knows."""

    family: str
    name: str
    end_of_life: bool = False


class Report(Struct, frozen=True, kw_only=True):
    """A report, in short.

    `digest` is what a reference to the image pins it by: of an index, for an image of several platforms. `platform` is
    as containerd prints it: linux/amd64, linux/arm/v7. `tags` are full names (docker.io/library/nginx:1.29.3) under
    which the image was scanned. `user` is as the image's configuration has it: empty means root, None unknown. `size`
    is in bytes, uncompressed. `unscannable` says why the report proves nothing, and is empty where it does.
    `counts` and `fixable` count vulnerabilities, and those of them with a fixed version, by Severity.
    """

    id: str
    digest: str
    platform: str
    name: str
    scanned_at: datetime
    scanner: str = ""
    tags: tuple[str, ...] = ()
    database_updated_at: datetime | None = None
    user: str | None = None
    size: int | None = None
    layers: int | None = None
    created_at: datetime | None = None
    os: OperatingSystem | None = None
    unscannable: str = ""
    counts: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    fixable: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)

    @property
    def evidence_from(self) -> datetime:
        """What the report's age counts from: the scan, or its vulnerability database where that is known and older."""
        if self.database_updated_at is None:
            return self.scanned_at
        return min(self.scanned_at, self.database_updated_at)


class ReportDetails(Struct, frozen=True, omit_defaults=True):
    """The rest of a report: its vulnerabilities, the worst first, and what was suppressed."""

    vulnerabilities: tuple[Vulnerability, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()


class FullReport(Struct, frozen=True):
    """A report with all that it holds."""

    report: Report
    details: ReportDetails


class EvidenceState(StrEnum):
    """What is known of an image on a platform; each state has words and a setting of its own."""

    SCANNED = "scanned"
    STALE = "stale"
    UNSCANNABLE = "unscannable"
    OTHER_PLATFORM = "otherPlatform"
    UNSCANNED = "unscanned"


class Evidence(Struct, frozen=True):
    """What is known of an image on a platform.

    `image` is the reference as written. `digest` is what it names, or what its tag stood for when that was last scanned
    (`by_tag` then); None where no report tells. `report` is None in the state UNSCANNED. In OTHER_PLATFORM `platforms`
    are those that there are reports for, and `report` is that of one whose images run on this platform too, None where
    there is none. `stale` says that `report` is older than was asked for, whatever the state.
    """

    image: str
    platform: str
    state: EvidenceState
    digest: str | None = None
    by_tag: bool = False
    report: Report | None = None
    platforms: tuple[str, ...] = ()
    stale: bool = False

    @property
    def own_report(self) -> Report | None:
        """The report, where it is of the very platform."""
        return None if self.state is EvidenceState.OTHER_PLATFORM else self.report
