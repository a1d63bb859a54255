"""Coupons: windows as the shop reads them, what they ask for, caps that hold; each law finds its planted faults."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from sync.model import Dot, Stream
from sync.retail.people.coupons import (
    Basket,
    CouponDefinition,
    Heard,
    RedemptionFact,
    Refusal,
    ReleaseFact,
    Verdict,
    amount_for,
    check,
    exposed,
    is_in_window,
    may_redeem,
    redemption_id_of,
    resolve,
)
from tests.sync.coupons_world import HK, QUIET, TEA, redemption

ZONES = st.sampled_from([HK, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")])
HOUR_MS = 3600 * 1000
BASKET = Basket("HKD", (("TEA-01", 4000), ("PLUM", 2000)), "m1", "gold")
AT = datetime(2026, 9, 21, 12, tzinfo=HK)


def asked(definition: CouponDefinition, basket: Basket = BASKET, *, amount: int = 500) -> tuple[Refusal, ...]:
    return check(definition, basket, AT, amount=amount, is_sure=True, grace_ms=0).refusals


def test_a_coupon_that_asks_for_nothing_more_is_valid() -> None:
    assert asked(TEA) == ()


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"valid_from": date(2026, 9, 22)}, Refusal.WINDOW),
        ({"valid_until": date(2026, 9, 20)}, Refusal.WINDOW),
        ({"weekdays": (2, 3)}, Refusal.WINDOW),
        ({"hours": (13, 18)}, Refusal.WINDOW),
        ({"hours": (8, 12)}, Refusal.WINDOW),
        ({"currency": "TWD"}, Refusal.CURRENCY),
        ({"spend_min": 6001}, Refusal.SPEND),
        ({"skus": ("HAM",), "spend_min": 0}, Refusal.PRODUCT),
        ({"skus": ("PLUM",)}, Refusal.SPEND),
        ({"tiers": ("platinum",)}, Refusal.MEMBER),
        ({"amount_max": 499}, Refusal.AMOUNT),
    ],
)
def test_what_a_coupon_asks_for_and_does_not_find_is_named(changes: Mapping[str, object], refusal: Refusal) -> None:
    assert refusal in asked(replace(TEA, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"weekdays": (1,)}, {"hours": (12, 13)}, {"skus": ("TEA-01",), "spend_min": 4000}, {"tiers": ("gold",)}],
)
def test_what_a_coupon_asks_for_and_finds_is_no_refusal(changes: Mapping[str, object]) -> None:
    assert asked(replace(TEA, **changes)) == ()


def test_a_coupon_takes_off_its_amount_and_no_more_than_what_it_is_for_costs() -> None:
    assert [amount_for(replace(TEA, amount_max=most), BASKET) for most in (1000, 6000, 6001)] == [1000, 6000, 6000]
    assert amount_for(replace(TEA, amount_max=9000, skus=("PLUM", "HAM")), BASKET) == 2000


def test_a_stranger_is_no_member_and_nothing_comes_off_beyond_the_lines_that_count() -> None:
    stranger = replace(BASKET, member_id=None, tier="gold")

    assert asked(replace(TEA, members_only=True), stranger) == (Refusal.MEMBER,)
    assert asked(replace(TEA, tiers=("gold",)), stranger) == (Refusal.MEMBER,)
    assert asked(TEA, stranger) == (), "a coupon for everybody"
    assert asked(replace(TEA, members_only=True)) == (), "a member"
    small = replace(BASKET, lines=(("TEA-01", 300),))
    assert asked(replace(TEA, spend_min=0), small, amount=301) == (Refusal.AMOUNT,)
    assert asked(TEA, amount=0) == (Refusal.AMOUNT,)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (datetime(2026, 9, 18, 21, 59, tzinfo=HK), False),
        (datetime(2026, 9, 18, 22, tzinfo=HK), True),  # a Friday
        (datetime(2026, 9, 19, 1, 59, tzinfo=HK), True),  # still Friday's night
        (datetime(2026, 9, 19, 2, tzinfo=HK), False),
        (datetime(2026, 9, 18, 1, tzinfo=HK), False),  # Thursday's night
        (datetime(2026, 9, 19, 22, tzinfo=HK), False),
    ],
)
def test_hours_past_midnight_belong_to_the_day_on_which_they_began(moment: datetime, is_open: bool) -> None:
    assert is_in_window(replace(TEA, weekdays=(5,), hours=(22, 2)), moment) == is_open


@pytest.mark.parametrize(
    "wrong", [{"valid_until": date(2026, 8, 31)}, {"hours": (9, 9)}, {"hours": (9, 25)}, {"uses": 10**6 + 1}]
)
def test_a_definition_that_means_nothing_is_refused(wrong: Mapping[str, object]) -> None:
    body = msgspec.json.decode(msgspec.json.encode(TEA)) | msgspec.to_builtins(wrong)

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(body), type=CouponDefinition)


definitions = st.builds(
    lambda first, lasts, weekdays, hours: replace(
        TEA,
        valid_from=first,
        valid_until=first + timedelta(days=lasts),
        weekdays=tuple(sorted(weekdays)),
        hours=None if hours is None or hours[0] == hours[1] else hours,
    ),
    st.dates(date(2026, 3, 26), date(2026, 4, 2)),
    st.integers(0, 4),
    st.frozensets(st.integers(1, 7), max_size=3),
    st.none() | st.tuples(st.integers(0, 24), st.integers(0, 24)),
)
moments = st.datetimes(datetime(2026, 3, 24), datetime(2026, 4, 6))  # a change of summer time is among them


@settings(max_examples=60)
@given(definition=definitions, moment=moments, zone=ZONES, grace_min=st.integers(0, 600))
def test_the_grace_of_an_unsure_clock_is_the_window_at_any_minute_of_it(
    definition: CouponDefinition, moment: datetime, zone: ZoneInfo, grace_min: int
) -> None:
    moment = moment.replace(tzinfo=UTC, second=0, microsecond=0).astimezone(zone)
    around = [moment.astimezone(UTC) + timedelta(minutes=m) for m in range(-grace_min, grace_min + 1)]
    near = any(is_in_window(definition, each.astimezone(zone)) for each in around)
    grace_ms = grace_min * 60_000

    sure = check(definition, BASKET, moment, amount=1, is_sure=True, grace_ms=grace_ms)
    unsure = check(definition, BASKET, moment, amount=1, is_sure=False, grace_ms=grace_ms)

    assert (sure.refusals == ()) == is_in_window(definition, moment) and not sure.is_by_grace
    assert (unsure.refusals == ()) == near
    assert unsure.is_by_grace == (near and sure.refusals != ())


class Try(Struct, frozen=True):
    """A customer shows a coupon in a shop whose line is down."""

    store: int
    day: int
    amount: int
    uses_left: int


tries = st.lists(
    st.builds(Try, st.integers(0, 1), st.integers(1, 2), st.integers(1, 60), st.sampled_from([0, 0, 0, 1])), max_size=30
)
CAP = 100


MayRedeem = Callable[..., Verdict]


def the_cap_holds(rule: MayRedeem, script: Sequence[Try]) -> bool:
    """What a store took without a right on one day is never above the cap; rights do not count into it."""
    facts: list[RedemptionFact] = []
    for n, each in enumerate(script):
        day, store = f"2026-09-0{each.day}", f"hk0{each.store}"
        already = exposed(facts * 2, store, day)
        verdict = rule(uses_left=each.uses_left, amount=each.amount, is_line_up=False, exposed=already, exposed_max=CAP)
        if verdict is not Verdict.REFUSED:
            conditional = verdict is Verdict.CONDITIONAL
            more = {"conditional": conditional, "business_date": day}
            facts.append(redemption(n, f"{store}:a", each.amount, **more))
    sums: Counter[tuple[str, str]] = Counter()
    for fact in facts:
        sums[fact.store, fact.business_date] += fact.amount * fact.conditional
    return all(amount <= CAP for amount in sums.values())


def one_above(**asked: Any) -> Verdict:
    """The planted fault: refuses only when the cap was passed already."""
    return may_redeem(**{**asked, "amount": 1})


def cap_of_one(**asked: Any) -> Verdict:
    """The planted fault: the cap is of one redemption, not of the day."""
    return may_redeem(**{**asked, "exposed": 0})


@given(script=tries)
def test_what_is_taken_without_a_right_stays_under_the_cap_of_store_and_day(script: list[Try]) -> None:
    assert the_cap_holds(may_redeem, script)


@pytest.mark.parametrize("fault", [one_above, cap_of_one])
def test_that_law_finds_a_cap_that_leaks(fault: MayRedeem) -> None:
    assert find(tries, lambda script: not the_cap_holds(fault, script), settings=QUIET, random=random.Random(1))


@pytest.mark.parametrize(
    ("uses_left", "is_line_up", "exposed_max", "verdict"),
    [
        (1, False, 0, Verdict.HELD),
        (1, True, 0, Verdict.HELD),
        (0, True, 0, Verdict.ASK),
        (0, True, 100, Verdict.ASK),
        (0, False, 100, Verdict.CONDITIONAL),
        (0, False, 99, Verdict.REFUSED),
        (0, False, 0, Verdict.REFUSED),
    ],
)
def test_a_right_needs_nobody_and_a_line_is_asked_before_a_cap_is_used(
    uses_left: int, is_line_up: bool, exposed_max: int, verdict: Verdict
) -> None:
    asked = may_redeem(uses_left=uses_left, amount=40, is_line_up=is_line_up, exposed=60, exposed_max=exposed_max)

    assert asked is verdict


def test_facts_travel_and_come_back() -> None:
    release = ReleaseFact(release_id="x", serial="s", sale_id="sale1", seen=(Dot("hk01:a", Stream.SALES, 1),))
    dispute = resolve([Heard(redemption(1, "hk01:a"), Dot("hk01:a", Stream.SALES, 1))], {}, uses=0).disputes[0]
    for fact in (redemption(1, "hk01:a", conditional=True), release, dispute, TEA):
        assert msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)) == fact


MORNING = datetime(2026, 9, 1, tzinfo=HK)  # TEA begins
NIGHT = datetime(2026, 10, 1, tzinfo=HK)  # TEA is over
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("moment", "grace_min", "if_sure", "if_unsure"),
    [
        (MORNING, 0, True, True),
        (MORNING - MINUTE, 0, False, False),
        (MORNING - MINUTE, 1, False, True),
        (MORNING - 2 * MINUTE, 1, False, False),
        (NIGHT - MINUTE, 0, True, True),
        (NIGHT, 0, False, False),
        (NIGHT, 1, False, True),
        (NIGHT + MINUTE, 1, False, False),
        (MORNING - timedelta(days=3), 10**9, False, True),
        (MORNING - timedelta(days=3) - MINUTE, 10**9, False, False),
    ],
)
def test_only_an_unsure_clock_has_the_grace_and_no_more_than_the_longest(
    moment: datetime, grace_min: int, if_sure: bool, if_unsure: bool
) -> None:
    for is_sure, is_valid in ((True, if_sure), (False, if_unsure)):
        checked = check(TEA, BASKET, moment, amount=1, is_sure=is_sure, grace_ms=grace_min * 60_000)
        assert checked.refusals == (() if is_valid else (Refusal.WINDOW,))
        assert checked.is_by_grace == (is_valid and not if_sure)


def test_a_window_that_opens_for_an_hour_is_found_in_the_middle_of_the_grace() -> None:
    late = replace(TEA, hours=(12, 13))

    for minutes, is_valid in ((59, True), (60, True), (61, False)):
        moment = datetime(2026, 9, 21, 12, tzinfo=HK) - minutes * MINUTE
        assert (not check(late, BASKET, moment, amount=1, is_sure=False, grace_ms=HOUR_MS).refusals) == is_valid
    around = datetime(2026, 9, 21, 10, tzinfo=HK)
    assert check(late, BASKET, around, amount=1, is_sure=False, grace_ms=12 * HOUR_MS).is_by_grace


@pytest.mark.parametrize(("day", "is_open"), [(31, False), (1, True)])
def test_plain_hours_belong_to_their_own_day(day: int, is_open: bool) -> None:
    moment = datetime(2026, 8 if day == 31 else 9, day, 10, tzinfo=HK)

    assert is_in_window(replace(TEA, hours=(9, 20)), moment) is is_open


def test_whatever_counts_may_be_taken_off_and_no_more() -> None:
    both = replace(TEA, amount_max=6000)
    assert asked(both, amount=6000) == asked(replace(TEA, amount_max=499), amount=499) == ()
    assert asked(replace(both, amount_max=9000), amount=6001) == (Refusal.AMOUNT,)
    assert asked(TEA, amount=1) == asked(replace(TEA, spend_min=6000)) == ()


def test_an_empty_basket_lacks_no_product_where_none_is_asked_for() -> None:
    empty = replace(BASKET, lines=())

    assert asked(replace(TEA, spend_min=0), empty) == (Refusal.AMOUNT,)
    assert asked(replace(TEA, spend_min=0, skus=("PLUM",)), empty) == (Refusal.PRODUCT, Refusal.AMOUNT)


def test_all_that_is_refused_is_named() -> None:
    other = replace(TEA, valid_from=date(2026, 9, 22), currency="TWD", members_only=True, spend_min=9999)

    assert asked(other, replace(BASKET, member_id=None), amount=9999) == (
        *(Refusal.WINDOW, Refusal.CURRENCY, Refusal.SPEND, Refusal.MEMBER, Refusal.AMOUNT),
    )


def test_a_sale_redeems_a_serial_under_one_id_wherever_it_is_booked() -> None:
    ids = {redemption_id_of(sale, serial) for sale in ("s1", "s", "s11") for serial in ("1", "1.1", "TEN")}
    assert len(ids) == 9 and redemption_id_of("s1", "TEN") in ids
    assert all(len(each) <= 64 for each in ids)
