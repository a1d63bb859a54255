"""One key on several hubs: after all seals, copies and orders of learning, tallies are the sum over unique keys."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from sync.retail import duplicates
from sync.retail.duplicates import Compensation, Decision, Row, counts_when_sealed, decide, due
from sync.retail.sales import PointsEffect, StockEffect

QUIET = settings(max_examples=20_000, phases=[Phase.generate], database=None)
CLOUD = "cloud"
HUBS = ("a:1", "b:1", "c:1")
KEY = "s1"


def row(rep: str, *, content: bytes = b"same", qty: int = 1) -> Row:
    return Row(rep, 1, content, (StockEffect("TEA", "shop", -qty),), (PointsEffect("m", 10 * qty),), f"R-{rep}")


class Happens(Struct, frozen=True):
    """`who` sells, tells `whom` all it knows, writes what is due, is sealed by the cloud, or begins a new life."""

    what: str
    who: int
    whom: int


happenings = st.lists(
    st.builds(
        Happens,
        st.sampled_from(["sell", "tell", "tell", "tell", "act", "act", "seal"]),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=16,
)
# the tills of a store split over two or three hubs post the sale to each of them, before any of these hears of another
scripts = st.tuples(st.lists(st.integers(0, 2), min_size=2, max_size=3), happenings).map(
    lambda drawn: [*(Happens("sell", who, 0) for who in drawn[0]), *drawn[1]]
)


@dataclass
class Knows:
    """What one machine holds: rows by writer, compensations by key, and seals in their order, with whether a row was held."""

    rows: dict[str, Row] = field(default_factory=dict)
    facts: dict[str, Compensation] = field(default_factory=dict)
    seals: list[tuple[str, bool]] = field(default_factory=list)

    def learn(self, other: "Knows") -> None:
        self.rows |= other.rows
        self.facts |= other.facts
        self.seals = max(self.seals, other.seals, key=len)

    @property
    def sealed(self) -> list[str]:
        return [rep for rep, _ in self.seals]

    @property
    def live_rows(self) -> list[Row]:
        """Rows of the sealed only as far as their sealed heads go."""
        beyond = {rep for rep, was_held in self.seals if not was_held}
        return [each for rep, each in self.rows.items() if rep not in beyond]


@dataclass
class Rules:
    """What is tested, and what a planted fault replaces."""

    due: Callable[..., Compensation | None] = due
    counts_when_sealed: Callable[..., bool] = counts_when_sealed
    decide: Callable[..., Decision] = decide


@dataclass
class World:
    """Three hubs and the cloud. A machine whose replica was sealed goes on as its next life, named so that orders turn."""

    rules: Rules
    lives: list[str] = field(default_factory=lambda: list(HUBS))
    knows: list[Knows] = field(default_factory=lambda: [Knows() for _ in range(4)])
    tallies: Counter[str] = field(default_factory=Counter)
    frozen: dict[str, int] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def sell(self, who: int, qty: int) -> None:
        """A till posts the sale to a hub that does not know of it."""
        rep, here = self.lives[who], self.knows[who]
        if not here.rows:
            here.rows[rep] = row(rep, qty=qty)
            self.tallies[rep] += qty

    def act(self, who: int) -> bool:
        rep, here = self.lives[who], self.knows[who]
        fact = self.rules.due("sale", KEY, here.live_rows, seals=here.sealed, facts=here.facts.values(), rep=rep)
        if fact is None:
            return False
        assert len(self.written) < 200, "it never comes to rest"
        here.facts[fact.duplicate_id] = fact
        self.written.append(fact.duplicate_id)
        self.tallies[rep] -= sum(effect.qty for effect in fact.stock)
        return True

    def seal(self, who: int) -> None:
        """The cloud seals at its own cursors, tallies recomputed; the machine goes on as before until it hears of it."""
        rep, cloud = self.lives[who], self.knows[3]
        if rep in cloud.sealed:
            return
        held = cloud.rows.get(rep)
        counts = held is not None and self.rules.counts_when_sealed(cloud.live_rows, cloud.sealed, rep=rep)
        self.frozen[rep] = -held.stock[0].qty if held is not None and counts else 0
        cloud.seals = [*cloud.seals, (rep, held is not None)]

    def tell(self, who: int, whom: int) -> None:
        """A machine that hears that its replica is sealed takes a new life, and writes again what the cloud has not."""
        here = self.knows[whom]
        here.learn(self.knows[who])
        if whom == 3 or (rep := self.lives[whom]) not in here.sealed:
            return
        life = f"{'zyx0w'[len(here.seals) % 5]}{whom}:{len(here.seals)}"
        self.lives[whom] = life
        lost = here.rows.get(rep)
        if lost is not None and not dict(here.seals)[rep]:
            here.rows[life] = replace(lost, rep=life)
            self.tallies[life] = -lost.stock[0].qty

    @property
    def total(self) -> int:
        """The sum of all tallies; those of the sealed are what the seal says."""
        return sum({**self.tallies, **self.frozen}.values())

    def settle(self) -> None:
        """Everybody tells everybody, and writes what is due, until nobody has anything to write."""
        is_busy = True
        while is_busy:
            for who, whom in [*permutations(range(4), 2)] * 2:
                self.tell(who, whom)
            is_busy = any(self.act(who) for who in range(3))


def play(script: Sequence[Happens], rules: Rules) -> World:
    world = World(rules)
    for n, each in enumerate(script):
        if each.what == "sell":
            world.sell(each.who, n + 1)
        elif each.what == "tell":
            world.tell(each.who, each.whom)
        elif each.what == "act":
            world.act(each.who)
        elif len(world.knows[3].seals) < 5:
            if each.whom == 3:
                world.tell(each.who, 3)
            world.seal(each.who)
    world.settle()
    return world


def tallies_are_the_sum_over_unique_keys(rules: Rules, script: Sequence[Happens]) -> bool:
    """And every correction was written once, under a key of its own; and all agree on whose row stands."""
    try:
        world = play(script, rules)
    except AssertionError:
        return False
    rows = world.knows[3].live_rows
    expected = -rules.decide(rows, world.knows[3].sealed).standing.stock[0].qty if rows else 0
    return world.total == expected and len(world.written) == len(set(world.written))


def smaller_rep_whoever_is_sealed(rows: Any, seals: Sequence[str] = ()) -> Decision:
    """The planted fault: a seal changes nothing."""
    return decide(rows, ())


def smaller_of_the_sealed(rows: Any, seals: Sequence[str] = ()) -> Decision:
    """The planted fault: a second seal moves what the first one had frozen."""
    return decide(rows, sorted(seals))


def due_once(kind: str, key: str, rows: Any, *, facts: Any, **more: Any) -> Compensation | None:
    """The planted fault: what was taken back is never restored."""
    fact = due(kind, key, rows, facts=facts, **more)
    return fact if fact is None or fact.n == 1 else None


def due_without_effects(kind: str, key: str, rows: Any, **more: Any) -> Compensation | None:
    """The planted fault: it says so, and takes nothing back."""
    fact = due(kind, key, rows, **more)
    return None if fact is None else replace(fact, stock=())


def due_forgetful(kind: str, key: str, rows: Any, *, facts: Any, **more: Any) -> Compensation | None:
    """The planted fault: written whenever it is looked at."""
    return due(kind, key, rows, facts=(), **more)


def due_signless(kind: str, key: str, rows: Any, **more: Any) -> Compensation | None:
    """The planted fault: a restoring fact takes back once more."""
    fact = due(kind, key, rows, **more)
    if fact is None or fact.n % 2:
        return fact
    return replace(fact, stock=tuple(replace(each, qty=-each.qty) for each in fact.stock))


def never_counts(rows: Any, seals: Sequence[str], *, rep: str) -> bool:
    """The planted fault: a seal forgets that the row stands."""
    return False


def always_counts(rows: Any, seals: Sequence[str], *, rep: str) -> bool:
    """The planted fault: a seal sums rows that fell."""
    return True


FAULTS = {
    "never_restored": Rules(due=due_once),
    "nothing_taken_back": Rules(due=due_without_effects),
    "written_again_and_again": Rules(due=due_forgetful),
    "restored_with_the_wrong_sign": Rules(due=due_signless),
    "sealed_without_its_row": Rules(counts_when_sealed=never_counts),
    "sealed_with_rows_that_fell": Rules(counts_when_sealed=always_counts),
}


@settings(max_examples=500)
@given(script=scripts)
def test_tallies_come_to_the_sum_over_unique_keys(script: list[Happens]) -> None:
    assert tallies_are_the_sum_over_unique_keys(Rules(), script)


@pytest.mark.parametrize("fault", FAULTS)
def test_that_law_finds_the_planted_fault(fault: str) -> None:
    assert find(
        scripts,
        lambda script: not tallies_are_the_sum_over_unique_keys(FAULTS[fault], script),
        settings=QUIET,
        random=random.Random(1),
    )


@pytest.mark.parametrize("fault", [smaller_rep_whoever_is_sealed, smaller_of_the_sealed])
def test_that_law_finds_another_rule_of_whose_row_stands(
    fault: Callable[..., Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "decide", fault)

    assert find(
        scripts,
        lambda script: not tallies_are_the_sum_over_unique_keys(Rules(decide=fault), script),
        settings=QUIET,
        random=random.Random(1),
    )


@given(
    reps=st.lists(st.sampled_from(HUBS), min_size=1, unique=True),
    seals=st.lists(st.sampled_from(HUBS), unique=True),
    rng=st.randoms(use_true_random=False),
)
def test_the_decision_is_the_same_in_any_order_of_learning(
    reps: list[str], seals: list[str], rng: random.Random
) -> None:
    rows = [row(rep) for rep in reps]

    decision = decide(rows, seals)

    assert decide(rng.sample(rows * 2, 2 * len(rows)), seals) == decision
    assert decision.standing.rep == next((rep for rep in seals if rep in reps), min(reps))
    assert {decision.standing.rep, *(each.rep for each in decision.fallen)} == set(reps)
    sealed = [rep for rep in seals if rep in reps]
    assert not sealed or decide(rows, [*seals, "a:0"]).standing == decision.standing, "a later seal moves nothing"


def test_the_loser_takes_its_own_effects_back_and_its_number_is_void() -> None:
    rows = [row("a:1", qty=1), row("b:1", qty=3)]

    fact = due("sale", KEY, rows, seals=[], facts=[], rep="b:1")

    assert fact is not None and fact.stock == (StockEffect("TEA", "shop", 3),)
    assert fact.points == (PointsEffect("m", -30),)
    assert (fact.standing_rep, fact.void_receipt_no, fact.suspended) == ("a:1", "R-b:1", False)
    assert due("sale", KEY, rows, seals=[], facts=[fact], rep="b:1") is None, "once"
    assert due("sale", KEY, rows, seals=[], facts=[], rep="a:1") is None, "the standing row owes nothing"
    assert due("sale", KEY, rows, seals=["b:1"], facts=[], rep="b:1") is None, "the sealed write nothing"
    assert msgspec.json.decode(msgspec.json.encode(fact), type=Compensation) == fact


def test_a_row_that_is_sealed_as_it_fell_stays_as_it_is_for_good() -> None:
    rows = [row("a:1", qty=1), row("b:1", qty=3)]

    assert due("sale", KEY, rows, seals=["a:1", "b:1"], facts=[], rep="b:1") is None


def test_all_but_the_one_that_stands_have_fallen_each_once() -> None:
    rows = [row(rep, qty=1) for rep in ("c:1", "a:1", "b:1", "c:1")]

    assert decide(rows, ["b:1"]) == Decision(rows[2], (rows[1], rows[0]), is_contested=False)
    assert decide(rows[:1]).fallen == ()


def test_a_row_that_stands_again_is_restored_under_a_key_of_its_own() -> None:
    rows = [row("a:1"), row("b:1")]
    taken = due("sale", KEY, rows, seals=[], facts=[], rep="b:1")
    assert taken is not None

    restored = due("sale", KEY, rows[1:], seals=["a:1"], facts=[taken], rep="b:1")

    assert restored is not None and restored.stock == (StockEffect("TEA", "shop", -1),)
    assert (restored.n, restored.duplicate_id != taken.duplicate_id, restored.void_receipt_no) == (2, True, "")
    again = due("sale", KEY, rows, seals=[], facts=[taken, restored], rep="b:1")
    assert again is not None and again.n == 3


def test_different_contents_are_contested_and_nobody_is_booked_twice() -> None:
    rows = [row("a:1", content=b"one"), row("b:1", content=b"other"), row("c:1", content=b"one")]

    decision = decide(rows)
    facts = [due("sale", KEY, rows, seals=[], facts=[], rep=rep) for rep in ("a:1", "b:1", "c:1")]

    assert decision.is_contested and not decide([rows[0], rows[2]]).is_contested
    assert facts[0] is None and [fact.suspended for fact in facts[1:] if fact] == [True, False]
    assert all(fact.stock for fact in facts if fact)


def test_a_seal_counts_the_row_unless_one_sealed_earlier_holds_the_key() -> None:
    rows = [row("a:1"), row("b:1")]

    assert counts_when_sealed(rows, [], rep="b:1"), "it stands from now on, whatever it had taken back"
    assert not counts_when_sealed(rows, ["b:1"], rep="a:1")
    assert duplicates.decide(rows, ["b:1", "a:1"]).standing.rep == "b:1"
