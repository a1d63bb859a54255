"""Two redemptions of one use: the same answer everywhere, one end each, no use wasted; each law finds its planted faults."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from sync.model import Dot, Stream
from sync.retail.people.coupons import (
    Heard,
    RedemptionFact,
    ReleaseFact,
    Resolved,
    exposed,
    over,
    resolve,
    room_for,
    uses_left,
)
from tests.sync.coupons_world import QUIET, REPS, redemption


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
