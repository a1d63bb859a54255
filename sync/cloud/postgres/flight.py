"""A statement whose answer nobody has waited for yet: its request has left, and the server works while the rules go on.

Its coroutine is stepped by the loop's callbacks: a task for each statement, and the loop begun and ended around it, cost as much
as the statement does. For work without timeouts of asyncio's own (they need a task). Not here: which statements may (connection).
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

GLANCES = 3  # turns of the loop from the bytes that came to the end of who waited for them


class Flight:
    """One request on a loop that runs only while somebody waits. Any: a coroutine waits for futures of whatever it likes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> None:
        self._loop, self._work = loop, work
        self._is_sent: Callable[[], bool] | None = None
        self._is_over = False
        self._answer: Any = None
        self._error: BaseException | None = None

    def depart(self, is_sent: Callable[[], bool]) -> None:
        """Run until the request is whole, or to the end; what goes wrong is raised by who lands."""
        self._is_sent = is_sent
        self._loop.call_soon(self._step)
        self._loop.run_forever()

    def glance(self) -> bool:
        """Do what can be done without waiting; return whether it is over."""
        for _ in range(GLANCES):
            if self._is_over:
                break
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
        return self._is_over

    def land(self) -> Any:
        """Wait for the answer and return it; raise the error, to everybody who asks."""
        self._is_sent = None
        if not self._is_over:
            self._loop.run_forever()
        if self._error is not None:
            raise self._error
        return self._answer

    def _step(self, _done: object = None) -> None:
        waits_for: asyncio.Future[Any] | None = None
        with self:
            waits_for = self._work.send(None)
        if waits_for is not None:
            waits_for.add_done_callback(self._step)
        else:
            self._is_over = True
        if self._is_over or (self._is_sent is not None and self._is_sent()):
            self._loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _where: TracebackType | None) -> bool:
        """Keep what a step ends with: a callback has nobody to raise it to."""
        if isinstance(error, StopIteration):
            self._answer = error.value
        else:
            self._error = error
        return True
