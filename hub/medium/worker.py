"""One thread for a medium: a stick that answers no more holds up this thread, and nothing else. It is no reason not to
stop."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sync.errors import SyncError

T = TypeVar("T")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]  # Any: what the job returns


class Worker:
    """Runs one job at a time."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._idle = asyncio.Event()
        self._idle.set()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def idle(self) -> None:
        """Wait until nothing is under way, also of what nobody waits for any more."""
        await self._idle.wait()

    def close(self) -> None:
        """End the thread behind what it does now."""
        self._jobs.put(None)

    async def do(self, job: Callable[[], T], *, timeout_s: float) -> T:
        """Run a job; raise TimeoutError where it takes too long: it may end yet."""
        assert self._idle.is_set(), "one job at a time"
        done: asyncio.Future[T] = self._loop.create_future()
        self._idle.clear()
        self._jobs.put((job, done))
        async with asyncio.timeout(timeout_s):
            return await done

    def _run(self) -> None:
        while (task := self._jobs.get()) is not None:
            job, done = task
            result: object = None
            error: Exception | None = RuntimeError("a job of this thread broke: see its traceback")
            try:
                result, error = job(), None
            except SyncError as err:
                error = err
            finally:
                with suppress(RuntimeError):  # the loop has ended meanwhile
                    self._loop.call_soon_threadsafe(self._tell, done, result, error)

    def _tell(self, done: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
        self._idle.set()
        if done.done():
            return  # nobody waits for it any more
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)
