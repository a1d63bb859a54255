"""Stock: which facts make rights and which spend them, what may be promised. Pure.

    fact                                     on hand   right of the shop   received  issued  picked
    goods in, transfer in, resaleable
    return, put back, surplus at count          +              +              +
    sale, transfer out, written off,
    shortage at count, pick without promise     -              -                        +
    pick of a promise                           -              0                        +       +
    damaged return, purchase order,
    goods on the road                           0              0

`on hand` is what can be sold: a picked promise is out of it, waiting for its customer. When its order is cancelled then, the
goods are put back and make a right again, and the promise stays ended as picked. Only the owner of a location makes rights there.

Not here: a shelf that is counted while the shop sells (counts), reservations' life, purchase orders, storage. Source: the design,
sections 3.3 (Rights, Stock on hand) and 4.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct

from sync.errors import RuleError
from sync.retail.stock import rights
from sync.retail.stock.rights import Outlet, SpendPolicy, Spent, State


class Movement(StrEnum):
    """What happened to goods at a location."""

    RECEIVE = "receive"
    TRANSFER_IN = "transfer_in"
    RETURN_RESALEABLE = "return_resaleable"
    PUT_BACK = "put_back"
    SURPLUS = "surplus"
    SALE = "sale"
    TRANSFER_OUT = "transfer_out"
    WRITE_OFF = "write_off"
    SHORTAGE = "shortage"
    PICK_UNPROMISED = "pick_unpromised"
    PICK_PROMISED = "pick_promised"
    RETURN_DAMAGED = "return_damaged"
    PURCHASE_ORDER = "purchase_order"
    ON_THE_ROAD = "on_the_road"


MAKES = frozenset(
    {
        Movement.RECEIVE,
        Movement.TRANSFER_IN,
        Movement.RETURN_RESALEABLE,
        Movement.PUT_BACK,
        Movement.SURPLUS,
    }
)
SPENDS = frozenset(
    {Movement.SALE, Movement.TRANSFER_OUT, Movement.WRITE_OFF, Movement.SHORTAGE, Movement.PICK_UNPROMISED}
)
PICKS = frozenset({Movement.PICK_PROMISED})
ALREADY_GONE = frozenset({Movement.WRITE_OFF, Movement.SHORTAGE})
"""What no policy can refuse: it is the record of goods that are not there."""


class Effect(Struct, frozen=True, array_like=True):
    """What a movement adds to the owner's level: all three only grow."""

    received: int = 0
    issued: int = 0
    picked: int = 0


class Component(Struct, frozen=True, kw_only=True):
    """How much of a SKU is in one kit, in its unit. By name, as a column keeps it."""

    qty: int
    sku: str


def effect_of(movement: Movement, qty: int) -> Effect:
    """Return what a movement of so much adds to the owner's level."""
    assert qty > 0
    if movement in MAKES:
        return Effect(received=qty)
    if movement in SPENDS:
        return Effect(issued=qty)
    if movement in PICKS:
        return Effect(issued=qty, picked=qty)
    return Effect()


def move(state: State, owner: str, movement: Movement, *, qty: int, policy: SpendPolicy) -> Spent:
    """Return the asset's state after a movement at its owner, and the overdraw; raise RuleError where `strict` refuses."""
    if movement in MAKES:
        return Spent(rights.make(state, owner, qty), 0)
    if movement in SPENDS:
        rule = SpendPolicy.PHYSICAL_FIRST if movement in ALREADY_GONE else policy
        return rights.spend(state, owner, qty, outlet=Outlet.ISSUED, policy=rule)
    return Spent(rights.pick(state, owner, qty) if movement in PICKS else state, 0)


def check_owner(store: str, owner: str) -> None:
    """Raise RuleError unless the store that writes a movement owns the location it names."""
    if store != owner:
        raise RuleError("not_owner", "/location", f"the location belongs to {owner}, not {store}: send it a request")


def available(right: int, *, reserved: int, safety_stock: int, is_stocked: bool = True) -> int | None:
    """Return what a till may promise of its holder's right; None for a SKU without stock: as much as is asked for."""
    return max(0, right - reserved - safety_stock) if is_stocked else None


def kit_available(kit: Iterable[Component], available_of: Mapping[str, int | None]) -> int | None:
    """Return how many kits can be promised; None when none of its parts has stock. A part that is not known is not there."""
    whole = [
        part // component.qty
        for component in kit
        if (part := available_of.get(component.sku, 0)) is not None  # a part without stock sets no limit
    ]
    return min(whole, default=None)


def parts_back(
    back: Iterable[tuple[str, int]], taken_out: Mapping[str, int], *, kits: Mapping[str, tuple[Component, ...]]
) -> dict[str, int]:
    """Return SKU -> quantity of parts that come back with kits; `taken_out` is what the sale took of each SKU.

    A kit may have been declared anew since: no more of a part comes back than the sale took.
    """
    found: dict[str, int] = {}
    for sku, qty in back:
        for part in kits.get(sku, ()):
            whole = found.get(part.sku, 0) + part.qty * qty
            found[part.sku] = min(whole, taken_out.get(part.sku, 0))
    return {sku: qty for sku, qty in found.items() if qty}


def taken_by(
    sku: str, qty: int, *, kits: Mapping[str, tuple[Component, ...]], unstocked: frozenset[str]
) -> dict[str, int]:
    """Return SKU -> quantity that a line takes off the shelf: a kit its parts, a SKU without stock nothing."""
    taken: dict[str, int] = {}
    for part in kits.get(sku, (Component(sku=sku, qty=1),)):
        if part.sku not in unstocked:
            taken[part.sku] = taken.get(part.sku, 0) + part.qty * qty
    return taken
