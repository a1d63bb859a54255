"""Names to addresses in threads of their own: a resolver that hangs holds nobody up but who asked for that name.

asyncio looks names up in the threads that it has for everything. A few dials while DNS is gone would take all of them, and who
prints a receipt or checks a PIN would wait for a thread. Here each name has one thread, shared by all who ask for it meanwhile,
and a program that ends does not wait for it.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

LOOKUPS_MAX = (
    32  # names that are looked up at once; of a further one it is said at once that the resolver does not answer
)

T = TypeVar("T")
_Asked: TypeAlias = tuple[Any, Any, int, int, int, int]  # Any: what socket.getaddrinfo takes for host and port
_Found: TypeAlias = list[tuple[Any, ...]]


class LookupLoop(asyncio.SelectorEventLoop):
    """The usual loop, with look-ups of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups: dict[_Asked, asyncio.Future[_Found]] = {}

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the loop's own name
        proto: int = 0,
        flags: int = 0,
    ) -> _Found:
        """As socket.getaddrinfo; raise gaierror, also where too many names wait."""
        asked = (host, port, family, type, proto, flags)
        found = self._lookups.get(asked)
        if found is None:
            if len(self._lookups) >= LOOKUPS_MAX:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
            found = self._lookups[asked] = self.create_future()
            threading.Thread(target=self._look_up, args=(asked,), name=f"look up {host}", daemon=True).start()
        return await asyncio.shield(found)

    def _look_up(self, asked: _Asked) -> None:
        host, port, *rest = asked
        result: _Found | OSError | UnicodeError
        try:
            result = socket.getaddrinfo(host, port, *rest)
        except (OSError, UnicodeError) as err:
            result = err
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self.call_soon_threadsafe(self._found, asked, result)

    def _found(self, asked: _Asked, result: "_Found | OSError | UnicodeError") -> None:
        answer = self._lookups.pop(asked)
        if isinstance(result, list):
            answer.set_result(result)
        else:
            answer.set_exception(result)
            answer.exception()  # who asked may have gone; asyncio would complain


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program as asyncio.run does, on a LookupLoop."""
    with asyncio.Runner(loop_factory=LookupLoop) as runner:
        return runner.run(main)
