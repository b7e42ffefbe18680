"""What is handed in as a report: files, streams, gzip, bombs, and texts that are no JSON."""

import gzip
import io
import time
import zlib
from pathlib import Path

import pytest

from webhook.reports.trivy import LONGEST_REPORT, ReportError, read_database_time, read_report, read_report_text

CLEAN = (Path(__file__).parent.parent / "fixtures" / "trivy" / "samples" / "clean.json").read_bytes()
HEAD = b'{"SchemaVersion":2,"ArtifactName":"app","ArtifactType":"container_image","CreatedAt":"2026-01-02T03:04:05Z",'
LOG = "this begins with Trivy's log: let --output write the report, without 2>&1"
IMAGE = b'"RepoDigests":["app@sha256:' + b"a" * 64 + b'"],"ImageConfig":{"os":"linux","architecture":"amd64"}'


def report(results: bytes = b"", metadata: bytes = b"") -> bytes:
    return HEAD + b'"Metadata":{' + IMAGE + metadata + b'},"Results":[' + results + b"]}"


def refusal(text: bytes) -> str:
    with pytest.raises(ReportError) as refused:
        read_report(text)
    return str(refused.value)


class Trickle(io.RawIOBase):
    """A stream that gives a byte at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the base takes any buffer
        byte = self._data.read(1)
        buffer[: len(byte)] = byte
        return len(byte)


class Endless(io.RawIOBase):
    """A stream without an end, that counts what was taken of it."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        self.taken += size
        return b" " * size


# A stream


@pytest.mark.parametrize("data", [CLEAN, gzip.compress(CLEAN), gzip.compress(CLEAN) + b"\0" * 512], ids=len)
def test_a_report_is_read_plain_and_from_gzip(data: bytes) -> None:
    assert read_report_text(io.BytesIO(data)) == CLEAN


def test_a_stream_is_read_to_its_end_however_little_it_gives() -> None:
    assert read_report_text(Trickle(CLEAN)) == CLEAN  # type: ignore[arg-type]  # it reads, which is all that is asked


def test_no_more_is_read_than_a_report_may_be_long() -> None:
    stream = Endless()

    with pytest.raises(ReportError, match=r"^longer than 64 MiB, which no report is$"):
        read_report_text(stream)  # type: ignore[arg-type]  # it reads, which is all that is asked

    assert stream.taken == LONGEST_REPORT + 1


def test_a_decompression_bomb_is_refused_at_once() -> None:
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(128)) + compressor.flush()
    began = time.monotonic()

    with pytest.raises(ReportError, match=r"^longer than 64 MiB, which no report is$"):
        read_report_text(io.BytesIO(bomb))

    assert len(bomb) < 256 * 1024
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(CLEAN)[:-9], "cut short: the end of what gzip wrote is missing"),
        (gzip.compress(CLEAN) * 2, "more follows what gzip wrote: a file holds one report"),
        (
            b"\x1f\x8b" + b"x" * 100,
            "not readable as gzip: Error -3 while decompressing data: unknown compression method",
        ),
    ],
    ids=["cut", "two", "broken"],
)
def test_broken_gzip_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ReportError) as refused:
        read_report_text(io.BytesIO(data))

    assert str(refused.value) == reason


def test_an_error_of_the_stream_is_the_callers(tmp_path: Path) -> None:
    with (tmp_path / "unreadable").open("wb") as stream, pytest.raises(OSError, match="read"):
        read_report_text(stream)


# A text


def test_a_byte_order_mark_is_left_aside() -> None:
    (marked,), (plain,) = read_report(b"\xef\xbb\xbf" + CLEAN), read_report(CLEAN)

    assert marked == plain


@pytest.mark.parametrize("text", [b"", b" \r\n\t", b"\xef\xbb\xbf"])
def test_an_empty_text_is_a_scan_that_failed(text: bytes) -> None:
    assert refusal(text) == "empty: did the scan fail?"


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    assert refusal(b" " * (LONGEST_REPORT + 1)) == "longer than 64 MiB, which no report is"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{" * 100_000, "line 1: no JSON: object keys must be strings"),
        (b"[" * 1_000_000, "[0]: expected a mapping, got a list"),
        (report(b'{"Target":"","X":' + b"[" * 1_000_000 + b"}"), "nested too deeply for a report"),
        (report(metadata=b',"Size":1e400'), "Metadata.Size: number out of range"),
        (report(metadata=b',"Size":' + b"9" * 5000), "Metadata.Size: integer value out of range"),
        (report(metadata=b',"Size":1125899906842625'), "Metadata.Size: expected a whole number <= 1125899906842624"),
        (report(metadata=b',"Size":-1'), "Metadata.Size: expected a whole number >= 0"),
        (report(metadata=b',"Size":NaN'), "line 1: no JSON: invalid character"),
        (report(b'{"Target":"\\ud800 and more"}'), "line 1: no JSON: unexpected end of hex escape"),
        (report(b"{}"), "Results[0]: Target is missing"),
        (report(b"\n\n,"), "line 3: no JSON: invalid character"),
        (report() + b"\nreport", "line 2: no JSON: trailing characters"),
        (report()[:-20], "cut short: the JSON ends unfinished in line 1"),
        (
            b"2026-01-02T03:04:05Z\tFATAL\tFatal error\n",
            LOG,
        ),
        (b"\x1b[34m2026-01-02T03:04:05+01:00\x1b[0m \x1b[34mINFO\x1b[0m x\n{}", LOG),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_text_is_refused_with_its_place(text: bytes, reason: str) -> None:
    assert refusal(text) == reason


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        (
            b'{"VulnerabilityID":"' + b"x" * 513 + b'","PkgName":"a"}',
            "VulnerabilityID: expected text of length <= 512",
        ),
        (b'{"VulnerabilityID":"a","PkgName":"' + b"x" * 513 + b'"}', "PkgName: expected text of length <= 512"),
        (
            b'{"VulnerabilityID":"a","PkgName":"a","PkgPath":"' + b"x" * 4097 + b'"}',
            "PkgPath: expected text of length <= 4096",
        ),
    ],
    ids=["id", "package", "path"],
)
def test_a_text_longer_than_any_real_one_is_refused(results: bytes, reason: str) -> None:
    text = report(b'{"Target":"a","Vulnerabilities":[' + results + b"]}")

    assert refusal(text) == f"Results[0].Vulnerabilities[0].{reason}"


