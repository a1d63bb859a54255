"""Documents of stock in the books: a delivery, a transfer out or in, an adjustment, whole in one write job.

    document_id   content   answer
    new           -         booked: the movement with its effects, and of a transfer the fact that travels
    known         same      what was found the first time, nothing written
    known         other     ConflictError, nothing written

Not here: HTTP, events, counts (hub.store.stock.counts), how transfers stand (hub.store.stock.transfers). Pure rules:
sync.retail.stock.documents.
"""

import json
from collections.abc import Iterable
from sqlite3 import Connection

import msgspec

from hub.errors import NotFoundError, RefusedError
from hub.store.model import utc
from hub.store.staff.audit_trail import MACHINE, note
from hub.store.stock.branches import branch_names
from hub.store.stock.requests import request_flags
from hub.store.stock.rights import Place, Rule, is_shared, right_of
from hub.store.stock.stock import Booked, book, known_movement
from hub.store.stock.transfers import arrivals_of, find_transfer
from sync.errors import RuleError
from sync.model import Dot, Replica, Stream
from sync.retail.selling.sales import StockEffect
from sync.retail.stock.documents import check_document, differences, effects_of, note_differences
from sync.retail.stock.movements import Flag, Movement, MovementFact
from sync.retail.stock.rights import SpendPolicy
from sync.retail.stock.transfers import ARRIVAL, TRANSFER, TransferFact, came_of, travelling
from sync.store.writing import record_fact

PAGE_MAX = 200


def book_document(
    tx: Connection, own: Replica, said: Movement, *, location: str, rule: Rule | None, now_ms: int, actor: str = MACHINE
) -> Booked:
    """Book a document once; raise ConflictError for a known id with other content, RefusedError for what can mean nothing.

    An adjustment is in the trail: `actor` did it, whomever the document names.
    """
    known = known_movement(tx, said)
    if known is not None:
        return known
    try:
        check_document(said)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    if said.store == own.store:
        raise RefusedError("transfer_to_self", f"{said.store} is this store", pointer="/to")
    unstocked, flags = known_skus(tx, said)
    effects = effects_of(said, location, unstocked=unstocked)
    flags += note_differences(said)
    flags += _transfer_flags(tx, own, said)
    flags += overdraws(tx, own, said, effects, rule)
    booked = book(tx, own, said, effects, now_ms=now_ms, flags=flags)
    _let_travel(tx, own, said, now_ms=now_ms)
    if said.reason == "adjust":
        why = f"{said.cause}: {said.note}" if said.note else str(said.cause)
        note(tx, actor=actor, action="stock_adjusted", subject=said.movement_id, reason=why, now_ms=now_ms)
    return booked


def find_document(read: Connection, document_id: str) -> Booked:
    """Return a document or a count; raise NotFoundError, also for a movement of one SKU."""
    found = _booked(read, "movement_id = ?", (document_id,))
    if not found or found[0].fact is None or not found[0].fact.movement.lines:
        raise NotFoundError("document", f"no document {document_id!r}")
    return found[0]


def flagged(read: Connection, *, after: str, limit: int) -> list[Booked]:
    """Return the documents on which something was noted, in the order of their ids, from behind one."""
    return _booked(read, "flags <> '[]' AND movement_id > ? ORDER BY movement_id LIMIT ?", (after, limit))


def _booked(read: Connection, where: str, values: tuple[str | int, ...]) -> list[Booked]:
    rows = read.execute(
        f"""
        SELECT body, store || ':' || incarnation, seq
        FROM stock_movement JOIN replica ON replica.id = stock_movement.replica WHERE {where}
        """,
        values,
    ).fetchall()
    return [
        Booked(msgspec.json.decode(body, type=MovementFact), Dot(rep, Stream.STOCK, seq)) for body, rep, seq in rows
    ]


def known_skus(tx: Connection, said: Movement) -> tuple[frozenset[str], tuple[Flag, ...]]:
    """Return the SKUs of a document that are declared without stock, and flags for these and for unknown ones."""
    rows = dict(
        tx.execute(
            "SELECT sku, stocked FROM product WHERE sku IN (SELECT value FROM json_each(?))",
            (json.dumps([line.sku for line in said.lines]),),
        ).fetchall()
    )
    unknown = [line.sku for line in said.lines if line.sku not in rows]
    unstocked = frozenset(sku for sku, stocked in rows.items() if not stocked)
    flags = [Flag("unknown_sku", sku, "the catalogue does not know it; it is on the shelf") for sku in sorted(unknown)]
    flags += [Flag("not_stocked", sku, "declared without stock: nothing was moved") for sku in sorted(unstocked)]
    return unstocked, tuple(flags)


def overdraws(
    tx: Connection, own: Replica, said: Movement, effects: Iterable[StockEffect], rule: Rule | None
) -> tuple[Flag, ...]:
    """Flag what goes beyond this life's right; under `strict` a transfer is refused, goods that are gone are not."""
    flags = []
    for effect in effects if rule is not None else ():
        place = Place(effect.sku, effect.location)
        if effect.qty >= 0 or not is_shared(tx, own, place):
            continue
        right, qty = right_of(tx, own, place), -effect.qty
        if qty <= right:
            continue
        if rule is not None and rule.spend is SpendPolicy.STRICT and said.reason == "transfer_out":
            index = next(index for index, line in enumerate(said.lines) if line.sku == effect.sku)
            detail = f"{effect.sku}: this shop has a right to {max(0, right)}, the transfer takes {qty}"
            raise RefusedError("no_right", detail, pointer=f"/lines/{index}/qty")
        flags.append(Flag("overdraw", effect.sku, f"right {right} before, {right - qty} after"))
    return tuple(flags)


def _transfer_flags(tx: Connection, own: Replica, said: Movement) -> tuple[Flag, ...]:
    """Hold what came against the other store's document, with all that had come of it before; what goes, against the request."""
    if said.reason == "transfer_out":
        return (*request_flags(tx, own, said), *_branch_flags(tx, own, said))
    if said.reason != "transfer_in":
        return ()
    transfer = find_transfer(tx, said.transfer)
    if transfer is None:
        return (Flag("transfer_unknown", detail=f"{said.transfer} is not known here yet"),)
    if transfer.receiver != own.store:
        return (Flag("transfer_to_another", detail=f"{said.transfer} was sent to {transfer.receiver}"),)
    if said.is_partial:
        return ()
    sent = {line.sku: line.qty for line in transfer.lines}
    came = came_of(arrivals_of(tx, said.transfer))
    for line in said.lines:
        came[line.sku] += line.qty
    return differences(sent, came)


def _branch_flags(tx: Connection, own: Replica, said: Movement) -> tuple[Flag, ...]:
    """Note a branch that is none of those that this shop sees; one that sees none cannot know."""
    if not said.store or said.store in (others := branch_names(tx, store=own.store)) or not others:
        return ()
    return (Flag("branch_unknown", detail=f"{said.store} is no branch that is known here"),)


def _let_travel(tx: Connection, own: Replica, said: Movement, *, now_ms: int) -> None:
    fact = travelling(own.store, said, utc(now_ms))
    if fact is not None:
        record_fact(tx, own, TRANSFER if isinstance(fact, TransferFact) else ARRIVAL, fact)
