"""Stock's rules: what makes a right and what spends one, what a till may promise, and a shelf counted while the shop sells."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail import rights, stock
from sync.retail.rights import Row, SpendPolicy, State
from sync.retail.stock import Component, Counted, Effect, Movement, Seen

HUB, CLOUD = "shop:1", "cloud:1"
STRICT, PHYSICAL = SpendPolicy.STRICT, SpendPolicy.PHYSICAL_FIRST
NEITHER = frozenset({Movement.RETURN_DAMAGED, Movement.PURCHASE_ORDER, Movement.ON_THE_ROAD})
KITS = {"GIFT": (Component("TEA", 2), Component("CUP", 1), Component("BAG", 1))}


def code_of(call: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(RuleError) as refused:
        call(*args, **options)
    return refused.value.code


# what makes and what spends


def test_every_movement_does_one_thing() -> None:
    groups = [stock.MAKES, stock.SPENDS, stock.PICKS, NEITHER]

    assert sum(map(len, groups)) == len(Movement)
    assert frozenset.union(*groups) == frozenset(Movement)


@pytest.mark.parametrize("movement", list(Movement))
def test_a_movement_does_to_the_rows_what_its_effect_says(movement: Movement) -> None:
    effect = stock.effect_of(movement, 3)
    before: State = {HUB: Row(received=5, granted={CLOUD: 1}), CLOUD: Row(spent=1)}

    moved = stock.move(before, HUB, movement, qty=3, policy=STRICT)

    row = moved.state[HUB]
    assert Effect(row.received - 5, row.issued, row.picked) == effect
    change = rights.right_of(moved.state, HUB) - rights.right_of(before, HUB)
    assert change == {True: 3, False: 0}[movement in stock.MAKES] - {True: 3, False: 0}[movement in stock.SPENDS]
    assert rights.on_hand_of(moved.state) - 5 == effect.received - effect.issued


@pytest.mark.parametrize("movement", sorted(stock.SPENDS))
def test_strict_refuses_what_can_still_be_refused(movement: Movement) -> None:
    if movement in stock.ALREADY_GONE:
        assert stock.move({}, HUB, movement, qty=1, policy=STRICT).overdraw == 1
    else:
        assert code_of(stock.move, {}, HUB, movement, qty=1, policy=STRICT) == "no_right"
    assert stock.move({}, HUB, movement, qty=1, policy=PHYSICAL).overdraw == 1


def test_goods_of_an_order_cancelled_after_the_pick_make_a_right_again() -> None:
    promised: State = {HUB: Row(received=1, granted={CLOUD: 1}), CLOUD: Row(spent=1)}

    picked = stock.move(promised, HUB, Movement.PICK_PROMISED, qty=1, policy=STRICT).state
    back = stock.move(picked, HUB, Movement.PUT_BACK, qty=1, policy=STRICT).state

    assert rights.right_of(picked, HUB) == 0
    assert rights.right_of(back, HUB) == 1
    assert rights.audit(back, on_hand=1, unpicked=0) is None


def test_only_the_owner_of_a_location_makes_rights_there() -> None:
    stock.check_owner("shop", "shop")

    assert code_of(stock.check_owner, "erp", "shop") == "not_owner"


# what may be promised


@pytest.mark.parametrize(
    ("right", "reserved", "safety_stock", "promised"), [(5, 1, 2, 2), (5, 0, 0, 5), (2, 1, 3, 0), (-4, 0, 0, 0)]
)
def test_a_till_promises_its_holders_right_less_what_is_reserved_and_kept(
    right: int, reserved: int, safety_stock: int, promised: int
) -> None:
    assert stock.available(right, reserved=reserved, safety_stock=safety_stock) == promised


def test_a_sku_without_stock_has_no_limit() -> None:
    assert stock.available(-3, reserved=1, safety_stock=9, is_stocked=False) is None


@pytest.mark.parametrize(
    ("parts", "kits"),
    [
        ({"TEA": 5, "CUP": 9, "BAG": None}, 2),
        ({"TEA": 5, "BAG": None}, 0),
        ({"TEA": None, "CUP": None, "BAG": None}, None),
    ],
)
def test_a_kit_is_there_as_often_as_its_scarcest_part(parts: dict[str, int | None], kits: int | None) -> None:
    assert stock.kit_available(KITS["GIFT"], parts) == kits


def test_a_kit_takes_its_parts_off_the_shelf_and_a_fee_nothing() -> None:
    unstocked = frozenset({"BAG", "FEE"})

    assert stock.taken_by("GIFT", 3, kits=KITS, unstocked=unstocked) == {"TEA": 6, "CUP": 3}
    assert stock.taken_by("TEA", 2, kits=KITS, unstocked=unstocked) == {"TEA": 2}
    assert stock.taken_by("FEE", 1, kits=KITS, unstocked=unstocked) == {}


@given(
    parts=st.fixed_dictionaries({name: st.integers(0, 30) for name in ("TEA", "CUP", "BAG")}), extra=st.integers(0, 2)
)
def test_as_many_kits_as_are_there_can_be_taken_and_not_one_more(parts: dict[str, int], extra: int) -> None:
    kits = stock.kit_available(KITS["GIFT"], parts)
    assert kits is not None

    taken = stock.taken_by("GIFT", kits + extra, kits=KITS, unstocked=frozenset())

    assert all(qty <= parts[sku] for sku, qty in taken.items()) == (extra == 0)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ((), "kit_empty"),
        ((Component("TEA", 0),), "kit_part"),
        ((Component("GIFT", 1),), "kit_in_kit"),
        ((Component("BOX", 1),), "kit_in_kit"),
    ],
)
def test_a_kit_that_cannot_be_counted_is_refused(parts: tuple[Component, ...], code: str) -> None:
    stock.check_kit("BOX", [Component("TEA", 1)], kits=KITS)

    assert code_of(stock.check_kit, "BOX", parts, kits=KITS) == code


# a shelf that is counted while the shop sells

ACTS = st.lists(st.integers(-4, 4), max_size=8)


def moved(state: State, qty: int) -> State:
    movement = Movement.RECEIVE if qty > 0 else Movement.SALE
    return stock.move(state, HUB, movement, qty=abs(qty), policy=PHYSICAL).state if qty else state


def booked(state: State, count: Counted) -> State:
    if count.movement is None:
        return state
    return stock.move(state, HUB, count.movement, qty=count.qty, policy=PHYSICAL).state


def check_count(before: list[int], after: list[int], lost: int) -> None:
    """`lost` went without a record; the shelf is counted, the shop goes on, then the count is booked: the books are the shelf."""
    state: State = {HUB: Row(received=40)}
    for qty in before:
        state = moved(state, qty)
    counted = rights.on_hand_of(state) - lost
    seen = [Seen(HUB, state[HUB].received, state[HUB].issued)]
    for qty in after:
        state = moved(state, qty)
    state = booked(state, stock.count_difference(counted, seen=seen, state=state))
    assert rights.on_hand_of(state) == counted + sum(after)
    again = stock.count_difference(counted + sum(after), seen=vector(state), state=state)
    assert again == Counted(None, 0)


def vector(state: State) -> list[Seen]:
    return [Seen(rep, row.received, row.issued) for rep, row in state.items()]


@given(before=ACTS, after=ACTS, lost=st.integers(-5, 5))
def test_sales_during_a_count_are_lost_once(before: list[int], after: list[int], lost: int) -> None:
    check_count(before, after, lost)


def test_a_count_sums_the_levels_of_all_lives_of_a_shop() -> None:
    state = {"shop:0": Row(received=9, issued=4), HUB: Row(received=1, issued=3)}

    assert stock.count_difference(3, seen=vector(state), state=state) == Counted(None, 0)
    assert stock.count_difference(1, seen=vector(state), state=state) == Counted(Movement.SHORTAGE, 2)


def check_two_counts(lost: int) -> None:
    """Two people count one shelf and neither has seen the other's count: what is lost is lost once."""
    state: State = {HUB: Row(received=9)}
    seen, counted = vector(state), 9 - lost
    first = stock.count_difference(counted, seen=seen, state=state)
    state = booked(state, first)
    corrected = rights.on_hand_of(state) - 9
    second = stock.count_difference(counted, seen=seen, state=state, corrected_since=corrected)
    assert second == Counted(None, 0)


