"""Promises at the shop: goods are picked for them, released when an order is called off; what the cloud asks; overdraws of sales.

A pick is one fact of stream `promises`: it ends the promise and moves the goods; no right of this shop changes. A promise that
this hub keeps is ended by it only, once: its key is the promise. What is asked is answered once for each version of a question.

Not here: rights and grants (hub.store.stock.rights), the sale itself (hub.store.selling.sales). Functions of a write job, and of
reads.
"""

from collections import Counter
from sqlite3 import Connection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.model import utc
from hub.store.stock.kits import goods_of, taken_of
from hub.store.stock.rights import (
    Place,
    Rule,
    debts,
    grant,
    grantable,
    is_shared,
    kept_on_shelf,
    known_state,
    right_of,
    uncounted,
)
from hub.store.stock.stock import apply_effects
from sync import failpoints
from sync.model import Dot, Replica
from sync.retail.selling.sales import Sale, SaleLine, StockEffect, Warned
from sync.retail.stock import rights, settlement
from sync.retail.stock.promises import PROMISE_END, Ending, PromiseEndFact, PromiseFact
from sync.retail.stock.rebalance import answer_request
from sync.retail.stock.rights import Row, SpendPolicy
from sync.store.writing import record_fact

ANSWERS_MAX = 100  # questions answered in one job


class Ended(Struct, frozen=True):
    """How a promise ended; `on_hand` is the new figure of a pick."""

    promise_id: str
    ending: Ending
    on_hand: int | None
    repeated: bool = False
    dot: Dot | None = None


def pick(tx: Connection, own: Replica, promise_id: str, *, now_ms: int, left: int = 0) -> Ended:
    """Take the goods for a promise off the shelf, all but `left` of them, which were not there.

    Raise NotFoundError for an unknown promise, ConflictError for one that was given back or is kept elsewhere.
    """
    fact = _kept(tx, own, promise_id)
    before = ending_of(tx, promise_id)
    if before == "picked":
        return Ended(promise_id, "picked", None, repeated=True)
    if before is not None:
        raise ConflictError("promise_ended", f"promise {promise_id} was given back: put the goods back")
    return _end(tx, own, fact, "picked", why="", now_ms=now_ms, left=left)


def release(tx: Connection, own: Replica, promise_id: str, *, why: str, now_ms: int) -> Ended:
    """End a promise without its goods; one that was picked stays picked. Raise as `pick` does."""
    fact, before = _kept(tx, own, promise_id), ending_of(tx, promise_id)
    if before is not None:
        return Ended(promise_id, before, None, repeated=True)
    return _end(tx, own, fact, "given_back", why=why, now_ms=now_ms)


def answer(tx: Connection, own: Replica, rule: Rule, *, cloud: str, now_ms: int) -> None:
    """Answer what the cloud asks of this shop, the newest ANSWERS_MAX questions; what cannot be granted now stays open."""
    asked = tx.execute(
        """
        SELECT asked_id || ' ' || n, asked_id, wants, sku, location, qty, taker FROM asked
        WHERE gone = 0 AND asked_id || ' ' || n NOT IN (SELECT asked_id FROM right_answered)
        ORDER BY replica DESC, seq DESC LIMIT ?
        """,
        (ANSWERS_MAX,),
    ).fetchall()
    for name, asked_id, wants, sku, location, qty, taker in asked:
        if wants == "release":
            is_done = _release_asked(tx, own, asked_id.removeprefix("release:"), now_ms=now_ms)
        else:
            is_done = _grant_asked(tx, own, rule, Place(sku, location), qty, taker=taker, cloud=cloud)
        if is_done:  # where there is not enough, the question stays
            tx.execute("INSERT INTO right_answered (asked_id) VALUES (?) ON CONFLICT DO NOTHING", (name,))


def is_asked(read: Connection) -> bool:
    """Whether a question is open that has not been answered."""
    row = read.execute(
        "SELECT 1 FROM asked WHERE gone = 0 AND asked_id || ' ' || n NOT IN (SELECT asked_id FROM right_answered) LIMIT 1"
    ).fetchone()
    return row is not None


def overdraws(read: Connection, own: Replica, location: str, sale: Sale, rule: Rule) -> list[Warned]:
    """Return by how much a sale goes beyond this life's rights, before it is booked.

    Raise RefusedError under `strict`, but not for a sale that has already happened.
    """
    goods = goods_of(read, [line.sku for line in sale.lines])
    first: dict[str, SaleLine] = {}
    wanted: Counter[str] = Counter()
    for line, sku, qty in taken_of(goods, sale):
        first.setdefault(sku, line)
        wanted[sku] += qty
    warned = []
    for sku, line in first.items():
        place, qty = Place(sku, location), wanted[sku]
        if not is_shared(read, own, place) or qty <= (before := right_of(read, own, place)):
            continue
        if rule.spend is SpendPolicy.STRICT and not sale.offline:
            detail = f"{sku}: this shop has a right to {max(0, before)}, the sale takes {qty}"
            raise RefusedError("no_right", detail, pointer=f"/lines/{sale.lines.index(line)}/qty")
        warned.append(Warned("overdraw", line.line, f"{sku}: right {before} before, {before - qty} after"))
    return warned


