"""Rights: a bounded counter over replicas (escrow), one for each asset. Pure; nothing here reads a clock or a table.

An asset is whatever may be given out only so often: pieces of a SKU at a location, uses of a coupon's serial, pieces of a sale's
line that may come back. A right is a share of it that its holder spends without asking anybody. Each replica writes one row; no
cell of it is ever written by another one:

    received           all that its owner made: goods in, surplus at count; uses of a coupon; pieces sold
    issued, picked     all that its owner gave out by hand, and the part of that which was for somebody's promise
    spent, given_back  promises made on its right, and promises that ended without being picked
    granted[to]        rights handed on, all that ever were

    right(r)  = received - issued + picked - spent + given_back + granted to r - granted by r
    unpicked  = spent - given_back - picked, over all rows
    identity:   received - issued, over all rows = sum of rights + unpicked

    merge              the larger of each cell; a sealed row beats a live one whole, a later seal an earlier one
    grant in flight    down at the giver when it is written, up at the receiver when it arrives: in between nobody has it
    debt               a right below 0: goods handed over first, policy `physical-first`. Who is in debt grants nothing
    seal               a replica that is no more: its row is frozen and what is left passes to an heir, a debt as a debt

Not here: which facts make and spend (stock), who should grant how much (rebalance), what becomes of a debt (settlement).
Source: the design, section 3.3; Balegas et al., "Extending eventually consistent cloud databases for enforcing numeric
invariants" (2015).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from sync.errors import RuleError


class SpendPolicy(StrEnum):
    """What becomes of a spending beyond the right: the record follows the goods into debt, or it is refused."""

    PHYSICAL_FIRST = "physical-first"
    STRICT = "strict"


class Outlet(StrEnum):
    """The column that a spending grows: goods out of the owner's hand, or a promise on a right."""

    ISSUED = "issued"
    SPENT = "spent"


class Asset(Struct, frozen=True, array_like=True, order=True):
    """What rights are rights to: a kind and the words of its key."""

    kind: Literal["stock", "coupon", "sale_line"]
    key: tuple[str, ...]


class Row(Struct, frozen=True, omit_defaults=True):
    """All that one replica ever wrote of an asset. `sealed` counts its seals: 0 is alive."""

    received: int = 0
    issued: int = 0
    picked: int = 0
    spent: int = 0
    given_back: int = 0
    granted: dict[str, int] = field(default_factory=dict)
    sealed: int = 0


State = Mapping[str, Row]
"""What is known of an asset: writer -> its row. A replica that is not named has written nothing."""


class Spent(Struct, frozen=True):
    """The state after a spending, and by how much it went beyond the right: what is noted as the overdraw."""

    state: State
    overdraw: int


class Difference(Struct, frozen=True):
    """What an audit found: which of the figures does not agree, what the facts say and what the rows say."""

    name: Literal["levels", "promises", "rights"]
    by_facts: int
    by_rows: int


class Cover(Struct, frozen=True, array_like=True):
    """A part of a debt, and the holder whose unspent right covers it."""

    holder: str
    debtor: str
    qty: int


def stock_asset(sku: str, location: str) -> Asset:
    """Return the asset of pieces (or grams) of a SKU at a location."""
    return Asset("stock", (sku, location))


def coupon_asset(serial: str) -> Asset:
    """Return the asset of the uses of a coupon."""
    return Asset("coupon", (serial,))


def sale_line_asset(sale_id: str, line: int) -> Asset:
    """Return the asset of the pieces of a sale's line that may come back."""
    return Asset("sale_line", (sale_id, str(line)))


def right_of(state: State, holder: str) -> int:
    """Return what the holder may still spend as far as this state knows; negative is a debt."""
    row = state.get(holder, Row())
    made = row.received - row.issued + row.picked - row.spent + row.given_back
    return made + granted_to(state, holder) - sum(row.granted.values())


def granted_to(state: State, holder: str) -> int:
    """Return all that was ever granted to the holder."""
    return sum(row.granted.get(holder, 0) for row in state.values())


def unspent_of(state: State, holder: str) -> int:
    """Return what the holder could hand on: its right, or 0 in debt."""
    return max(0, right_of(state, holder))


def holders_of(state: State) -> tuple[str, ...]:
    """Return all who wrote or were granted something, by name."""
    return tuple(sorted({*state, *(to for row in state.values() for to in row.granted)}))


def debts(state: State) -> dict[str, int]:
    """Return debtor -> what it owes, by name."""
    return {holder: -right for holder in holders_of(state) if (right := right_of(state, holder)) < 0}


def unpicked_of(state: State) -> int:
    """Return the promises that have neither been picked nor given back."""
    return sum(row.spent - row.given_back - row.picked for row in state.values())


def on_hand_of(state: State) -> int:
    """Return what is there by the rows: all that came less all that was handed out."""
    return sum(row.received - row.issued for row in state.values())


def audit(state: State, *, on_hand: int, unpicked: int) -> Difference | None:
    """Compare a complete state with figures counted from the facts (movements, orders); return what does not agree."""
    if (by_rows := on_hand_of(state)) != on_hand:
        return Difference("levels", on_hand, by_rows)
    if (by_rows := unpicked_of(state)) != unpicked:
        return Difference("promises", unpicked, by_rows)
    by_rows = sum(right_of(state, holder) for holder in holders_of(state))
    return None if by_rows == on_hand - unpicked else Difference("rights", on_hand - unpicked, by_rows)


