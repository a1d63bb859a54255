"""How a shop is paid: the tenders that it takes, and what each asks of a sale. Pure.

    kind      change, drawer    example                     asks
    cash      yes               notes and coins             nothing
    card      no                credit, debit               provider, reference where declared
    wallet    no                Octopus, PayMe, LINE Pay    provider, reference where declared
    voucher   no                paper and gift cards        reference where declared
    mall      no                taken by the mall's till    reference where declared

    off line  accept            the sale goes through
              cap               up to `offline_max`, and it is noted; beyond it is refused
              refuse            refused

What a till has named and the shop has not declared is refused. Of a sale that already happened all of it is only noted, by
whoever calls. Not here: terminals, the money in a drawer. Source: the design, section 4.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from sync.retail.names import Name
from sync.retail.selling.sales import EXCHANGED, Tender

TenderKind = Literal["cash", "card", "wallet", "voucher", "mall", "other"]
Offline = Literal["accept", "cap", "refuse"]


class TenderType(Struct, frozen=True, kw_only=True):
    """A tender that the shop takes."""

    type: str
    kind: TenderKind
    name: Name
    needs_provider: bool = False
    needs_reference: bool = False
    gives_change: bool = False
    opens_drawer: bool = False
    offline: Offline = "accept"
    offline_max: int = 0
    refund_in_cash: bool = False


class Finding(Struct, frozen=True):
    """What is wrong with a tender, or worth a note; `field` is where in it."""

    code: str
    field: str
    detail: str
    is_refused: bool = True


def _usual(type_: str, kind: TenderKind, zh_hant: str, en: str) -> TenderType:
    is_cash = kind == "cash"
    return TenderType(
        type=type_, kind=kind, name=Name(zh_hant=zh_hant, en=en), gives_change=is_cash, opens_drawer=is_cash
    )


USUAL_TENDERS = (
    _usual("cash", "cash", "現金", "Cash"),
    _usual("card", "card", "信用卡", "Card"),
    _usual("octopus", "wallet", "八達通", "Octopus"),
    _usual("fps", "wallet", "轉數快", "FPS"),
    _usual("payme", "wallet", "", "PayMe"),
    _usual("line_pay", "wallet", "", "LINE Pay"),
    _usual("mall", "mall", "商場代收", "Mall"),
    _usual("voucher", "voucher", "禮券", "Voucher"),
)
"""What is taken where the configuration declares none."""


EXCHANGE_TENDER = _usual(EXCHANGED, "other", "換貨抵付", "Exchange")
"""The value of goods that came back; the hub alone writes it (sync.retail.selling.exchanges)."""


def named_type(types: Iterable[TenderType], name: str) -> TenderType | None:
    """Return a tender as it stands on paper: a declared one, or the exchange."""
    return EXCHANGE_TENDER if name == EXCHANGED else type_of(types, name)


def type_of(types: Iterable[TenderType], name: str) -> TenderType | None:
    """Return a declared tender by its name."""
    return next((each for each in types if each.type == name), None)


def examine(tender: Tender, types: Iterable[TenderType], *, is_cut_off: bool) -> Iterator[Finding]:
    """Yield what is wrong with a tender, or worth a note; `is_cut_off`: there is a line, and it is down."""
    declared = list(types)
    known = type_of(declared, tender.type)
    if known is None:
        yield Finding(
            "tender_unknown", "type", f"{tender.type}; taken here: {', '.join(each.type for each in declared)}"
        )
        return
    if known.needs_provider and not tender.provider:
        yield Finding("tender_provider", "provider", f"{tender.type} names its provider")
    if known.needs_reference and not tender.reference:
        yield Finding("tender_reference", "reference", f"{tender.type} has a reference")
    if tender.change and not known.gives_change:
        yield Finding("no_change", "tendered", f"{tender.type} gives no change, {tender.change} would go back")
    if is_cut_off:
        yield from _off_line(tender, known)


def _off_line(tender: Tender, known: TenderType) -> Iterator[Finding]:
    if known.offline == "refuse":
        yield Finding("tender_offline", "type", f"{tender.type} is not taken without a line")
    elif known.offline == "cap" and tender.amount > known.offline_max:
        yield Finding("tender_offline", "amount", f"{tender.type} without a line: at most {known.offline_max}")
    elif known.offline == "cap":
        yield Finding("tender_offline", "amount", f"{tender.type} {tender.amount}, without a line", is_refused=False)
