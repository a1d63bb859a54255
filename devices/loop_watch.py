"""Finds the driver that blocks: one that does not come back out of a call, in C or in Python, stands in everybody's way.

A thread asks the loop for a sign of life; when none comes, the stack of the loop's thread says which driver has it. That is
logged while it lasts; when the loop turns again, the supervisor takes that driver off for a while, so that the shop goes on.
Nobody can end such a call from within: if it never comes back, the service's own watchdog starts the hub again.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

BLOCKED_S = 4.0  # no write, no redraw takes so long; a service's watchdog waits for much longer

log = logging.getLogger(__name__)
Blame = Callable[[FrameType], str | None]  # the device whose driver a frame is, None for any other frame


@contextmanager
def watching_loop(
    blame: Blame, on_blocked: Callable[[str, str], None], *, blocked_s: float = BLOCKED_S
) -> Iterator[None]:
    """Watch the running loop. `on_blocked(device_id, where)` is called on it, once it turns again."""
    watch = _Watch(asyncio.get_running_loop(), blame, on_blocked, blocked_s)
    thread = threading.Thread(target=watch.run, name="loop watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.is_over.set()
        thread.join()


class _Watch:
    """The thread: asks, waits, looks, and asks again after as long a pause."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, blame: Blame, on_blocked: Callable[[str, str], None], blocked_s: float
    ) -> None:
        self.is_over = threading.Event()
        self._loop, self._blame, self._on_blocked, self._blocked_s = loop, blame, on_blocked, blocked_s
        self._watched = threading.get_ident()

    def run(self) -> None:
        while not self.is_over.wait(self._blocked_s):
            alive = threading.Event()
            self._loop.call_soon_threadsafe(alive.set)
            if not self._wait(alive):
                self._look(alive)

    def _look(self, alive: threading.Event) -> None:
        device_id, where = self._who()
        if alive.is_set():
            return  # it came back while we looked: whom we saw may be somebody else
        extra = {"device": device_id, "where": where}
        log.error("the hub stands still" if device_id is None else "a driver holds the hub up", extra=extra)
        while not self.is_over.is_set() and not self._wait(alive):
            pass
        if device_id is not None and not self.is_over.is_set():
            self._loop.call_soon_threadsafe(self._on_blocked, device_id, where)

    def _wait(self, alive: threading.Event) -> bool:
        return alive.wait(self._blocked_s)

    def _who(self) -> tuple[str | None, str]:
        """Return the device whose driver has the loop, and where that is: the driver's line and the innermost one."""
        frame = sys._current_frames().get(self._watched)
        innermost, below = _place(frame), frame
        while frame is not None:
            if (device_id := self._blame(frame)) is not None:
                return device_id, f"{_place(below)}, in {innermost}"
            frame, below = frame.f_back, frame
        return None, innermost


def _place(frame: FrameType | None) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else "no code at all"
