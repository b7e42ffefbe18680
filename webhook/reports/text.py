"""What is handed in as a report, up to its JSON: bounded, unpacked, decoded, and every fault told with its place."""

import re
import zlib
from typing import BinaryIO, TypeVar

import msgspec

from webhook.policy.expected import in_words

LONGEST_REPORT = 64 * 1024 * 1024  # bytes; some 15,000 vulnerabilities with all their descriptions
_CHUNK = 1024 * 1024
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_BYTE = re.compile(r" \(byte (\d+)\)$")
_T = TypeVar("_T")


class ReportError(ValueError):
    """The text is no report that can be used; str() says why, in lower case, with the path of what is wrong."""


def read_report_text(stream: BinaryIO) -> bytes:
    """Read all of *stream*, plain or compressed with gzip; raises ReportError past LONGEST_REPORT bytes of text.

    Neither a large file nor a decompression bomb is held beyond that. An OSError of the stream is the caller's.
    """
    data = bytearray()
    while len(data) <= LONGEST_REPORT and (chunk := stream.read(min(_CHUNK, LONGEST_REPORT + 1 - len(data)))):
        data += chunk
    _check_length(data)
    return _unpack(data) if data.startswith(_GZIP) else bytes(data)


def _unpack(data: bytes | bytearray) -> bytes:
    decompressor = zlib.decompressobj(wbits=31)  # gzip and nothing else
    try:
        text = decompressor.decompress(data, LONGEST_REPORT + 1)
    except zlib.error as error:
        msg = f"not readable as gzip: {error}"
        raise ReportError(msg) from error
    _check_length(text)
    if not decompressor.eof:
        msg = "cut short: the end of what gzip wrote is missing"
        raise ReportError(msg)
    if decompressor.unused_data.strip(b"\0"):
        msg = "more follows what gzip wrote: a file holds one report"
        raise ReportError(msg)
    return text


def plain(text: bytes) -> bytes:
    """Return *text* less its byte order mark; raises ReportError where it is empty or too long."""
    _check_length(text)
    text = text.removeprefix(_BOM)
    if not text.strip():
        msg = "empty: did the scan fail?"
        raise ReportError(msg)
    return text


def decode(text: bytes, type_: type[_T], path: str = "") -> _T:
    """Return the JSON *text* as *type_*; raises ReportError, where *path* leads to the text.

    All of it must be UTF-8, also what is not asked for and msgspec would skip.
    """
    try:
        text.decode()
        return msgspec.json.decode(text, type=type_)
    except UnicodeDecodeError as error:
        msg = f"line {_line(text, error.start)}: expected UTF-8"
    except msgspec.ValidationError as error:
        inner, message = in_words(error, type_)
        where = f"{path}.{inner}".strip(".")
        msg = f"{where}: {message}" if where else message
    except msgspec.DecodeError as error:
        msg = _why_malformed(text, str(error))
    except RecursionError:
        msg = "nested too deeply for a report"
    raise ReportError(msg)


def _check_length(text: bytes | bytearray) -> None:
    if len(text) > LONGEST_REPORT:
        msg = f"longer than {LONGEST_REPORT // 1024 // 1024} MiB, which no report is"
        raise ReportError(msg)


def _why_malformed(text: bytes, message: str) -> str:
    if "truncated" in message:
        return f"cut short: the JSON ends unfinished in line {_line(text, len(text))}"
    found = _BYTE.search(message)
    where = f"line {_line(text, int(found[1]))}: " if found else ""
    return f"{where}no JSON: {_BYTE.sub('', message).removeprefix('JSON is malformed: ')}"


def _line(text: bytes, end: int) -> int:
    return text.count(b"\n", 0, end) + 1
