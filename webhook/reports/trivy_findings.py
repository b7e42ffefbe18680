"""What a report of Trivy found: its vulnerabilities, what was suppressed, and whether it can have found anything."""

import re
from collections.abc import Iterable, Sequence

from webhook.model.quote import LONGEST_QUOTE, one_line, printable
from webhook.model.report import Severity, Suppressed, Vulnerability
from webhook.reports.trivy_schema import OS, DetectedVulnerability, Result

OS_PACKAGES = "os-pkgs"
LANGUAGE_PACKAGES = "lang-pkgs"

# Of a language whose packages are found one by one, the target is its name and no file (pkg/scan/langpkg/scan.go).
_LANGUAGES = frozenset({"Python", "Conda", "Ruby", "Node.js", "Java", "Kubernetes"})
# Systems that have no package database of their own (pkg/fanal/types/const.go, HasOSPackages).
_WITHOUT_PACKAGES = frozenset({"activestate"})
# A system's packages have a target such as "alpine:3.7 (alpine 3.7.1)", before there were classes (0.19) too.
_OS_TARGET = re.compile(r" \([^()]+ [^()]+\)$")
_NOT_LISTED = "Trivy did not list them (before 0.67 it does with --list-all-pkgs only)"


def vulnerabilities_of(results: Iterable[Result]) -> tuple[Vulnerability, ...]:
    """Return each vulnerability of a package in a place once, the worst first, and of those the fixable first.

    Where one is given twice, the worse stands.
    """
    found = [_vulnerability(each, result) for result in results for each in result.vulnerabilities or ()]
    distinct: dict[tuple[str, str, str, str], Vulnerability] = {}
    for each in sorted(found, key=_worst_first):
        distinct.setdefault((each.id, each.package, each.installed, each.path), each)
    return tuple(distinct.values())


def counts_of(
    vulnerabilities: Iterable[Vulnerability],
) -> tuple[tuple[int, int, int, int, int], tuple[int, int, int, int, int]]:
    """Return how many there are of each severity, and how many of those have a fixed version."""
    counts, fixable = [0] * len(Severity), [0] * len(Severity)
    for each in vulnerabilities:
        counts[each.severity] += 1
        fixable[each.severity] += bool(each.fixed)
    return _five(counts), _five(fixable)


def suppressed_of(results: Iterable[Result]) -> tuple[Suppressed, ...]:
    """Return the vulnerabilities that were left out, in the order of the report; --show-suppressed lists them."""
    return tuple(
        Suppressed(
            id=printable(each.finding.id),
            package=printable(each.finding.package),
            status=printable(each.status),
            statement=_summary(each.statement),
            source=_summary(each.source),
        )
        for result in results
        for each in result.modified or ()
        if each.type == "vulnerability" and each.finding is not None
    )


def why_unscannable(schema: int, os: OS | None, results: Sequence[Result]) -> str:
    """Return why the *results* prove nothing of the image; "" where they do.

    Trivy exits with 0 all the same: it leaves the packages of a system that it has no advisories for out of its
    report, and lists none where it finds no package database.
    """
    system = [result for result in results if class_of(result) == OS_PACKAGES]
    if system or (os is not None and os.family not in _WITHOUT_PACKAGES):
        return _why_no_system(os or OS(), system)
    languages = [result for result in results if class_of(result) == LANGUAGE_PACKAGES]
    if not languages:
        return "Trivy recognised no operating system and no packages in it, or ran without its scanner vuln"
    if schema == 1:
        return (
            "the packages of an operating system are not listed, and Trivy before 0.20 does not say whether it has one"
        )
    if all(result.is_empty for result in languages):
        return f"no package is listed: {_NOT_LISTED}"
    return ""


def _why_no_system(os: OS, results: Sequence[Result]) -> str:
    """Return why its packages in *results* prove nothing of the system *os*; "" where they do."""
    if not all(result.is_empty for result in results):
        return ""
    name = printable(f"{os.family} {os.name}".strip()) or "the operating system"
    if results:
        return f"no package of {name} is listed: their database is not in the image, or {_NOT_LISTED}"
    if not os.is_known:
        return "Trivy found packages in it, but not the operating system that they belong to"
    return (
        f"the packages of {name} were not scanned: Trivy has no advisories for it, "
        "or was told to leave them out (--scanners, --pkg-types)"
    )


def class_of(result: Result) -> str:
    """Return the class of *result*, as far as packages go where Trivy was too old to give it."""
    if result.class_:
        return result.class_
    return OS_PACKAGES if _OS_TARGET.search(result.target) else LANGUAGE_PACKAGES


def _vulnerability(found: DetectedVulnerability, result: Result) -> Vulnerability:
    language = class_of(result) != OS_PACKAGES
    path = found.path or ("" if result.target in _LANGUAGES else result.target)
    return Vulnerability(
        id=printable(found.id),
        package=printable(found.package),
        installed=printable(found.installed),
        severity=_severity(found.severity),
        fixed=printable(found.fixed.strip()),
        status=printable(found.status),
        path=printable(path) if language else "",
        title=_summary(found.title),
    )


def _severity(word: str) -> Severity:
    """Return what *word* means; Trivy leaves it out where no source has any."""
    return Severity.__members__.get(word.upper(), Severity.UNKNOWN)


def _worst_first(each: Vulnerability) -> tuple[int, bool, str, str, str, str, str, str, str]:
    return (
        -each.severity,
        not each.fixed,
        *(each.id, each.package, each.installed, each.path),
        *(each.fixed, each.status, each.title),
    )


def _five(counts: Sequence[int]) -> tuple[int, int, int, int, int]:
    unknown, low, medium, high, critical = counts
    return unknown, low, medium, high, critical


def _summary(text: str) -> str:
    """Return the beginning of *text* on one line, white space run together."""
    return one_line(" ".join(text[: 4 * LONGEST_QUOTE].split()))
