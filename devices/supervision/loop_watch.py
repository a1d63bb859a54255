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
        watch.end()
        thread.join()


class _Watch:
    """The thread: asks, waits, looks, and asks again after as long a pause."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, blame: Blame, on_blocked: Callable[[str, str], None], blocked_s: float
    ) -> None:
        self._is_over, self._alive = threading.Event(), threading.Event()
        self._loop, self._blame, self._on_blocked, self._blocked_s = loop, blame, on_blocked, blocked_s
        self._watched = threading.get_ident()

    def run(self) -> None:
        while not self._is_over.wait(self._blocked_s):
            self._alive.clear()
            if self._is_over.is_set():
                return
            self._loop.call_soon_threadsafe(self._alive.set)
            if not self._alive.wait(self._blocked_s):
                self._look()

    def end(self) -> None:
        """Let `run` return at once; whoever waits for that has the loop, which gives no sign of life meanwhile."""
        self._is_over.set()
        self._alive.set()

    def _look(self) -> None:
        device_id, where = self._who()
        if self._alive.is_set():
            return  # it came back while we looked: whom we saw may be somebody else
        extra = {"device": device_id, "where": where}
        log.error("the hub stands still" if device_id is None else "a driver holds the hub up", extra=extra)
        self._alive.wait()
        if device_id is not None and not self._is_over.is_set():
            self._loop.call_soon_threadsafe(self._on_blocked, device_id, where)

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
