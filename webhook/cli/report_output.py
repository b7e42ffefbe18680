"""How reports are shown: in one line, in columns, in full, and as JSON."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from webhook.cli.tables import print_columns, print_fields, print_table, show_age
from webhook.model.quantity import show_bytes
from webhook.model.quote import one_line
from webhook.model.report import FullReport, Report, Severity

WORST_FIRST = tuple(sorted(Severity, reverse=True))
_HEADER = (
    "IMAGE",
    "DIGEST",
    "PLATFORM",
    "SCANNED",
    "OS",
    *(str(each).upper() for each in WORST_FIRST),
    "FIXABLE",
    "STATE",
)
_WIDE = ("DATABASE", "USER", "SIZE", "LAYERS", "SCANNER", "REPORT")
_VULNERABILITIES = ("Library", "Vulnerability", "Severity", "Status", "Installed Version", "Fixed Version", "Title")
_SUPPRESSED = ("Library", "Vulnerability", "Status", "Statement", "Source")
_SHORT_DIGEST = 12  # hexadecimal digits


def show_report(report: Report) -> str:
    """Return *report* in one line: image, digest, platform, and how many vulnerabilities of which severity."""
    return f"{show_image(report)}: {show_findings(report)}"


def show_image(report: Report) -> str:
    """Return what *report* is on: a reference to the image with its digest, and the platform."""
    return f"{_name(report)}@{report.digest} {one_line(report.platform)}"


def _name(report: Report) -> str:
    """Return the image's name as it was scanned, without the digest that it can end in."""
    return one_line(report.name.partition("@")[0])


def show_findings(report: Report) -> str:
    """Return what *report* found, in words."""
    if report.unscannable:
        return f"unscannable: {one_line(report.unscannable)}"
    counts = [f"{report.counts[severity]} {severity}" for severity in WORST_FIRST if report.counts[severity]]
    return ", ".join(counts) or "no vulnerabilities"


def print_reports(reports: Iterable[Report], now: datetime, *, wide: bool) -> None:
    """Print *reports* in columns, their ages as of *now*."""
    header = (*_HEADER, *_WIDE) if wide else _HEADER
    print_columns(header, [_row(report, now, wide=wide) for report in reports])


def _row(report: Report, now: datetime, *, wide: bool) -> Sequence[str]:
    digest = report.digest if wide else short_digest(report.digest)
    counts = (
        ("-",) * 6 if report.unscannable else (*(str(report.counts[s]) for s in WORST_FIRST), str(sum(report.fixable)))
    )
    row = (
        *(_name(report), digest, report.platform, show_age(now - report.scanned_at), _system(report), *counts),
        "unscannable" if report.unscannable else "scanned",
    )
    if not wide:
        return row
    database = "" if report.database_updated_at is None else show_age(now - report.database_updated_at)
    return (*row, database, _user(report), _size(report), _number(report.layers), report.scanner, report.id)


def short_digest(digest: str) -> str:
    """Return the first digits of *digest*, without its algorithm."""
    return digest.partition(":")[2][:_SHORT_DIGEST]


def print_report(full: FullReport, now: datetime) -> None:
    """Print all that *full* holds, with a table of its vulnerabilities as Trivy's."""
    report, details = full.report, full.details
    print_fields({name: value for name, value in _fields(report, now).items() if value})
    if details.vulnerabilities:
        click.echo()
        print_table(
            _VULNERABILITIES,
            [
                (each.package, each.id, str(each.severity).upper(), each.status, each.installed, each.fixed, each.title)
                for each in details.vulnerabilities
            ],
        )
    if details.suppressed:
        click.echo(f"\nSuppressed, counted nowhere ({len(details.suppressed)}):\n")
        rows = [(each.package, each.id, each.status, each.statement, each.source) for each in details.suppressed]
        print_table(_SUPPRESSED, rows)


def _fields(report: Report, now: datetime) -> dict[str, str]:
    return {
        "Image": _name(report),
        "Digest": report.digest,
        "Platform": report.platform,
        "Tags": ", ".join(report.tags),
        "Report": report.id,
        "Scanned": _time(report.scanned_at, now),
        "Scanner": report.scanner,
        "Database": _time(report.database_updated_at, now) or "unknown: import with --database",
        "OS": _system(report),
        "User": _user(report),
        "Size": _size(report),
        "Layers": _number(report.layers),
        "Created": _time(report.created_at, now),
        "Found": show_findings(report),
        "Fixable": "" if report.unscannable else str(sum(report.fixable)),
    }


def _time(time: datetime | None, now: datetime) -> str:
    return "" if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ} ({show_age(now - time)} ago)"


def _system(report: Report) -> str:
    if report.os is None:
        return ""
    return f"{report.os.family} {report.os.name}{' (end of life)' if report.os.end_of_life else ''}"


def _user(report: Report) -> str:
    return "" if report.user is None else report.user or "root"


def _size(report: Report) -> str:
    return "" if report.size is None else show_bytes(report.size)


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


def print_json(reports: Sequence[dict[str, Any]]) -> None:
    """Print *reports* as an array."""
    click.echo(msgspec.json.format(msgspec.json.encode(reports)))


def to_json(report: Report) -> dict[str, Any]:
    """Return *report* as JSON has it: camel case, severities by name."""
    return {
        "id": report.id,
        "name": report.name,
        "digest": report.digest,
        "platform": report.platform,
        "tags": report.tags,
        "scannedAt": report.scanned_at,
        "scanner": report.scanner,
        "databaseUpdatedAt": report.database_updated_at,
        "os": report.os and {"family": report.os.family, "name": report.os.name, "endOfLife": report.os.end_of_life},
        "user": report.user,
        "size": report.size,
        "layers": report.layers,
        "createdAt": report.created_at,
        "unscannable": report.unscannable,
        "counts": _by_severity(report.counts),
        "fixable": _by_severity(report.fixable),
    }


def to_full_json(full: FullReport) -> dict[str, Any]:
    """Return *full* as JSON has it: `to_json`, and the findings."""
    found = [msgspec.structs.asdict(each) | {"severity": str(each.severity)} for each in full.details.vulnerabilities]
    return {**to_json(full.report), "vulnerabilities": found, "suppressed": full.details.suppressed}


def _by_severity(counts: Sequence[int]) -> dict[str, int]:
    return {str(severity): counts[severity] for severity in WORST_FIRST}
