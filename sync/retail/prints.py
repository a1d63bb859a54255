"""The print result: how a print job ended, as it is stored and shipped. Source: the design, sections 3.2 and 4 (print).

Not here: the ledger itself, which is local to a hub.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from sync.kinds import Entity, Keep, Kind

Ended = Literal["printed", "failed", "unknown"]


class PrintResult(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A job reached a final state; one that is retried ends again, with `attempts` grown. Each end is a fact of its own."""

    v: int = 1
    job_id: str
    sale_id: str | None = None
    printer_id: str
    state: Ended
    mark: str = ""
    reason: str = ""
    attempts: int
    at: datetime


PRINT_RESULT = Entity(
    name="print_result",
    stream="prints",
    kind=Kind.FACT,
    table="print_result",
    row=PrintResult,
    doc="How a print job ended, each time it did; its key is its dot.",
    dated="at",
    keep=Keep(days=30),  # who asks about paper asks within weeks
    shown="job_id",
)
