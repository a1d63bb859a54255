"""Points: sums over unique facts, returns that take back what was earned, caps that bound what is burned without a line."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from sync.errors import RuleError
from sync.retail.people.points import (
    Burn,
    PointsFact,
    PointsRule,
    Where,
    burned_off_line,
    exposure,
    ledger,
    may_burn,
    points_back,
    points_due,
)
from sync.retail.selling.sales import POINTS_MAX, PointsEffect

QUIET = settings(max_examples=5000, phases=[Phase.generate], database=None)
DAY = "2026-09-21"
CAP = 100
Entries = Sequence[tuple[str, tuple[PointsEffect, ...]]]
effects = st.lists(st.builds(PointsEffect, st.sampled_from("mn"), st.integers(-50, 50)), max_size=3).map(tuple)
ledgers = st.dictionaries(st.sampled_from("abcdef"), effects)


def sums_are_over_unique_keys(
    rule: Callable[[Entries], Mapping[str, int]], facts: Mapping[str, tuple[PointsEffect, ...]]
) -> bool:
    """Any order, any repetition, and in two parts that overlap: the sum over each fact once."""
    entries = list(facts.items())
    rng = random.Random(len(entries))
    expected: Counter[str] = Counter()
    for _, fact in entries:
        for effect in fact:
            expected[effect.member_id] += effect.points
    delivered = rng.sample(entries, len(entries)) + rng.sample(entries, len(entries) // 2)
    return all(rule(delivered).get(member, 0) == expected[member] for member in "mn")


def each_arrival(entries: Entries) -> Mapping[str, int]:
    """The planted fault: what arrives twice is earned twice."""
    return ledger([(str(n), fact) for n, (_, fact) in enumerate(entries)])


def each_member_once(entries: Entries) -> Mapping[str, int]:
    """The planted fault: the last effect is the balance."""
    return {effect.member_id: effect.points for _, fact in entries for effect in fact}


@given(facts=ledgers)
def test_a_balance_is_the_sum_over_unique_facts(facts: dict[str, tuple[PointsEffect, ...]]) -> None:
    assert sums_are_over_unique_keys(ledger, facts)


@pytest.mark.parametrize("fault", [each_arrival, each_member_once])
def test_that_law_finds_points_earned_twice_or_lost(fault: Callable[[Entries], Mapping[str, int]]) -> None:
    assert find(
        ledgers, lambda facts: not sums_are_over_unique_keys(fault, facts), settings=QUIET, random=random.Random(1)
    )


class Sold(Struct, frozen=True):
    """An amount that comes back in parts."""

    rule: PointsRule
    parts: tuple[int, ...]


solds = st.builds(
    Sold,
    st.builds(PointsRule, st.integers(0, 20), st.integers(1, 1000)),
    st.lists(st.integers(0, 5000), min_size=1, max_size=6).map(tuple),
)
Back = Callable[[PointsRule, int, int], int]


def what_is_kept_keeps_its_points(back: Back, sold: Sold) -> bool:
    """After each return the points are those of what is still kept: nothing is left of a sale that is back whole."""
    kept = sum(sold.parts)
    points = points_due(sold.rule, kept)
    for part in sold.parts:
        taken = back(sold.rule, kept, kept - part)
        kept, points = kept - part, points - taken
        if taken < 0 or points != points_due(sold.rule, kept):
            return False
    return points == 0


def each_return_by_itself(rule: PointsRule, kept_before: int, kept_after: int) -> int:
    """The planted fault."""
    return points_due(rule, kept_before - kept_after)


@given(sold=solds)
def test_returns_take_back_what_the_sale_earned(sold: Sold) -> None:
    assert what_is_kept_keeps_its_points(points_back, sold)


def test_that_law_finds_returns_rounded_one_by_one() -> None:
    assert find(
        solds,
        lambda sold: not what_is_kept_keeps_its_points(each_return_by_itself, sold),
        settings=QUIET,
        random=random.Random(1),
    )


class Wish(Struct, frozen=True):
    """A member wants to burn at a hub without a line (0 and 1) or at the cloud (2), or earns or returns there."""

    at: int
    what: str
    points: int
    meets: bool


wishes = st.lists(
    st.builds(
        Wish,
        st.integers(0, 2),
        st.sampled_from(["burn", "burn", "burn", "earn", "return"]),
        st.integers(1, 150),
        st.booleans(),
    ),
    max_size=25,
)
MayBurn = Callable[..., Burn]


def entry(n: str, wish: Wish, points: int, verdict: Burn | None) -> PointsFact:
    return PointsFact(
        at=datetime(2026, 9, 21, tzinfo=UTC),
        entry_id=f"e{n}",
        reason="burn" if verdict else "earn" if points > 0 else "return",
        store=f"hk0{wish.at}",
        rep=f"hk0{wish.at}:a",
        business_date=DAY,
        offline=verdict is Burn.CONDITIONAL,
        points=(PointsEffect("m", points),),
    )


def hubs_overdraw_by_their_caps_at_most(rule: MayBurn, script: Sequence[Wish]) -> bool:
    """Two hubs and the cloud, each with the facts it has. Without returns no balance is below the sum of the caps."""
    everything = {"e": entry("", Wish(2, "earn", 300, True), 300, None)}
    known = [dict(everything), dict(everything), dict(everything)]
    returned = 0
    for n, wish in enumerate(script):
        here = known[wish.at]
        points, verdict = wish.points, None
        if wish.what == "burn":
            rep = f"hk0{wish.at}:a"
            verdict = rule(
                points,
                where=Where.CLOUD if wish.at == 2 else Where.HUB_OFF_LINE,
                balance=ledger([(fact.entry_id, fact.points) for fact in here.values()]).get("m", 0),
                burned_off_line=burned_off_line([*here.values()] * 2, "m", rep=rep, business_date=DAY),
                off_line_max=CAP,
            )
            points = -points if verdict in (Burn.ALLOWED, Burn.CONDITIONAL) else 0
        elif wish.what == "return":
            points, returned = -points, returned + points
        if points:
            here[f"e{n}"] = everything[f"e{n}"] = entry(f"{n}", wish, points, verdict)
        if wish.meets and wish.at != 2:
            both = here | known[2]
            known[wish.at], known[2] = dict(both), dict(both)
    balance = ledger([(fact.entry_id, fact.points) for fact in everything.values()]).get("m", 0)
    shown = exposure(everything.values(), known[2]).get("m", 0)
    by_hub = [burned_off_line(everything.values(), "m", rep=f"hk0{hub}:a", business_date=DAY) for hub in (0, 1)]
    return balance >= -2 * CAP - returned and shown <= sum(by_hub) and max(by_hub) <= CAP


def cap_of_one_burn(points: int, **asked: Any) -> Burn:
    """The planted fault: each burn has the cap for itself."""
    return may_burn(points, **{**asked, "burned_off_line": 0})


def balance_not_asked(points: int, **asked: Any) -> Burn:
    """The planted fault: the cloud gives what is not there."""
    return may_burn(points, **{**asked, "balance": POINTS_MAX})


@given(script=wishes)
def test_what_is_burned_without_a_line_is_bounded_by_the_caps(script: list[Wish]) -> None:
    assert hubs_overdraw_by_their_caps_at_most(may_burn, script)


@pytest.mark.parametrize("fault", [cap_of_one_burn, balance_not_asked])
def test_that_law_finds_a_burn_without_a_bound(fault: MayBurn) -> None:
    assert find(
        wishes,
        lambda script: not hubs_overdraw_by_their_caps_at_most(fault, script),
        settings=QUIET,
        random=random.Random(1),
    )


@pytest.mark.parametrize(
    ("where", "balance", "burned", "verdict"),
    [
        (Where.CLOUD, 40, 0, Burn.ALLOWED),
        (Where.CLOUD, 39, 0, Burn.BALANCE),
        (Where.HUB_ON_LINE, 40, CAP, Burn.ASK),
        (Where.HUB_ON_LINE, -1, 0, Burn.BALANCE),
        (Where.HUB_OFF_LINE, 40, CAP - 40, Burn.CONDITIONAL),
        (Where.HUB_OFF_LINE, 40, CAP - 39, Burn.CAP),
        (Where.HUB_OFF_LINE, -60, 0, Burn.BALANCE),
    ],
)
def test_a_burn_is_decided_where_it_is_asked(where: Where, balance: int, burned: int, verdict: Burn) -> None:
    asked = may_burn(40, where=where, balance=balance, burned_off_line=burned, off_line_max=CAP)
    contested = may_burn(40, where=where, balance=balance, burned_off_line=burned, off_line_max=CAP, is_contested=True)

    assert asked is verdict
    assert contested is Burn.CONTESTED


@pytest.mark.parametrize("points", [0, -1, POINTS_MAX + 1])
def test_nothing_and_less_cannot_be_burned(points: int) -> None:
    with pytest.raises(RuleError) as refused:
        may_burn(points, where=Where.CLOUD, balance=10**12, burned_off_line=0, off_line_max=0)
    assert refused.value.code == "points"


def test_exposure_is_what_the_cloud_has_not_confirmed_and_a_fact_travels() -> None:
    burn = entry("1", Wish(0, "burn", 30, False), -30, Burn.CONDITIONAL)

    assert exposure([burn, burn], []) == {"m": 30}
    assert exposure([burn], ["e1"]) == {}
    body = msgspec.json.encode(burn)
    assert msgspec.json.decode(body, type=PointsFact) == burn
    assert msgspec.json.decode(body)["points"] == [["m", -30]], "anybody sums it"


def fact(entry_id: str, points: int, **more: Any) -> PointsFact:
    effects = (PointsEffect("m", points), PointsEffect("other", -1))
    told = entry(entry_id, Wish(0, "burn", 1, False), points, Burn.CONDITIONAL)
    return msgspec.structs.replace(told, points=effects, **more)


def test_the_cap_counts_what_one_member_burned_at_one_replica_on_one_day_without_a_line() -> None:
    first = fact("1", -10)
    facts = [
        first,
        first,  # heard twice
        fact("2", -20),
        fact("3", -40, offline=False),
        fact("4", -80, reason="earn"),
        fact("5", -160, business_date="2026-01-01"),
        fact("6", -320, rep="hk99:z"),
    ]

    day = {"rep": first.rep, "business_date": first.business_date}
    assert burned_off_line(facts, "m", **day) == 30
    assert burned_off_line(facts, "nobody", **day) == 0


def test_exposed_are_only_burns_without_a_line() -> None:
    facts = [fact("1", -10), fact("2", -20, offline=False), fact("3", -40, reason="earn"), fact("4", -80)]

    assert exposure(facts, [facts[-1].entry_id]) == {"m": 10, "other": 1}


def test_the_largest_burn_may_be_asked_for() -> None:
    asked = may_burn(POINTS_MAX, where=Where.CLOUD, balance=POINTS_MAX, burned_off_line=0, off_line_max=0)
    assert asked is Burn.ALLOWED
