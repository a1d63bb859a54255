"""Giving out what is left of an order: places are chosen, goods promised, parcels made, and why is written down.

    rights suffice       parcels, each promised and given to its place, in this job
    they do not          places are asked for what is missing (where `ask` is declared); the parcel waits for the answer
    nobody can           the order waits for goods; the run says what is missing
    tried too often      a person decides

A run is written when it says something that the one before did not. Functions of a write job. Not here: what is left
(sync.cloud.allocation.parcels), when it is looked at (sync.cloud.allocation.following).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from sync import failpoints
from sync.cloud.allocation.parcels import Case, Parcel, begin_parcel, is_over, note
from sync.cloud.allocation.rules import Plan, Reason, Rules, Site, Verdict, plan, with_asking
from sync.cloud.allocation.settings import Location, Settings
from sync.cloud.allocation.sites import Wanted, sites_for
from sync.cloud.orders import Known, allocate, find_order, keep_step, promise_of
from sync.cloud.rights.promises import PromiseRequest, promise
from sync.cloud.rights.rights import Place
from sync.model import Replica
from sync.retail.orders.order_rows import OrderKind, OrderLine, fact_of
from sync.retail.orders.orders import OrderState, next_step
from sync.retail.stock.rebalance import Policy

Outcome = Literal["sent", "asks", "no_place", "too_many_parcels", "given_up"]
MISSING_NAMED = 5  # SKUs in a sentence


class Means(Struct, frozen=True):
    """What the cloud finds places by: who it is, what is declared, which stores share rights by which policy."""

    own: Replica
    settings: Settings
    policies: Mapping[str, Policy]


class Candidate(Struct, frozen=True):
    """A place as it was seen, and what became of it."""

    site: Site
    verdict: Verdict


class Run(Struct, frozen=True):
    """What was decided, and why: `why` it was looked at, `outcome` what came of it."""

    why: Reason
    outcome: Reason
    lines: tuple[OrderLine, ...]
    candidates: tuple[Candidate, ...]
    parcels: tuple[str, ...] = ()


def give(tx: Connection, means: Means, case: Case, *, now_ms: int) -> list[Place]:
    """Give out what is left of an order; return the places at which something was promised or asked."""
    row, order, left = case.row, case.order, case.left
    failed = [each for each in case.parcels if each.has_failed and each.n > row.tried_up_to]
    why = _why(case.parcels, is_again=_last_run(tx, row.order_id) is not None)
    if len(failed) >= means.settings.section.tries_max:
        gave_up = Reason("given_up", {"tries": len(failed)})
        _note_run(tx, row.order_id, Run(why, gave_up, left, ()), now_ms)
        note(tx, row.order_id, "unfulfilled", missing="given_up")
        return []
    rules = _rules(means.settings, order)
    sites = _sites(tx, means, case, {each.place for each in failed}, now_ms=now_ms)
    done, asks = plan(left, sites, rules), False
    if not done.parcels and means.settings.section.ask:
        asking = plan(left, with_asking(sites), rules)
        done, asks = (asking, True) if asking.parcels else (done, False)
    names, places = [], []
    for parcel in done.parcels:
        location = next(each for each in means.settings.locations if each.name == parcel.site)
        name = begin_parcel(tx, means.own, order, parcel.site, parcel.lines, now_ms=now_ms)
        places += hand_to(tx, means.own, name, location, now_ms=now_ms)
        names.append(name)
    outcome = _outcome(done, rules, asks=asks)
    _note_run(tx, row.order_id, Run(why, outcome, left, _candidates(sites, done), tuple(names)), now_ms)
    note(tx, row.order_id, "open", missing="" if done.parcels else outcome.code)
    failpoints.hit("cloud.order_given")
    return places


def hand_to(tx: Connection, own: Replica, parcel_id: str, location: Location, *, now_ms: int) -> list[Place]:
    """Promise a parcel's goods at its place and give it there; what is short is asked for, and the parcel waits."""
    if location.store:
        done = allocate(tx, own, parcel_id, store=location.store, location=location.location, now_ms=now_ms)
        return list(done.places) if done else []
    return _keep_for(tx, own, parcel_id, location, now_ms=now_ms)


