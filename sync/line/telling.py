"""What a hub says of itself on its line, beside the rows: at the start, when it has changed, and every so often. Telemetry: it
changes no state of the conversation, and is lost without harm.

Only to a peer that names the feature `status`; an older one hears nothing of it.
"""

from collections.abc import Callable, Collection

from sync.actions import Send
from sync.protocol import STATUS, Status

CHANGED_EVERY_MS = 15_000  # between two that say something new: a fleet of a thousand is 70 a second at most
AGAIN_EVERY_MS = 300_000

StatusSource = Callable[[], Status]
Heard = Callable[[Status], None]


class Telling:
    """Both ends: `source` is the dialler's, `heard` the acceptor's."""

    def __init__(self, source: StatusSource | None = None, heard: Heard | None = None) -> None:
        self._source = source
        self._heard = heard
        self._said: Status | None = None
        self._said_ms = 0

    def due(self, features: Collection[str], now_ms: int) -> list[Send]:
        """Return what is to be said now."""
        if self._source is None or STATUS not in features:
            return []
        if self._said is not None and now_ms - self._said_ms < CHANGED_EVERY_MS:
            return []
        status = self._source()
        if status == self._said and now_ms - self._said_ms < AGAIN_EVERY_MS:
            return []
        self._said, self._said_ms = status, now_ms
        return [Send(status)]

    def hear(self, status: Status) -> None:
        """Take what the peer says of itself."""
        if self._heard is not None:
            self._heard(status)
