"""The exchange: one write job takes goods back and sells others; both are booked, or nothing is.

    the two parts           answer
    both new                created
    known, same content     repeated, each as it was told the first time; a part that is missing (a restored hub) is booked
    for training            trained: the return is done and undone, the sale is for training; both are answered, nothing is booked
    either, other content   ConflictError, nothing written: no second content is kept either

Not here: HTTP, paper. Pure rules: sync.retail.selling.exchanges.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.model import SaleAnswer, Shop
from hub.store.selling.claims import ReturnTerms
from hub.store.selling.rehearsed import rehearsed_return
from hub.store.selling.returns import ReturnAnswer, ReturnView, Taken, find_return, refund_of, return_job
from hub.store.selling.sales import Recorded, SaleView, find_sale
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.selling.exchanges import Exchange, both_parts, value_of
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import EXCHANGED, Sale, Warned


class ExchangeAnswer(Struct, frozen=True):
    """What a till is told of both parts. The customer pays `to_pay`, or gets `due_back` (cash is rounded by itself)."""

    exchange_id: str
    value: int
    to_pay: int
    due_back: int
    back: ReturnAnswer = msgspec.field(name="return")
    sale: SaleAnswer


class ExchangeView(Struct, frozen=True):
    """Both parts of an exchange as they are stored."""

    exchange_id: str
    back: ReturnView = msgspec.field(name="return")
    sale: SaleView


class Exchanged(Struct, frozen=True):
    """How it ended, part by part, and the JSON told to the till."""

    back: Taken
    recorded: Recorded
    answer: bytes

    @property
    def is_new(self) -> bool:
        """Whether it is no repeat."""
        return "created" in {self.back.status, self.recorded.status} or self.is_training

    @property
    def is_training(self) -> bool:
        """Whether it is in no book."""
        return self.recorded.status == "trained"


def exchange_job(
    replica: Replica,
    shop: Shop,
    exchange: Exchange,
    *,
    now_ms: int,
    warnings: tuple[Warned, ...],
    terms: ReturnTerms,
    sale_job: Callable[[Sale, ReturnFact], Callable[[Connection], Recorded]],
) -> Callable[[Connection], Exchanged]:
    """Return the write job of an exchange; `sale_job` makes that of its sale, for what came back.

    It raises with nothing written.
    """
    has_happened = exchange.sale.offline

    def job(tx: Connection) -> Exchanged:
        _check_id(tx, exchange)
        with _pointing("/return"):
            refund = refund_of(tx, shop, exchange.back, now_ms=now_ms, has_happened=has_happened, terms=terms)
        try:
            value = value_of(exchange, refund)
            back, sale = both_parts(exchange, value)
        except RuleError as err:
            raise RefusedError(err.code, str(err), pointer=err.pointer) from err
        with _pointing("/return"):
            back_job = return_job(
                replica,
                shop,
                back,
                now_ms=now_ms,
                warnings=warnings,
                has_happened=has_happened,
                is_exchange=True,
                terms=terms,
            )
            taken = (rehearsed_return(back_job, replica) if sale.training else back_job)(tx)
        with _pointing("/sale"):
            recorded = sale_job(sale, taken.fact)(tx)
            if recorded.answer is None:
                raise ConflictError(
                    "other_content", f"sale {sale.sale_id} is known with other content", pointer="/sale_id"
                )
        return Exchanged(taken, recorded, _answer(exchange, value, refund, taken, recorded.answer))

    return job


def find_exchange(read: Connection, exchange_id: str) -> ExchangeView | None:
    """Return both parts of an exchange, None where either is not here (any more)."""
    row = read.execute(
        """
        SELECT return_id FROM sale_return
        WHERE body ->> '$.return.exchange_id' IS NOT NULL AND body ->> '$.return.exchange_id' = ? LIMIT 1
        """,
        (exchange_id,),
    ).fetchone()
    back = find_return(read, row[0]) if row else None
    sale = find_sale(read, sold_by(back.fact)) if back else None
    return ExchangeView(exchange_id, back, sale) if back and sale else None


def sold_by(back: ReturnFact) -> str:
    """Return the id of the sale that is the other part of a return."""
    return next(tender.reference or "" for tender in back.content.tenders if tender.type == EXCHANGED)


def _check_id(tx: Connection, exchange: Exchange) -> None:
    """An exchange's id stands for one pair."""
    known = find_exchange(tx, exchange.exchange_id)
    if known is None:
        return
    said = (known.back.fact.content.return_id, known.sale.fact.sale.sale_id)
    if said != (exchange.back.return_id, exchange.sale.sale_id):
        detail = f"exchange {exchange.exchange_id} is known with other content"
        raise ConflictError("other_content", detail, pointer="/exchange_id")


@contextmanager
def _pointing(part: str) -> Iterator[None]:
    """What is refused of a part is said with where that part stands."""
    try:
        yield
    except (ConflictError, NotFoundError, RefusedError) as err:
        err.pointer = f"{part}{err.pointer or ''}"
        raise


def _answer(exchange: Exchange, value: int, refund: int, taken: Taken, sold: bytes) -> bytes:
    return msgspec.json.encode(
        {
            "exchange_id": exchange.exchange_id,
            "value": value,
            "to_pay": exchange.sale.total - value,
            "due_back": refund - value,
            "return": msgspec.Raw(taken.answer),
            "sale": msgspec.Raw(sold),
        }
    )
