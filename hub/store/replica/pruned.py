"""What a till is told that repeats something whose row was pruned: the same content is known, any other refused, nothing booked.

    kept beside the key          told again                                        not told any more
    of a sale                    receipt number, times, dot                        stock of that moment, warnings, print job
    of a return                  refund, times, dot                                lines, stock of that moment
    of a movement                dot, and the figure on hand as it is now

Not here: how rows are pruned (hub.store.upkeep.retention).
"""

from sqlite3 import Connection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.store.model import SaleAnswer
from sync.model import Dot, Stream
from sync.retail.selling.left import SaidOfReturn, SaidOfSale
from sync.retail.selling.returns import Return, ReturnFact
from sync.retail.selling.returns import content_hash as hash_of_return
from sync.retail.selling.sales import Sale, content_hash
from sync.store.pruned_keys import Known, known_before


class PrunedSale(Struct, frozen=True):
    """A sale that was known: `answer` is what is left to tell, None when this one has other content, whose hash is given."""

    answer: bytes | None
    content_hash: bytes


class PrunedReturn(Struct, frozen=True):
    """A return that was known: what is left of it; `is_same` when this one says the same."""

    fact: ReturnFact
    dot: Dot
    is_same: bool


def pruned_sale(read: Connection, sale: Sale) -> PrunedSale | None:
    """Return what is left of a sale of this id; None where there never was one, or too long ago."""
    left = known_before(read, "sale", sale.sale_id)
    if left is None:
        return None
    said = msgspec.json.decode(left.said, type=SaidOfSale)
    lines = tuple(replace(line, per=said.per.get(line.line, 1)) if line.per is None else line for line in sale.lines)
    fingerprint = content_hash(replace(sale, lines=lines))
    if fingerprint != left.content_hash:
        return PrunedSale(None, fingerprint)
    answer = SaleAnswer(
        sale_id=sale.sale_id,
        receipt_no=said.receipt_no,
        committed_at=said.committed_at,
        business_date=said.business_date,
        dot=_dot(left, Stream.SALES),
        stock={},
        warnings=(),
        print_job=None,
    )
    return PrunedSale(msgspec.json.encode(answer), fingerprint)


def pruned_return(read: Connection, content: Return) -> PrunedReturn | None:
    """Return what is left of a return of this id. Its sale may have been named by the receipt's number."""
    left = known_before(read, "return", content.return_id)
    if left is None:
        return None
    by_number = known_before(read, "sale.receipt_no", content.sale_id)
    named = replace(content, sale_id=msgspec.json.decode(by_number.said, type=str)) if by_number else content
    said = msgspec.json.decode(left.said, type=SaidOfReturn)
    fact = ReturnFact(
        content=named,
        currency=said.currency,
        lines=(),
        refund=said.refund,
        business_date=said.business_date,
        committed_at=said.committed_at,
        stock=(),
    )
    return PrunedReturn(fact, _dot(left, Stream.RETURNS), hash_of_return(named) == left.content_hash)


def _dot(left: Known, stream: Stream) -> Dot:
    return Dot(left.rep, stream, left.seq)