def open_promises(read: Connection, location: str, sku: str | None = None) -> list[PromiseFact]:
    """Return the promises that nobody has ended, in the order of their allocation."""
    rows = read.execute(
        """
        SELECT body FROM promise
        WHERE location = ? AND (? IS NULL OR sku = ?)
          AND promise_id NOT IN (SELECT promise_id FROM promise_end)
        """,
        (location, sku, sku),
    )
    facts = [msgspec.json.decode(body, type=PromiseFact) for (body,) in rows]
    return sorted(facts, key=lambda fact: (fact.seq, fact.promise_id))


def promises_at_risk(read: Connection, own: Replica, *, cloud: str) -> list[str]:
    """Return the promises that this shop expects to give way for what it owes. Provisional: the settlement's word stands."""
    found = []
    for debt in debts(read, own):
        place = Place(debt.sku, debt.location)
        known = known_state(read, own, place, cloud=cloud)
        missing = max(0, debt.qty + rights.right_of(known, own.rep))  # sold, and not in the level yet
        state = {**known, own.rep: replace(known[own.rep], issued=known[own.rep].issued + missing)}
        promises = [
            settlement.Promise(fact.promise_id, fact.seq, fact.n, fact.keeper)
            for fact in open_promises(read, debt.location, debt.sku)
        ]
        found += [each.order_id for each in settlement.promises_at_risk(state, promises, first=cloud)]
    return found


def promises_of(read: Connection, order_id: str) -> list[PromiseFact]:
    """Return the promises of an order, ended or not, in the order of their allocation."""
    rows = read.execute("SELECT body FROM promise WHERE order_id = ?", (order_id,)).fetchall()
    facts = [msgspec.json.decode(body, type=PromiseFact) for (body,) in rows]
    return sorted(facts, key=lambda fact: (fact.seq, fact.promise_id))


def ending_of(read: Connection, promise_id: str) -> Ending | None:
    """Return how a promise ended, None for an open one."""
    row = read.execute("SELECT ending FROM promise_end WHERE promise_id = ?", (promise_id,)).fetchone()
    return row[0] if row else None


def find_promise(read: Connection, promise_id: str) -> PromiseFact | None:
    """Return a promise."""
    row = read.execute("SELECT body FROM promise WHERE promise_id = ?", (promise_id,)).fetchone()
    return msgspec.json.decode(row[0], type=PromiseFact) if row else None


def _kept(tx: Connection, own: Replica, promise_id: str) -> PromiseFact:
    fact = find_promise(tx, promise_id)
    if fact is None:
        raise NotFoundError("promise", f"no promise {promise_id!r}", pointer="/promise_id")
    if not is_keeper(tx, own, fact.keeper):
        raise ConflictError("not_keeper", f"promise {promise_id} is with {fact.keeper}, not {own.rep}: ask there")
    return fact


def is_keeper(tx: Connection, own: Replica, keeper: str) -> bool:
    """Whether this life ends what the keeper kept: it is the keeper, or follows it. Of two hubs of a store one keeps it."""
    row = tx.execute(
        """
        SELECT 1 FROM former_life JOIN replica ON replica.id = former_life.replica
        WHERE replica.store || ':' || replica.incarnation = ?
        """,
        (keeper,),
    ).fetchone()
    return keeper == own.rep or row is not None


def _end(
    tx: Connection, own: Replica, promise: PromiseFact, ending: Ending, *, why: str, now_ms: int, left: int = 0
) -> Ended:
    assert 0 <= left < promise.n, "a promise of which nothing is there is given back"
    moved = (StockEffect(promise.sku, promise.location, left - promise.n),) if ending == "picked" else ()
    fact = PromiseEndFact(
        promise_id=promise.promise_id,
        ending=ending,
        by=own.rep,
        ended_at=utc(now_ms),
        why=why,
        stock=moved,
        picked=tuple(StockEffect(effect.sku, effect.location, -effect.qty) for effect in moved),
        left=left,
    )
    dot = record_fact(tx, own, PROMISE_END, fact)
    failpoints.hit("promise.ended")
    stock = apply_effects(tx, moved)
    return Ended(promise.promise_id, ending, stock.get(promise.sku), dot=dot)


def _release_asked(tx: Connection, own: Replica, promise_id: str, *, now_ms: int) -> bool:
    """End a promise that is asked back; say whether there is nothing left to do. What was picked stays picked."""
    fact = find_promise(tx, promise_id)
    if fact is None:
        return False  # it is on its way: another stream
    if is_keeper(tx, own, fact.keeper) and ending_of(tx, promise_id) is None:
        _end(tx, own, fact, "given_back", why="asked back", now_ms=now_ms)
    return True


def _grant_asked(tx: Connection, own: Replica, rule: Rule, place: Place, qty: int, *, taker: str, cloud: str) -> bool:
    """Grant what is asked: all or nothing for an order, what there is for a debt; say whether something was granted."""
    if taker == own.rep:
        return True
    right = grantable(tx, own, place)
    kept = 0 if rule.reclaimed_online else uncounted(tx, own, place)
    if taker == cloud:
        kept += kept_on_shelf(tx, own, place, rule)
        granted = answer_request({own.rep: Row(received=right)}, own.rep, qty, policy=rule.policy, kept=kept)
    else:
        granted = min(qty, max(0, right - kept))
    if granted:
        grant(tx, own, place, taker, granted)
    return bool(granted)
