"""The rights' part of benchmark `sync`: a shop and its web shop sell the same shelf for 28 hours, in contact now and then. Pure.

Walk-in customers come while the shop is open, web orders round the clock. The web shop promises only on the cloud's right; the
till never refuses goods that lie on the shelf (`physical-first`), also where they are promised already. At contact both
merge what they know, the cloud settles debts, the hub answers the orders that waited for it, both rebalance, and the hub picks
the promises it has learned of. An order beyond the cloud's right waits for the next contact where there will be one and the
cloud last knew the hub to have enough; else it is refused at once.

    oversold        promises for which there were no goods, outside declared overdraws: left open at the end, or re-sourced where
                    no till had noted an overdraw of the product
    waited          promises that the customer was told of at the next contact, not at once
    overdrawn       promises re-sourced, because a till sold the goods first: declared, and somebody is told
    extra refused   demand not served (refused, or promised and then re-sourced) beyond what one linearizable counter for both
                    refuses on the same demand, in per cent of all demand; in pieces

A shop: SKUs by Zipf's law, a month of history behind it, stock for a drawn number of days, at least one piece. The line goes at
18:00, so both of two evenings are within the 28 hours. The policy is the product's default. Figures are those of the worst
shop, over all seeds; all shops are given beside.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.workload import QTY_WEIGHTS
from sync.retail.stock import rights
from sync.retail.stock.rebalance import Policy, Sides, answer_request, due_grants
from sync.retail.stock.rights import Asset, Outlet, Row, SpendPolicy, State, stock_asset
from sync.retail.stock.settlement import End, Promise, end_promise, settle

HUB, CLOUD = "shop:1", "cloud:1"
SIDES = Sides(HUB, CLOUD)
HOUR_S = 3600
RUN_S = 28 * HOUR_S
CUT_HOUR = 18
OPEN_HOURS = range(10, 22)
WEB_SHARE_MAX = 0.9  # of one product: what only the web shop sells is no question of sharing
ROUNDS_MAX = 8  # of grants and settlements in one contact; more would be a policy that pushes a right to and fro
INTERVALS_S: dict[str, int | None] = {"never": None, "hourly": HOUR_S, "minutely": 60}


@dataclass(frozen=True, slots=True)
class Shop:
    """What kind of shop it is. Rates are pieces a day; `web_share` is the web's part of demand, drawn by product around it."""

    products: int = 2000
    walk_in_a_day: int = 3_800
    web_share: float = 0.2
    cover_days: float = 14.0
    history_days: int = 28


SHOPS = {
    "usual": Shop(),
    "short_of_stock": Shop(cover_days=7.0),
    "half_on_line": Shop(web_share=0.4),
    "boutique": Shop(walk_in_a_day=400),  # mostly ones and twos of a kind
}


@dataclass(frozen=True, slots=True)
class Demand:
    """Somebody wants pieces of a product."""

    at_s: float
    product: int
    qty: int
    is_web: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A drawn shop: rows and shelf of each product when the line goes, and all demand of the 28 hours in its order."""

    start: tuple[State, ...]
    shelf: tuple[int, ...]
    demand: tuple[Demand, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the demand, in pieces."""

    demanded: int = 0
    refused: int = 0
    overdrawn: int = 0
    oversold: int = 0
    waited: int = 0
    refused_by_one_counter: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def extra_refused_pct(self) -> float:
        """Demand not served beyond the linearizable counter's refusals, in per cent of demand."""
        return (self.refused + self.overdrawn - self.refused_by_one_counter) / self.demanded * 100

    def pct(self, pieces: int) -> float:
        """Return pieces in per cent of demand."""
        return pieces / self.demanded * 100


def rights_figures(seeds: Sequence[int], policy: Policy) -> dict[str, Any]:
    """Return oversold and extra_refused_pct by contact interval, and what each shop did. Any: JSON."""
    cases = {name: [draw_case(seed, shop) for seed in seeds] for name, shop in SHOPS.items()}
    figures: dict[str, Any] = {"oversold": {}, "extra_refused_pct": {}, "shops": {name: {} for name in SHOPS}}
    for interval, every_s in INTERVALS_S.items():
        outcomes = {
            name: sum((simulate(case, policy, every_s) for case in drawn), Outcome()) for name, drawn in cases.items()
        }
        figures["oversold"][interval] = sum(each.oversold for each in outcomes.values())
        figures["extra_refused_pct"][interval] = max(each.extra_refused_pct for each in outcomes.values())
        for name, each in outcomes.items():
            at_once = sum((simulate(case, policy, every_s, may_wait=False) for case in cases[name]), Outcome())
            figures["shops"][name][interval] = {
                "extra_refused_pct": each.extra_refused_pct,
                "extra_refused_pct_without_waiting": at_once.extra_refused_pct,
                "overdrawn_pct": each.pct(each.overdrawn),
                "waited_pct": each.pct(each.waited),
            }
    return figures


