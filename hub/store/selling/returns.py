"""Goods come back: one write job books the return, its stock and what is refunded, held against the sale and all returns of it.

    return_id   content   answer
    new         -         created: all rows written
    known       same      repeated: what the till was told the first time, nothing written
    known       other     ConflictError, nothing written

A return that has happened already (a hub that was restored since had answered it) is booked whatever is left; what would have
refused it stands on it as a warning.

Not here: HTTP, events, paper. Pure rules: sync.retail.selling.returns.
"""

from collections.abc import Callable
from datetime import datetime
from sqlite3 import Connection
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.model import Shop, utc
from hub.store.people.coupons import release_of_sale
from hub.store.people.points import apply_effects_of
from hub.store.replica.clock import ahead_warnings, traded_at
from hub.store.replica.pruned import pruned_return
from hub.store.selling.claims import (
    NO_TERMS,
    Proof,
    ReturnTerms,
    back_before,
    claimed_sale,
    hold_claim,
    rates_of,
    taken_elsewhere,
    tell_seller,
)
from hub.store.selling.days import day_of, late_warnings
from hub.store.selling.sales import Told, find_sale
from hub.store.selling.whereabouts import whereabouts
from hub.store.stock.kits import kit_effects_back
from hub.store.stock.stock import apply_effects
from sync import failpoints
from sync.errors import RuleError
from sync.model import Dot, Replica, Stream
from sync.retail.people.points_back import return_points
from sync.retail.selling.claims import summed
from sync.retail.selling.refunds import by_type, check_refund_tenders, passed_on
from sync.retail.selling.returns import (
    Return,
    ReturnedLine,
    ReturnFact,
    beyond_sold,
    check_reason,
    check_tenders,
    content_hash,
    effects_back,
    is_all_back,
    lines_back,
    sellable,
    tax_back,
)
from sync.retail.selling.sales import EXCHANGED, Sale, SaleFact, Warned
from sync.store.streams import append_fact

EXCHANGES_MAX = 20  # goods exchanged for goods exchanged: beyond so many nobody looks what the first were paid with


class ReturnAnswer(Struct, frozen=True, omit_defaults=True):
    """What a till is told of a durable return, and is told again when it repeats it. Pay `refund`, cash rounded by itself.

    `training`: it is in no book.
    """

    return_id: str
    sale_id: str
    refund: int
    currency: str
    lines: tuple[ReturnedLine, ...]
    committed_at: datetime
    business_date: str
    dot: Dot
    stock: dict[str, int]
    points: int = 0
    warnings: tuple[Warned, ...] = ()
    training: bool = False


class ReturnView(Struct, frozen=True):
    """A stored return: the fact as it ships, and its dot."""

    fact: ReturnFact
    dot: Dot


class Taken(Struct, frozen=True):
    """How taking back ended; `answer` is the JSON told to the till, `stock` what changed just now."""

    status: Literal["created", "repeated", "trained"]
    fact: ReturnFact
    answer: bytes
    stock: dict[str, int] = {}


def return_job(
    replica: Replica,
    shop: Shop,
    content: Return,
    *,
    now_ms: int,
    warnings: tuple[Warned, ...] = (),
    has_happened: bool = False,
    is_exchange: bool = False,
    terms: ReturnTerms = NO_TERMS,
) -> Callable[[Connection], Taken]:
    """Return the write job that takes goods back; it raises NotFoundError, ConflictError or RefusedError, nothing written."""

    def job(tx: Connection) -> Taken:
        if not is_exchange and (content.exchange_id or any(tender.type == EXCHANGED for tender in content.tenders)):
            raise RefusedError("exchange_alone", "an exchange has two parts", pointer="/exchange_id")
        sold = None if content.claim else find_sale(tx, content.sale_id)
        named = replace(content, sale_id=sold.fact.sale.sale_id) if sold else content
        known = tx.execute(
            """
            SELECT content_hash, body, told, seq, store || ':' || incarnation
            FROM sale_return JOIN replica ON replica.id = sale_return.replica WHERE return_id = ?
            """,
            (content.return_id,),
        ).fetchone()
        if known is None:
            left = pruned_return(tx, content)
            if left is None:
                return _record(
                    tx, replica, shop, named, noted=warnings, now_ms=now_ms, has_happened=has_happened, terms=terms
                )
            if not left.is_same:
                raise ConflictError("other_content", _other_content(content), pointer="/return_id")
            return Taken("repeated", left.fact, answer_of(left.fact, left.dot, {}))
        expected, body, told, seq, rep = known
        if content_hash(named) != expected:
            raise ConflictError("other_content", _other_content(content), pointer="/return_id")
        fact = msgspec.json.decode(body, type=ReturnFact)
        stock = msgspec.json.decode(told, type=Told).stock
        return Taken("repeated", fact, answer_of(fact, Dot(rep, Stream.RETURNS, seq), stock))

    return job


