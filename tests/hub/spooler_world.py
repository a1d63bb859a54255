"""A printer's spooler on a real ledger, and tills that sell and print."""

import asyncio
from collections.abc import Callable
from sqlite3 import Connection
from typing import Any

from devices.document import Document, Text
from hub.printing.spooler import Spooler
from hub.store.selling import printing
from hub.store.selling.printing import OpenJob, PrintJobView, PrintTo
from sync.retail.selling.sales import Sale

NOTE = Document((Text("note"),))
WAIT_S = 60.0


def full_disk(tx: Connection) -> None:
    """A job that finds no room: the file may not grow any more."""
    tx.execute(f"PRAGMA max_page_count = {tx.execute('PRAGMA page_count').fetchone()[0]}")
    tx.execute("UPDATE print_job SET reason = ?", ("x" * 1_000_000,))


class Desk:
    """A spooler of `store` with what it announced; its printer takes `takes_s` for a receipt."""

    def __init__(
        self, store: Any, *, render: Callable[[OpenJob, Any], Document] = lambda job, _sale: job.document or NOTE
    ) -> None:
        self.store, self.told = store, []
        self.takes_s, self._passed_s = 1.0, 0.0
        self.spooler = Spooler(
            store.db,
            lambda: store.replica,
            "p1",
            now_ms=lambda: 7,
            monotonic_s=self._monotonic_s,
            render=render,
            announce=self._announce,
        )

    def _monotonic_s(self) -> float:
        """A receipt takes `takes_s`, whatever else is done."""
        self._passed_s += self.takes_s
        return self._passed_s

    def _announce(self, job: PrintJobView) -> None:
        self.told.append((job.job_id, job.state, job.reason))

    async def queue(self, job_id: str) -> None:
        await self.store.db.write(lambda tx: printing.queue_document(tx, job_id, NOTE, printer_id="p1", now_ms=1))
        self.spooler.poke()

    async def commit(self) -> None:
        """Have one more commit: what was to be written soon goes with it."""
        await self.store.db.write(lambda tx: None)

    def state(self, job_id: str) -> str:
        return printing.job_view(self.store.db.read, job_id).state


async def waiting(desk: Desk) -> "asyncio.Task[Any]":
    """A driver that waits for its next job."""
    task = asyncio.ensure_future(desk.spooler.next_job())
    await asyncio.sleep(0)  # one turn of the loop: it waits now
    return task


async def sold(desk: Desk, sale: Sale, *, is_promised: bool) -> PrintJobView:
    """Book a sale whose receipt is begun in the same commit when the printer was promised."""
    recorded = await desk.store.sell(sale, print_to=PrintTo("p1", is_promised))
    assert recorded.print_job == printing.job_view(desk.store.db.read, recorded.print_job.job_id)
    return recorded.print_job
