"""What carries messages between two replicas: the contract of a wire, and the fault that ends one before or while it is used.

Not here: WebSockets (sync.line.link), frames in HTTP bodies (sync.line.push), what the messages say (sync.protocol).
"""

from collections.abc import Awaitable, Callable
from ssl import SSLContext
from typing import Protocol

from sync.errors import SyncError

Take = Callable[[bytes], Awaitable[None]]
ContextSource = Callable[[], Awaitable[SSLContext | None]]
"""Whom TLS trusts, asked at each connection; None: whom this machine trusts."""

TokenSource = Callable[[], str]
"""A token that may be another one at the next connection; raises WireError where there is none."""


class Wire(Protocol):
    """Messages both ways, each whole and in its order, until one side ends it."""

    async def send(self, message: bytes) -> None:
        """Hand a message over; wait while too many are on their way; raise ConnectionError when nobody takes them."""

    async def read(self, take: Take) -> str:
        """Give every message to `take` until the end; return why it ended. Raise what `take` raises, and WireError."""

    async def flush(self) -> None:
        """Wait until what was sent has left this side, while `read` still runs."""

    async def close(self) -> None:
        """End it; `read` has ended."""


class WireError(SyncError):
    """There is no way through. `code`: a key of sync.line.state.REMEDIES; `may_be_proxy`: something between may be in the way."""

    def __init__(self, code: str, detail: str, *, may_be_proxy: bool = False) -> None:
        super().__init__(code, detail)
        self.may_be_proxy = may_be_proxy


async def own_roots() -> None:
    """Trust whom this machine trusts: a ContextSource."""
