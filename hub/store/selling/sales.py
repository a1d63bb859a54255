"""A sale becomes durable: one write job books the sale, its stock, its receipt number and its print job together.

    sale_id   content   answer
    new       -         created: all rows written
    known     same      repeated: what the till was told the first time, nothing written
    known     other     suspended: the second content is kept for the manager, nothing is booked
    training            trained: answered and printed, nothing is booked (hub.store.selling.training)

Not here: HTTP, printing, events. Pure rules: sync.retail.selling.sales.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import starmap
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, RefusedError
from hub.store.catalogue.pricing import at_moment
from hub.store.model import SaleAnswer, Shop, utc
from hub.store.people.coupons import redeem_in_sale
from hub.store.people.points import book_points, sale_points
from hub.store.replica.pruned import pruned_sale
from hub.store.selling.admission import ORDINARY, Admitted, Context, admit
from hub.store.selling.days import day_of, late_warnings
from hub.store.selling.printing import PrintJobView, PrintTo, queue_sale
from hub.store.selling.receipt_codes import dots_of_code, receipt_code
from hub.store.selling.training import train
from hub.store.stock.stock import apply_effects
from sync import failpoints
from sync.model import Dot, Replica, Stream
from sync.retail.names import Name
from sync.retail.selling.sales import Sale, SaleFact, Warned, content_hash, filled_like
from sync.store.pruned_keys import dots_before
from sync.store.streams import append_fact

SERIES_LENGTH = 4
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FOUND = """
    SELECT sale.body, sale.seq, replica.store, replica.incarnation FROM sale JOIN replica ON replica.id = sale.replica
"""


class SaleView(Struct, frozen=True, omit_defaults=True):
    """A stored sale: the fact as it ships, its dot, the bar code on its receipt, line -> qty of what is back."""

    fact: SaleFact
    dot: Dot
    receipt_code: str
    returned: dict[int, int] = {}


class Recorded(Struct, frozen=True):
    """How recording ended; `answer` is the JSON told to the till, None when the content was suspended.

    Of one that is new also its receipt: the job, where one was asked for, what it prints, and what its goods are called.
    """

    status: Literal["created", "repeated", "suspended", "trained"]
    answer: bytes | None = None
    stock: dict[str, int] = {}
    print_job: PrintJobView | None = None
    view: SaleView | None = None
    names: dict[str, Name] = {}


class Told(Struct, frozen=True, omit_defaults=True):
    """What a till was told beside the fact itself, so that it is told the very same again."""

    stock: dict[str, int]
    print_job: str | None = None


def sale_job(
    replica: Replica,
    shop: Shop,
    sale: Sale,
    *,
    print_to: PrintTo | None,
    now_ms: int,
    warnings: tuple[Warned, ...] = (),
    context: Context = ORDINARY,
    before: Callable[[Connection], Iterable[Warned]] = lambda _tx: (),
) -> Callable[[Connection], Recorded]:
    """Return the write job that records `sale`; it raises RefusedError or ConflictError with nothing written.

    `before` is done in the same job for a sale that is new, and says what is noted on it.
    """

    def job(tx: Connection) -> Recorded:
        if sale.training:
            admitted = admit(tx, shop, sale, now_ms=now_ms, context=context)
            answer = train(tx, replica, shop, admitted, print_to=print_to, now_ms=now_ms, back=context.back)
            return Recorded("trained", answer)
        known = tx.execute(
            """
            SELECT content_hash, body, told, seq, store || ':' || incarnation
            FROM sale JOIN replica ON replica.id = sale.replica WHERE sale_id = ?
            """,
            (sale.sale_id,),
        ).fetchone()
        if known is None:
            left = pruned_sale(tx, sale)
            if left is None:
                noted = (*warnings, *before(tx))
                admitted = admit(tx, shop, sale, now_ms=now_ms, context=context)
                return _record(tx, replica, shop, admitted, noted, print_to=print_to, now_ms=now_ms, context=context)
            return Recorded("repeated", left.answer) if left.answer else _suspend(tx, sale, left.content_hash, now_ms)
        expected, body, told, seq, rep = known
        fact, dot = msgspec.json.decode(body, type=SaleFact), Dot(rep, Stream.SALES, seq)
        fingerprint = content_hash(filled_like(sale, fact.sale))
        if fingerprint == expected:
            return Recorded("repeated", _answer(fact, dot, msgspec.json.decode(told, type=Told)))
        return _suspend(tx, sale, fingerprint, now_ms)

    return job


def _suspend(tx: Connection, sale: Sale, fingerprint: bytes, now_ms: int) -> Recorded:
    tx.execute(
        """
        INSERT INTO suspended_sale (sale_id, content_hash, till_id, received_ms, body) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        (sale.sale_id, fingerprint, sale.till_id, now_ms, msgspec.json.encode(sale).decode()),
    )
    return Recorded("suspended")


