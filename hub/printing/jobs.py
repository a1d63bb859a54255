"""What a driver holds of the hub's: a job of the print ledger, or a drawer pulse that somebody waits for.

Not here: which job comes next, and what stands in the ledger (hub.printing.spooler).
"""

import asyncio
from types import TracebackType
from typing import Protocol

from devices.document import Document, DrawerPulse
from devices.errors import WireError
from sync.errors import SyncError
from sync.retail.prints import Ended


class Ledger(Protocol):
    """Where what becomes of a job is written down."""

    async def begin(self, job_id: str, /) -> None: ...

    async def put_back(self, job_id: str, /) -> None: ...

    async def end(self, job_id: str, state: Ended, reason: str, /) -> None: ...

    def printed(self, job_id: str, /) -> None: ...


class LedgerError(WireError):
    """Not the printer's fault: the job stays queued, the driver comes back to it."""

    reason = "hub_cannot_write"


class writing:  # noqa: N801  # a context, written as contextlib writes its own
    """What the hub cannot write is no bug of the driver that asks for it: it ends, and comes back."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, err: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(err, SyncError):
            raise LedgerError(f"the hub could not write down {self._what}: {err}") from err


class LedgerJob:
    """A job of the ledger in the hands of a driver."""

    def __init__(self, ledger: Ledger, job_id: str, document: Document) -> None:
        self._ledger = ledger
        self.job_id = job_id
        self.document = document

    async def begin(self) -> None:
        """Make durable that bytes may reach the paper from now on; raise LedgerError when the hub cannot write, and
        JobTakenError when another printer prints it.
        """
        with writing("that it prints"):
            await self._ledger.begin(self.job_id)

    async def put_back(self) -> None:
        """No byte was sent and none will be now."""
        with writing("that it does not print"):
            await self._ledger.put_back(self.job_id)

    async def printed(self) -> None:
        """The printer confirmed the document."""
        self._ledger.printed(self.job_id)

    async def failed(self, reason: str) -> None:
        """Surely nothing came out."""
        with writing("that a document failed"):
            await self._ledger.end(self.job_id, "failed", reason)

    async def unknown(self, reason: str) -> None:
        """Some of it may have come out."""
        with writing("how a document ended"):
            await self._ledger.end(self.job_id, "unknown", reason)


class DrawerJob:
    """A drawer pulse somebody is waiting for."""

    job_id = "drawer"

    def __init__(self) -> None:
        self.document = Document((DrawerPulse(),))
        self.done = asyncio.Event()
        self.is_open = False

    async def begin(self) -> None:
        """Nothing to make durable: a pulse is never repeated."""

    async def put_back(self) -> None:
        """A printer that is off line opens no drawer."""
        self.done.set()

    async def printed(self) -> None:
        """The printer took the pulse."""
        self.is_open = True
        self.done.set()

    async def failed(self, _reason: str) -> None:
        """The pulse did not go out."""
        self.done.set()

    async def unknown(self, _reason: str) -> None:
        """The pulse may have gone out."""
        self.done.set()