def draw_case(seed: int, shop: Shop) -> Case:
    """Return the shop of a seed."""
    rng = random.Random(seed)
    weights = [1 / rank for rank in range(1, shop.products + 1)]
    scale = shop.walk_in_a_day / sum(weights)
    start: list[State] = []
    demand: list[Demand] = []
    for product, weight in enumerate(weights):
        walk_in_a_day = weight * scale
        share = min(rng.betavariate(2, 2 / shop.web_share - 2), WEB_SHARE_MAX)
        web_a_day = walk_in_a_day * share / (1 - share)
        start.append(_history(rng, shop, walk_in_a_day=walk_in_a_day, web_a_day=web_a_day))
        demand += _draw_demand(rng, product, walk_in_a_day=walk_in_a_day, web_a_day=web_a_day)
    shelf = tuple(rights.on_hand_of(state) for state in start)
    return Case(tuple(start), shelf, tuple(sorted(demand, key=lambda each: each.at_s)))


def simulate(case: Case, policy: Policy, contact_every_s: int | None, *, may_wait: bool = True) -> Outcome:
    """Run a case; both sides are in contact when the line goes and at the end, and every so often in between."""
    waits = may_wait and contact_every_s is not None
    line = _Line(list(case.start), list(case.start), list(case.shelf), policy, waits)
    line.contact()
    due_s = contact_every_s or math.inf
    for wanted in case.demand:
        while wanted.at_s >= due_s:
            line.contact()
            due_s += contact_every_s or math.inf
        line.serve(wanted)
    line.contact()
    line.contact()
    return Outcome(
        demanded=sum(each.qty for each in case.demand),
        refused=line.refused,
        overdrawn=line.overdrawn,
        oversold=line.oversold + sum(promise.qty for promise in line.promises.values() if promise.end is None),
        waited=line.waited,
        refused_by_one_counter=_refused_by_one_counter(case),
    )


@dataclass(slots=True)
class _Line:
    """Both sides' knowledge of each product, what really lies there, and the promises: the cloud's, which keeps their tokens."""

    at_hub: list[State]
    at_cloud: list[State]
    shelf: list[int]
    policy: Policy
    may_wait: bool
    refused: int = 0
    overdrawn: int = 0
    oversold: int = 0
    waited: int = 0
    promises: dict[str, Promise] = field(default_factory=dict)
    _open: dict[int, list[str]] = field(default_factory=dict)
    _changed: set[int] = field(default_factory=set)
    _waiting: dict[int, list[int]] = field(default_factory=dict)
    _overdraws: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._changed.update(range(len(self.at_hub)))

    def serve(self, wanted: Demand) -> None:
        """Sell at the till, promise on line, or refuse."""
        self._changed.add(wanted.product)
        if wanted.is_web:
            self._order(wanted)
        elif self.shelf[wanted.product] < wanted.qty:
            self.refused += wanted.qty
        else:
            self.shelf[wanted.product] -= wanted.qty
            known = self.at_hub[wanted.product]
            spent = rights.spend(known, HUB, wanted.qty, outlet=Outlet.ISSUED, policy=SpendPolicy.PHYSICAL_FIRST)
            self.at_hub[wanted.product] = spent.state
            if spent.overdraw:
                self._overdraws.add(wanted.product)

    def contact(self) -> None:
        """Let both sides meet on every product that changed."""
        for product in sorted(self._changed):
            self._meet(product)
        self._changed.clear()

    def _order(self, wanted: Demand) -> None:
        known = self.at_cloud[wanted.product]
        if rights.may_spend(known, CLOUD, wanted.qty):
            self._promise(wanted.product, wanted.qty)
        elif self.may_wait and rights.right_of(known, HUB) >= wanted.qty:
            self._waiting.setdefault(wanted.product, []).append(wanted.qty)
        else:
            self.refused += wanted.qty

    def _promise(self, product: int, qty: int) -> None:
        spent = rights.spend(self.at_cloud[product], CLOUD, qty, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT)
        self.at_cloud[product] = spent.state
        order_id = f"order-{len(self.promises) + 1}"
        self.promises[order_id] = Promise(order_id, len(self.promises) + 1, qty, CLOUD)
        self._open.setdefault(product, []).append(order_id)

    def _meet(self, product: int) -> None:
        for _ in range(ROUNDS_MAX):
            both = rights.merge(self.at_hub[product], self.at_cloud[product])
            self.at_hub[product] = self.at_cloud[product] = both
            if not (self._settle(product) or self._answer(product) or self._rebalance(product)):
                break
        else:
            raise SystemExit(f"bench: hub and cloud push a right to and fro: {both}")
        self._pick(product)

    def _settle(self, product: int) -> bool:
        open_promises = [self.promises[order_id] for order_id in self._open.get(product, ())]
        known = self.at_cloud[product]
        plan = settle(known, _asset(product), settler=CLOUD, debtor=HUB, promises=open_promises)
        self.at_cloud[product] = plan.state
        for promise in plan.ended:
            self.promises[promise.order_id] = promise
            self._open[product].remove(promise.order_id)
            self.overdrawn += promise.qty
            self.oversold += 0 if product in self._overdraws else promise.qty
        return plan.state != known

    def _answer(self, product: int) -> bool:
        """The hub grants what waiting orders lack, all of it or nothing; then they are promised."""
        waiting = self._waiting.pop(product, [])
        for qty in waiting:
            known = rights.merge(self.at_hub[product], self.at_cloud[product])
            lacking = max(0, qty - rights.unspent_of(known, CLOUD))
            if lacking and not answer_request(known, HUB, lacking, policy=self.policy):
                self.refused += qty
                continue
            both = rights.with_grant(known, HUB, CLOUD, lacking) if lacking else known
            self.at_hub[product] = self.at_cloud[product] = both
            self._promise(product, qty)
            self.waited += qty
        return bool(waiting)

    def _rebalance(self, product: int) -> bool:
        granted = False
        for states, me in ((self.at_hub, HUB), (self.at_cloud, CLOUD)):
            for given in due_grants(states[product], me, sides=SIDES, policy=self.policy):
                states[product] = rights.with_grant(states[product], me, given.receiver, given.qty)
                granted = True
        return granted

    def _pick(self, product: int) -> None:
        for order_id in list(self._open.get(product, ())):
            promise, known = self.promises[order_id], self.at_hub[product]
            if self.shelf[product] >= promise.qty:
                self.shelf[product] -= promise.qty
                self.at_hub[product] = rights.pick(known, HUB, promise.qty)
                self.promises[order_id] = end_promise(promise, End.PICKED, by=CLOUD)
                self._open[product].remove(order_id)
                self._changed.add(product)


