"""Every visitor counts once: what the counters were told is taken = the hub's quarter hours = the cloud's sums."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from devices.model import CounterReading
from tests.sim import people
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World


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
        by_store: Counter[str] = Counter()
        for entrance, readings in self.taken.items():
            expected = _total(readings)
            home = self.home[entrance]
            rows = home.disk.rows("SELECT entered, exited FROM footfall WHERE entrance = ?", entrance)
            found = (sum(row[0] for row in rows), sum(row[1] for row in rows))
            if self.world.options.has_forks:  # what a counter was told is taken may be lost with the card
                expected = found
            if found != expected:
                yield f"{entrance}: {expected} went through, {home.name} has {found}"
            by_store[home.store] += expected[0]
            held = [0, 0]
            for (body,) in self.world.cloud.disk.rows(
                "SELECT body FROM tally JOIN feed ON feed.id = tally.stream WHERE feed.stream = 'footfall'"
            ):
                row = json.loads(body)
                if row["entrance"] == entrance:
                    held = [held[0] + row["in"], held[1] + row["out"]]
            if tuple(held) != expected:
                yield f"{entrance}: {expected} went through, the cloud has {tuple(held)}"
        for store, entered in by_store.items():
            rows = self.world.cloud.disk.rows(
                "SELECT amount FROM store_sum WHERE store = ? AND measure = 'footfall_in'", store
            )
            if sum(row[0] for row in rows) != entered:
                yield f"{store}: {entered} came in, the cloud's sum is {rows}"


def _total(readings: list[CounterReading]) -> tuple[int, int]:
    """The first running total is where counting begins; deltas count each."""
    first, last = readings[0], readings[-1]
    if first.in_total is not None and last.in_total is not None:
        return last.in_total - first.in_total, (last.out_total or 0) - (first.out_total or 0)
    return sum(each.in_delta or 0 for each in readings), sum(each.out_delta or 0 for each in readings)
