"""Folding of levels beside the selling: it comes to an end, and gets to every stream."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hub.store.stock.levels import facts_to_fold, fold_all
from tests.hub.days_world import Days

WAIT_S = 60.0


async def test_folding_ends_while_a_shop_goes_on_and_no_stream_waits_for_another(store: Any) -> None:
    """In the group of every fold, behind it, come a sale and goods that are received."""
    days = Days(store.db, store.replica, store.shop)
    await days.sell()
    await days.receive(2)
    before = facts_to_fold(days.db.read, days.replica)

    async def go_on(write: Callable[[], Awaitable[Any]]) -> None:
        while not folding.done():
            await write()

    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        folding = group.create_task(fold_all(days.db, days.replica))
        group.create_task(go_on(days.sell))
        group.create_task(go_on(lambda: days.receive(2)))

    assert set(before) == {"sales", "stock"}
    for stream, (last, head) in facts_to_fold(days.db.read, days.replica).items():
        assert before[stream][1] <= last < head