def refund_of(
    tx: Connection,
    shop: Shop,
    content: Return,
    *,
    now_ms: int,
    has_happened: bool = False,
    terms: ReturnTerms = NO_TERMS,
) -> int:
    """Return what a return refunds, or what it has refunded where it is known; raise NotFoundError, RefusedError."""
    known = find_return(tx, content.return_id)
    if known is not None:
        return known.fact.refund
    left = pruned_return(tx, content)
    if left is not None:
        return left.fact.refund
    sale = _sold(tx, shop, content, now_ms=now_ms, proof=terms.proof).sale
    named = replace(content, sale_id=sale.sale_id)
    returned = back_before(tx, shop, named, terms.proof, here=returned_by_line)
    try:
        back = lines_back(sale, content.lines, returned, has_happened=has_happened)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    return sum(line.amount for line in back)


def _other_content(content: Return) -> str:
    return f"return {content.return_id} is known with other content"


def _record(
    tx: Connection,
    replica: Replica,
    shop: Shop,
    content: Return,
    *,
    noted: tuple[Warned, ...],
    now_ms: int,
    has_happened: bool,
    terms: ReturnTerms,
) -> Taken:
    sold = _sold(tx, shop, content, now_ms=now_ms, proof=terms.proof)
    sale = sold.sale
    returned = back_before(tx, shop, content, terms.proof, here=returned_by_line)
    committed_at = utc(now_ms)
    is_sure = terms.is_sure
    day = day_of(tx, shop, traded_at(content.returned_at, committed_at, is_sure=is_sure), now_ms=now_ms)
    noted += ahead_warnings(content.returned_at, committed_at, is_sure=is_sure)
    noted += whereabouts(tx, session_id=content.session_id, cashier_id=content.cashier_id)
    try:
        back = lines_back(sale, content.lines, returned, has_happened=has_happened)
        refund = sum(line.amount for line in back)
        noted += beyond_sold(sale, back, returned)
        noted += _hold(tx, shop, content, sale, refund=refund, has_happened=has_happened, terms=terms)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    if content.claim is not None:
        noted += hold_claim(
            tx,
            shop,
            content,
            sale,
            terms,
            refund=refund,
            business_date=day.business_date,
            now_ms=now_ms,
            has_happened=has_happened,
        )
    whole = sellable(content.lines, back)
    effects = (*effects_back(sold, whole, shop.location), *kit_effects_back(tx, sold, whole, shop.location))
    stock = apply_effects(tx, effects)
    below_zero = [Warned("stock_below_zero", detail=f"{sku}: {figure}") for sku, figure in stock.items() if figure < 0]
    points = return_points(sold, content.lines, returned)
    apply_effects_of(tx, points)
    fact = ReturnFact(
        content=content,
        currency=sale.currency,
        lines=back,
        refund=refund,
        business_date=day.business_date,
        committed_at=committed_at,
        stock=effects,
        warnings=(*noted, *below_zero, *late_warnings(day)),
        points=points,
        tax=tax_back(sale, back, returned, rates_of(tx, shop, sale)),
    )
    tell_seller(tx, replica, fact)
    if sale.coupons and is_all_back(sale, back, returned):
        release_of_sale(tx, replica, sale.sale_id, because=content.return_id)
    return _write(tx, replica, fact, stock)


def _sold(tx: Connection, shop: Shop, content: Return, *, now_ms: int, proof: Proof) -> SaleFact:
    """Return the sale that goods come back of: as it is in the books, or as it is claimed."""
    if content.claim is not None:
        return claimed_sale(tx, shop, content, now_ms=now_ms, proof=proof)
    sold = find_sale(tx, content.sale_id)
    if sold is None:
        raise NotFoundError("sale", f"no sale {content.sale_id!r}", pointer="/sale_id")
    return sold.fact


def _hold(
    tx: Connection, shop: Shop, content: Return, sale: Sale, *, refund: int, has_happened: bool, terms: ReturnTerms
) -> tuple[Warned, ...]:
    """Hold the reason and what was paid out against the shop's rules: what has happened is noted where it differs."""
    try:
        check_reason(content.reason, terms.rules.reasons)
        check_tenders(content, refund, sale.currency)
        if content.claim is None:
            before = refunded_by_tender(tx, sale.sale_id)
            paid = paid_by(tx, shop, sale)
            check_refund_tenders(paid, content.tenders, before, shop.tenders, currency=sale.currency)
    except RuleError as err:
        if not has_happened:
            raise
        return (Warned(err.code, detail=str(err)),)
    return ()


