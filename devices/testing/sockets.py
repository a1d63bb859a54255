"""The sockets of a machine without hardware: what is plugged in is what a test or the demo says, heard of as udev tells it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devices.plug.attachment import Attached


class SimulatedSockets:
    """A Machine: `plug` and `pull` tell whoever watches."""

    def __init__(self, *attached: Attached) -> None:
        self._attached = {each.node: each for each in attached}
        self._watchers: list[tuple[Callable[[Attached], None], Callable[[str], None]]] = []

    def attached(self) -> list[Attached]:
        """Return what is plugged in."""
        return list(self._attached.values())

    @contextmanager
    def watching(self, on_plugged: Callable[[Attached], None], on_unplugged: Callable[[str], None]) -> Iterator[None]:
        """Tell of each device that comes or goes."""
        watcher = (on_plugged, on_unplugged)
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def plug(self, attached: Attached) -> None:
        """Plug a device in; its node takes the place of another of this name."""
        self._attached[attached.node] = attached
        for on_plugged, _ in self._watchers:
            on_plugged(attached)

    def pull(self, node: str) -> None:
        """Pull a device out."""
        del self._attached[node]
        for _, on_unplugged in self._watchers:
            on_unplugged(node)
