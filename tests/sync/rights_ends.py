"""Rights of a shop and the cloud, as their machines hold them, with the pure rules beside them as the oracle.

What each end stores of its own rows must be what the rules make of its own deeds, after every step; what it knows of the other's
may lag behind, never run ahead. Not here: the machines (rights_machines), the tests (test_rights_stored), the rules' own world
(rights_world).
"""

import random
from collections import Counter
from collections.abc import Callable

from hub.errors import ConflictError
from hub.store.stock import rights as hub_rights
from hub.store.stock.promises import open_promises
from hub.store.stock.stock import Movement, move
from sync.cloud.rights import rights as cloud_rights
from sync.cloud.rights.balance import differences, identity
from sync.cloud.rights.promises import PromiseRequest
from sync.errors import RuleError
from sync.retail.selling.sales import Sale, SaleLine, Tender
from sync.retail.stock import rights
from sync.retail.stock.rebalance import Policy
from sync.retail.stock.rights import Outlet, Row, SpendPolicy, State
from sync.testing.sim_database import run_now
from tests.sim.disk import Disk
from tests.sync.rights_machines import SKU, STORE, Machines, tokens

PLACE = cloud_rights.Place(SKU, STORE, "shop")
HERE = hub_rights.Place(SKU, "shop")
ROUNDS_MAX = 40


