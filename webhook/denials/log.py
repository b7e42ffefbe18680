"""The log itself: loud when it cannot be written, and refuses nobody for that."""

import logging
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from webhook.denials.record import Record
from webhook.denials.sinks import Sink

_log = logging.getLogger(__name__)


class Failure(Struct, frozen=True):
    """Since when (seconds since the epoch) the log could not be written, and why."""

    since: float
    reason: str


class DenialLog:
    """Writes records to a sink, one JSON line each; *log_allowed* has those of plain allows written too.

    `failure` is set while the last write failed. The record then goes to the operational log, so that it is not lost.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        log_allowed: bool = False,
        on_failure: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Write to *sink*; *on_failure* is told of every record that could not be written."""
        self._sink = sink
        self._encoder = msgspec.json.Encoder()
        self._on_failure = on_failure
        self._clock = clock
        self.log_allowed = log_allowed
        self.failure: Failure | None = None

    def probe(self) -> None:
        """Find out whether the log can be written, by opening it, so that the first denial is not what tells."""
        try:
            self._sink.write(b"")
        except OSError as error:
            self._note(error)
            _log.error("denial log cannot be opened", extra={"error": str(error)})

    def write(self, record: Record) -> None:
        """Write *record*. Raises nothing for a sink that fails."""
        line = self._encoder.encode(record) + b"\n"
        try:
            self._sink.write(line)
        except OSError as error:
            self._note(error)
            self._on_failure()
            _log.error(
                "denial log cannot be written", extra={"error": str(error), "record": msgspec.to_builtins(record)}
            )
        else:
            self.failure = None

    def _note(self, error: OSError) -> None:
        since = self.failure.since if self.failure else self._clock()
        self.failure = Failure(since, str(error))
