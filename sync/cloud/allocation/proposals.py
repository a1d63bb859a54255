"""Transfers that the cloud proposes: made each day from what places have, accepted by head office, followed to their document.

    proposed    made anew each day, and when head office asks; nothing has moved
    accepted    a place without a hub: its goods leave now, the document goes to the receiver (`sent` at once);
                a shop: its hub is asked, and posts `transfer_out` under the proposal's name as its document's id
    sent        the document has come: the cloud hands it to the receiver (sync.cloud.rights.transfers)
    dismissed   head office does not want it; a day later it may be proposed again
    withdrawn   head office does not want it any more, and the shop was told so
    refused     the shop says why it does not send it

What is accepted and what is on the road counts as if it were there already, so nothing is proposed twice. Functions of a write
job, and of reads. Not here: how much (sync.cloud.allocation.balancing), what a shop is told and says (.requests), HTTP.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.cloud.allocation.balancing import Shelf, propose
from sync.cloud.allocation.giving import Means
from sync.cloud.allocation.history import DAY_MS, demand_of, sent_away
from sync.cloud.allocation.locations import place_at, send_away
from sync.cloud.allocation.proposal_rows import Proposal, find_proposal, proposals_of, put_proposal
from sync.cloud.allocation.requests import branch_of, said_of, settle
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

_travels = msgspec.json.Decoder(TransferFact | ArrivalFact).decode


class Asked(Struct, frozen=True):
    """How head office accepts: other lines than were proposed, None for all of it; until when they should leave; a word."""

    lines: tuple[TransferLine, ...] | None = None
    until_ms: int = 0
    note: str = ""


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


def accept(
    tx: Connection,
    own: Replica,
    settings: Settings,
    proposal_id: str,
    *,
    asked: Asked,
    now_ms: int,
) -> Proposal | None:
    """Accept a proposal, and ask the shop that sends; None for an unknown one. Again it changes nothing.

    Raise RuleError for one that is over, and where a place without a hub has not so much that is not promised.
    """
    known = find_proposal(tx, proposal_id)
    if known is None:
        return None
    if known.state in ("dismissed", "withdrawn", "refused"):
        raise RuleError(known.state, f"/proposals/{proposal_id}", f"proposal {proposal_id} was {known.state}")
    if known.state != "proposed":
        return known
    known = replace(known, lines=added_up(known.lines if asked.lines is None else asked.lines))
    sender = _location(settings, known.sender)
    if sender is not None and sender.store:
        if branch_of(settings, known.receiver) == sender.store:
            raise RuleError("same_store", "/receiver", f"{known.sender} and {known.receiver} are one store")
        name = transfer_id(sender.store, proposal_id)
        known = replace(known, state="accepted", transfer_id=name, asked_ms=now_ms)
        known = replace(known, until_ms=asked.until_ms, note=asked.note)
        return settle(tx, own, settings, known, said_of(tx, name))
    known = replace(known, state="sent", transfer_id=transfer_id(known.sender, proposal_id))
    _send(tx, own, settings, known, now_ms=now_ms)
    return put_proposal(tx, known)


def dismiss(tx: Connection, own: Replica, settings: Settings, proposal_id: str) -> Proposal | None:
    """Dismiss a proposal, or withdraw one that was accepted; None for an unknown one. RuleError for one that was sent."""
    known = find_proposal(tx, proposal_id)
    if known is None or known.state != "proposed":
        return _withdraw(tx, own, settings, known)
    return put_proposal(tx, replace(known, state="dismissed"))


def withdraw(tx: Connection, own: Replica, settings: Settings, proposal_id: str) -> Proposal | None:
    """Withdraw a proposal that was accepted, and tell the shop that was asked; None for an unknown one. Again it changes nothing.

    Raise RuleError for one that nobody has accepted, and for one of which the document has come.
    """
    known = find_proposal(tx, proposal_id)
    if known is not None and known.state in ("proposed", "dismissed"):
        raise RuleError("not_accepted", f"/proposals/{proposal_id}", f"proposal {proposal_id} is {known.state}")
    return _withdraw(tx, own, settings, known)


def added_up(lines: Iterable[TransferLine]) -> tuple[TransferLine, ...]:
    """Return lines with each SKU once, as a document has them."""
    total: dict[str, int] = {}
    for line in lines:
        total[line.sku] = total.get(line.sku, 0) + line.qty
    return tuple(TransferLine(sku, qty) for sku, qty in total.items())


def _withdraw(tx: Connection, own: Replica, settings: Settings, known: Proposal | None) -> Proposal | None:
    if known is None or known.state in ("dismissed", "withdrawn", "refused"):
        return known
    if known.state == "sent" or isinstance(said_of(tx, known.transfer_id), TransferFact):
        name = known.proposal_id
        raise RuleError("proposal_sent", f"/proposals/{name}", f"proposal {name} was sent")
    return settle(tx, own, settings, replace(known, state="withdrawn"), None)


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
    known = find_proposal(tx, proposal_id)
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


def _location(settings: Settings, name: str) -> Location | None:
    return next((each for each in settings.locations if each.name == name), None)


def _note_day(tx: Connection, day: int) -> None:
    tx.execute(
        "INSERT INTO looked (stream, n) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET n = excluded.n",
        ("proposals", day),
    )
