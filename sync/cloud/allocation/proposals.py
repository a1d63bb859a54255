"""Transfers that the cloud proposes: made each day from what places have, accepted by head office, followed to their document.

    proposed    made anew each day, and when head office asks; nothing has moved
    accepted    a place without a hub: its goods leave now, the document goes to the receiver (`sent` at once);
                a shop: it posts `transfer_out` under the proposal's name as its document's id, and goes on as any transfer
    sent        the document has come: the cloud hands it to the receiver (sync.cloud.rights.transfers)
    dismissed   head office does not want it; a day later it may be proposed again

What is accepted and what is on the road counts as if it were there already, so nothing is proposed twice. Functions of a write
job, and of reads. Not here: how much (sync.cloud.allocation.balancing), HTTP.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from sync.cloud.allocation.balancing import Shelf, propose
from sync.cloud.allocation.giving import Means
from sync.cloud.allocation.history import DAY_MS, demand_of, sent_away
from sync.cloud.allocation.locations import place_at, send_away
from sync.cloud.allocation.settings import Location, Settings
from sync.cloud.arrivals.rows import key_of
from sync.cloud.rights.promises import open_promises, write_fact
from sync.cloud.rights.rights import Place, known_of
from sync.errors import RuleError
from sync.json_errors import NOT_JSON
from sync.model import Replica
from sync.retail.stock import rights
from sync.retail.stock.transfers import TRANSFER, ArrivalFact, TransferFact, TransferLine, transfer_id

ROAD_DAYS = 60  # a transfer of which nothing has come since is not waited for any more
LINES_MAX = 500  # of a proposal; the rest is proposed a day later
SKUS_MAX = 200  # looked at in one job: nothing waits for longer than these take
ACCEPTED_MAX = 10_000  # open at one time; more are not counted as coming

State = Literal["proposed", "accepted", "sent", "dismissed"]
_lines = msgspec.json.Decoder(tuple[TransferLine, ...]).decode
_travels = msgspec.json.Decoder(TransferFact | ArrivalFact).decode


class Proposal(Struct, frozen=True):
    """What should go from one place to another."""

    proposal_id: str
    sender: str
    receiver: str
    state: State
    transfer_id: str
    lines: tuple[TransferLine, ...]


def make_proposals(tx: Connection, means: Means, *, after: str, now_ms: int) -> str:
    """Propose anew what nobody has accepted, of SKUS_MAX SKUs behind one; return the last of them, empty when all are done."""
    day, moves = now_ms // DAY_MS, dict[tuple[str, str], list[TransferLine]]()
    if not after:
        tx.execute(
            "DELETE FROM transfer_proposal WHERE state = 'proposed' OR (state = 'dismissed' AND day < ?)", (day,)
        )
    rows = tx.execute(
        "SELECT DISTINCT sku FROM place_day WHERE sku > ? ORDER BY sku LIMIT ?", (after, SKUS_MAX)
    ).fetchall()
    skus = [sku for (sku,) in rows]
    for move in propose(_shelves(tx, means, skus, now_ms=now_ms), cover_days=means.settings.section.cover_days):
        moves.setdefault((move.sender, move.receiver), []).append(TransferLine(move.sku, move.qty))
    for (sender, receiver), lines in sorted(moves.items()):
        _propose(tx, day, sender, receiver, tuple(lines))
    if len(skus) == SKUS_MAX:
        return str(skus[-1])
    _note_day(tx, day)
    return ""


def is_day_over(read: Connection, *, now_ms: int) -> bool:
    """Whether nothing was proposed today."""
    row = read.execute("SELECT n FROM looked WHERE stream = ?", ("proposals",)).fetchone()
    return row is None or row[0] < now_ms // DAY_MS


def proposals_of(read: Connection, *, state: str = "", after: str = "", limit: int) -> list[Proposal]:
    """Return proposals of a state, empty for any, by name behind one."""
    rows = read.execute(
        """
        SELECT proposal_id, sender, receiver, state, transfer_id, lines FROM transfer_proposal
        WHERE proposal_id > ? AND (? = '' OR state = ?) ORDER BY proposal_id LIMIT ?
        """,
        (after, state, state, limit),
    ).fetchall()
    return [_proposal(row) for row in rows]


def accept(
    tx: Connection,
    own: Replica,
    settings: Settings,
    proposal_id: str,
    *,
    lines: tuple[TransferLine, ...] | None,
    now_ms: int,
) -> Proposal | None:
    """Accept a proposal, whole or other `lines` of it; None for an unknown one. Again it changes nothing.

    Raise RuleError for one that was dismissed, and where a place without a hub has not so much that is not promised.
    """
    known = _find(tx, proposal_id)
    if known is None:
        return None
    if known.state == "dismissed":
        raise RuleError("dismissed", f"/proposals/{proposal_id}", f"proposal {proposal_id} was dismissed")
    if known.state != "proposed":
        return known
    wanted = known.lines if lines is None else lines
    sender = _location(settings, known.sender)
    if sender is not None and sender.store:
        name, state = transfer_id(sender.store, proposal_id), "accepted"
    else:
        name, state = transfer_id(known.sender, proposal_id), "sent"
        _send(tx, own, settings, msgspec.structs.replace(known, transfer_id=name, lines=wanted), now_ms=now_ms)
    tx.execute(
        "UPDATE transfer_proposal SET state = ?, transfer_id = ?, lines = ? WHERE proposal_id = ?",
        (state, name, msgspec.json.encode(wanted), proposal_id),
    )
    return _find(tx, proposal_id)


def dismiss(tx: Connection, proposal_id: str) -> Proposal | None:
    """Dismiss a proposal, also one that was accepted and not sent; None for an unknown one. RuleError for one that was sent."""
    known = _find(tx, proposal_id)
    if known is not None and known.state == "sent":
        raise RuleError("proposal_sent", f"/proposals/{proposal_id}", f"proposal {proposal_id} was sent")
    tx.execute("UPDATE transfer_proposal SET state = 'dismissed' WHERE proposal_id = ?", (proposal_id,))
    return _find(tx, proposal_id)


def note_sent(tx: Connection) -> list[str]:
    """Note accepted proposals of which the document has come."""
    rows = tx.execute(
        "SELECT proposal_id, transfer_id FROM transfer_proposal WHERE state = 'accepted' ORDER BY proposal_id"
    ).fetchall()
    sent = [name for name, transfer in rows if _has_come(tx, transfer)]
    for name in sent:
        tx.execute("UPDATE transfer_proposal SET state = 'sent' WHERE proposal_id = ?", (name,))
    return sent


def _shelves(read: Connection, means: Means, skus: list[str], *, now_ms: int) -> list[Shelf]:
    """Return what lies of these SKUs at every declared place."""
    days = means.settings.section.days
    sent, road, accepted = sent_away(read, days=days, now_ms=now_ms), _on_the_road(read, now_ms=now_ms), _accepted(read)
    shelves = []
    for location in means.settings.locations:
        policy = means.policies.get(location.store)
        for sku in skus:
            place = place_at(means.own, location, sku)
            going = sum(_qty(each.lines, sku) for each in accepted if each.sender == location.name)
            coming = sum(_qty(each.lines, sku) for each in accepted if each.receiver == location.name)
            told_ms = _told_ms(read, location, sku)
            coming += sum(
                _qty(each.lines, sku)
                for each in road
                if each.receiver == (location.store or location.name) and each.sent_at.timestamp() * 1000 > told_ms
            )
            shelves.append(
                Shelf(
                    place=location.name,
                    sku=sku,
                    free=_free(read, place) - going,
                    coming=coming,
                    safety_stock=max(location.safety_stock, policy.safety_stock if policy else 0),
                    demand=demand_of(read, place, days=days, now_ms=now_ms, sent=sent),
                    is_warehouse=location.kind == "warehouse",
                )
            )
    return shelves


def _qty(lines: Iterable[TransferLine], sku: str) -> int:
    return sum(line.qty for line in lines if line.sku == sku)


def _told_ms(read: Connection, location: Location, sku: str) -> int:
    """Return since when what has come is in a place's own figures; of one with a hub its arrivals say so."""
    row = read.execute("SELECT as_of_ms FROM place_stock WHERE name = ? AND sku = ?", (location.name, sku)).fetchone()
    return row[0] if row is not None and not location.store else 0


