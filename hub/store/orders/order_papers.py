"""The pick list and a parcel's label, in Traditional Chinese and English: pure functions of the orders as they stand.

The label has the order's number as QR, for who looks for the parcel; never the hand-over code, which the customer shows.
"""

from collections.abc import Sequence

from msgspec import Struct

from devices.document import Columns, Cut, Document, Element, Qr, Rule, Text
from hub.store.model import Shop
from hub.store.orders.order_views import OrderView
from sync.retail.names import Name
from sync.retail.orders.order_rows import OrderKind

_KINDS = {
    OrderKind.CLICK_AND_COLLECT: "到店取貨 Click and collect",
    OrderKind.SHIP_FROM_STORE: "門市出貨 Ship from store",
    OrderKind.HOME_DELIVERY: "送貨到府 Home delivery",
}


class ForOrder(Struct, frozen=True):
    """So much of a SKU is for this line of an order."""

    order_id: str
    line: int
    qty: int


class PickLine(Struct, frozen=True):
    """A SKU to fetch from the shelf, for all orders together."""

    sku: str
    name: Name | None
    qty: int
    orders: list[ForOrder]


def pick_lines(orders: Sequence[OrderView]) -> list[PickLine]:
    """Return what is still to be picked for these orders, by SKU."""
    wanted: dict[str, list[ForOrder]] = {}
    names: dict[str, Name | None] = {}
    for order in orders:
        for line in order.lines:
            if line.qty > line.picked:
                wanted.setdefault(line.sku, []).append(ForOrder(order.order_id, line.line, line.qty - line.picked))
                names[line.sku] = line.name
    return [PickLine(sku, names[sku], sum(each.qty for each in wanted[sku]), wanted[sku]) for sku in sorted(wanted)]


def pick_paper(shop: Shop, lines: Sequence[PickLine]) -> Document:
    """Return the pick list on paper."""
    body: list[Element] = []
    for line in lines:
        body += [Columns(f"{_name(line.name)} {line.sku}", f"x {line.qty}", bold=True)]
        body += [Columns(f"  {each.order_id}", str(each.qty)) for each in line.orders]
    head = Text("揀貨單 PICK LIST", bold=True, width=2, height=2, align="center")
    nothing = [Text("沒有待揀訂單 Nothing to pick", align="center")]
    return Document((head, Text(_name(shop.name), align="center"), Rule(), *(body or nothing), Cut()))


def label_paper(shop: Shop, order: OrderView) -> Document:
    """Return the label of an order's parcel."""
    until = order.deadline.astimezone(shop.zone) if order.deadline else None
    short = sum(line.short for line in order.lines)
    return Document(
        (
            Text(_KINDS[order.kind], bold=True, align="center"),
            Text(order.order_id, bold=True, width=2, height=2, align="center"),
            Qr(order.order_id),
            *([Text(order.name, bold=True)] if order.name else []),
            *(Text(line) for line in order.address.splitlines() if line),
            Rule(),
            *(Columns(f"{_name(line.name)} {line.sku}", f"x {line.qty - line.short}") for line in order.lines),
            *([Text(f"缺 {short} 件，部分出貨 Partial: {short} short", bold=True)] if short else []),
            *([Columns("取貨期限 Until", f"{until:%Y-%m-%d %H:%M}")] if until else []),
            Text(_name(shop.name)),
            Cut(),
        )
    )


def _name(name: Name | None) -> str:
    return " ".join(each for each in (name.zh_hant, name.en) if each) if name else ""
