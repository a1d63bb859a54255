"""Receipt numbers: none twice, those that a hub gives without a gap in each till's series, and the paper says what is stored.

A sale on two hubs has two numbers: that of the row which does not stand is void, and is no gap. What a hub told a till of another
one is gone with a card that was put back, as nobody bears witness there: the till has it booked at its own hub, by a new number.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.store.selling.sales import series_of
from tests.sim.client import Request
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.disk import Disk
    from tests.sim.world import World


class Auditor:
    """Reads receipts."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.told: dict[tuple[str, str], str] = {}
        self.abroad: dict[tuple[str, str], Disk] = {}  # told by a hub that does not hear of its till again

    def on_answered(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        """Keep the paper."""
        if request.kind == "sale" and status in (200, 201):
            self.told[hub.name, request.key] = json.loads(body)["receipt_no"]
            if not any(till.name == request.body.till_id and till.home is hub for till in self.world.people.tills):
                self.abroad[hub.name, request.key] = hub.disk

    def check(self) -> Iterator[str]:
        """At the end."""
        if self.world.options.prunes:  # the rows with the numbers are not there
            return
        hubs = [hub for hub in self.world.hubs if not hub.is_retired]
        living = {series_of(hub.rep.rpartition(":")[2]) for hub in hubs}
        holders: dict[str, str] = {}
        series: dict[tuple[str, str], set[int]] = defaultdict(set)
        for hub in hubs:
            stored = set(hub.disk.rows("SELECT sale_id, receipt_no FROM sale"))
            stored |= set(
                hub.disk.rows(
                    """
                    SELECT body ->> '$.sale.sale_id', body ->> 'receipt_no' FROM sale
                    UNION SELECT body ->> '$.sale.sale_id', body ->> 'receipt_no' FROM second_row WHERE stream = 'sales'
                    """
                )
            )
            stored |= {(key, number) for number, key in hub.disk.rows("SELECT receipt_no, sale_id FROM void_receipt")}
            for (name, key), number in self.told.items():
                is_lasting = _series(number) is None or _series(number) in living
                if self.abroad.get((name, key), hub.disk) is not hub.disk:
                    continue  # its card was put back since, with nobody to bear witness
                if is_lasting and name == hub.name and (key, number) not in stored:
                    yield f"{key}: the paper of {name} says {number}, which is not stored"
            for key, number in sorted(stored):
                is_lasting = _series(number) is None or _series(number) in living
                if holders.setdefault(number, key) != key and is_lasting:
                    yield f"receipt {number} belongs to {holders[number]} and to {key}"
                parts = number.rsplit("-", 2)
                if len(parts) == 3 and parts[2].isdecimal():
                    series[parts[0], parts[1]].add(int(parts[2]))
        for (till, name), numbers in series.items():
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                yield f"till {till}, series {name}: {sorted(numbers)}"


def _series(number: str) -> str | None:
    """The series of a number that a hub gave; None for a till's own."""
    parts = number.rsplit("-", 2)
    return parts[1] if len(parts) == 3 and parts[2].isdecimal() else None
