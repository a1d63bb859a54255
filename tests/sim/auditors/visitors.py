"""Every visitor counts once: what the counters were told is taken = the hub's quarter hours = the cloud's sums, at every machine.

Where files were copied, what a counter was told is taken may be lost with the card; every window of every life that is anywhere
is the same at the cloud and at all machines of its store even then.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from devices.model import CounterReading
from tests.sim import people
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

Windows = dict[tuple[str, str, str], tuple[int, int]]
"""(life, entrance, quarter) -> in, out"""
KEPT_MS = 1_100 * 86_400_000
FORGOTTEN_BEFORE_MS = 1_672_531_200_000  # 2023: more than that before a run


class Auditor:
    """Counts what the hub took."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.taken: dict[str, list[CounterReading]] = defaultdict(list)
        self.home: dict[str, HubNode] = {}

    def on_counted(self, counter: people.Counter, batch: list[CounterReading]) -> None:
        """A counter was told that its messages are taken."""
        self.taken[counter.entrance] += batch
        self.home[counter.entrance] = counter.hub

    def check(self) -> Iterator[str]:
        """At the end."""
        held = self._at_cloud()
        for hub in self.world.hubs:
            if not hub.is_retired:
                yield from _compare(hub, self._at_hub(hub, held), held)
        if not self.world.is_forked:
            yield from self._check_taken(held)
        for store in sorted({hub.store for hub in self.world.hubs}):
            entered = sum(came for (life, _, _), (came, _) in held.items() if life.rpartition(":")[0] == store)
            rows = self.world.cloud.disk.rows(
                "SELECT amount FROM store_sum WHERE store = ? AND measure = 'footfall_in'", store
            )
            if sum(row[0] for row in rows) != entered:
                yield f"{store}: {entered} came in, the cloud's sum is {rows}"

    def _check_taken(self, held: Windows) -> Iterator[str]:
        for entrance, readings in self.taken.items():
            expected = _total(readings)
            home = self.home[entrance]
            for name, windows in ((home.name, self._at_hub(home, held)), ("the cloud", held)):
                there = [numbers for (_, door, _), numbers in windows.items() if door == entrance]
                found = (sum(came for came, _ in there), sum(left for _, left in there))
                if found != expected:
                    yield f"{entrance}: {expected} went through, {name} has {found}"

    def _at_hub(self, hub: HubNode, held: Windows) -> Windows:
        """What a hub shows, and what it has forgotten by now: a clock that was never set had dated it.

        Or it was new, its own clock was not synchronised, and the cloud that told it the time ran decades ahead: for its first
        look there is no earlier one to doubt that by.
        """
        here = _at_hub(hub)
        if self.world.options.prunes:
            before_ms = max(FORGOTTEN_BEFORE_MS, hub.first_aged_ms - KEPT_MS)
            lost = {key: held[key] for key in held.keys() - here.keys() if _ms(key[2]) < before_ms}
            here |= {key: numbers for key, numbers in lost.items() if key[0].rpartition(":")[0] == hub.store}
        return here

    def _at_cloud(self) -> Windows:
        rows = self.world.cloud.disk.rows(
            """
            SELECT replica.store || ':' || replica.incarnation, tally.body
            FROM tally JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica
            WHERE feed.stream = 'footfall'
            """
        )
        found = [(life, json.loads(body)) for life, body in rows]
        return {(life, row["entrance"], row["quarter"]): (row["in"], row["out"]) for life, row in found}


def _ms(quarter: str) -> float:
    return datetime.fromisoformat(quarter).timestamp() * 1000


def _at_hub(hub: HubNode) -> Windows:
    rows = hub.disk.rows(
        """
        SELECT store || ':' || incarnation, entrance, strftime('%Y-%m-%dT%H:%M:%SZ', quarter_ms / 1000, 'unixepoch'),
          entered, exited
        FROM footfall JOIN replica ON replica.id = footfall.replica
        """
    )
    return {(life, entrance, quarter): (entered, exited) for life, entrance, quarter, entered, exited in rows}


def _compare(hub: HubNode, here: Windows, held: Windows) -> Iterator[str]:
    there = {key: numbers for key, numbers in held.items() if key[0].rpartition(":")[0] == hub.store}
    for key in sorted({*here, *there}):
        if here.get(key) != there.get(key):
            yield f"{hub.name} has {here.get(key)} at {', '.join(key)}, the cloud {there.get(key)}"


def _total(readings: list[CounterReading]) -> tuple[int, int]:
    """The first running total is where counting begins; deltas count each."""
    first, last = readings[0], readings[-1]
    if first.in_total is not None and last.in_total is not None:
        return last.in_total - first.in_total, (last.out_total or 0) - (first.out_total or 0)
    return sum(each.in_delta or 0 for each in readings), sum(each.out_delta or 0 for each in readings)
