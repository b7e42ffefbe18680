"""The operational log, on standard error: constant messages, with their values as fields."""

import contextlib
import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

from webhook.denials.sinks import DescriptorSink, Sink

STANDARD_ERROR = 2
LogFormat = Literal["json", "text"]
_BUILT_IN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

# Granian sets up loggers of its own: this has them hand everything to ours.
GRANIAN_LOGGING: dict[str, Any] = {
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"handlers": [], "propagate": True}, "granian.access": {"handlers": [], "propagate": True}},
}


def set_up_logging(form: LogFormat, level: str) -> None:
    """Send every log record of this process to standard error, in *form*, from *level* (info, say) up."""
    handler = _SinkHandler(DescriptorSink(STANDARD_ERROR))
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _BUILT_IN}


class _SinkHandler(logging.Handler):
    """Writes lines to a sink. What cannot be written is lost: a log must not hold up a review."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self._sink.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # Not by msgspec, which refuses surrogates: a file's name that is not UTF-8 has some.
        return json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":"))


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={_on_one_line(value)}" for key, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname.lower():7} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _on_one_line(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)