def _free(read: Connection, place: Place) -> int:
    promised = sum(each.n for each in open_promises(read, place))
    return rights.on_hand_of(known_of(read, place).state) - promised


def _on_the_road(read: Connection, *, now_ms: int) -> list[TransferFact]:
    """Return the transfers of which nothing has come yet."""
    transfers: dict[str, TransferFact] = {}
    arrived: set[str] = set()
    rows = read.execute(
        """
        SELECT body FROM fact
        WHERE stream = (SELECT id FROM feed WHERE stream = 'transfers') AND received_ms >= ? ORDER BY n
        """,
        (now_ms - ROAD_DAYS * DAY_MS,),
    )
    for (body,) in rows:
        try:
            fact = _travels(body)
        except NOT_JSON:
            continue  # goods that were taken back elsewhere
        if isinstance(fact, TransferFact):
            transfers[fact.transfer_id] = fact
        else:
            arrived.add(fact.transfer_id)
    return [transfers[name] for name in sorted(transfers.keys() - arrived)]


def _accepted(read: Connection) -> list[Proposal]:
    return proposals_of(read, state="accepted", limit=ACCEPTED_MAX)


def _propose(tx: Connection, day: int, sender: str, receiver: str, lines: tuple[TransferLine, ...]) -> None:
    """Add lines to a proposal, unless head office has said its word on one of the two today."""
    proposal_id = f"proposal-{day}-{blake2b(f'{day} {sender} {receiver}'.encode(), digest_size=8).hexdigest()}"
    known = _find(tx, proposal_id)
    lines = ((known.lines if known else ()) + lines)[:LINES_MAX]
    tx.execute(
        """
        INSERT INTO transfer_proposal (proposal_id, day, sender, receiver, state, transfer_id, lines)
        VALUES (?, ?, ?, ?, 'proposed', '', ?) ON CONFLICT (proposal_id) DO UPDATE SET lines = excluded.lines
        WHERE transfer_proposal.state = 'proposed'
        """,
        (proposal_id, day, sender, receiver, msgspec.json.encode(lines)),
    )


