"""What is left of a fact when its row is pruned, beside its key: what a till is told again, and how far receipt numbers go. Pure.

Not here: the sums (sync.opening), when rows go (sync.store.retention), what is answered (hub.store.replica.pruned).
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct

from sync.json_errors import NOT_JSON
from sync.kinds import Entity
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import SaleFact

SERIES_LENGTH = 4


class SaidOfSale(Struct, frozen=True, omit_defaults=True):
    """What is kept of a sale. `per` is what the hub had filled in, by line, where it is not 1."""

    receipt_no: str = ""
    committed_at: datetime = datetime.min
    business_date: str = ""
    per: dict[int, int] = {}


class SaidOfReturn(Struct, frozen=True, omit_defaults=True):
    """What is kept of a return."""

    refund: int = 0
    currency: str = ""
    committed_at: datetime = datetime.min
    business_date: str = ""


class _Receipt(Struct):
    receipt_no: str = ""


_receipt = msgspec.json.Decoder(_Receipt)


def said_of(entity: Entity, body: bytes) -> str:
    """Return what of a fact is kept beside its key, as JSON."""
    try:
        if entity.name == "sale":
            fact = msgspec.json.decode(body, type=SaleFact)
            per = {line.line: line.per for line in fact.sale.lines if line.per is not None and line.per != 1}
            return msgspec.json.encode(SaidOfSale(fact.receipt_no, fact.committed_at, fact.business_date, per)).decode()
        if entity.name == "return":
            back = msgspec.json.decode(body, type=ReturnFact)
            return msgspec.json.encode(
                SaidOfReturn(back.refund, back.currency, back.committed_at, back.business_date)
            ).decode()
    except NOT_JSON:  # of a later version: known, with nothing to say
        return "{}"
    return "{}"


def last_numbers(sales: Iterable[bytes]) -> dict[tuple[str, str], int]:
    """Return (till, series) -> the last number that hubs gave to these sales."""
    last: dict[tuple[str, str], int] = {}
    for body in sales:
        try:
            receipt_no = _receipt.decode(body).receipt_no
        except NOT_JSON:
            continue
        if (split := split_number(receipt_no)) is not None:
            last[split[:2]] = max(split[2], last.get(split[:2], 0))
    return last


def split_number(receipt_no: str) -> tuple[str, str, int] | None:
    """Return till, series and n of a number of the form that hubs give; None for any other."""
    parts = receipt_no.rsplit("-", 2)
    if len(parts) != 3 or len(parts[1]) != SERIES_LENGTH or not (parts[2].isascii() and parts[2].isdecimal()):
        return None
    return parts[0], parts[1], int(parts[2])