@given(lost=st.integers(-5, 5))
def test_what_two_counts_find_is_booked_once(lost: int) -> None:
    check_two_counts(lost)


@pytest.mark.parametrize("seen", [Seen(HUB, 6, 0), Seen(HUB, 5, 2), Seen("shop:9", 1, 0)])
def test_a_count_that_has_seen_more_than_is_known_waits(seen: Seen) -> None:
    state = {HUB: Row(received=5, issued=1)}

    assert code_of(stock.count_difference, 5, seen=[seen], state=state) == "count_ahead"


# planted faults

difference = stock.count_difference


def difference_to_the_figure_of_now(counted: int, *, state: State, **_more: Any) -> Counted:
    return difference(counted, seen=vector(state), state=state)


def difference_that_forgets_other_counts(counted: int, *, seen: Any, state: State, **_more: Any) -> Counted:
    return difference(counted, seen=seen, state=state)


def difference_with_the_wrong_sign(counted: int, **known: Any) -> Counted:
    found = difference(counted, **known)
    turned = {Movement.SURPLUS: Movement.SHORTAGE, Movement.SHORTAGE: Movement.SURPLUS, None: None}
    return Counted(turned[found.movement], found.qty)


@pytest.mark.parametrize(
    ("fault", "law", "inputs"),
    [
        (difference_to_the_figure_of_now, check_count, ([1, -2], [-3], 2)),
        (difference_with_the_wrong_sign, check_count, ([1, -2], [-3], 2)),
        (difference_that_forgets_other_counts, check_two_counts, (2,)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_breaks_its_law(
    fault: Callable[..., Any], law: Callable[..., None], inputs: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    law(*inputs)
    monkeypatch.setattr(stock, "count_difference", fault)

    with pytest.raises(AssertionError):
        law(*inputs)


@pytest.mark.parametrize(
    ("group", "movement"), [("MAKES", Movement.PURCHASE_ORDER), ("SPENDS", Movement.PICK_PROMISED)]
)
def test_a_movement_in_the_wrong_group_breaks_its_law(
    group: str, movement: Movement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, group, getattr(stock, group) | {movement})

    with pytest.raises(AssertionError):
        test_every_movement_does_one_thing()


@pytest.mark.parametrize("movement", [each for each in Movement if each not in stock.SPENDS])
def test_only_what_spends_a_right_can_go_beyond_it(movement: Movement) -> None:
    assert stock.move({}, HUB, movement, qty=3, policy=PHYSICAL).overdraw == 0
