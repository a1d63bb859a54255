"""An order's allocation as head office reads it: what stands, each decision with its candidates and why, in both languages.

And the list of orders that nobody can send, with what that costs. Reads only. Not here: HTTP (sync.cloud.web.allocation_routes).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.allocation.giving import Candidate, Run, runs_of
from sync.cloud.allocation.parcels import Parcel, find_allocation, left_of, parcels_of, waiting_orders
from sync.cloud.allocation.rules import Reason
from sync.cloud.allocation.words import said
from sync.cloud.orders import find_order
from sync.retail.money import line_amount
from sync.retail.orders.order_rows import OrderLine, ShortLine
from sync.retail.orders.orders import OrderState


class CandidateView(Struct, frozen=True):
    """A place at that moment: figures by SKU, whether it was chosen, and why in words."""

    place: str
    chosen: bool
    rank: int
    held: dict[str, int]
    may_be_asked_for: dict[str, int]
    distance_km: int | None
    priority: int
    age_days: dict[str, int]
    cover_days: dict[str, int]
    orders_to_pick: int
    code: str
    said: dict[str, str]


class RunView(Struct, frozen=True):
    """A decision: why it was taken, what came of it."""

    at: datetime
    why: str
    outcome: str
    said: dict[str, str]
    lines: tuple[OrderLine, ...]
    parcels: tuple[str, ...]
    candidates: list[CandidateView]


class ParcelView(Struct, frozen=True):
    """A parcel as it stands; `called_off`: why it was asked back, in words."""

    parcel_id: str
    place: str
    state: OrderState
    lines: tuple[OrderLine, ...]
    short: tuple[ShortLine, ...]
    given_at: datetime
    called_off: dict[str, str] | None


class AllocationView(Struct, frozen=True):
    """How an order stands; `left`: what no parcel stands for."""

    order_id: str
    state: str
    missing: str
    left: tuple[OrderLine, ...]
    parcels: list[ParcelView]
    runs: list[RunView]


class UnfulfilledLine(Struct, frozen=True):
    """What nobody can send, at the catalogue's price; `amount` is null where the catalogue has none."""

    line: int
    sku: str
    qty: int
    amount: int | None
    currency: str


class Unfulfilled(Struct, frozen=True):
    """An order that nobody can send whole. `state`: open, it is tried again as goods come; unfulfilled, a person decides."""

    order_id: str
    state: str
    why: str
    said: dict[str, str]
    since: datetime
    lines: list[UnfulfilledLine]
    cost: dict[str, int]


class _Price(Struct):
    amount: int
    currency: str
    per: int = 1
    gone: bool = False


_price = msgspec.json.Decoder(_Price).decode


def allocation_view(read: Connection, order_id: str) -> AllocationView | None:
    """Return how an order stands; None for one that the cloud finds no places for."""
    row, order = find_allocation(read, order_id), find_order(read, order_id)
    if row is None or order is None:
        return None
    parcels = parcels_of(read, order_id)
    return AllocationView(
        order_id,
        row.state,
        row.missing,
        left_of(order.fact, parcels) if row.state != "by_hand" else (),
        [_parcel(each) for each in parcels],
        [_run(at_ms, run) for at_ms, run in runs_of(read, order_id)],
    )


def unfulfilled(read: Connection, *, after: str, limit: int) -> list[Unfulfilled]:
    """Return orders that nobody can send whole, by id, behind one."""
    names = waiting_orders(read, after=after, limit=limit)
    return [found for order_id in names if (found := _unfulfilled(read, order_id)) is not None]


def _unfulfilled(read: Connection, order_id: str) -> Unfulfilled | None:
    row, order = find_allocation(read, order_id), find_order(read, order_id)
    if row is None or order is None:
        return None
    lines = [_priced(read, line) for line in left_of(order.fact, parcels_of(read, order_id))]
    cost: dict[str, int] = {}
    for line in lines:
        if line.amount is not None:
            cost[line.currency] = cost.get(line.currency, 0) + line.amount
    runs = runs_of(read, order_id)
    at_ms, last = runs[-1] if runs else (row.begun_ms, None)
    words = _words(last.outcome) if last else {}
    return Unfulfilled(order_id, row.state, row.missing, words, _utc(at_ms), lines, cost)


def _priced(read: Connection, line: OrderLine) -> UnfulfilledLine:
    row = read.execute("SELECT body FROM register WHERE kind = 'price' AND sku = ?", (line.sku,)).fetchone()
    price = _price(row[0]) if row else None
    if price is None or price.gone:
        return UnfulfilledLine(line.line, line.sku, line.qty, None, "")
    return UnfulfilledLine(
        line.line, line.sku, line.qty, line_amount(price.amount, line.qty, per=price.per), price.currency
    )


def _run(at_ms: int, run: Run) -> RunView:
    words, why = _words(run.outcome), _words(run.why)
    both = {language: f"{why[language]} {words[language]}" for language in words}
    return RunView(
        _utc(at_ms), run.why.code, run.outcome.code, both, run.lines, run.parcels, _candidates(run.candidates)
    )


def _candidates(candidates: Iterable[Candidate]) -> list[CandidateView]:
    return [
        CandidateView(
            place=each.site.name,
            chosen=each.verdict.is_chosen,
            rank=each.verdict.rank,
            held=dict(each.site.held),
            may_be_asked_for=dict(each.site.asks),
            distance_km=each.site.distance_km,
            priority=each.site.priority,
            age_days=dict(each.site.age_days),
            cover_days=dict(each.site.cover_days),
            orders_to_pick=each.site.load,
            code=each.verdict.reason.code,
            said=_words(each.verdict.reason),
        )
        for each in candidates
    ]


def _parcel(each: Parcel) -> ParcelView:
    words = said(each.called_off, {}) if each.called_off else None
    return ParcelView(
        each.parcel_id, each.place, each.state, each.known.fact.lines, each.short, _utc(each.given_ms), words
    )


def _words(reason: Reason) -> dict[str, str]:
    return said(reason.code, reason.parts)


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