def test_more_vulnerabilities_than_any_image_has_are_refused() -> None:
    each = b'{"VulnerabilityID":"CVE-2099-0001","PkgName":"a"}'
    some, most = b",".join([each] * 20_000), b",".join([each] * 30_001)

    text = report(b'{"Target":"a","Vulnerabilities":[' + some + b']},{"Target":"b","Vulnerabilities":[' + most + b"]}")

    assert refusal(text) == "Results: expected 50000 vulnerabilities or fewer"


def test_metadata_longer_than_any_images_are_refused() -> None:
    text = report(metadata=b',"Layers":[' + b"{}," * 1_500_000 + b"{}]")

    assert refusal(text) == "Metadata: longer than 4 MiB, which no image's is"


@pytest.mark.parametrize("key", ["RepoTags", "RepoDigests"])
def test_more_names_than_any_image_has_are_refused(key: str) -> None:
    name = b"app:1" if key == "RepoTags" else b"app@sha256:" + b"a" * 64
    text = report(metadata=b',"' + key.encode() + b'":[' + b",".join([b'"' + name + b'"'] * 257) + b"]")

    assert refusal(text) == f"Metadata.{key}: expected 256 or fewer"


def test_of_a_key_given_twice_the_last_counts() -> None:
    vulnerable = (
        b'{"Target":"a","Vulnerabilities":[{"VulnerabilityID":"CVE-2099-0001","PkgName":"a"}],"Vulnerabilities":null}'
    )

    (full,) = read_report(report(vulnerable))

    assert full.report.counts == (0, 0, 0, 0, 0)


def test_what_is_not_printable_is_escaped() -> None:
    text = report(
        b'{"Target":"a","Vulnerabilities":[{"VulnerabilityID":"CVE\\u001b[2J","PkgName":"a\\nb","PkgPath":"\\u202ex",'
        b'"Title":"one\\r\\n two\\u0007"}]}'
    )

    ((vulnerability,),) = (full.details.vulnerabilities for full in read_report(text))

    assert vulnerability.id == "CVE\\x1b[2J"
    assert vulnerability.package == "a\\nb"
    assert vulnerability.path == "\\u202ex"
    assert vulnerability.title == "one two\\x07"


def test_a_long_title_is_cut() -> None:
    text = report(
        b'{"Target":"a","Vulnerabilities":[{"VulnerabilityID":"a","PkgName":"b","Title":"' + b"x" * 5000 + b'"}]}'
    )

    ((vulnerability,),) = (full.details.vulnerabilities for full in read_report(text))

    assert vulnerability.title == "x" * 256 + "…"


# The time of the database


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty: did the scan fail?"),
        (b'{"Version":"0.76.0"}', "VulnerabilityDB.UpdatedAt: expected the time of a database"),
        (
            b'{"VulnerabilityDB":{"UpdatedAt":"0001-01-01T00:00:00Z"}}',
            "VulnerabilityDB.UpdatedAt: expected the time of",
        ),
        (
            b'{"VulnerabilityDB":{"UpdatedAt":"yesterday"}}',
            "VulnerabilityDB.UpdatedAt: expected a time such as 2027-01-31T00:00:00Z",
        ),
        (
            b'{"VulnerabilityDB":{"UpdatedAt":"2026-01-02T03:04:05"}}',
            "VulnerabilityDB.UpdatedAt: expected a time with a zone",
        ),
        (
            b'{"VulnerabilityDB":{"UpdatedAt":"9999-12-31T23:00:00-05:00"}}',
            "VulnerabilityDB.UpdatedAt: expected a time before",
        ),
        (b"Version: 0.76.0\n", "line 1: no JSON: invalid character"),
    ],
)
def test_what_names_no_database_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(ReportError) as refused:
        read_database_time(text)

    assert str(refused.value).startswith(reason)
