"""The reports in memory, for the request path: what a store holds, followed within a second or two."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from webhook.model.facts import NotHeldError
from webhook.model.quote import one_line
from webhook.model.report import Report, Vulnerability
from webhook.reports.store import Changes, Held, Key, Known, ReportStore, StoreError, tag_key, unpack_details

INTERVAL = 0.5  # seconds between two looks
LIMIT = 256 * 1024 * 1024  # bytes
_UNPACKED = 16  # reports whose vulnerabilities stay unpacked
_MOST_NAMED = 3  # reports that an error names

_log = logging.getLogger(__name__)


class IndexState(Struct, frozen=True):
    """What is in force, and what the last look found wrong.

    `complete` is False until the store has been read once. `held` counts reports, `without_details` those of them whose
    vulnerabilities the limit has no room for, `left_out` those that the store has beyond it; `oldest` and `newest` are
    times of scans, None without any. `unreadable` are the digests of images of which a report is damaged and nothing is
    known: `error` names it.
    """

    complete: bool = False
    error: str = ""
    held: int = 0
    without_details: int = 0
    left_out: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    unreadable: frozenset[str] = frozenset()


class _Content(Struct, frozen=True):
    """What is in memory: replaced as a whole, so that readers need no lock."""

    by_digest: Mapping[str, tuple[Held, ...]] = {}
    tags: Mapping[str, str] = {}

    def held(self, digest: str, platform: str) -> Held | None:
        for held in self.by_digest.get(digest, ()):
            if held.report.platform == platform:
                return held
        return None


class ReportIndex:
    """The reports of a store, the newest scans first where not all of them fit into the limit.

    Beyond it reports are held without their vulnerabilities, so that verdicts still rest on what they count.

    While the store cannot be read, what was read last stays in force and `state.error` says why.
    """

    def __init__(
        self, store: ReportStore, limit: int = LIMIT, on_look: Callable[[IndexState], None] = lambda _: None
    ) -> None:
        """Read *store* now, up to *limit* bytes of memory, about; *on_look* is told of this and every later look."""
        self._on_look = on_look
        self._store = store
        self._limit = limit
        self._stop = threading.Event()
        self._version: int | None = None
        self._content = self._before = _Content()
        self._unpack = lru_cache(_UNPACKED)(unpack_details)
        self.state = IndexState()
        self.look()

    def watch(self, interval: float = INTERVAL) -> None:
        """Begin to look for changes every *interval* seconds, in a thread of its own."""
        threading.Thread(target=self._watch, args=(interval,), name="report-index", daemon=True).start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()

    def look(self) -> None:
        """Look once: take over what changed in the store."""
        try:
            version = self._store.version()
            if version != self._version:
                self._take(self._store.load(self._known(), self._limit))
                self._version = version
        except StoreError as error:
            self._fail(str(error))

    def find(self, digest: str, platform: str) -> Report | None:
        """Return the report of *digest* on *platform*."""
        held = self._content.held(digest, platform)
        return None if held is None else held.report

    def platforms(self, digest: str) -> tuple[str, ...]:
        """Return the platforms that there are reports of *digest* for, sorted."""
        return tuple(sorted([held.report.platform for held in self._content.by_digest.get(digest, ())]))

    def resolve(self, tag: str) -> str | None:
        """Return the digest that *tag*, a full name such as docker.io/library/nginx:1.29.3, was last scanned under."""
        return self._content.tags.get(tag_key(tag))

    def vulnerabilities(self, report: Report) -> tuple[Vulnerability, ...]:
        """Return what *report*, which this index gave, found: the worst first.

        Raises NotHeldError where it is held without them, LookupError where it is long gone; one that was replaced
        since the last look but one is still known, so that a verdict under way does not mix two reports.
        """
        for content in (self._content, self._before):
            held = content.held(report.digest, report.platform)
            if held is not None and held.report is report:
                if not held.details:
                    msg = f"memory has no room for the vulnerabilities of {report.digest} on {report.platform}"
                    raise NotHeldError(msg)
                return self._unpack(held.details).vulnerabilities
        msg = f"the report of {report.digest} on {report.platform} is no longer held"
        raise LookupError(msg)

    def _watch(self, interval: float) -> None:
        while not self._stop.wait(interval):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  # the thread must outlive any surprise, and tell of it
                _log.exception("reports could not be looked at")
                self._fail(f"the store could not be looked at: {error}")

    def _known(self) -> dict[Key, Known]:
        return {held.key: held.known for reports in self._content.by_digest.values() for held in reports}

    def _take(self, changes: Changes) -> None:
        content = _merged(self._content, changes)
        if changes.changed or changes.gone or content.tags != self._content.tags:
            self._before, self._content = self._content, content
        held = [each for reports in content.by_digest.values() for each in reports]
        times = [each.report.scanned_at for each in held]
        before = self.state
        self.state = IndexState(
            complete=True,
            error=_damage(changes.damaged),
            held=len(held),
            without_details=sum(not each.details for each in held),
            left_out=changes.left_out,
            oldest=min(times, default=None),
            newest=max(times, default=None),
            unreadable=frozenset([key.digest for key in changes.damaged if content.held(*key) is None]),
        )
        if self.state.error != before.error and self.state.error:
            _log.error("reports cannot be read", extra={"error": self.state.error, "held": self.state.held})
        if self.state != before:
            counts = {key: getattr(self.state, key) for key in ("held", "without_details", "left_out")}
            _log.info("reports loaded", extra=counts)
        self._on_look(self.state)

    def _fail(self, error: str) -> None:
        if error != self.state.error:
            _log.error("reports cannot be read", extra={"error": error, "held": self.state.held})
        self._version = None  # once it can be read again it is, whether it changed or not
        self.state = replace(self.state, error=error)
        self._on_look(self.state)


def _merged(content: _Content, changes: Changes) -> _Content:
    by_digest = dict(content.by_digest)
    touched = {*changes.gone, *(held.key for held in changes.changed)}
    for digest, platform in touched:
        kept = tuple([held for held in by_digest.pop(digest, ()) if held.report.platform != platform])
        if kept:
            by_digest[digest] = kept
    for held in changes.changed:
        digest = held.report.digest
        by_digest[digest] = (*by_digest.get(digest, ()), held)
    # Tags of what is left out would lead nowhere. The digest that is held already saves the memory of another.
    # Those of what is damaged tell that something was known.
    digests = {key.digest: key.digest for key in changes.damaged}
    digests |= {digest: reports[0].report.digest for digest, reports in by_digest.items()}
    tags = {tag: digests[digest] for tag, digest in changes.tags.items() if digest in digests}
    return _Content(by_digest, tags)


def _damage(damaged: Sequence[Key]) -> str:
    """Return in words what is damaged; "" for nothing."""
    if not damaged:
        return ""
    named = ", ".join(f"{one_line(digest)} on {one_line(platform)}" for digest, platform in damaged[:_MOST_NAMED])
    more = f" and {len(damaged) - _MOST_NAMED} more" if len(damaged) > _MOST_NAMED else ""
    return f"damaged in the store, to be imported again: {named}{more}"
