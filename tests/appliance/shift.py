"""What stands outside the machine while its power is cut: tills, a counter at the door, a listener, and what they know.

They know what was answered, and nothing else. `lost` and `wrong` hold that against what a disk's reader found.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from devices.testing.mqtt_publisher import MqttPublisher
from hub.client import HubClient
from tests.faults.tills import OPENING, SKUS, Tills, printed_twice_unmarked, receipts_on
from tests.faults.verdict import Verdict

DOOR = "door"
TOPIC = "store/hk01/counter/door/count"
VISITOR_S = 0.1  # somebody comes in
AGAIN_S = 0.3  # another machine's port: nothing tells us when it is there again
BASELINE = 1  # visitors before the shift: a counter's first total counts nobody
PRINTED_SHARE = 0.5  # of the sales of one till: the printer has work at most cuts


@dataclass(frozen=True, slots=True)
class Outside:
    """How the shop's clients reach the hub, and as whom: `tills` are tokens and names, `door` user name and password.

    `told`: what the hub has said of the door by quarter hour, BASELINE in all.
    """

    url: str
    mqtt_port: int
    tills: list[tuple[str, str]]
    office: str
    door: tuple[str, str]
    told: dict[str, int]


class Shift:
    """Everybody at work. `entered` is what the door has said, `told` what the hub said of it by quarter hour."""

    def __init__(self, rng: random.Random, outside: Outside) -> None:
        self.tills = Tills(rng, outside.url, printed_share=PRINTED_SHARE)
        self.entered, self.told = BASELINE, dict(outside.told)
        self._outside = outside
        self._at_tills: list[asyncio.Task[None]] = []
        self._is_open = True
        self._heard = asyncio.Event()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Let all of them work until the block ends; what is not answered then never is."""
        async with asyncio.TaskGroup() as group:
            self._at_tills = [group.create_task(self.tills.shift(*till), name=till[1]) for till in self._outside.tills]
            others = [group.create_task(self._count(), name=DOOR), group.create_task(self._listen(), name="office")]
            try:
                yield
            finally:
                for task in (*self._at_tills, *others):
                    task.cancel()

    async def ends(self) -> None:
        """Let nobody in any more, and return when every till has its answers and every visitor is told."""
        self._is_open = False
        self.tills.stop()
        await asyncio.wait(self._at_tills)
        while sum(self.told.values()) < self.entered:
            self._heard.clear()
            await self._heard.wait()

    async def _count(self) -> None:
        """Say the door's running total, again and again; one that was lost is in the next."""
        name, password = self._outside.door
        while True:
            with suppress(OSError, TimeoutError):
                async with MqttPublisher(
                    "127.0.0.1", self._outside.mqtt_port, client_id=DOOR, username=name, password=password
                ) as wire:
                    while True:
                        self.entered += self._is_open
                        await wire.publish(TOPIC, total(self.entered))
                        await asyncio.sleep(VISITOR_S)
            await asyncio.sleep(AGAIN_S)

    async def _listen(self) -> None:
        """Hear what is said after a commit: it is durable, or a lie."""
        while True:
            with suppress(aiohttp.ClientError, OSError):
                async with HubClient(self._outside.url, self._outside.office) as office, office.events() as events:
                    async for event in events:
                        self.told |= windows(event)
                        self._heard.set()
            await asyncio.sleep(AGAIN_S)


def windows(event: dict[str, Any]) -> dict[str, int]:  # Any: JSON
    """Return how many came in by quarter hour, as an event `footfall` tells it; nothing where it is another event."""
    return {each["quarter"]: each["in"] for each in event["data"]["windows"]} if event["type"] == "footfall" else {}


def lost(shift: Shift, found: Verdict, paper: list[str]) -> list[str]:
    """Return what was answered, told or printed and is not on the disk as it was."""
    tills = shift.tills
    missing = [
        f"{kind} {name}"
        for kind, answered, there in (
            ("sale", tills.answers, found.answers),
            ("return", tills.returns, found.return_answers),
            ("delivery", tills.delivered, found.documents),
            ("member", dict.fromkeys(tills.enrolled, 1), dict(found.members)),
        )
        for name, answer in answered.items()
        if there.get(name) != answer
    ]
    if found.entered.get(DOOR, 0) < sum(shift.told.values()):
        missing.append(f"visitors: {sum(shift.told.values())} told, {found.entered.get(DOOR, 0)} there")
    begun = {sale_id for _, sale_id, state, _ in found.jobs if state != "queued"}
    numbers = {sale[3]: sale[2] for sale in found.sales}
    return missing + [
        f"print of receipt {number}" for number, _ in receipts_on(paper) if numbers.get(number) not in begun
    ]


def wrong(shift: Shift, found: Verdict, paper: list[str]) -> list[str]:
    """Return what no power cut may leave: damage, doubles, gaps, sums that do not agree, what nobody ever sent."""
    tills = shift.tills
    sales = found.answers
    returns = [back for back in found.return_answers.values() if isinstance(back, dict)]  # a list: it stands twice
    moved = (
        [tills.posted[name] for name in sales if name in tills.posted],
        returns,
        [tills.deliveries[name] for name in found.documents if name in tills.deliveries],
    )
    claims = {
        f"the database says {found.integrity}": found.integrity == "ok",
        "a write stands twice": found.doubled == 0,
        "a member's card stands twice": all(count == 1 for _, count in found.members),
        "a sale that nobody sent": set(sales) <= set(tills.posted),
        "a member that nobody sent": set(dict(found.members)) <= tills.asked_for,
        "more visitors than came in": found.entered.get(DOOR, 0) <= shift.entered,
        f"receipt numbers have gaps: {found.gaps()}": not found.gaps(),
        f"streams have gaps or other digests: {found.streams_that_differ()}": not found.streams_that_differ(),
        f"stock differs: {(sums := found.wrong_stock(dict.fromkeys(SKUS, OPENING), *moved))}": not sums,
        "receipts asked for are not in the ledger, or others are": found.prints
        == {name for name in sales if name in tills.posted and tills.posted[name]["print"]},
        f"print results differ: {found.results_that_differ()}": not found.results_that_differ(),
        f"printed twice without a mark: {printed_twice_unmarked(paper)}": not printed_twice_unmarked(paper),
    }
    return [claim for claim, holds in claims.items() if not holds]


def total(entered: int) -> bytes:
    """Return what a counter with a running total says."""
    return b'{"in":%d,"out":0,"boot":"b"}' % entered
