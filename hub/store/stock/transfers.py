"""Transfers as this store sees them: what it has sent, what is on the road to it, what has come and what does not agree. Reads.

A transfer whose document is still on its way is known by what came of it. Rules: sync.retail.stock.transfers.
"""

from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import NotFoundError
from sync.db import Database
from sync.retail.stock.movements import Flag
from sync.retail.stock.transfers import ArrivalFact, TransferFact, TransferState, came_of, sender_of, state_of

PAGE_MAX = 200
_OF_IT = "FROM arrival WHERE arrival.transfer_id = named.transfer_id"
_IS_OPEN = f"NOT EXISTS (SELECT 1 {_OF_IT} AND arrival.body ->> '$.is_partial' IS NOT 1)"
_DIFFERS = """EXISTS (
  SELECT sku FROM (
    SELECT line.value ->> 0 AS sku, line.value ->> 1 AS qty
    FROM transfer, json_each(transfer.body, '$.lines') AS line WHERE transfer.transfer_id = named.transfer_id
    UNION ALL
    SELECT line.value ->> 0, -(line.value ->> 1)
    FROM arrival, json_each(arrival.body, '$.lines') AS line WHERE arrival.transfer_id = named.transfer_id
  ) GROUP BY sku HAVING sum(qty) <> 0
)"""
Direction = Literal["in", "out"]


class TransferLineView(Struct, frozen=True):
    """A SKU of a transfer: what was sent (null while that is not known here) and what has come."""

    sku: str
    sent: int | None
    came: int


class TransferView(Struct, frozen=True):
    """A transfer as both branches see it, each as far as the line has told it. `age_s` is since it was sent, or came."""

    transfer_id: str
    direction: Direction
    sender: str
    receiver: str
    state: TransferState
    lines: list[TransferLineView]
    flags: tuple[Flag, ...]
    arrivals: list[str]
    sent_at: datetime | None
    age_s: int
    reference: str = ""


def find_transfer(read: Connection, name: str) -> TransferFact | None:
    """Return a transfer by its name."""
    row = read.execute("SELECT body FROM transfer WHERE transfer_id = ?", (name,)).fetchone()
    return msgspec.json.decode(row[0], type=TransferFact) if row else None


def arrivals_of(read: Connection, name: str) -> list[ArrivalFact]:
    """Return what has come of a transfer, by document."""
    rows = read.execute("SELECT body FROM arrival WHERE transfer_id = ? ORDER BY arrival_id", (name,)).fetchall()
    return [msgspec.json.decode(body, type=ArrivalFact) for (body,) in rows]


def transfer_view(read: Connection, name: str, *, store: str, now_ms: int) -> TransferView:
    """Return how a transfer stands; raise NotFoundError for one of which nothing is known here."""
    transfer, arrivals = find_transfer(read, name), arrivals_of(read, name)
    if transfer is None and not arrivals:
        raise NotFoundError("transfer", f"no transfer {name!r} is known here")
    state, flags = state_of(transfer, arrivals)
    sender = sender_of(name) if transfer is None else transfer.sender
    sent_at = None if transfer is None else transfer.sent_at
    since = min(each.arrived_at for each in arrivals) if sent_at is None else sent_at
    return TransferView(
        transfer_id=name,
        direction="out" if sender == store else "in",
        sender=sender,
        receiver=arrivals[0].receiver if transfer is None else transfer.receiver,
        state=state,
        lines=_lines(transfer, arrivals),
        flags=flags,
        arrivals=[arrival.arrival_id for arrival in arrivals],
        sent_at=sent_at,
        age_s=max(0, now_ms // 1000 - round(since.timestamp())),
        reference="" if transfer is None else transfer.reference,
    )


async def waiting_transfers(
    db: Database, *, store: str, direction: Direction | None, after: str, limit: int
) -> list[str]:
    """Return the names of transfers that wait for something (on the road, partly here, not what was sent), from behind one."""
    rows = await db.search(
        f"""
        WITH named AS (
          SELECT transfer_id FROM transfer WHERE transfer_id > :after
          UNION SELECT transfer_id FROM arrival WHERE transfer_id > :after
        )
        SELECT named.transfer_id FROM named
        WHERE (:direction = '' OR :direction = iif(named.transfer_id LIKE :sent, 'out', 'in'))
          AND ({_IS_OPEN} OR {_DIFFERS}) ORDER BY 1 LIMIT :limit
        """,
        {"after": after, "direction": direction or "", "sent": f"{store}:%", "limit": limit},
    )
    return [name for (name,) in rows]


def differing_sent(
    read: Connection, after: str, limit: int, *, store: str, since: datetime
) -> list[tuple[str, str, str]]:
    """Return (name, sent_at, receiver) of this store's transfers of which something else has come than was sent."""
    rows: list[tuple[str, str, str]] = read.execute(
        f"""
        SELECT named.transfer_id, named.body ->> '$.sent_at', receiver FROM transfer AS named
        WHERE named.transfer_id > ? AND sender = ? AND named.body ->> '$.sent_at' > ? AND NOT ({_IS_OPEN}) AND {_DIFFERS}
        ORDER BY 1 LIMIT ?
        """,
        (after, store, since.isoformat(), limit),
    ).fetchall()
    return rows


def _lines(transfer: TransferFact | None, arrivals: Sequence[ArrivalFact]) -> list[TransferLineView]:
    came = came_of(arrivals)
    sent: dict[str, int] = {}
    for line in () if transfer is None else transfer.lines:
        sent[line.sku] = sent.get(line.sku, 0) + line.qty
    skus = sorted({*sent, *came})
    return [TransferLineView(sku, None if transfer is None else sent.get(sku, 0), came[sku]) for sku in skus]
