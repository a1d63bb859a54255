"""What should go from place to place, by days of cover and safety stock. Pure; nothing here reads a table.

    a place needs     what its demand of `cover_days` and its safety stock come to, less what it has and what is coming;
                      asked for only where its cover is below half of that: small differences are not worth a journey
    a place spares    what it has and has not promised, above the same measure; one without demand all but its safety stock
    who gives         warehouses first, then whoever spares most, then by name; who needs most urgently is given first

One that is proposed is counted as if it were done: the same figures propose the same, and nothing once it is done. Laws (tests).
Not here: what places have (sync.cloud.allocation.proposals), transfers themselves (sync.retail.stock.transfers).
"""

from collections.abc import Iterable

from msgspec import Struct

from sync.cloud.allocation.history import Demand


class Shelf(Struct, frozen=True, kw_only=True):
    """A SKU at a place. `free`: on hand and not promised; `coming`: on the road, or accepted to be sent."""

    place: str
    sku: str
    free: int
    coming: int = 0
    safety_stock: int = 0
    demand: Demand = Demand(0, 0)
    is_warehouse: bool = False


class Move(Struct, frozen=True, order=True):
    """So much of a SKU should go."""

    sender: str
    receiver: str
    sku: str
    qty: int


def propose(shelves: Iterable[Shelf], *, cover_days: int) -> list[Move]:
    """Return what should go where, by sender, receiver and SKU."""
    by_sku: dict[str, list[Shelf]] = {}
    for shelf in shelves:
        by_sku.setdefault(shelf.sku, []).append(shelf)
    return sorted(move for sku in sorted(by_sku) for move in _propose(by_sku[sku], cover_days))


def target_of(shelf: Shelf, cover_days: int) -> int:
    """Return what should be at a place: its demand of so many days, rounded up, and its safety stock."""
    if shelf.demand.days == 0:
        return shelf.safety_stock
    return shelf.safety_stock + -(-shelf.demand.qty * cover_days // shelf.demand.days)


def _propose(shelves: list[Shelf], cover_days: int) -> list[Move]:
    spare = {shelf.place: shelf.free - target_of(shelf, cover_days) for shelf in shelves}
    givers = sorted(
        (shelf for shelf in shelves if spare[shelf.place] > 0),
        key=lambda shelf: (not shelf.is_warehouse, -spare[shelf.place], shelf.place),
    )
    takers = sorted(
        (shelf for shelf in shelves if _needs(shelf, cover_days)), key=lambda shelf: _urgency(shelf, cover_days)
    )
    moves = []
    for taker in takers:
        missing = target_of(taker, cover_days) - taker.free - taker.coming
        for giver in givers:
            qty = min(missing, spare[giver.place])
            if qty > 0:
                moves.append(Move(giver.place, taker.place, taker.sku, qty))
                spare[giver.place] -= qty
                missing -= qty
    return moves


def _needs(shelf: Shelf, cover_days: int) -> bool:
    """Whether a place has less than half of what it should have; a warehouse is filled by purchases, not by shops.

    One that should have nothing needs nothing, even below zero: that is a shelf to be counted.
    """
    target = target_of(shelf, cover_days)
    return not shelf.is_warehouse and target > 0 and 2 * (shelf.free + shelf.coming) < target


def _urgency(shelf: Shelf, cover_days: int) -> tuple[int, str]:
    """Return what sorts the emptiest first: what is there per mille of what should be."""
    return (shelf.free + shelf.coming) * 1000 // target_of(shelf, cover_days), shelf.place
