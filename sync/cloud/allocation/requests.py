"""Shops are asked for what head office has accepted, and what they say to it is noted. Functions of a write job, and a read.

    accepted           the hub of the sender is told of a request, open
    withdrawn          it is told that the request is withdrawn; goods that leave anyway are sent
    the document came  sent, and the request is done
    a refusal came     refused, by the shop, unless the document comes after all

A restored cloud may have the document of a proposal that it has forgotten to have accepted: what has come is looked at when it is
accepted again. Not here: proposing (sync.cloud.allocation.proposals), what a hub makes of a request (hub.store.stock.requests).
"""

from sqlite3 import Connection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.cloud.allocation.proposal_rows import Proposal, proposals_named, put_proposal, untold
from sync.cloud.allocation.settings import Settings
from sync.cloud.arrivals.looked import ROWS_MAX, new_rows
from sync.cloud.arrivals.rows import key_of
from sync.cloud.rights.rights import store_of
from sync.cloud.scopes.scopes import put_row
from sync.json_errors import NOT_JSON
from sync.model import Replica, Stream
from sync.retail.stock.transfer_requests import REFUSAL, TRANSFER_REQUEST, RefusalFact, RequestState, TransferRequestRow
from sync.retail.stock.transfers import TRANSFER, TransferFact, sender_of

_STATES: dict[str, RequestState] = {"accepted": "open", "withdrawn": "withdrawn", "sent": "done"}
_decode = msgspec.json.Decoder(TransferFact | RefusalFact).decode
Said = TransferFact | RefusalFact


class Noted(Struct, frozen=True):
    """What came of a job: whether there is more, which proposals stand otherwise since."""

    has_more: bool
    names: tuple[str, ...]


def branch_of(settings: Settings, name: str) -> str:
    """Return the branch by which a place is called on paper: its store, or the place itself."""
    return next((each.store for each in settings.locations if each.name == name and each.store), name)


def said_of(read: Connection, transfer: str) -> Said | None:
    """Return what has come of a shop that was asked for a transfer: the document before a refusal."""
    for entity in (TRANSFER, REFUSAL):
        row = read.execute(
            """
            SELECT fact.body FROM fact_key JOIN fact ON fact.stream = fact_key.stream AND fact.n = fact_key.n
            WHERE fact_key.stream = (SELECT id FROM feed WHERE stream = ?) AND fact_key.key = ?
            """,
            (Stream.TRANSFERS, key_of(entity.name, transfer)),
        ).fetchone()
        said = None if row is None else _read(row[0])
        if said is not None:
            return said
    return None


def settle(tx: Connection, own: Replica, settings: Settings, known: Proposal, said: Said | None) -> Proposal:
    """Bring a proposal to what its sender says, if anything, tell the sender how it stands; return it."""
    if isinstance(said, TransferFact):
        known = replace(known, state="sent", refused=None)
    elif said is not None and known.state == "accepted":
        return put_proposal(tx, replace(known, state="refused", refused=said))
    return put_proposal(tx, _tell(tx, own, settings, known))


def note_said(tx: Connection, own: Replica, settings: Settings, *, now_ms: int) -> Noted:
    """Note the documents and refusals that have come since the last time, and ask whom nobody has asked; ROWS_MAX at most."""
    before = untold(tx, limit=ROWS_MAX)
    for each in before:
        settle(tx, own, settings, replace(each, asked_ms=now_ms), said_of(tx, each.transfer_id))
    names = [each.proposal_id for each in before]
    rows = new_rows(tx, own, Stream.TRANSFERS, "fact", looker="proposals")
    for row in rows:
        said = _read(row.body)
        if said is None or said.sender != store_of(row.rep):
            continue  # goods that came or were taken back; a store speaks for itself only
        name = said.transfer_id if isinstance(said, TransferFact) else said.refusal_id
        for known in proposals_named(tx, name):
            if known.state in _waits_for(said) and sender_of(name) == said.sender:
                settle(tx, own, settings, known, said)
                names.append(known.proposal_id)
    return Noted(ROWS_MAX in (len(rows), len(before)), tuple(names))


def _waits_for(said: Said) -> tuple[str, ...]:
    return ("accepted", "withdrawn", "refused") if isinstance(said, TransferFact) else ("accepted",)


def _tell(tx: Connection, own: Replica, settings: Settings, known: Proposal) -> Proposal:
    """Tell the sender's hub how a request stands; return the proposal with the version that it was told."""
    store, state = sender_of(known.transfer_id), _STATES[known.state]
    row = TransferRequestRow(
        request_id=known.proposal_id,
        store=store,
        receiver=branch_of(settings, known.receiver),
        n=known.n + 1,
        state=state,
        lines=known.lines if state == "open" else (),
        asked_ms=known.asked_ms,
        until_ms=known.until_ms,
        note=known.note,
    )
    put_row(tx, own, store, TRANSFER_REQUEST, row)
    return replace(known, n=row.n)


def _read(body: bytes) -> Said | None:
    try:
        said: Said = _decode(body)
    except NOT_JSON:
        return None
    return said
