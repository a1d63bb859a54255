"""The world of the rights' laws: a shop, the cloud and a third holder, messages late, torn, repeated and out of order.

The actors know only what reached them; beside them stands the truth: the shelf and the list of promises. Messages run as the
lines do, shop to cloud and cloud to the others. Not here: the tests (test_rights_walks), which drive it.
"""

import random
from collections.abc import Callable
from functools import partial, reduce

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.stock import rebalance, rights, settlement, stock
from sync.retail.stock.rebalance import Policy, Sides
from sync.retail.stock.rights import Outlet, Row, SpendPolicy, State
from sync.retail.stock.settlement import End, Promise
from sync.retail.stock.stock import Movement

CLOUD, SPARE = "cloud:c1", "spare:a1"
ASSET = rights.stock_asset("TEA-01", "shop")
POLICIES = (Policy(), Policy(safety_stock=2, online_share_pct=70, batch=3), Policy(online_share_pct=100))
ROUNDS_MAX = 60
LIVES_MAX = 4
QTY = st.integers(1, 4)
MOVES = st.sampled_from([Movement.RECEIVE, Movement.SALE, Movement.SALE, Movement.SHORTAGE, Movement.PUT_BACK])
PICK = st.integers(0, 10**6)


class World(RuleBasedStateMachine):
    """`views` is what each holder knows; the truth is in `shelf`, `promises` and `overdrawn`."""

    def __init__(self) -> None:
        super().__init__()
        self.lives = 1
        self.shop = "shop:1"
        self.former: list[str] = []
        self.views: dict[str, State] = {self.shop: {}, CLOUD: {}, SPARE: {}}
        self.wire: list[tuple[str, State]] = []
        self.shelf = 0
        self.promises: dict[str, Promise] = {}
        self.overdrawn = self.owed_max = 0
        self.settled: dict[str, settlement.Settlement] = {}

    @initialize(stock_qty=st.integers(0, 12), on_line=st.integers(0, 8), spare=st.integers(0, 3))
    def open_the_shop(self, stock_qty: int, on_line: int, spare: int) -> None:
        self.shelf = stock_qty
        if stock_qty:
            self.views[self.shop] = rights.make({}, self.shop, stock_qty)
        self.grant("shop", CLOUD, on_line)
        self.grant("shop", SPARE, spare)
        self.talk("shop")
        self.talk(SPARE)

    # what is true

    @property
    def truth(self) -> State:
        return reduce(rights.merge, self.views.values(), {})

    def unpicked(self) -> int:
        return sum(promise.qty for promise in self.promises.values() if promise.end is None)

    @invariant()
    def rights_and_promises_are_what_is_there(self) -> None:
        assert rights.audit(self.truth, on_hand=self.shelf, unpicked=self.unpicked()) is None

    @invariant()
    def nobody_thinks_it_has_more_than_it_has(self) -> None:
        for holder, view in self.views.items():
            assert rights.right_of(view, holder) <= rights.right_of(self.truth, holder)

    @invariant()
    def who_promises_is_never_in_debt(self) -> None:
        assert rights.right_of(self.truth, CLOUD) >= 0
        assert rights.right_of(self.truth, SPARE) >= 0

    @invariant()
    def too_much_is_promised_only_where_an_overdraw_says_so(self) -> None:
        assert self.unpicked() - self.shelf <= self.overdrawn

    @invariant()
    def a_debt_grows_by_noted_overdraws_only(self) -> None:
        owed = max(0, -rights.right_of(self.views[self.shop], self.shop))
        assert owed <= self.owed_max
        self.owed_max = owed

    # the shop

    @rule(movement=MOVES, qty=QTY, policy=st.sampled_from(SpendPolicy))
    def move(self, movement: Movement, qty: int, policy: SpendPolicy) -> None:
        view = self.views[self.shop]
        try:
            spent = stock.move(view, self.shop, movement, qty=qty, policy=policy)
        except RuleError:
            assert policy is SpendPolicy.STRICT
            assert rights.right_of(view, self.shop) < qty
            return
        if movement in stock.SPENDS:
            assert not spent.overdraw or policy is SpendPolicy.PHYSICAL_FIRST or movement in stock.ALREADY_GONE
        self.views[self.shop] = spent.state
        self.overdrawn += spent.overdraw
        self.owed_max += spent.overdraw
        self.shelf += qty if movement in stock.MAKES else -qty

    def can_pick(self) -> bool:
        return any(each.keeper == "shop" and each.end is None for each in self.promises.values())

    @precondition(lambda self: self.can_pick())
    @rule(which=PICK)
    def pick(self, which: int) -> None:
        kept = [each for each in self.promises.values() if each.keeper == "shop" and each.end is None]
        promise = kept[which % len(kept)]
        self.promises[promise.order_id] = settlement.end_promise(promise, End.PICKED, by="shop")
        self.views[self.shop] = stock.move(
            self.views[self.shop], self.shop, Movement.PICK_PROMISED, qty=promise.qty, policy=SpendPolicy.STRICT
        ).state
        self.shelf -= promise.qty

    # promises

    @rule(holder=st.sampled_from([CLOUD, SPARE]), qty=QTY)
    def promise(self, holder: str, qty: int) -> None:
        view = self.views[holder]
        can = rights.may_spend(view, holder, qty)
        try:
            spent = rights.spend(view, holder, qty, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT)
        except RuleError:
            assert not can
            return
        assert can
        seq = len(self.promises) + 1
        self.views[holder] = spent.state
        self.promises[f"o{seq}"] = Promise(f"o{seq}", seq, qty, holder)

    @precondition(lambda self: self.promises)
    @rule(which=PICK)
    def hand_the_order_over(self, which: int) -> None:
        promise = self._promise(which)
        if promise.keeper in (CLOUD, "shop") and promise.end is None:
            self.promises[promise.order_id] = replace(promise, keeper="shop" if promise.keeper == CLOUD else CLOUD)

    @precondition(lambda self: self.promises)
    @rule(which=PICK, by=st.sampled_from([CLOUD, SPARE]))
    def cancel(self, which: int, by: str) -> None:
        promise = self._promise(which)
        try:
            ended = settlement.end_promise(promise, End.GIVEN_BACK, by=by)
        except RuleError:
            assert promise.end is not None or promise.keeper != by
            return
        self.views[by] = rights.give_back(self.views[by], by, promise.qty)
        self.promises[promise.order_id] = ended

    # rights

    @rule(giver=st.sampled_from(["shop", CLOUD, SPARE]), receiver=st.sampled_from(["shop", CLOUD, SPARE]), qty=QTY)
    def grant(self, giver: str, receiver: str, qty: int) -> None:
        giver, receiver = self._name(giver), self._name(receiver)
        view = self.views[giver]
        if giver == receiver or not qty:
            return
        try:
            self.views[giver] = rights.with_grant(view, giver, receiver, qty)
        except RuleError:
            assert not rights.may_spend(view, giver, qty)

    @rule(who=st.sampled_from(["shop", CLOUD, SPARE]), policy=st.sampled_from(POLICIES))
    def balance(self, who: str, policy: Policy) -> None:
        me = self._name(who)
        for receiver, qty in map(_pair, self._due(me, policy)):
            if not self.views[me].get(receiver, Row()).sealed:
                self.views[me] = rights.with_grant(self.views[me], me, receiver, qty)

    @rule()
    def settle(self) -> None:
        for debtor in rights.debts(self.views[CLOUD]):
            self._settle(debtor)

    @rule(leaf=st.sampled_from(["shop", SPARE]))
    def talk(self, leaf: str) -> None:
        """The line holds for long enough: two know the same."""
        both = rights.merge(self.views[CLOUD], self.views[self._name(leaf)])
        self.views[CLOUD] = self.views[self._name(leaf)] = both

    # the line: what is sent is kept, and may arrive any time and any number of times

    @rule(whole=st.booleans(), sender=st.sampled_from(["shop", SPARE, CLOUD]), which=PICK)
    def send(self, whole: bool, sender: str, which: int) -> None:
        view = self.views[self._name(sender)]
        rows = view if whole or not view else _torn(view, which)
        receivers = ["shop", SPARE] if sender == CLOUD else [CLOUD]
        self.wire += [(receiver, rows) for receiver in receivers]

    @precondition(lambda self: self.wire)
    @rule(which=PICK)
    def deliver(self, which: int) -> None:
        who, rows = self.wire[which % len(self.wire)]
        receiver = self._name(who)
        self.views[receiver] = rights.merge(rows, self.views[receiver])

    # a card dies

    @precondition(lambda self: self.lives < LIVES_MAX)
    @rule(chance=st.integers(0, 7))
    def begin_a_new_life(self, chance: int) -> None:
        if chance:
            return
        self.lives += 1
        self.former.append(self.shop)
        new = f"shop:{self.lives}"
        self.views[new] = self.views.pop(self.shop)
        self.shop = new

    @precondition(lambda self: self.former)
    @rule(again=st.booleans())
    def seal(self, again: bool) -> None:
        """The cloud seals a former life at what it holds; the shop writes the rest of that life's movements again."""
        dead, before = self.former[-1], self.views[CLOUD]
        sealed = rights.reclaim(before, dead, self.shop)
        assert _total(sealed) == _total(before)
        assert rights.right_of(sealed, dead) == 0
        if again:
            assert rights.reclaim(sealed, dead, self.shop) == sealed
        held, own = before.get(dead, Row()), self.views[self.shop].get(dead, Row())
        self.views[CLOUD] = sealed
        self.views[self.shop] = rights.merge(self.views[self.shop], {dead: sealed[dead]})
        if not held.sealed and not own.sealed:
            self._write_again(own, held)
        self.owed_max = max(0, -rights.right_of(self.views[self.shop], self.shop))

    def teardown(self) -> None:
        """At quiescence every debt is covered, or stock itself is below zero; then rights stop moving."""
        while self.former:
            self.seal(again=False)
            self.former.pop()
        policy = POLICIES[self.shelf % len(POLICIES)]
        rounds = 0
        while self._converse(policy):
            rounds += 1
            assert rounds < ROUNDS_MAX, "rights are pushed to and fro"
            self._check()
        known = self.views[CLOUD]
        assert known == self.truth
        if rights.debts(known):
            assert self.shelf < 0
            assert not self.unpicked()
            assert not any(rights.unspent_of(known, holder) for holder in rights.holders_of(known))

    # helpers

    def _check(self) -> None:
        self.rights_and_promises_are_what_is_there()
        self.nobody_thinks_it_has_more_than_it_has()
        self.who_promises_is_never_in_debt()
        self.too_much_is_promised_only_where_an_overdraw_says_so()
        self.a_debt_grows_by_noted_overdraws_only()

    def _name(self, who: str) -> str:
        return self.shop if who == "shop" else who

    def _promise(self, which: int) -> Promise:
        return list(self.promises.values())[which % len(self.promises)]

    def _due(self, me: str, policy: Policy) -> tuple[rebalance.Grant, ...]:
        return rebalance.due_grants(self.views[me], me, sides=Sides(self.shop, CLOUD), policy=policy)

    def _settle(self, debtor: str) -> settlement.Plan:
        plan = settlement.settle(
            self.views[CLOUD], ASSET, settler=CLOUD, debtor=debtor, promises=tuple(self.promises.values())
        )
        self.views[CLOUD] = plan.state
        self.promises |= {promise.order_id: promise for promise in plan.ended}
        if plan.settlement is not None:
            assert plan.settlement.settlement_id not in self.settled
            self.settled[plan.settlement.settlement_id] = plan.settlement
        return plan

    def _write_again(self, own: Row, held: Row) -> None:
        picked = own.picked - held.picked
        view = self.views[self.shop]
        if received := own.received - held.received:
            view = rights.make(view, self.shop, received)
        if picked:
            view = rights.pick(view, self.shop, picked)
        if issued := own.issued - held.issued - picked:
            spent = rights.spend(view, self.shop, issued, outlet=Outlet.ISSUED, policy=SpendPolicy.PHYSICAL_FIRST)
            view, self.overdrawn = spent.state, self.overdrawn + spent.overdraw
        self.views[self.shop] = view

    def _converse(self, policy: Policy) -> bool:
        """One round in which everybody hears everything; say whether anybody wrote anything."""
        before = (dict(self.views), dict(self.promises))
        self.views[CLOUD] = self.truth
        for debtor in rights.debts(self.views[CLOUD]):
            for order_id in self._settle(debtor).releases:
                self.promises[order_id] = replace(self.promises[order_id], keeper=CLOUD)
        for dead in [holder for holder, row in self.views[CLOUD].items() if row.sealed]:
            self.views[CLOUD] = rights.reclaim(self.views[CLOUD], dead, self.shop)
        for holder in self.views:
            self.views[holder] = rights.merge(self.views[holder], self.views[CLOUD])
            self.balance("shop" if holder == self.shop else holder, policy)
            self.views[CLOUD] = rights.merge(self.views[CLOUD], self.views[holder])
        return before != (self.views, self.promises)


