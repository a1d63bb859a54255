"""Promotions: each by an independent calculation, the choice among them against every choice there is, one a line."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.retail.catalogue import promotions
from sync.retail.catalogue.promotions import BasketLine, Considered, Promotion, apply_promotions, saving, takes_part
from sync.retail.names import Name
from sync.retail.windows import At

NOON = datetime(2026, 9, 21, 12, tzinfo=UTC)
AT = At(NOON)
SKUS = ("A", "B", "C")


def offer(promotion_id: str = "p1", **fields: Any) -> Promotion:
    return Promotion(promotion_id=promotion_id, name=Name(en=promotion_id), **fields)


def line(number: int, sku: str = "A", qty: int = 1, unit_price: int = 1000, **fields: Any) -> BasketLine:
    return BasketLine(
        line=number, sku=sku, category=fields.pop("category", None), qty=qty, unit_price=unit_price, **fields
    )


BASKETS = st.lists(
    st.tuples(st.sampled_from(SKUS), st.integers(1, 4), st.sampled_from([0, 1, 333, 500, 800, 1000])), max_size=4
).map(lambda found: [line(n, *each) for n, each in enumerate(found, 1)])
OFFERS = st.one_of(
    st.builds(
        lambda count, amount: {"kind": "n_for_amount", "count": count, "amount": amount},
        st.integers(1, 4),
        st.integers(0, 2500),
    ),
    st.integers(2, 4).flatmap(
        lambda count: st.integers(1, count - 1).map(
            lambda pay_for: {"kind": "n_for_price_of", "count": count, "pay_for": pay_for}
        )
    ),
    st.integers(1, 10_000).map(lambda rate: {"kind": "percent_off", "rate_bp": rate}),
    st.integers(1, 1500).map(lambda amount: {"kind": "amount_off", "amount": amount}),
)
MANY = st.lists(st.tuples(OFFERS, st.sets(st.sampled_from(SKUS))), max_size=3).map(
    lambda found: [offer(f"p{n}", skus=frozenset(skus), **each) for n, (each, skus) in enumerate(found)]
)


def total(considered: tuple[Considered, ...]) -> int:
    return sum(sum(each.saved.values()) for each in considered)


def best_groups(prices: list[int], count: int, gain: Any) -> int:
    """Return the most that disjoint groups of `count` of these prices gain: by trying every way to form them."""
    if len(prices) < count:
        return 0
    first, rest = prices[0], prices[1:]
    most = best_groups(rest, count, gain)
    for others in combinations(range(len(rest)), count - 1):
        group = [first, *(rest[n] for n in others)]
        left = [price for n, price in enumerate(rest) if n not in others]
        most = max(most, gain(sorted(group, reverse=True)) + best_groups(left, count, gain))
    return most


@given(prices=st.lists(st.integers(0, 1000), max_size=6), count=st.integers(1, 3), amount=st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
def test_any_n_for_an_amount_groups_the_pieces_as_is_best_for_the_customer(
    prices: list[int], count: int, amount: int
) -> None:
    lines = [line(n, unit_price=price) for n, price in enumerate(prices, 1)]

    saved = saving(offer(kind="n_for_amount", count=count, amount=amount), lines)

    assert sum(saved.values()) == best_groups(prices, count, lambda group: max(0, sum(group) - amount))


@given(prices=st.lists(st.integers(0, 1000), max_size=6), count=st.integers(2, 3), pay_for=st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_n_for_the_price_of_fewer_gives_the_cheapest_of_each_group_away(
    prices: list[int], count: int, pay_for: int
) -> None:
    pay_for = min(pay_for, count - 1)
    lines = [line(n, unit_price=price) for n, price in enumerate(prices, 1)]

    saved = saving(offer(kind="n_for_price_of", count=count, pay_for=pay_for), lines)

    assert sum(saved.values()) == best_groups(prices, count, lambda group: sum(group[pay_for:]))


def test_any_two_for_16_dollars_takes_two_of_three_and_shares_it_out() -> None:
    lines = [line(1, "A", 2, 1000), line(2, "B", 1, 900), line(3, "C", 1, 5000)]
    any_two = offer(kind="n_for_amount", count=2, amount=1600, skus=frozenset({"A", "B"}))

    (found,) = apply_promotions(lines, [any_two], at=AT, is_member=False)

    assert found == Considered("p1", "applied", {1: 400})


@given(cost=st.integers(0, 10**6), rate=st.integers(1, 10_000))
def test_a_percentage_is_rounded_once_a_line(cost: int, rate: int) -> None:
    saved = saving(offer(kind="percent_off", rate_bp=rate), [line(1, unit_price=cost)]).get(1, 0)

    assert abs(saved - Fraction(cost * rate, 10_000)) <= Fraction(1, 2)


@given(basket=BASKETS, offers=MANY)
@settings(max_examples=150, deadline=None)
def test_no_other_choice_of_one_promotion_a_line_saves_more(basket: list[BasketLine], offers: list[Promotion]) -> None:
    found = apply_promotions(basket, offers, at=AT, is_member=False)

    most = 0
    for chosen in product(range(-1, len(offers)), repeat=len(basket)):
        if any(n >= 0 and not takes_part(offers[n], each) for n, each in zip(chosen, basket, strict=True)):
            continue
        given = {n: [each for m, each in zip(chosen, basket, strict=True) if m == n] for n in range(len(offers))}
        most = max(most, sum(sum(saving(offers[n], lines).values()) for n, lines in given.items()))
    assert total(found) == most


@given(basket=BASKETS, offers=MANY, rng=st.randoms(use_true_random=False), is_little=st.booleans())
@settings(max_examples=150, deadline=None)
def test_each_line_is_in_one_promotion_and_costs_nothing_less_than_nothing(
    basket: list[BasketLine], offers: list[Promotion], rng: Any, is_little: bool
) -> None:
    """Also by the short way, and whatever the order in which promotions and lines come."""
    work_max = promotions.WORK_MAX
    promotions.WORK_MAX = work_max if is_little else 0
    try:
        found = apply_promotions(basket, offers, at=AT, is_member=False)
        shuffled = rng.sample(offers, len(offers))
        assert apply_promotions(rng.sample(basket, len(basket)), shuffled, at=AT, is_member=False) == found
    finally:
        promotions.WORK_MAX = work_max
    costs = {each.line: each.cost for each in basket}
    taken = [number for each in found for number in each.saved]
    assert len(taken) == len(set(taken))
    assert all(0 < amount <= costs[number] for each in found for number, amount in each.saved.items())


def test_of_two_that_save_the_same_the_first_by_id_is_given_and_the_other_said_to_be_beaten() -> None:
    offers = [offer("z", kind="amount_off", amount=100), offer("a", kind="amount_off", amount=100)]

    found = apply_promotions([line(1)], offers, at=AT, is_member=False)

    assert [(each.promotion_id, each.why) for each in found] == [("a", "applied"), ("z", "beaten")]


def test_why_a_promotion_is_not_given_is_said() -> None:
    offers = [
        offer("closed", kind="amount_off", amount=1, valid_until=date(2026, 9, 20)),
        offer("elsewhere", kind="amount_off", amount=1, skus=frozenset({"C"})),
        offer("few", kind="n_for_amount", count=3, amount=100),
        offer("members", kind="amount_off", amount=1, members_only=True),
    ]

    stranger = apply_promotions([line(1, qty=2)], offers, at=AT, is_member=False)
    member = apply_promotions([line(1, qty=2)], offers, at=AT, is_member=True)

    assert {each.promotion_id: each.why for each in stranger} == {
        "closed": "window",
        "few": "nothing",
        "members": "members",
    }
    assert {each.promotion_id: each.why for each in member}["members"] == "applied"


def test_a_clock_that_is_not_sure_has_its_grace_and_it_is_said() -> None:
    yesterdays = offer(kind="amount_off", amount=1, valid_until=date(2026, 9, 20))
    day_ms = 24 * 3600 * 1000

    for at, why in (
        (At(NOON), "window"),
        (At(NOON, is_sure=False, grace_ms=day_ms), "applied"),
        (At(NOON + timedelta(days=1), is_sure=False, grace_ms=day_ms), "window"),
    ):
        (found,) = apply_promotions([line(1)], [yesterdays], at=at, is_member=False)
        assert (found.why, found.by_grace) == (why, why == "applied")


def test_a_price_set_by_hand_and_goods_by_weight_take_no_part_in_groups() -> None:
    two = offer(kind="n_for_amount", count=2, amount=0)
    weighed = line(1, qty=600, unit_price=1000, per=600, unit="g")

    assert not takes_part(two, weighed) and not takes_part(two, line(1, is_fixed=True))
    assert takes_part(offer(kind="percent_off", rate_bp=1), weighed)
    assert not takes_part(offer(kind="percent_off", rate_bp=1), replace(weighed, is_fixed=True))


def test_a_category_is_enough_to_take_part() -> None:
    tea = offer(kind="amount_off", amount=1, categories=frozenset({"tea"}))

    assert takes_part(tea, line(1, category="tea")) and not takes_part(tea, line(1, category="rice"))


def test_what_takes_part_in_a_group_or_a_piece_price_is_sold_by_the_piece_at_a_price_for_one() -> None:
    weighed = line(1, qty=600, unit="g")

    assert not takes_part(offer(kind="amount_off", amount=1), weighed)
    assert not takes_part(offer(kind="n_for_price_of", count=2, pay_for=1), weighed)
    assert not takes_part(offer(kind="n_for_amount", count=2), line(1, per=3))
    assert not takes_part(offer(kind="n_for_amount", count=0), line(1))
    assert takes_part(offer(kind="n_for_amount", count=1), line(1))


def test_a_group_that_saves_nothing_bears_no_part_of_what_others_save() -> None:
    lines = [line(1, unit_price=1000), line(2, unit_price=900)]

    assert saving(offer(kind="n_for_amount", count=1, amount=900), lines) == {1: 100}
    assert saving(offer(kind="n_for_amount", count=1, amount=999), lines) == {1: 1}


def test_a_promotion_that_only_its_grace_allows_and_that_is_beaten_was_given_by_no_grace() -> None:
    offers = [
        offer("better", kind="amount_off", amount=200),
        offer("yesterdays", kind="amount_off", amount=100, valid_until=date(2026, 9, 20)),
    ]
    unsure = At(NOON, is_sure=False, grace_ms=24 * 3600 * 1000)

    found = apply_promotions([line(1)], offers, at=unsure, is_member=False)

    assert [(each.why, each.by_grace) for each in found] == [("applied", False), ("beaten", False)]


def with_work(work_max: int, lines: list[BasketLine], offers: list[Promotion]) -> dict[str, dict[int, int]]:
    """What each promotion takes off when all choices are tried up to so much work."""
    before, promotions.WORK_MAX = promotions.WORK_MAX, work_max
    try:
        found = apply_promotions(lines, offers, at=AT, is_member=False)
    finally:
        promotions.WORK_MAX = before
    return {each.promotion_id: each.saved for each in found if each.saved}


def test_all_choices_are_tried_while_choices_times_pieces_are_little_and_then_the_largest_goes_first() -> None:
    """Three pieces that one promotion may take together for 250, or two others apart for 240 + 200; and tea by weight."""
    lines = [line(1, "A", 2), line(2, "B", 1), line(3, "C", 600, unit="g", per=600)]
    offers = [
        offer("a", kind="amount_off", amount=120, skus=frozenset({"A"})),
        offer("b", kind="amount_off", amount=200, skus=frozenset({"B"})),
        offer("c", kind="percent_off", rate_bp=100, skus=frozenset({"C"})),
        offer("together", kind="n_for_amount", count=3, amount=2750, skus=frozenset({"A", "B"})),
        offer("useless", kind="n_for_amount", count=9, amount=1, skus=frozenset({"A", "B"})),
    ]
    best, largest_first = {"a": {1: 240}, "b": {2: 200}, "c": {3: 10}}, {"c": {3: 10}, "together": {1: 167, 2: 83}}
    work = (2 + 1 + 1) * (2 * 2 * 1)

    assert with_work(work, lines, offers) == best
    assert with_work(work - 1, lines, offers) == largest_first


def test_one_at_a_time_the_next_takes_what_is_left_of_its_lines() -> None:
    lines = [line(1, "A"), line(2, "B"), line(3, "C")]
    first = offer("first", kind="amount_off", amount=150, skus=frozenset({"A", "B"}))
    second = offer("second", kind="amount_off", amount=100, skus=frozenset({"A", "C"}))

    assert with_work(0, lines, [second, first]) == {"first": {1: 150, 2: 150}, "second": {3: 100}}


def test_no_more_pieces_than_a_thousand_are_grouped_whatever_the_lines() -> None:
    lines = [line(1, qty=999, unit_price=1000), line(2, qty=999, unit_price=900)]
    any_two = offer(kind="n_for_amount", count=2, amount=100)
    expected = 499 * (2000 - 100) + (1000 + 900 - 100)

    for work in (0, 10**9):
        found = with_work(work, lines, [any_two])
        assert sum(found["p1"].values()) == expected and set(found["p1"]) == {1, 2}
    alone = with_work(0, [line(1, qty=1000, unit_price=1000), line(2, qty=1000, unit_price=900)], [any_two])
    assert alone == {"p1": {1: 500 * (2000 - 100)}}