def may_spend(state: State, holder: str, qty: int) -> bool:
    """Say whether the holder's right covers the quantity."""
    return 0 < qty <= right_of(state, holder)


def spend(state: State, holder: str, qty: int, *, outlet: Outlet, policy: SpendPolicy) -> Spent:
    """Return the state after a spending and its overdraw; raise RuleError beyond the right under `strict`."""
    row, right = _live_row(state, holder, qty), right_of(state, holder)
    overdraw = qty - min(qty, max(0, right))
    if overdraw and policy is SpendPolicy.STRICT:
        raise RuleError(
            "no_right", "/qty", f"{holder} has a right to {right}, not to {qty}: ask another holder for more"
        )
    if outlet is Outlet.ISSUED:
        return Spent({**state, holder: replace(row, issued=row.issued + qty)}, overdraw)
    return Spent({**state, holder: replace(row, spent=row.spent + qty)}, overdraw)


def make(state: State, owner: str, qty: int) -> State:
    """Return the state after its owner made so much more of the asset."""
    row = _live_row(state, owner, qty)
    return {**state, owner: replace(row, received=row.received + qty)}


def pick(state: State, owner: str, qty: int) -> State:
    """Return the state after goods were taken for a promise: they leave, nobody's right changes, the promise is kept."""
    row = _live_row(state, owner, qty)
    return {**state, owner: replace(row, issued=row.issued + qty, picked=row.picked + qty)}


def give_back(state: State, holder: str, qty: int) -> State:
    """Return the state after a promise ended without goods; raise RuleError when no promise of that size is open.

    That each promise ends once is its order's business (settlement); this bound holds whatever an order says.
    """
    row = _live_row(state, holder, qty)
    if qty > (left := unpicked_of(state)):
        raise RuleError("no_promise", "/qty", f"{holder} gives back {qty}, only {left} are promised and not picked")
    return {**state, holder: replace(row, given_back=row.given_back + qty)}


def grant(state: State, giver: str, receiver: str, qty: int) -> int:
    """Return the new total of the giver's tally for the receiver; raise RuleError beyond what the giver has unspent."""
    row = _live_row(state, giver, qty)
    assert giver != receiver
    if state.get(receiver, Row()).sealed:
        raise RuleError("sealed", "/to", f"{receiver} is sealed: grant to the replica that follows it")
    if qty > (left := unspent_of(state, giver)):
        raise RuleError("no_right", "/qty", f"{giver} has {left} to grant, not {qty}")
    return row.granted.get(receiver, 0) + qty


def with_grant(state: State, giver: str, receiver: str, qty: int) -> State:
    """Return the state after a grant; raise as `grant` does."""
    total, row = grant(state, giver, receiver, qty), state.get(giver, Row())
    return {**state, giver: replace(row, granted={**row.granted, receiver: total})}


def reclaim(state: State, sealed: str, heir: str, *, frozen: Row | None = None) -> State:
    """Return the state after a seal: the row frozen (as recomputed from the facts), all that is left passed to the heir.

    Written by the one who seals, under the sealed replica's name: the one time that a cell is replaced and may fall. Again, it
    passes only what was granted to the dead in the meantime. Raise RuleError for an heir that is itself sealed.
    """
    assert sealed != heir
    if state.get(heir, Row()).sealed:
        raise RuleError("sealed", "/heir", f"{heir} is sealed: the heir is a replica that lives")
    before = state.get(sealed, Row())
    row = before if frozen is None or before.sealed else frozen
    left = right_of({**state, sealed: row}, sealed)
    if before.sealed and not left:
        return state
    passed = {heir: row.granted.get(heir, 0) + left} if left else {}
    return {**state, sealed: replace(row, granted={**row.granted, **passed}, sealed=before.sealed + 1)}


def merge(one: State, other: State) -> State:
    """Return the join of two states: nothing that either of them knows is lost, in whatever order and however often."""
    both = {writer: merge_rows(row, other[writer]) for writer, row in one.items() if writer in other}
    return {**one, **other, **both}


def merge_rows(one: Row, other: Row) -> Row:
    """Return the later seal of two rows, or of two equally sealed the larger of each cell."""
    if one.sealed != other.sealed:
        return max(one, other, key=lambda row: row.sealed)
    granted = {
        to: max(row.granted[to] for row in (one, other) if to in row.granted)
        for to in sorted({*one.granted, *other.granted})
    }
    return Row(
        received=max(one.received, other.received),
        issued=max(one.issued, other.issued),
        picked=max(one.picked, other.picked),
        spent=max(one.spent, other.spent),
        given_back=max(one.given_back, other.given_back),
        granted=granted,
        sealed=one.sealed,
    )


def cover_debts(state: State, *, first: str) -> list[Cover]:
    """Return who covers how much of which debt: `first` before all others, then by name; the same for all who know the same.

    What a dead replica still holds counts as well: it covers once it is sealed, and no promise is broken for it meanwhile.
    """
    order = sorted(holders_of(state), key=lambda holder: (holder != first, holder))
    left = {holder: unspent_of(state, holder) for holder in order}
    covers = []
    for debtor, debt in debts(state).items():
        owed = debt
        for holder in order:
            qty = min(left[holder], owed)
            if qty:
                covers.append(Cover(holder, debtor, qty))
            left[holder], owed = left[holder] - qty, owed - qty
    return covers


def _live_row(state: State, holder: str, qty: int) -> Row:
    assert qty > 0
    row = state.get(holder, Row())
    if row.sealed:
        raise RuleError("sealed", "/rep", f"{holder} is sealed: begin a new incarnation")
    return row
