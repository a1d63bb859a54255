"""Coupons: windows as the shop reads them, caps that hold, one answer to two redemptions; each law finds its planted faults."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
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
    Resolved,
    Verdict,
    amount_for,
    check,
    exposed,
    is_in_window,
    may_redeem,
    over,
    redemption_id_of,
    resolve,
    room_for,
    uses_left,
)

QUIET = settings(max_examples=5000, phases=[Phase.generate], database=None)
HK = ZoneInfo("Asia/Hong_Kong")
ZONES = st.sampled_from([HK, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")])
HOUR_MS = 3600 * 1000
TEA = CouponDefinition(
    coupon_id="tea10",
    currency="HKD",
    valid_from=date(2026, 9, 1),
    valid_until=date(2026, 9, 30),
    spend_min=5000,
    amount_max=1000,
)
BASKET = Basket("HKD", (("TEA-01", 4000), ("PLUM", 2000)), "m1", "gold")
AT = datetime(2026, 9, 21, 12, tzinfo=HK)
REPS = ("hk01:a", "hk02:b", "hk03:c", "cloud:z")


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


def redemption(n: int, rep: str, amount: int = 10, **more: Any) -> RedemptionFact:
    fact = RedemptionFact(
        redemption_id=f"r{n}",
        serial="s",
        coupon_id="tea10",
        sale_id=f"sale{n}",
        store=rep.split(":", maxsplit=1)[0],
        rep=rep,
        amount=amount,
        currency="HKD",
        business_date="2026-09-21",
    )
    return replace(fact, **more)


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


class World(Struct, frozen=True):
    """Redemptions of one serial in the order of the cloud's stream, the rights for it, and what of it was released."""

    heard: tuple[Heard, ...]
    rights: dict[str, int]
    uses: int
    released: tuple[Dot, ...] = ()


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Several stores, several uses; every id stands anywhere in the order, some facts twice (a fork repair)."""
    writers = draw(st.lists(st.sampled_from(REPS), max_size=8))
    ids = draw(st.permutations(range(len(writers))))
    heard = []
    for place, (rep, n) in enumerate(zip(writers, ids, strict=True)):
        fact = redemption(n, rep, 10 + n)
        heard.append(Heard(fact, Dot(rep, Stream.SALES, place + 1), place))
        if draw(st.integers(0, 4)) == 0:
            heard.append(Heard(fact, Dot(rep + "2", Stream.SALES, place + 1), 100 + place))
    uses = draw(st.integers(1, 4))
    rights: dict[str, int] = Counter(draw(st.lists(st.sampled_from(REPS), max_size=uses)))
    return World(tuple(heard), dict(rights), uses)


Resolve = Callable[..., Resolved]


def answer(rule: Resolve, world: World, heard: Sequence[Heard]) -> Resolved:
    return rule(heard, world.rights, uses=world.uses, undone=world.released)


def order_and_repetition_mean_nothing(rule: Resolve, world: World) -> bool:
    rng = random.Random(len(world.heard))
    shuffled = rng.sample(world.heard * 2, 2 * len(world.heard))
    return answer(rule, world, shuffled) == answer(rule, world, world.heard)


def each_redemption_has_one_end_and_no_use_is_wasted(rule: Resolve, world: World) -> bool:
    """Exactly one of held, provisional, disputed; as many stand as there are uses for; each store bears its own disputes."""
    resolved = answer(rule, world, world.heard)
    ids = [fact.redemption_id for fact in _facts(world)]
    disputed = [dispute.redemption_id for dispute in resolved.disputes]
    store_of = {fact.redemption_id: (fact.store, fact.amount) for fact in _facts(world)}
    return (
        sorted(resolved.stands + tuple(disputed)) == sorted(ids)
        and len(resolved.stands) == min(len(ids), world.uses)
        and all(store_of[each.redemption_id] == (each.store, each.amount) for each in resolved.disputes)
    )


def a_holder_stands(rule: Resolve, world: World) -> bool:
    """As many of a replica's redemptions as it holds rights, whatever others did, and whenever it came to the cloud."""
    stands = set(answer(rule, world, world.heard).stands)
    by_rep = Counter(fact.rep for fact in _facts(world))
    standing_by_rep = Counter(fact.rep for fact in _facts(world) if fact.redemption_id in stands)
    return all(standing_by_rep[rep] >= min(n, world.rights.get(rep, 0)) for rep, n in by_rep.items())


def more_knowledge_turns_no_final_answer(rule: Resolve, world: World) -> bool:
    """The cloud's stream only grows: held stays held, disputed stays disputed; only a provisional one may lose."""
    resolved = [answer(rule, world, world.heard[:upto]) for upto in range(len(world.heard) + 1)]
    return all(
        set(earlier.held) <= set(later.held) and set(earlier.disputes) <= set(later.disputes)
        for earlier, later in pairwise(resolved)
    )


