"""Stock's rules: what makes a right and what spends one, what a till may promise."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.stock import rights, stock
from sync.retail.stock.rights import Row, SpendPolicy, State
from sync.retail.stock.stock import Component, Effect, Movement

HUB, CLOUD = "shop:1", "cloud:1"
STRICT, PHYSICAL = SpendPolicy.STRICT, SpendPolicy.PHYSICAL_FIRST
NEITHER = frozenset({Movement.RETURN_DAMAGED, Movement.PURCHASE_ORDER, Movement.ON_THE_ROAD})
KITS = {"GIFT": (Component(sku="TEA", qty=2), Component(sku="CUP", qty=1), Component(sku="BAG", qty=1))}


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
    ("back", "taken_out", "parts"),
    [
        ([("GIFT", 2)], {"TEA": 6, "CUP": 3}, {"TEA": 4, "CUP": 2}),
        ([("GIFT", 1), ("GIFT", 1)], {"TEA": 3, "CUP": 2}, {"TEA": 3, "CUP": 2}),
        ([("GIFT", 2)], {"TEA": 1}, {"TEA": 1}),
        ([("TEA", 2)], {"TEA": 2}, {}),
    ],
)
def test_the_parts_of_a_kit_come_back_with_it_but_no_more_than_were_taken(
    back: list[tuple[str, int]], taken_out: dict[str, int], parts: dict[str, int]
) -> None:
    assert stock.parts_back(back, taken_out, kits=KITS) == parts


# planted faults


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