def _record(
    tx: Connection,
    replica: Replica,
    shop: Shop,
    admitted: Admitted,
    noted: tuple[Warned, ...],
    *,
    print_to: PrintTo | None,
    now_ms: int,
    context: Context,
) -> Recorded:
    sale, warnings = admitted.sale, [*noted, *admitted.warnings]
    stock = apply_effects(tx, admitted.effects)
    warnings += [Warned("stock_below_zero", detail=f"{sku}: {figure}") for sku, figure in stock.items() if figure < 0]
    receipt_no = _receipt_no(tx, replica, sale, warnings)
    committed_at = utc(now_ms)
    sold_at = admitted.sold_at
    day = day_of(tx, shop, sold_at, now_ms=now_ms)
    at = at_moment(shop, sold_at, is_sure=context.is_sure)
    warnings += redeem_in_sale(tx, replica, shop, sale, terms=context.coupons, at=at, business_date=day.business_date)
    spent = sale_points(tx, shop.members, sale, day=day.business_date, word=context.points)
    book_points(tx, spent, "sale", sale.sale_id, day=day.business_date, now_ms=now_ms)
    fact = SaleFact(
        sale=sale,
        receipt_no=receipt_no,
        business_date=day.business_date,
        committed_at=committed_at,
        stock=admitted.effects,
        warnings=(*warnings, *spent.warnings, *late_warnings(day)),
        points=spent.effects,
        tax=admitted.tax,
    )
    recorded = _write(tx, replica, fact, stock=stock, print_to=print_to, now_ms=now_ms)
    return msgspec.structs.replace(recorded, names=admitted.names)