def _send(tx: Connection, own: Replica, settings: Settings, known: Proposal, *, now_ms: int) -> None:
    """Take goods off a place that this cloud keeps, and write the document, which goes to the receiver."""
    sender, receiver = _location(settings, known.sender), _location(settings, known.receiver)
    if sender is None or receiver is None:
        raise RuleError("location", "/sender", f"{known.sender} or {known.receiver} is not declared any more")
    for line in known.lines:
        send_away(tx, own, place_at(own, sender, line.sku), line.qty)
    store = receiver.store or receiver.name
    fact = TransferFact(
        transfer_id=known.transfer_id,
        sender=sender.name,
        receiver=store,
        lines=known.lines,
        sent_at=datetime.fromtimestamp(now_ms / 1000, UTC),
        reference=known.proposal_id,
    )
    write_fact(tx, own, store, TRANSFER, fact, key=key_of(TRANSFER.name, known.transfer_id), now_ms=now_ms)


def _has_come(read: Connection, transfer: str) -> bool:
    row = read.execute(
        "SELECT 1 FROM fact_key WHERE stream = (SELECT id FROM feed WHERE stream = 'transfers') AND key = ?",
        (key_of(TRANSFER.name, transfer),),
    ).fetchone()
    return row is not None


def _find(read: Connection, proposal_id: str) -> Proposal | None:
    row = read.execute(
        """
        SELECT proposal_id, sender, receiver, state, transfer_id, lines FROM transfer_proposal WHERE proposal_id = ?
        """,
        (proposal_id,),
    ).fetchone()
    return _proposal(row) if row else None


def _proposal(row: tuple[str, str, str, State, str, bytes]) -> Proposal:
    proposal_id, sender, receiver, state, transfer, lines = row
    return Proposal(proposal_id, sender, receiver, state, transfer, _lines(lines))


def _location(settings: Settings, name: str) -> Location | None:
    return next((each for each in settings.locations if each.name == name), None)


def _note_day(tx: Connection, day: int) -> None:
    tx.execute(
        "INSERT INTO looked (stream, n) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET n = excluded.n",
        ("proposals", day),
    )
