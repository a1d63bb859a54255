"""Settlement: what the cloud does about a debt, once for each, as a fact. Pure.

    first     the settler's own unspent right, at once
    then      unspent rights of other holders, by request: they answer with grants (rebalance)
    then      the newest open promise by allocation seq is re-sourced (another shop, another parcel, a refund): given back once,
              and its right granted to the debtor. Whoever holds an order's token ends its promise: one that is not the
              settler's is asked for, and no older one is broken in its place
    the rest  nobody has: stock itself is below zero, a count is due

    a promise   open -> picked | given back; once, by the holder of its order's token
    a key       names asset, debtor, settler, and from where to where the settler's cover of the debtor rises: the same debt seen
                again is the same key, a later one never is, because a settlement always raises that and nothing lowers it

Not here: orders and their steps, who is told, storage. Source: the design, section 3.3 (the item in the hand).
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from hashlib import blake2b

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.stock import rights
from sync.retail.stock.rights import Asset, Cover, State


class End(StrEnum):
    """How a promise ended."""

    PICKED = "picked"
    GIVEN_BACK = "given_back"


class Promise(Struct, frozen=True, omit_defaults=True):
    """What an order was promised of an asset. `seq` is its place in the allocations; `keeper` holds the order's token."""

    order_id: str
    seq: int
    qty: int
    keeper: str
    end: End | None = None


class Settlement(Struct, frozen=True, kw_only=True):
    """The fact: how a debt was covered by its settler. `uncovered` is what neither it nor anybody asked can cover."""

    v: int = 1
    settlement_id: str
    asset: Asset
    debtor: str
    debt: int
    from_unspent: int
    re_sourced: tuple[str, ...]
    covered: int
    uncovered: int


class Plan(Struct, frozen=True, kw_only=True):
    """What a settler writes in one transaction (fact, its row in `state`, ended promises), and what it asks of others.

    `settlement` is None where nothing can be done at once. `requests` are grants wanted of other holders; of a dead one it means:
    seal it, of a sealed one: reclaim again. `releases` are orders asked back from the holder of their token.
    """

    state: State
    settlement: Settlement | None = None
    ended: tuple[Promise, ...] = ()
    requests: tuple[Cover, ...] = ()
    releases: tuple[str, ...] = ()
    uncovered: int = 0


def end_promise(promise: Promise, end: End, *, by: str) -> Promise:
    """Return the ended promise; raise RuleError when it has ended, or when `by` does not hold its order's token."""
    pointer = f"/orders/{promise.order_id}"
    if promise.end is not None:
        raise RuleError("promise_ended", pointer, f"the promise to order {promise.order_id} is {promise.end} already")
    if promise.keeper != by:
        raise RuleError(
            "not_keeper", pointer, f"order {promise.order_id} is with {promise.keeper}, not {by}: ask there"
        )
    return replace(promise, end=end)


def yielding(promises: Iterable[Promise], qty: int) -> tuple[Promise, ...]:
    """Return the open promises that give way for so much: newest first by allocation seq, whole ones, no more than needed."""
    chosen = []
    for promise in sorted(promises, key=lambda each: (each.seq, each.order_id), reverse=True):
        if qty <= 0:
            break
        if promise.end is None:
            chosen.append(promise)
            qty -= promise.qty
    return tuple(chosen)


def promises_at_risk(state: State, promises: Iterable[Promise], *, first: str) -> tuple[Promise, ...]:
    """Return the promises that a hub expects to give way for the debts it knows. Provisional: the settlement's word stands."""
    owed = sum(rights.debts(state).values())
    return yielding(promises, owed - sum(cover.qty for cover in rights.cover_debts(state, first=first)))


def settle(state: State, asset: Asset, *, settler: str, debtor: str, promises: Sequence[Promise]) -> Plan:
    """Return what the settler does about a debtor's debt as it knows it; an empty plan where there is none.

    A settler that is in debt itself (as an heir) settles its own first: until then the plan for any other is empty.
    """
    owed = rights.debts(state)
    if debtor not in owed or (settler in owed and debtor != settler):
        return Plan(state=state)
    debt = owed[debtor]
    covers = [cover for cover in rights.cover_debts(state, first=settler) if cover.debtor == debtor]
    own = sum(cover.qty for cover in covers if cover.holder == settler)
    missing = debt - sum(cover.qty for cover in covers)
    chosen = yielding(promises, missing)
    ended = tuple(end_promise(each, End.GIVEN_BACK, by=settler) for each in chosen if each.keeper == settler)
    asked = tuple(each for each in chosen if each.keeper != settler)
    promised = sum(promise.qty for promise in ended)
    from_promises = sum(part for promise, part in _parts(chosen, missing) if promise.keeper == settler)
    covered = own + from_promises
    after = rights.give_back(state, settler, promised) if promised else state
    if covered and debtor != settler:
        after = rights.with_grant(after, settler, debtor, covered)
    uncovered = max(0, missing - sum(promise.qty for promise in chosen))
    fact = Settlement(
        settlement_id=settlement_id(state, asset, debtor, settler=settler),
        asset=asset,
        debtor=debtor,
        debt=debt,
        from_unspent=own,
        re_sourced=tuple(promise.order_id for promise in ended),
        covered=covered,
        uncovered=uncovered,
    )
    return Plan(
        state=after,
        settlement=fact if covered else None,
        ended=ended,
        requests=tuple(cover for cover in covers if cover.holder != settler),
        releases=tuple(promise.order_id for promise in asked),
        uncovered=uncovered,
    )


def settlement_id(state: State, asset: Asset, debtor: str, *, settler: str) -> str:
    """Return the key of the settlement of a debt: from where to where what the settler gave for it (or back) rises."""
    row = state.get(settler, rights.Row())
    covered = row.given_back if debtor == settler else row.granted.get(debtor, 0)
    words = msgspec.json.encode([asset, debtor, settler, covered, covered - rights.right_of(state, debtor)])
    return f"settlement-{blake2b(words, digest_size=16).hexdigest()}"


def _parts(chosen: Iterable[Promise], qty: int) -> Iterator[tuple[Promise, int]]:
    """Yield each promise with what is needed of it."""
    for promise in chosen:
        part = min(promise.qty, qty)
        qty -= part
        yield promise, part