def _write(
    tx: Connection,
    replica: Replica,
    fact: SaleFact,
    *,
    stock: dict[str, int],
    print_to: PrintTo | None,
    now_ms: int,
) -> Recorded:
    body = msgspec.json.encode(fact)
    dot = append_fact(tx, replica, Stream.SALES, body)
    failpoints.hit("sale.dot_taken")
    print_job = queue_sale(tx, fact.sale.sale_id, print_to, now_ms=now_ms) if print_to else None
    told = Told(stock, print_job.job_id if print_job else None)
    tx.execute(
        """
        INSERT INTO sale (replica, seq, sale_id, receipt_no, content_hash, body, told)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (
            replica.local_id,
            dot.seq,
            fact.sale.sale_id,
            fact.receipt_no,
            content_hash(fact.sale),
            body.decode(),
            msgspec.json.encode(told).decode(),
        ),
    )
    failpoints.hit("sale.written")
    view = SaleView(fact, dot, receipt_code(replica.incarnation, dot.seq))
    return Recorded("created", _answer(fact, dot, told), stock, print_job, view)


def _answer(fact: SaleFact, dot: Dot, told: Told) -> bytes:
    answer = SaleAnswer(
        sale_id=fact.sale.sale_id,
        receipt_no=fact.receipt_no,
        committed_at=fact.committed_at,
        business_date=fact.business_date,
        dot=dot,
        stock=told.stock,
        points=sum(effect.points for effect in fact.points),
        warnings=fact.warnings,
        print_job=told.print_job,
    )
    return msgspec.json.encode(answer)


def _receipt_no(tx: Connection, replica: Replica, sale: Sale, warnings: list[Warned]) -> str:
    """Return the till's number, or the hub's next one; a sale that already happened is numbered anew where its own is taken."""
    if sale.receipt_no is None:
        return _next_number(tx, replica, sale.till_id)
    try:
        _check_number(tx, sale.receipt_no)
    except (ConflictError, RefusedError) as err:
        if not sale.offline:
            raise
        warnings.append(Warned(err.code, detail=err.detail))
        return _next_number(tx, replica, sale.till_id)
    return sale.receipt_no


def _next_number(tx: Connection, replica: Replica, till_id: str) -> str:
    series = series_of(replica.incarnation)
    n = tx.execute(
        """
        INSERT INTO receipt_series (till_id, series, last_n) VALUES (?, ?, 1)
        ON CONFLICT (till_id, series) DO UPDATE SET last_n = last_n + 1
        RETURNING last_n
        """,
        (till_id, series),
    ).fetchone()[0]
    return f"{till_id}-{series}-{n:06}"


def _check_number(tx: Connection, receipt_no: str) -> None:
    holder = tx.execute("SELECT sale_id FROM sale WHERE receipt_no = ?", (receipt_no,)).fetchone()
    if holder is not None:
        detail = f"receipt {receipt_no} belongs to another sale"
        raise ConflictError("receipt_no_taken", detail, pointer="/receipt_no", holder=holder[0])
    hubs_own = {series_of(row[0]) for row in tx.execute("SELECT incarnation FROM replica").fetchall()}
    parts = receipt_no.rsplit("-", 2)
    if len(parts) == 3 and parts[1] in hubs_own:
        detail = f"{receipt_no} has the form of the hub's own numbers"
        raise RefusedError("receipt_no_form", detail, pointer="/receipt_no")


@cache
def series_of(incarnation: str) -> str:
    """Return the receipt series of an incarnation: the first 20 bits in Crockford's base 32."""
    bits = int(incarnation, 16) >> (64 - 5 * SERIES_LENGTH)
    return "".join(_CROCKFORD[bits >> 5 * place & 31] for place in reversed(range(SERIES_LENGTH)))


def find_sale(read: Connection, name: str) -> SaleView | None:
    """Return a durable sale by its id, its receipt number, or the bar code on its receipt."""
    named = read.execute(
        f"{_FOUND} WHERE sale_id = :name OR receipt_no = :name ORDER BY sale_id = :name DESC LIMIT 1", {"name": name}
    ).fetchone()
    if named is not None:
        return _found(*named)
    coded = [
        row
        for dot in dots_of_code(read, name)
        for row in read.execute(f"{_FOUND} WHERE sale.replica = ? AND sale.seq = ?", dot)
    ]
    return _found(*coded[0]) if len(coded) == 1 else None


def printed_sales(read: Connection, sale_ids: Sequence[str]) -> dict[str, SaleView]:
    """Return those of these sales that are durable, by their ids."""
    rows = read.execute(
        f"{_FOUND} WHERE sale_id IN (SELECT value FROM json_each(?))", (msgspec.json.encode(sale_ids).decode(),)
    ).fetchall()
    return {view.fact.sale.sale_id: view for view in starmap(_found, rows)}


def _found(body: str, seq: int, store: str, incarnation: str) -> SaleView:
    dot = Dot(f"{store}:{incarnation}", Stream.SALES, seq)
    return SaleView(msgspec.json.decode(body, type=SaleFact), dot, receipt_code(incarnation, seq))


def is_known(read: Connection, sale_id: str) -> bool:
    """Return whether a sale of this id is durable here."""
    row = read.execute(
        """
        SELECT 1 FROM sale WHERE sale_id = ?1
        UNION ALL SELECT 1 FROM pruned_key WHERE entity = 'sale' AND key = ?1 LIMIT 1
        """,
        (sale_id,),
    ).fetchone()
    return row is not None


def dots_of_sales(read: Connection, sale_ids: list[str]) -> dict[str, tuple[str, int]]:
    """Return (rep, seq) of those of these sales that are durable here."""
    rows = read.execute(
        """
        SELECT sale_id, store || ':' || incarnation, seq FROM sale JOIN replica ON replica.id = sale.replica
        WHERE sale_id IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(sale_ids),),
    ).fetchall()
    found = {sale_id: (rep, seq) for sale_id, rep, seq in rows}
    missing = [sale_id for sale_id in sale_ids if sale_id not in found]
    return found | dots_before(read, "sale", missing) if missing else found


class SaleEvent(Struct, frozen=True, omit_defaults=True):
    """What other screens are told of a sale after its commit."""

    sale_id: str
    receipt_no: str
    till_id: str
    currency: str
    total: int
    lines: int
    committed_at: datetime
    dot: Dot
    warnings: tuple[Warned, ...] = ()


def sale_event(view: SaleView) -> SaleEvent:
    """Return the `sale` event's data."""
    fact = view.fact
    return SaleEvent(
        sale_id=fact.sale.sale_id,
        receipt_no=fact.receipt_no,
        till_id=fact.sale.till_id,
        currency=fact.sale.currency,
        total=fact.sale.total,
        lines=len(fact.sale.lines),
        committed_at=fact.committed_at,
        dot=view.dot,
        warnings=fact.warnings,
    )