def _facts(world: World) -> list[RedemptionFact]:
    return list({each.fact.redemption_id: each.fact for each in world.heard}.values())


def as_it_arrives(heard: Sequence[Heard], rights: Mapping[str, int], **more: Any) -> Resolved:
    """The planted fault: nobody's order but the caller's."""
    renumbered = [replace(each, place=n) for n, each in enumerate(heard)]
    return resolve(renumbered, rights, **more)


def first_in_stream(heard: Sequence[Heard], rights: Mapping[str, int], **more: Any) -> Resolved:
    """The planted fault: a right is worth nothing."""
    return resolve(heard, {}, **more)


def smallest_id(heard: Sequence[Heard], rights: Mapping[str, int], **more: Any) -> Resolved:
    """The planted fault: an order in which a newcomer stands before what is settled."""
    return resolve([replace(each, place=int(each.fact.redemption_id[1:])) for each in heard], rights, **more)


def twice_heard_twice_used(heard: Sequence[Heard], rights: Mapping[str, int], **more: Any) -> Resolved:
    """The planted fault: a redemption under a second dot is a second one."""
    apart = [
        replace(
            each, fact=replace(each.fact, redemption_id=f"{each.fact.redemption_id}{'b' * each.dot.rep.endswith('2')}")
        )
        for each in heard
    ]
    return resolve(apart, rights, **more)


RESOLVE_LAWS: list[tuple[Callable[[Resolve, World], bool], Resolve]] = [
    (order_and_repetition_mean_nothing, as_it_arrives),
    (each_redemption_has_one_end_and_no_use_is_wasted, twice_heard_twice_used),
    (a_holder_stands, first_in_stream),
    (more_knowledge_turns_no_final_answer, smallest_id),
]


@pytest.mark.parametrize("law", [law for law, _ in RESOLVE_LAWS], ids=lambda law: law.__name__)
@given(world=worlds())
def test_two_redemptions_have_one_answer(law: Callable[[Resolve, World], bool], world: World) -> None:
    in_order = replace(world, heard=tuple(sorted(world.heard, key=lambda each: each.place or 0)))

    assert law(resolve, in_order)


@pytest.mark.parametrize(("law", "fault"), RESOLVE_LAWS, ids=lambda each: each.__name__)
def test_that_law_finds_the_planted_fault(law: Callable[[Resolve, World], bool], fault: Resolve) -> None:
    assert find(worlds(), lambda world: not law(fault, world), settings=QUIET, random=random.Random(1))


def test_the_holder_pushes_out_who_came_first_and_the_store_bears_it() -> None:
    first = Heard(redemption(1, "hk01:a"), Dot("hk01:a", Stream.SALES, 7), 1)
    holder = Heard(redemption(2, "hk02:b"), Dot("hk02:b", Stream.SALES, 3), None)

    alone = resolve([first], {"hk02:b": 1}, uses=1)
    both = resolve([first, holder], {"hk02:b": 1}, uses=1)

    assert (alone.provisional, alone.disputes) == (("r1",), ())
    assert both.held == ("r2",)
    assert [(each.redemption_id, each.store, each.amount) for each in both.disputes] == [("r1", "hk01", 10)]


def test_a_release_frees_the_use_that_it_has_seen_and_no_other() -> None:
    heard = [Heard(redemption(n, "hk01:a"), Dot("hk01:a", Stream.SALES, n), n) for n in (1, 2)]
    release = ReleaseFact(release_id="x", serial="s", sale_id="sale1", seen=(heard[0].dot,))
    again = Heard(heard[0].fact, Dot("hk01:a2", Stream.SALES, 1), 3)  # a fork repair wrote it once more

    assert resolve(heard, {}, uses=1).stands == ("r1",)
    released = resolve([*heard, again], {}, uses=1, undone=release.seen)
    assert (released.stands, released.disputes) == (("r2",), ())
    assert resolve(heard[1:], {}, uses=1, undone=release.seen).stands == ("r2",), "the release came first"


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


def test_exposed_is_what_one_store_took_on_one_day_without_a_right() -> None:
    facts = [
        redemption(1, "hk01:a", 10, conditional=True),
        redemption(1, "hk01:a", 10, conditional=True),  # heard twice
        redemption(2, "hk01:b", 20, conditional=True),
        redemption(3, "hk01:a", 40),
        redemption(4, "hk02:a", 80, conditional=True),
        redemption(5, "hk01:a", 160, conditional=True, business_date="2026-09-22"),
    ]

    assert exposed(facts, "hk01", "2026-09-21") == 30