def _torn(view: State, which: int) -> State:
    """One writer's row, its grants or its columns only: streams arrive one by one. A seal is one row and is never torn."""
    writer = list(view)[which % len(view)]
    row = view[writer]
    if row.sealed:
        return {writer: row}
    return {writer: Row(granted=row.granted) if which // 2 % 2 else replace(row, granted={})}


def _total(state: State) -> int:
    return sum(rights.right_of(state, holder) for holder in rights.holders_of(state))


def _pair(grant: rebalance.Grant) -> tuple[str, int]:
    return grant.receiver, grant.qty


def walk(seed: int, steps: int) -> World:
    """A long walk of the same machine, weighted towards a day in a shop; Hypothesis prefers short ones."""
    rng, world = random.Random(seed), World()
    which = partial(rng.randrange, 10**6)
    trio = ("shop", CLOUD, SPARE)
    world.open_the_shop(rng.randint(0, 12), rng.randint(0, 8), rng.randint(0, 3))
    moves = [Movement.RECEIVE, Movement.SALE, Movement.SALE, Movement.SHORTAGE, Movement.PUT_BACK]
    acts: list[tuple[int, Callable[[], object], Callable[[], object]]] = [
        (5, lambda: True, lambda: world.move(rng.choice(moves), rng.randint(1, 4), rng.choice(list(SpendPolicy)))),
        (4, lambda: True, lambda: world.promise(rng.choice(trio[1:]), rng.randint(1, 3))),
        (2, lambda: world.promises, lambda: world.hand_the_order_over(which())),
        (2, world.can_pick, lambda: world.pick(which())),
        (1, lambda: world.promises, lambda: world.cancel(which(), rng.choice(trio[1:]))),
        (2, lambda: True, lambda: world.grant(rng.choice(trio), rng.choice(trio), rng.randint(1, 4))),
        (2, lambda: True, lambda: world.balance(rng.choice(trio), rng.choice(POLICIES))),
        (1, lambda: True, world.settle),
        (1, lambda: True, lambda: world.talk(rng.choice(trio[::2]))),
        (3, lambda: True, lambda: world.send(rng.random() < 0.5, rng.choice(trio), which())),
        (4, lambda: world.wire, lambda: world.deliver(which())),
        (1, lambda: world.lives < LIVES_MAX, lambda: world.begin_a_new_life(rng.randrange(8))),
        (1, lambda: world.former, lambda: world.seal(rng.random() < 0.5)),
    ]
    for _, can, act in rng.choices(acts, weights=[weight for weight, *_ in acts], k=steps):
        if can():
            act()
            world._check()
    world.teardown()
    return world
