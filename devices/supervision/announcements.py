"""What the hub says of itself on a wire: the latest of each topic, to be retained there. Pure.

The hub puts, a driver that announces takes: all of it when it has connected, then what has changed.
"""

from collections.abc import Callable, Set

ANNOUNCED_MAX = 1024
"""Topics; a further one is not announced: a shop has some dozen devices and entrances."""


class Announcements:
    """The latest payload of each topic. `on_change` wakes whoever takes."""

    def __init__(self) -> None:
        self._latest: dict[str, bytes] = {}
        self._changed: dict[str, bytes] = {}
        self.on_change: Callable[[], None] = _nobody

    @property
    def topics(self) -> Set[str]:
        """All that there is."""
        return self._latest.keys()

    def put(self, topic: str, payload: bytes) -> None:
        """Say something; the same again says nothing."""
        if self._latest.get(topic) == payload or (topic not in self._latest and len(self._latest) >= ANNOUNCED_MAX):
            return
        self._latest[topic] = self._changed[topic] = payload
        self.on_change()

    def begin(self) -> None:
        """Whoever takes has taken nothing yet."""
        self._changed = dict(self._latest)

    def take(self) -> dict[str, bytes]:
        """Return what was put since the last time."""
        taken, self._changed = self._changed, {}
        return taken


def _nobody() -> None:
    """Nobody is connected."""
