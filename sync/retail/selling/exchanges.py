"""The exchange: goods back and goods out at once. What of the refund pays for the sale, and how both facts say so. Pure.

    value    the smaller of refund and total: it goes from the return to the sale as a tender `exchange` of both, each naming
             the other (the return's the sale_id, the sale's the return_id), so that both add up by themselves
    drawer   both parts are of one: the sale's, where the return names none
    to pay   total less value: the sale's own tenders; cash is rounded by this, not by the total
    due back refund less value: the return's own tenders

Not here: storage, paper. Source: the design, section 3.3 (Return).
"""

from msgspec import Struct
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.selling.returns import Return
from sync.retail.selling.sales import EXCHANGED, Amount, Id, Sale, Tender


class Exchange(Struct, frozen=True):
    """The till-made content: tenders are those of the difference alone.

    `value`: what the till has carried over; it is worked out here where it is left out, and held against that where it is not.
    """

    exchange_id: Id
    back: Return
    sale: Sale
    value: Amount | None = None


def value_of(exchange: Exchange, refund: int) -> int:
    """Return what of the refund pays for the sale; raise RuleError where the till says otherwise of what has not happened yet."""
    due = min(refund, exchange.sale.total)
    if exchange.value is None or exchange.value == due:
        return due
    if not exchange.sale.offline:
        raise RuleError("exchange_value", "/value", f"{due} goes over to the sale, not {exchange.value}")
    return exchange.value


def both_parts(exchange: Exchange, value: int) -> tuple[Return, Sale]:
    """Return what is booked: each part with the tender that carries the value; raise RuleError for parts that are no exchange."""
    back, sale = exchange.back, exchange.sale
    if back.void:
        raise RuleError("exchange_part", "/return/void", "a void is no exchange")
    if back.till_id != sale.till_id:
        raise RuleError("exchange_part", "/sale/till_id", f"goods back at {back.till_id}, goods out at {sale.till_id}")
    for part, tenders in (("return", back.tenders), ("sale", sale.tenders)):
        if any(tender.type == EXCHANGED for tender in tenders):
            raise RuleError("exchange_tender", f"/{part}/tenders", f"the hub writes the tender {EXCHANGED} itself")
    return (
        replace(
            back,
            exchange_id=exchange.exchange_id,
            session_id=back.session_id or sale.session_id,
            tenders=(Tender(EXCHANGED, value, reference=sale.sale_id), *back.tenders),
        ),
        replace(sale, tenders=(Tender(EXCHANGED, value, reference=back.return_id), *sale.tenders)),
    )