def _write(tx: Connection, replica: Replica, fact: ReturnFact, stock: dict[str, int]) -> Taken:
    body = msgspec.json.encode(fact)
    dot = append_fact(tx, replica, Stream.RETURNS, body)
    failpoints.hit("return.dot_taken")
    tx.execute(
        """
        INSERT INTO sale_return (replica, seq, return_id, sale_id, content_hash, body, told)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (
            replica.local_id,
            dot.seq,
            fact.content.return_id,
            fact.content.sale_id,
            content_hash(fact.content),
            body.decode(),
            msgspec.json.encode(Told(stock)).decode(),
        ),
    )
    failpoints.hit("return.written")
    return Taken("created", fact, answer_of(fact, dot, stock), stock)


def answer_of(fact: ReturnFact, dot: Dot, stock: dict[str, int], *, is_training: bool = False) -> bytes:
    """Return what the till is told, as JSON."""
    answer = ReturnAnswer(
        return_id=fact.content.return_id,
        sale_id=fact.content.sale_id,
        refund=fact.refund,
        currency=fact.currency,
        lines=fact.lines,
        committed_at=fact.committed_at,
        business_date=fact.business_date,
        dot=dot,
        stock=stock,
        points=sum(effect.points for effect in fact.points),
        warnings=fact.warnings,
        training=is_training,
    )
    return msgspec.json.encode(answer)


def returned_by_line(read: Connection, sale_id: str) -> dict[int, int]:
    """Return line -> qty of what is back of a sale, here and in other stores; lines of which nothing is back are not in it."""
    rows = read.execute(
        """
        SELECT line.value ->> 'line', sum(line.value ->> 'qty')
        FROM sale_return, json_each(sale_return.body, '$.lines') AS line
        WHERE sale_return.sale_id = ?
        GROUP BY 1
        """,
        (sale_id,),
    ).fetchall()
    returned = dict(rows)
    for line, qty in summed(taken_elsewhere(read, sale_id)).items():
        returned[line] = returned.get(line, 0) + qty
    return returned


def paid_by(read: Connection, shop: Shop, sale: Sale, *, steps: int = EXCHANGES_MAX) -> dict[str, int]:
    """Return tender -> what a sale was paid by it; what goods have paid counts as what these were paid with."""
    paid = by_type(sale.tenders)
    back = returned_for(read, sale) if EXCHANGED in paid and steps else None
    origin = find_sale(read, back.content.sale_id) if back else None
    if origin is None:
        return paid
    value = paid.pop(EXCHANGED)
    before = paid_by(read, shop, origin.fact.sale, steps=steps - 1)
    for name, amount in passed_on(value, before, shop.tenders).items():
        paid[name] = paid.get(name, 0) + amount
    return paid


def refunded_by_tender(read: Connection, sale_id: str) -> dict[str, int]:
    """Return tender -> what went back by it in all returns of a sale here."""
    rows = read.execute(
        """
        SELECT tender.value ->> 'type', sum(tender.value ->> 'amount')
        FROM sale_return, json_each(sale_return.body, '$.return.tenders') AS tender
        WHERE sale_return.sale_id = ?
        GROUP BY 1
        """,
        (sale_id,),
    ).fetchall()
    return dict(rows)


def find_return(read: Connection, return_id: str) -> ReturnView | None:
    """Return a durable return by its id."""
    row = read.execute(
        """
        SELECT body, seq, store || ':' || incarnation
        FROM sale_return JOIN replica ON replica.id = sale_return.replica WHERE return_id = ?
        """,
        (return_id,),
    ).fetchone()
    if row is None:
        return None
    body, seq, rep = row
    return ReturnView(msgspec.json.decode(body, type=ReturnFact), Dot(rep, Stream.RETURNS, seq))


def returned_for(read: Connection, sale: Sale) -> ReturnFact | None:
    """Return the other part of an exchange: what came back for a sale."""
    named = next((tender.reference for tender in sale.tenders if tender.type == EXCHANGED), None)
    view = find_return(read, named) if named else None
    return view.fact if view and view.fact.content.exchange_id else None


class ReturnEvent(Struct, frozen=True):
    """What other screens are told of a return after its commit."""

    return_id: str
    sale_id: str
    till_id: str
    refund: int
    currency: str


def return_event(fact: ReturnFact) -> dict[str, Any]:
    """Return the `return` event's data. Any: JSON."""
    content = fact.content
    event = ReturnEvent(content.return_id, content.sale_id, content.till_id, fact.refund, fact.currency)
    built: dict[str, Any] = msgspec.to_builtins(event)
    return built