class Ends(Machines):
    """`model` holds what each replica wrote by the rules; the truth beside it are the shelf and the promises."""

    def __init__(self, policy: Policy, *, seed: int = 0, crash_every: int = 0) -> None:
        super().__init__(policy, seed=seed, crash_every=crash_every)
        self.model: dict[str, Row] = {}
        self.shelf = self.overdrawn = self.made = 0
        self.promises: dict[str, str] = {}
        self.qty: dict[str, int] = {}
        self.left: dict[str, int] = {}
        self.keeper: dict[str, str] = {}
        self.seen: Counter[str] = Counter()

    # deeds, and the rules' word on each

    def receive(self, qty: int) -> None:
        self._move(qty)
        self.model[self.me] = rights.make(self.model, self.me, qty)[self.me]
        self.shelf += qty
        self.check()

    def _move(self, qty: int) -> None:
        self.made += 1
        movement = Movement(f"m{self.made}", SKU, qty, "receive" if qty > 0 else "adjust")
        self.do(
            lambda: run_now(
                self.hub.db.write(lambda tx: move(tx, self.hub.replica, movement, location="shop", now_ms=self.now_ms))
            )
        )

    def sell(self, qty: int, *, offline: bool = False) -> tuple[str, ...]:
        """Sell; return the codes of its warnings."""
        self.made += 1
        line = SaleLine(1, SKU, qty, 100)
        sale = Sale(
            sale_id=f"s{self.made}",
            till_id="t1",
            currency="HKD",
            lines=(line,),
            tenders=(Tender("card", 100 * qty),),
            total=100 * qty,
            offline=offline,
        )
        known = self.hub_state()
        is_shared = hub_rights.is_shared(self.hub.db.read, self.hub.replica, HERE)
        self.do(
            lambda: run_now(
                self.hub.db.write(self.rights.sale_job(self.hub.replica, sale, print_to=None, now_ms=self.now_ms))
            )
        )
        spent = rights.spend(known, self.me, qty, outlet=Outlet.ISSUED, policy=SpendPolicy.PHYSICAL_FIRST)
        self.model[self.me] = spent.state[self.me]
        self.shelf -= qty
        self.overdrawn += spent.overdraw
        body = self.hub.db.read.execute("SELECT body FROM sale WHERE sale_id = ?", (sale.sale_id,)).fetchone()[0]
        warned = tuple(code for code in ("overdraw",) if f'"{code}"' in body)
        assert bool(warned) == bool(spent.overdraw and is_shared), (warned, spent.overdraw)
        self.seen["overdraw"] += bool(warned)
        self.check()
        return warned

    def promise(self, qty: int, *, keeper: str = "store", ask: bool = False) -> str:
        """Promise on line; return how it ended."""
        self.made += 1
        wanted = PromiseRequest(
            promise_id=f"p{self.made}",
            order_id=f"o{self.made}",
            sku=SKU,
            store=STORE,
            qty=qty,
            keeper=keeper,  # type: ignore[arg-type]
            ask=ask,
        )
        before = self.cloud_state()
        promised = self.do(lambda: run_now(self.contact.promise(wanted)))
        if promised.status == "refused":
            kept = self.cloud.books.db.read.execute("SELECT count(*) FROM asked").fetchone()[0]
            assert kept or not rights.may_spend(before, self.cloud_rep, qty)
            self._attended(before)
            return promised.status
        spent = rights.spend(before, self.cloud_rep, qty, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT)
        self.promises[wanted.promise_id] = ""
        self.qty[wanted.promise_id] = qty
        self.keeper[wanted.promise_id] = keeper
        self.seen["promise"] += 1
        self._attended(spent.state)
        return promised.status

    def cancel(self, promise_id: str) -> None:
        before = self.cloud_state()
        try:
            done = self.do(lambda: run_now(self.contact.cancel(promise_id)))
        except RuleError:
            assert self.ending_at_cloud(promise_id) == "picked"
            return
        if done == "ended" and not self.promises[promise_id]:
            assert self.keeper[promise_id] == "cloud"
            self.promises[promise_id] = "given_back"
            before = rights.give_back(before, self.cloud_rep, self.qty[promise_id])
            self.seen["cancel"] += 1
        self._attended(before)

    def pick(self, promise_id: str, *, left: int = 0) -> None:
        try:
            ended = self.do(lambda: run_now(self.rights.pick(promise_id, left=left)))
        except ConflictError:
            assert self.promises[promise_id] == "given_back" or self.keeper[promise_id] == "cloud"
            return
        if not self.promises[promise_id]:
            assert ended.ending == "picked"
            self.promises[promise_id] = "picked"
            self.model[self.me] = rights.pick(self.model, self.me, self.qty[promise_id] - left)[self.me]
            self.shelf -= self.qty[promise_id] - left
            self.left[promise_id] = left
            self.seen["short pick" if left else "pick"] += 1
        self.check()

    def hub_contact(self) -> None:
        """Fold, answer, balance; the grants are those of the rules on what is folded."""
        before = dict(self.model.get(self.me, Row()).granted)
        open_before = {fact.promise_id for fact in open_promises(self.hub.db.read, "shop")}

        def deed() -> None:
            run_now(self.hub.replication.fold_now())
            run_now(self.rights.on_contact(self.cloud_rep))

        self.do(deed)
        row = self.model.get(self.me, Row())
        granted = self._granted_by_hub()
        for taker, total in granted.items():
            more = total - before.get(taker, 0)
            assert more >= 0
            if more:
                rights.grant({**self.hub_state(), self.me: row}, self.me, taker, more)  # raises beyond the right
                row = rights.with_grant({**self.hub_state(), self.me: row}, self.me, taker, more)[self.me]
                self.seen["hub grant"] += 1
        self.model[self.me] = row
        for promise_id in open_before - {fact.promise_id for fact in open_promises(self.hub.db.read, "shop")}:
            if not self.promises[promise_id]:
                self.promises[promise_id] = "given_back"
                self.seen["release"] += 1
        self.check()

    def cloud_contact(self) -> None:
        """Look at what has come; what is written is what the rules make of it."""
        before = self.cloud_state()
        open_before = set(self.open_at_cloud())
        self.do(lambda: run_now(self.contact.look()))
        row = before.get(self.cloud_rep, Row())
        closed = [
            each for each in open_before - set(self.open_at_cloud()) if self.ending_at_cloud(each) == "given_back"
        ]
        for promise_id in closed:
            if self.promises[promise_id] != "given_back":
                assert self.keeper[promise_id] == "cloud"
                self.promises[promise_id] = "given_back"
                self.seen["gave way"] += 1
            row = rights.give_back({**before, self.cloud_rep: row}, self.cloud_rep, self.qty[promise_id])[
                self.cloud_rep
            ]
        picked = [each for each in open_before - set(self.open_at_cloud()) if self.ending_at_cloud(each) == "picked"]
        if left := sum(self.left[each] for each in picked):
            row = rights.give_back({**before, self.cloud_rep: row}, self.cloud_rep, left)[self.cloud_rep]
        self._took(before, row)

    def _attended(self, state: State) -> None:
        """The cloud has attended to the place in the same job."""
        row = state.get(self.cloud_rep, Row())
        for promise_id in [each for each, end in self.promises.items() if not end and self.keeper[each] == "cloud"]:
            if self.ending_at_cloud(promise_id) == "given_back":
                self.promises[promise_id] = "given_back"
                self.seen["gave way"] += 1
                row = rights.give_back({**state, self.cloud_rep: row}, self.cloud_rep, self.qty[promise_id])[
                    self.cloud_rep
                ]
        self._took(state, row)

    def _took(self, state: State, row: Row) -> None:
        """The cloud's row is as the rules have it, but for grants: each within the right."""
        stored = self.cloud_state().get(self.cloud_rep, Row())
        for taker, total in stored.granted.items():
            more = total - row.granted.get(taker, 0)
            assert more >= 0
            if more:
                row = rights.with_grant({**state, self.cloud_rep: row}, self.cloud_rep, taker, more)[self.cloud_rep]
                self.seen["cloud grant"] += 1
        self.model[self.cloud_rep] = row
        self.check()

    def new_life(self) -> None:
        """The card was copied: this hub begins anew."""
        former = self.me
        if not self.hub.replication.books.holders.cloud:
            return
        with tokens(self.rng):
            run_now(self.hub.replication.books.forked("a test says so"))
        self.line = None
        self.seen["life"] += 1
        self.model.pop(former, None)  # the cloud's seal says what it was
        facts = self._own_facts()
        if facts != Row():
            self.model[self.me] = facts
        self.check_hub()

    def restore(self, image: bytes) -> None:
        """The card of an earlier day is put back, and the hub begins anew."""
        self.hub_disk = Disk(image)
        self.open_hub()
        self.model.pop(self.me, None)
        self.new_life()

    # the line

    def talk(self, frames: int) -> None:
        """Let some frames pass; the line may break behind them."""

        def deed() -> None:
            line = self.line if self.line is not None and self.line.is_up else self.connect()
            with tokens(self.rng):
                line.let_pass(1_500)
                for role in ("dialler", "acceptor"):
                    line.carry_out(role, line.sessions[role].changed(line.now_ms))
                for n in range(frames):
                    line.deliver(("acceptor", "dialler")[n % 2])

        self.do(deed)
        self.hub.db.commit()  # type: ignore[attr-defined]
        if self.seen["life"]:  # what a former life had sent comes back, and ours gives way to it
            self.model[self.me] = self._own_facts()
        self.check()

    def settle(self) -> int:
        """Everybody hears everything and does what is due, until nothing more comes; return after how many rounds."""
        for rounds in range(ROUNDS_MAX):
            before = self._everything()
            for _ in range(3):
                self.talk(400)
            self.hub_contact()
            self.cloud_contact()
            for _ in range(3):
                self.talk(400)
            if before == self._everything():
                return rounds
        raise AssertionError("rights are pushed to and fro")

    def _everything(self) -> object:
        tables = ("stock_grant", "spent_right", "passed_right", "promise_end", "asked", "level")
        held = [self.hub_disk.rows(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4") for table in tables]
        return held, self.cloud_disk.rows("SELECT stream, key, body FROM tally ORDER BY 1, 2, replica")

    # what is true, and what is stored

    def hub_state(self) -> State:
        """What the hub's rows say, its own exact."""
        known = hub_rights.known_state(self.hub.db.read, self.hub.replica, HERE, cloud=self.cloud_rep)
        return {**known, self.me: self.model.get(self.me, Row())}

    def cloud_state(self) -> State:
        return cloud_rights.known_of(self.cloud.books.db.read, PLACE).state

    def check(self) -> None:
        self.check_hub()
        stored, model = self.cloud_state(), self.model
        mine = stored.get(self.cloud_rep, Row())
        assert mine == model.get(self.cloud_rep, Row()), "the cloud's row is not what the rules say"
        assert rights.right_of(stored, self.cloud_rep) >= 0, "the cloud promises only what it has"
        theirs = stored.get(self.me, Row())
        own = model.get(self.me, Row())
        for name in ("received", "issued", "picked"):
            assert getattr(theirs, name) <= getattr(own, name), "the cloud knows more than was written"
        assert all(qty <= own.granted.get(taker, 0) for taker, qty in theirs.granted.items())
        unpicked = sum(self.qty[each] for each, end in self.promises.items() if not end)
        assert unpicked - max(0, self.shelf) <= self.overdrawn, "more was promised on line than there is"

    def check_hub(self) -> None:
        own, model = self.hub.replica, self.model.get(self.me, Row())
        row = self._own_facts()
        assert (row.received, row.issued, row.picked) == (model.received, model.issued, model.picked)
        assert self._granted_by_hub() == model.granted
        held = {**hub_rights.known_state(self.hub.db.read, own, HERE, cloud=self.cloud_rep), self.me: model}
        assert hub_rights.right_of(self.hub.db.read, own, HERE) == rights.right_of(held, self.me)

    def check_quiet(self) -> None:
        """At quiescence both ends know the same, rights come to what is there, by the facts too."""
        known = self.cloud_state()
        assert rights.on_hand_of(known) == self.shelf
        unpicked = sum(self.qty[each] for each, end in self.promises.items() if not end)
        assert rights.audit(known, on_hand=self.shelf, unpicked=unpicked) is None
        assert identity(self.cloud.books.db.read) == []
        assert differences(self.cloud.books.db.read) == 0
        assert rights.right_of(known, self.me) == hub_rights.right_of(self.hub.db.read, self.hub.replica, HERE)
        if rights.debts(known):
            assert self.shelf < 0 or any(self.keeper[each] == "store" for each, end in self.promises.items() if not end)
            assert not any(rights.unspent_of(known, holder) for holder in rights.holders_of(known))
        assert self.shelf >= 0 or not unpicked or rights.debts(known)

    def _own_facts(self) -> Row:
        """What this life's facts come to, counted without the product."""
        numbers = [0, 0, 0]
        spent = 0
        for table in ("sale", "sale_return", "stock_movement", "promise_end", "duplicate_fact", "second_row"):
            for name in ("stock", "picked"):
                for qty, is_pick in self.hub_disk.rows(
                    f"""
                    SELECT effect.value ->> 2, '{table}' = 'duplicate_fact' AND CAST(body AS TEXT) ->> 'entity' = 'promise_end'
                    FROM {table} JOIN replica ON replica.id = {table}.replica,
                      json_each(CAST({table}.body AS TEXT), '$.{name}') AS effect
                    WHERE own = 1 AND effect.value ->> 0 = ?
                    """,
                    SKU,
                ):
                    spent += qty if is_pick else 0
                    index = 2 if name == "picked" else (0 if qty > 0 else 1)
                    numbers[index] += abs(qty)
        return Row(*numbers, spent, granted=self.model.get(self.me, Row()).granted)


def walk(seed: int, steps: int, *, crash_every: int = 6, lives: bool = True) -> Ends:
    """A day in a shop; then everybody comes to rest."""
    rng = random.Random(seed)
    policy = rng.choice(
        (
            Policy(),
            Policy(safety_stock=2, online_share_pct=70, batch=3),
            Policy(online_share_pct=100, single_item=False),
        )
    )
    ends = Ends(policy, seed=seed, crash_every=crash_every)
    ends.receive(rng.randint(1, 12))
    ends.settle()

    def some_promise(act: Callable[[str], None]) -> Callable[[], None]:
        def once() -> None:
            if ends.promises:
                act(rng.choice(sorted(ends.promises)))

        return once

    def pick_known(promise_id: str) -> None:
        if ends.hub_disk.rows("SELECT 1 FROM promise WHERE promise_id = ?", promise_id):
            ends.pick(promise_id, left=min(rng.randint(0, 3), ends.qty[promise_id] - 1))

    acts: list[tuple[int, Callable[[], object]]] = [
        (3, lambda: ends.receive(rng.randint(1, 5))),
        (4, lambda: ends.sell(rng.randint(1, 3))),
        (5, lambda: ends.promise(rng.randint(1, 2), keeper=rng.choice(("store", "cloud")), ask=rng.random() < 0.3)),
        (2, some_promise(ends.cancel)),
        (3, some_promise(pick_known)),
        (3, ends.hub_contact),
        (3, ends.cloud_contact),
        (7, lambda: ends.talk(rng.randint(1, 40))),
        (1 if lives else 0, lambda: ends.new_life() if rng.random() < 0.15 else None),
    ]
    for _, act in rng.choices(acts, weights=[weight for weight, _ in acts], k=steps):
        act()
    ends.crash_every = 0
    ends.settle()
    ends.check_quiet()
    return ends
