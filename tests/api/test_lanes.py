"""Lanes: in a pass each client has one request begun, in its order, more where it is alone; who gave up is passed over."""

import asyncio
from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hub.api.lanes import ALONE_MAX, Lanes

PASSES_MAX = 1000


async def begun(
    lanes: Lanes, crowd: list[str], *, give_up: Callable[[int], bool] = lambda _n: False
) -> list[list[int]]:
    """Have a crowd come at once; return who began (by place in the crowd) in each pass of the loop."""
    passes: list[list[int]] = [[]]
    loop = asyncio.get_running_loop()

    async def come(n: int) -> None:
        await lanes.begin(crowd[n])
        passes[-1].append(n)

    def next_pass() -> None:
        if len(lanes) and len(passes) < PASSES_MAX:
            passes.append([])
            loop.call_soon(next_pass)

    coming = [asyncio.ensure_future(come(n)) for n in range(len(crowd))]
    loop.call_soon(next_pass)
    await asyncio.sleep(0)
    for n, task in enumerate(coming):
        if give_up(n):
            task.cancel()
    await asyncio.gather(*coming, return_exceptions=True)
    return passes


@given(st.lists(st.sampled_from("abc"), max_size=40), st.sets(st.integers(0, 39)))
def test_beside_others_each_has_one_begun_in_a_pass_and_all_begin_in_their_order(
    crowd: list[str], gone: set[int]
) -> None:
    lanes = Lanes()

    passes = asyncio.run(begun(lanes, crowd, give_up=lambda n: n in gone))

    begun_of = [Counter(crowd[n] for n in each) for each in passes]
    for counts in begun_of:
        assert max(counts.values(), default=0) <= ALONE_MAX
    for counts in begun_of[1:]:  # all have come
        assert len(counts) < 2 or set(counts.values()) == {1}
    came = [n for each in passes for n in each]
    assert set(came) | gone >= set(range(len(crowd))), "all begin but those who gave up"
    assert all([n for n in came if crowd[n] == who] == sorted(n for n in came if crowd[n] == who) for who in "abc")


async def test_one_that_comes_into_anothers_crowd_begins_at_once() -> None:
    lanes = Lanes()
    crowd = [asyncio.ensure_future(lanes.begin("flooder")) for _ in range(100)]
    await asyncio.sleep(0)

    await lanes.begin("honest")

    assert sum(each.done() for each in crowd) == ALONE_MAX
    await asyncio.gather(*crowd)


async def test_who_was_alone_shares_from_when_another_comes() -> None:
    lanes = Lanes()
    crowds = {who: [asyncio.ensure_future(lanes.begin(who)) for _ in range(50)] for who in ("first", "second")}
    await asyncio.sleep(0)
    begun = {who: sum(each.done() for each in crowd) for who, crowd in crowds.items()}
    assert begun == {"first": ALONE_MAX, "second": 1}

    for more in range(1, 20):
        await asyncio.sleep(0)
        assert sum(each.done() for each in crowds["first"]) <= ALONE_MAX + more
    await asyncio.gather(*crowds["first"], *crowds["second"])


async def test_nothing_is_kept_of_who_has_begun() -> None:
    lanes = Lanes()
    await asyncio.gather(*(lanes.begin(f"till-{n % 7}") for n in range(50)))
    await asyncio.sleep(0)

    assert len(lanes) == 0