def test_more_holders_than_uses_leave_nothing_over() -> None:
    heard = [Heard(redemption(n, REPS[n]), Dot(REPS[n], Stream.SALES, 1), n) for n in range(4)]

    resolved = resolve(heard, {REPS[0]: 1, REPS[1]: 1}, uses=1)
    assert (resolved.held, resolved.provisional) == (("r0", "r1"), ())
    assert [each.redemption_id for each in resolved.disputes] == ["r2", "r3"]


def test_what_is_not_in_the_stream_yet_comes_last_as_it_was_written() -> None:
    places = {1: None, 2: None, 3: 0, 4: 9}
    heard = [Heard(redemption(n, REPS[0]), Dot(REPS[0], Stream.SALES, 10 - n), place) for n, place in places.items()]

    assert resolve(heard, {}, uses=9).provisional == ("r3", "r4", "r2", "r1")
    assert resolve(reversed(heard), {REPS[0]: 2}, uses=2).held == ("r3", "r4")


def test_a_sale_redeems_a_serial_under_one_id_wherever_it_is_booked() -> None:
    ids = {redemption_id_of(sale, serial) for sale in ("s1", "s", "s11") for serial in ("1", "1.1", "TEN")}
    assert len(ids) == 9 and redemption_id_of("s1", "TEN") in ids
    assert all(len(each) <= 64 for each in ids)


def test_what_a_replica_redeemed_and_nobody_undid_is_no_right_of_it_any_more() -> None:
    facts = [redemption(n, "hk01:a" if n < 3 else "hk02:b") for n in range(5)]
    heard = [Heard(fact, Dot(fact.rep, "redemptions", n)) for n, fact in enumerate(facts, 1)]
    undone = [heard[0].dot, heard[4].dot]
    assert uses_left(heard, "hk01:a", right=4) == 1
    assert uses_left([*heard, *heard], "hk01:a", right=4) == 1
    assert uses_left(heard, "hk01:a", right=4, undone=undone) == 2
    assert uses_left(heard, "hk03:c", right=0) == 0


Room = Callable[..., int]


def nobody_is_given_what_others_have(rule: Room, world: World) -> bool:
    """Whatever a replica is given within the room, rights stay within the uses, and what stood of others stands."""
    before = resolve(world.heard, world.rights, uses=world.uses, undone=world.released)
    accepted_by = {each.fact.redemption_id: each.fact.rep for each in world.heard}
    for rep in REPS:
        room = rule(rep, before, accepted_by, world.rights, uses=world.uses)
        if room <= world.rights.get(rep, 0):
            continue
        given = {**world.rights, rep: room}
        after = resolve(world.heard, given, uses=world.uses, undone=world.released)
        stood = {each for each in before.stands if accepted_by[each] != rep}
        if sum(given.values()) > world.uses or not stood <= set(after.stands):
            return False
    return True


def without_the_provisional(rep: str, _: Resolved, accepted_by: Any, rights: Mapping[str, int], *, uses: int) -> int:
    return uses - sum(right for holder, right in rights.items() if holder != rep)


def all_that_there_is(*_: Any, uses: int) -> int:
    return uses


@given(worlds())
def test_a_use_is_handed_on_once(world: World) -> None:
    assert nobody_is_given_what_others_have(room_for, world)


@pytest.mark.parametrize("fault", [without_the_provisional, all_that_there_is])
def test_that_law_finds_a_use_that_is_handed_on_twice(fault: Room) -> None:
    assert find(worlds(), lambda world: not nobody_is_given_what_others_have(fault, world), settings=QUIET)


def test_rights_that_a_replica_has_take_no_room_from_itself() -> None:
    """It is asked how many it may hold in all."""
    resolved = resolve([Heard(redemption(1, "hk02:b"), Dot("hk02:b", Stream.SALES, 1), 1)], {}, uses=9)

    rights = {"hk01:a": 3, "hk03:c": 2}
    assert room_for("hk01:a", resolved, {"r1": "hk02:b"}, rights, uses=9) == 9 - 2 - 1
    assert room_for("hk02:b", resolved, {"r1": "hk02:b"}, rights, uses=9) == 9 - 5


def test_a_dispute_is_over_when_its_redemption_is_undone_or_a_use_came_free() -> None:
    heard = [Heard(redemption(n, "hk01:a"), Dot("hk01:a", Stream.SALES, n), n) for n in (1, 2, 3)]

    def why(dispute: str, *undone: int, uses: int = 1) -> str | None:
        return over(dispute, resolve(heard, {}, uses=uses, undone=[heard[n - 1].dot for n in undone]))

    assert [why("r2"), why("r3")] == [None, None]
    assert [why("r2", 2), why("r3", 2)] == ["undone", None]
    assert [why("r2", 1), why("r3", 1)] == ["use_left", None]
    assert [why("r2", uses=2), why("r3", uses=2)] == ["use_left", None]
    assert [why("r2", 1, 2), why("r3", 1, 2)] == ["undone", "use_left"]
