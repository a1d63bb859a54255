"""Which places fulfil an order: the laws of the rules by Hypothesis, and each criterion by example."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.cloud.allocation.rules import CRITERIA, Criterion, Plan, Rules, Site, plan, with_asking
from sync.cloud.allocation.words import said
from sync.retail.orders.order_rows import OrderLine

SKUS = ("A", "B", "C")
quantities = st.dictionaries(st.sampled_from(SKUS), st.integers(-2, 4))
sites = st.lists(
    st.builds(
        Site,
        name=st.sampled_from([f"s{n}" for n in range(7)]),
        held=quantities,
        asks=st.dictionaries(st.sampled_from(SKUS), st.integers(0, 2)),
        priority=st.integers(0, 2),
        distance_km=st.none() | st.integers(0, 30),
        age_days=st.dictionaries(st.sampled_from(SKUS), st.integers(0, 3)),
        cover_days=st.dictionaries(st.sampled_from(SKUS), st.integers(0, 3)),
        load=st.integers(0, 2),
        barred=st.sampled_from(["", "", "", "no_hub"]),
    ),
    max_size=6,
    unique_by=lambda site: site.name,
)
wanted = st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, 4)), min_size=1, max_size=4).map(
    lambda pairs: [OrderLine(line=n, sku=sku, qty=qty) for n, (sku, qty) in enumerate(pairs, 1)]
)
rules = st.builds(
    Rules,
    criteria=st.permutations(CRITERIA).map(tuple),
    parcels_max=st.integers(1, 4),
    distance_step_km=st.integers(1, 10),
)


def sent(done: Plan) -> dict[tuple[int, str], int]:
    total: dict[tuple[int, str], int] = {}
    for parcel in done.parcels:
        for line in parcel.lines:
            total[line.line, line.sku] = total.get((line.line, line.sku), 0) + line.qty
    return total


@given(lines=wanted, places=sites, by=rules)
@settings(max_examples=50)
def test_an_order_is_sent_whole_or_not_at_all_in_no_more_parcels_than_allowed_and_never_more_than_is_held(
    lines: list[OrderLine], places: list[Site], by: Rules
) -> None:
    done = plan(lines, places, by)

    assert len(done.parcels) <= by.parcels_max
    assert not done.parcels or sent(done) == {(line.line, line.sku): line.qty for line in lines}
    held = {site.name: site for site in places}
    for parcel in done.parcels:
        assert parcel.lines and not held[parcel.site].barred
        for sku in SKUS:
            assert sum(line.qty for line in parcel.lines if line.sku == sku) <= max(
                0, held[parcel.site].held.get(sku, 0)
            )


@given(lines=wanted, places=sites, by=rules, seed=st.integers())
@settings(max_examples=40)
def test_the_order_in_which_lines_and_places_are_told_changes_nothing(
    lines: list[OrderLine], places: list[Site], by: Rules, seed: int
) -> None:
    chance = random.Random(seed)
    shuffled = chance.sample(lines, len(lines)), chance.sample(places, len(places))

    assert plan(*shuffled, by) == plan(lines, places, by)


@given(lines=wanted, places=sites, by=rules, more=quantities, at=st.integers(0, 5))
@settings(max_examples=50)
def test_more_goods_never_make_an_order_unallocatable(
    lines: list[OrderLine], places: list[Site], by: Rules, more: dict[str, int], at: int
) -> None:
    before = plan(lines, places, by)
    richer = [
        Site(
            **{name: getattr(site, name) for name in Site.__struct_fields__ if name != "held"},
            held={sku: site.held.get(sku, 0) + max(0, more.get(sku, 0)) for sku in SKUS} if n == at else site.held,
        )
        for n, site in enumerate(places)
    ]
    after = plan(lines, richer, by)

    assert not before.parcels or (after.parcels and len(after.parcels) <= len(before.parcels))
    assert not plan(lines, places, by).parcels or plan(lines, with_asking(places), by).parcels


@given(lines=wanted, places=sites, by=rules)
@settings(max_examples=40)
def test_it_is_done_whenever_it_can_be_and_in_as_few_parcels_as_there_can_be(
    lines: list[OrderLine], places: list[Site], by: Rules
) -> None:
    """The judge tries every set of places."""
    need = {sku: sum(line.qty for line in lines if line.sku == sku) for sku in SKUS}
    able = [site for site in places if not site.barred]
    fewest = min(
        (
            mask.bit_count()
            for mask in range(1, 2 ** len(able))
            if all(
                sum(max(0, site.held.get(sku, 0)) for n, site in enumerate(able) if mask >> n & 1) >= need[sku]
                for sku in SKUS
            )
        ),
        default=99,
    )

    assert len(plan(lines, places, by).parcels) == (fewest if fewest <= by.parcels_max else 0)


@given(lines=wanted, places=sites, by=rules)
@settings(max_examples=40)
def test_every_place_is_explained_in_both_languages(lines: list[OrderLine], places: list[Site], by: Rules) -> None:
    done = plan(lines, places, by)

    assert sorted(verdict.site for verdict in done.verdicts) == sorted(site.name for site in places)
    assert {verdict.site for verdict in done.verdicts if verdict.is_chosen} == {each.site for each in done.parcels}
    for verdict in done.verdicts:
        words = said(verdict.reason.code, verdict.reason.parts)
        assert set(words) == {"en", "zh-Hant"} and all(words.values()) and "{" not in "".join(words.values())


@pytest.mark.parametrize(
    ("criterion", "better", "worse"),
    [
        ("priority", {"priority": 1}, {"priority": 2}),
        ("distance", {"distance_km": 4}, {"distance_km": 40}),
        ("distance", {"distance_km": 4}, {}),
        ("age", {"age_days": {"A": 90}}, {"age_days": {"A": 3}}),
        ("cover", {"cover_days": {"A": 30}}, {"cover_days": {"A": 2}}),
        ("load", {"load": 0}, {"load": 5}),
    ],
)
def test_of_two_that_hold_it_the_better_one_is_chosen_and_the_other_is_told_why(
    criterion: Criterion, better: dict[str, object], worse: dict[str, object]
) -> None:
    held = {"A": 1}
    places = [Site(name="a-worse", held=held, **worse), Site(name="z-better", held=held, **better)]  # type: ignore[arg-type]
    done = plan([OrderLine(line=1, sku="A", qty=1)], places, Rules(criteria=(criterion,)))

    assert [each.site for each in done.parcels] == ["z-better"]
    told = next(each for each in done.verdicts if each.site == "a-worse").reason
    assert told.code == f"behind_{criterion}" if worse else "behind_unknown"
    assert told.parts["other"] == "z-better"


def test_what_nobody_has_enough_of_is_named() -> None:
    lines = [OrderLine(line=1, sku="A", qty=5), OrderLine(line=2, sku="B", qty=1)]
    done = plan(lines, [Site(name="s1", held={"A": 3}), Site(name="s2", held={"A": 1, "B": 1})], Rules(parcels_max=2))

    assert (done.parcels, done.missing) == ((), {"A": 1})


def test_a_place_that_is_not_enough_does_not_stand_before_one_that_is() -> None:
    lines = [OrderLine(line=1, sku="A", qty=2)]
    places = [Site(name="first", priority=1, held={"A": 1}), Site(name="second", priority=2, held={"A": 2})]
    done = plan(lines, places, Rules(parcels_max=3))

    assert [each.site for each in done.parcels] == ["second"]
    assert done.verdicts[0].reason.code == "holds_too_little"


def test_two_hundred_places_of_which_three_must_send_are_searched_in_a_moment() -> None:
    """The worst there is: every place has a little of everything, and no three have enough."""
    lines = [OrderLine(line=n, sku=sku, qty=9) for n, sku in enumerate(SKUS, 1)]
    places = [Site(name=f"s{n:03}", held={"A": n % 4, "B": (n + 1) % 4, "C": (n + 2) % 4}) for n in range(200)]

    assert plan(lines, places, Rules(parcels_max=3)).parcels == ()