def _refused_by_one_counter(case: Case) -> int:
    left, refused = list(case.shelf), 0
    for wanted in case.demand:
        if left[wanted.product] >= wanted.qty:
            left[wanted.product] -= wanted.qty
        else:
            refused += wanted.qty
    return refused


def _history(rng: random.Random, shop: Shop, *, walk_in_a_day: float, web_a_day: float) -> State:
    """Return rows after a month that left no promise open: sold by hand, promised and picked, there."""
    walked_in = _poisson(rng, walk_in_a_day * shop.history_days)
    promised = _poisson(rng, web_a_day * shop.history_days)
    daily = walk_in_a_day + web_a_day
    stock = max(1, _poisson(rng, daily * rng.uniform(0.5, 2 * shop.cover_days)))
    hub = Row(received=walked_in + promised + stock, issued=walked_in + promised, picked=promised)
    # what the cloud ever promised, it was granted before
    granted = {CLOUD: promised} if promised else {}
    return {HUB: Row(hub.received, hub.issued, hub.picked, granted=granted), CLOUD: Row(spent=promised)}


def _draw_demand(rng: random.Random, product: int, *, walk_in_a_day: float, web_a_day: float) -> Iterator[Demand]:
    pieces = sum(qty * weight for qty, weight in enumerate(QTY_WEIGHTS, 1)) / sum(QTY_WEIGHTS)
    open_s = list(_open_seconds())
    for _ in range(_poisson(rng, walk_in_a_day / pieces * len(open_s) / len(OPEN_HOURS))):
        yield Demand(rng.choice(open_s) + rng.random() * HOUR_S, product, _pieces(rng), False)
    for _ in range(_poisson(rng, web_a_day / pieces * RUN_S / (24 * HOUR_S))):
        yield Demand(rng.random() * RUN_S, product, _pieces(rng), True)


def _open_seconds() -> Iterator[int]:
    """Yield the beginnings of the hours in which the shop is open, from the cut of the line on."""
    for hour in range(RUN_S // HOUR_S):
        if (CUT_HOUR + hour) % 24 in OPEN_HOURS:
            yield hour * HOUR_S


def _pieces(rng: random.Random) -> int:
    return rng.choices((1, 2, 3), weights=QTY_WEIGHTS)[0]


def _poisson(rng: random.Random, mean: float) -> int:
    """Return a Poisson number; above 50 by its normal approximation."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    bound, count, product = math.exp(-mean), 0, rng.random()
    while product > bound:
        count += 1
        product *= rng.random()
    return count


def _asset(product: int) -> Asset:
    return stock_asset(str(product), "shop")
