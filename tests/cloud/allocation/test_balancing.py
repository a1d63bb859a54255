"""What should go from place to place: the laws of the rule by Hypothesis."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.cloud.allocation.balancing import Move, Shelf, propose, target_of
from sync.cloud.allocation.history import Demand

shelves = st.lists(
    st.builds(
        Shelf,
        place=st.sampled_from([f"p{n}" for n in range(6)]),
        sku=st.sampled_from(["A", "B"]),
        free=st.integers(-3, 60),
        coming=st.integers(0, 10),
        safety_stock=st.integers(0, 5),
        demand=st.builds(Demand, st.integers(0, 60), st.integers(0, 28)),
        is_warehouse=st.booleans(),
    ),
    max_size=10,
    unique_by=lambda shelf: (shelf.place, shelf.sku),
)


def after(moves: list[Move], before: list[Shelf]) -> list[Shelf]:
    """The places once all that was proposed has left and is on the road."""
    return [
        replace(
            shelf,
            free=shelf.free - sum(m.qty for m in moves if (m.sender, m.sku) == (shelf.place, shelf.sku)),
            coming=shelf.coming + sum(m.qty for m in moves if (m.receiver, m.sku) == (shelf.place, shelf.sku)),
        )
        for shelf in before
    ]


@given(places=shelves, days=st.integers(1, 30))
@settings(max_examples=50)
def test_nobody_gives_what_he_needs_and_nobody_gets_more_than_he_should_have(places: list[Shelf], days: int) -> None:
    moves = propose(places, cover_days=days)
    by_key = {(shelf.place, shelf.sku): shelf for shelf in places}

    assert all(move.qty > 0 and move.sender != move.receiver for move in moves)
    for shelf in after(moves, places):
        before = by_key[shelf.place, shelf.sku]
        assert shelf.free == before.free or shelf.free >= target_of(shelf, days)
        assert shelf.coming == before.coming or shelf.free + shelf.coming <= target_of(shelf, days)
        assert shelf.free == before.free or shelf.coming == before.coming


@given(places=shelves, days=st.integers(1, 30), seed=st.integers())
@settings(max_examples=40)
def test_what_was_proposed_is_not_proposed_again_and_the_order_of_the_input_changes_nothing(
    places: list[Shelf], days: int, seed: int
) -> None:
    moves = propose(places, cover_days=days)

    assert propose(random.Random(seed).sample(places, len(places)), cover_days=days) == moves
    assert propose(after(moves, places), cover_days=days) == []


def test_a_shelf_below_zero_where_nothing_is_wanted_is_a_shelf_to_be_counted() -> None:
    places = [Shelf(place="short", sku="A", free=-2), Shelf(place="dc", sku="A", free=9, is_warehouse=True)]

    assert propose(places, cover_days=14) == []


def test_the_warehouse_gives_first_and_who_is_emptiest_gets_first() -> None:
    places = [
        Shelf(place="dc", sku="A", free=12, is_warehouse=True),
        Shelf(place="full", sku="A", free=50, demand=Demand(10, 10)),
        Shelf(place="half", sku="A", free=4, demand=Demand(10, 10)),
        Shelf(place="empty", sku="A", free=0, safety_stock=2, demand=Demand(10, 10)),
    ]

    assert propose(places, cover_days=10) == [Move("dc", "empty", "A", 12), Move("full", "half", "A", 6)]
    assert propose([replace(each, coming=12) for each in places], cover_days=10) == []
