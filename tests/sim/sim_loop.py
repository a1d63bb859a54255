"""An event loop on virtual time, for what the product does with tasks and not with a socket: it ends with its machine's life.

Callbacks are events of the world's one queue. A task that is left over when the machine dies is cancelled.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any

from sync.errors import SyncError

if TYPE_CHECKING:
    from tests.sim.node import Node


class SimLoop(asyncio.AbstractEventLoop):
    """The loop of one life of a machine: as much of asyncio's as tasks, events and time-outs need. Any: as there."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._life = node.life
        self._tasks: dict[asyncio.Task[Any], None] = {}  # that are not done
        self._soon: deque[asyncio.Handle] = deque()

    @property
    def is_alive(self) -> bool:
        """Whether anything is to be run yet."""
        return self._node.is_up and self._node.life == self._life

    def time(self) -> float:
        """See asyncio."""
        return self._node.world.now_ms / 1000

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        if self.is_alive:
            self._node.after(0, self._run_next)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        handle = asyncio.TimerHandle(self.time() + delay, callback, args, self, context)
        if self.is_alive:
            self._node.after(delay * 1000, lambda: self._run(handle))
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_later(max(0.0, when - self.time()), callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> "asyncio.Task[Any]":  # type: ignore[override]
        """See asyncio."""
        task = asyncio.Task(coro, loop=self, **options)
        self._tasks[task] = None
        task.add_done_callback(self._is_done)
        return task

    def abandon(self) -> None:
        """Let every task come to its end, as a process that dies does; nobody hears of it."""
        for task in list(self._tasks):
            task.cancel()
        while self._soon:
            self._run_next()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A task that has failed fails the run; one that is left over says so to nobody."""
        if self.is_alive and context.get("exception") is not None:
            raise context["exception"]

    def get_debug(self) -> bool:
        """No."""
        return False

    def is_running(self) -> bool:
        """As far as anybody asks."""
        return True

    def is_closed(self) -> bool:
        """Never."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It does nothing when its time comes."""

    def _is_done(self, task: "asyncio.Task[Any]") -> None:
        """What no caller expects ends the run."""
        self._tasks.pop(task, None)
        err = None if task.cancelled() else task.exception()
        if err is not None and not isinstance(err, SyncError):
            raise err

    def _run_next(self) -> None:
        if self._soon:
            self._run(self._soon.popleft())

    def _run(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(before)
