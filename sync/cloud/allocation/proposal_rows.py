"""Proposed transfers as they stand: one row each. Reads, and the one write that all changes of a state are.

Not here: what a state means and what leads to it (sync.cloud.allocation.proposals, .requests).
"""

from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from sync.retail.stock.transfer_requests import RefusalFact
from sync.retail.stock.transfers import TransferLine

State = Literal["proposed", "accepted", "sent", "dismissed", "withdrawn", "refused"]
_lines = msgspec.json.Decoder(tuple[TransferLine, ...]).decode
_refusal = msgspec.json.Decoder(RefusalFact).decode
_COLUMNS = "proposal_id, sender, receiver, state, transfer_id, lines, n, asked_ms, until_ms, note, refused"


class Proposal(Struct, frozen=True):
    """What should go from one place to another. `n` is the version of the request that the sender was told last, 0: none."""

    proposal_id: str
    sender: str
    receiver: str
    state: State
    transfer_id: str
    lines: tuple[TransferLine, ...]
    n: int = 0
    asked_ms: int = 0
    until_ms: int = 0
    note: str = ""
    refused: RefusalFact | None = None


def proposals_of(read: Connection, *, state: str = "", after: str = "", limit: int) -> list[Proposal]:
    """Return proposals of a state, empty for any, by name behind one."""
    return _found(
        read, "proposal_id > ? AND (? = '' OR state = ?) ORDER BY proposal_id LIMIT ?", (after, state, state, limit)
    )


def find_proposal(read: Connection, proposal_id: str) -> Proposal | None:
    """Return a proposal by its name."""
    return next(iter(_found(read, "proposal_id = ?", (proposal_id,))), None)


def proposals_named(read: Connection, transfer_id: str) -> list[Proposal]:
    """Return the proposals that the document of this name is of."""
    return _found(read, "transfer_id = ? ORDER BY proposal_id", (transfer_id,))


def untold(read: Connection, *, limit: int) -> list[Proposal]:
    """Return accepted proposals of which the sender's hub was told nothing: a program of before did not."""
    return _found(read, "state = 'accepted' AND n = 0 ORDER BY proposal_id LIMIT ?", (limit,))


def put_proposal(tx: Connection, known: Proposal) -> Proposal:
    """Write how a known proposal stands now; return it."""
    tx.execute(
        """
        UPDATE transfer_proposal
        SET state = ?, transfer_id = ?, lines = ?, n = ?, asked_ms = ?, until_ms = ?, note = ?, refused = ?
        WHERE proposal_id = ?
        """,
        (
            *(known.state, known.transfer_id, msgspec.json.encode(known.lines), known.n),
            *(known.asked_ms, known.until_ms, known.note),
            msgspec.json.encode(known.refused) if known.refused is not None else None,
            known.proposal_id,
        ),
    )
    return known


def _found(read: Connection, where: str, values: tuple[str | int, ...]) -> list[Proposal]:
    rows = read.execute(f"SELECT {_COLUMNS} FROM transfer_proposal WHERE {where}", values).fetchall()
    return [
        Proposal(
            *(proposal_id, sender, receiver, state, transfer, _lines(lines), n, asked_ms, until_ms, note),
            None if refused is None else _refusal(refused),
        )
        for proposal_id, sender, receiver, state, transfer, lines, n, asked_ms, until_ms, note, refused in rows
    ]