def runs_of(read: Connection, order_id: str) -> list[tuple[int, Run]]:
    """Return what was decided of an order: (when, what), oldest first."""
    rows = read.execute("SELECT at_ms, body FROM allocation_run WHERE order_id = ? ORDER BY n", (order_id,)).fetchall()
    return [(at_ms, _run(body)) for at_ms, body in rows]


_run = msgspec.json.Decoder(Run).decode


def _keep_for(tx: Connection, own: Replica, parcel_id: str, location: Location, *, now_ms: int) -> list[Place]:
    """The same at a place without a hub: this cloud keeps order and promises, whoever picks there tells it the steps."""
    known = find_order(tx, parcel_id)
    assert known is not None
    tx.execute("UPDATE web_order SET store = ? WHERE order_id = ?", (own.store, parcel_id))
    for line in known.fact.lines:
        promised = promise(tx, own, _wanted(own, parcel_id, line, location), now_ms=now_ms)
        assert promised.status == "created", "what is planned is held"
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    steps = [each.step for each in known.steps]
    keep_step(tx, fact_of(next_step(steps, OrderState.ALLOCATED, rep=own.rep, to=own.rep, at=at)), own.rep)
    return [Place(line.sku, own.store, location.location) for line in known.fact.lines]


def _wanted(own: Replica, parcel_id: str, line: OrderLine, location: Location) -> PromiseRequest:
    return PromiseRequest(
        promise_id=promise_of(parcel_id, line.line, own.store),
        order_id=parcel_id,
        line=line.line,
        sku=line.sku,
        store=own.store,
        location=location.location,
        qty=line.qty,
        keeper="cloud",
    )


def _rules(settings: Settings, order: Known) -> Rules:
    """A customer who collects comes once, to one place."""
    is_collected = order.fact.kind is OrderKind.CLICK_AND_COLLECT
    return msgspec.structs.replace(settings.rules, parcels_max=1) if is_collected else settings.rules


def _sites(tx: Connection, means: Means, case: Case, tried: set[str], *, now_ms: int) -> list[Site]:
    wanted = Wanted(
        skus=sorted({line.sku for line in case.left}),
        kind=case.order.fact.kind,
        destination=case.row.destination,
        only_store=case.row.only_store,
        tried=tried,
    )
    return sites_for(tx, means.own, means.settings, means.policies, wanted, now_ms=now_ms)


def _why(parcels: list[Parcel], *, is_again: bool) -> Reason:
    """Return why it is looked at: what became of the newest parcel that failed, or that something else has changed."""
    failed = [each for each in parcels if each.has_failed]
    if not failed:
        return Reason("again" if is_again else "new")
    newest = max(failed, key=lambda each: each.n)
    if is_over(newest):
        return Reason(newest.called_off or "rejected", {"place": newest.place})
    return Reason("short", {"place": newest.place})


def _outcome(done: Plan, rules: Rules, *, asks: bool) -> Reason:
    if done.parcels:
        places = ", ".join(parcel.site for parcel in done.parcels)
        return Reason("asks" if asks else "sent", {"places": places})
    if done.missing:
        named = [f"{sku} × {qty}" for sku, qty in sorted(done.missing.items())]
        return Reason("no_place", {"missing": ", ".join(named[:MISSING_NAMED])})
    return Reason("too_many_parcels", {"parcels_max": rules.parcels_max})


def _candidates(sites: Iterable[Site], done: Plan) -> tuple[Candidate, ...]:
    by_name = {site.name: site for site in sites}
    return tuple(Candidate(by_name[verdict.site], verdict) for verdict in done.verdicts)


def _last_run(read: Connection, order_id: str) -> Run | None:
    row = read.execute(
        "SELECT body FROM allocation_run WHERE order_id = ? ORDER BY n DESC LIMIT 1", (order_id,)
    ).fetchone()
    return _run(row[0]) if row else None


def _note_run(tx: Connection, order_id: str, run: Run, now_ms: int) -> None:
    last = _last_run(tx, order_id)
    if last is not None and not run.parcels and (last.outcome, last.lines) == (run.outcome, run.lines):
        return
    (n,) = tx.execute("SELECT coalesce(max(n), 0) + 1 FROM allocation_run WHERE order_id = ?", (order_id,)).fetchone()
    tx.execute(
        "INSERT INTO allocation_run (order_id, n, at_ms, body) VALUES (?, ?, ?, ?)",
        (order_id, n, now_ms, msgspec.json.encode(run)),
    )
