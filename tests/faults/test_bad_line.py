"""Hub and cloud as processes, between them a line that is bad in one way after the other: selling goes on, then all is there."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

from hub.client import new_id
from sync.testing.bad_line import PORTAL, BadLine, bad_line
from tests.faults.test_disk import one_product, shop_of
from tests.faults.test_line import CLOUD, DIAL, STORE_TOKEN, rows_at_cloud

SALES = 10  # under each kind of line
WAIT_S = 60.0
Spoil = Callable[[BadLine], None]


def login_page(line: BadLine) -> None:
    line.answer = PORTAL


def black_hole(line: BadLine) -> None:
    line.cut_up = line.cut_down = True


def slow(line: BadLine) -> None:
    line.delay_s, line.loss, line.stall_s = 0.3, 0.2, 0.4  # 600 ms there and back


def half_closed(line: BadLine) -> None:
    line.half_close_after = 200


def well(line: BadLine) -> None:
    line.answer, line.cut_up, line.cut_down, line.half_close_after = b"", False, False, None
    line.delay_s = line.loss = 0.0


KINDS: tuple[tuple[Spoil, str], ...] = (
    (login_page, "captive_portal"),
    (black_hole, ""),  # nobody knows yet
    (half_closed, ""),
    (slow, ""),
)


async def test_whatever_the_line_is_the_shop_sells_and_everything_arrives_once(
    hub_process: Any, cloud_process: Any
) -> None:
    cloud = cloud_process(CLOUD)
    await cloud.start()
    async with bad_line(cloud.port, rng=random.Random(1)) as line:
        hub = hub_process(cloud=DIAL.format(url=f"http://127.0.0.1:{line.port}", token=STORE_TOKEN))
        await one_product(hub.folder)
        await hub.start()
        ids: list[str] = []
        async with shop_of(hub) as shop:
            await shop.until("/v1/sync", up=True)
            for spoil, reason in KINDS:
                spoil(line)
                line.drop()
                if reason:
                    said = await shop.until("/v1/sync", reason=reason)
                    assert "log in" in said["remedy"] and not said["up"]
                ids += [new_id() for _ in range(SALES)]
                async with asyncio.timeout(WAIT_S):
                    assert [(await shop.sell(each))[0] for each in ids[-SALES:]] == [201] * SALES
                if spoil is not slow:  # a slow line drains as it is
                    well(line)
                    line.drop()
                await shop.until("/v1/sync", up=True, rows_waiting=0)
        await hub.kill()

    arrived = [
        json.loads(body)["sale"]["sale_id"] for stream, _, body in rows_at_cloud(cloud.folder) if stream == "sales"
    ]
    assert sorted(arrived) == sorted(ids)
