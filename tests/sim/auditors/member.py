"""A member is the same at the shop that wrote and at the cloud, with the same stamps that count (a cell from the far future
counts by the cloud's), and a clock that nobody has set beats none that somebody has.

While a hub is unsure of the time, its stamps go no further than the highest that a sure clock has given anywhere: so whatever is
written later under a sure clock overrules them. Not here: that a hub's own stamps grow (auditors/clock).
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hub.store.replica.clock import Stamped
from sync.clock import Trust
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World

Cells = dict[tuple[str, str, str], Any]  # (writer's incarnation, member, field) -> cell. Any: JSON


class Auditor:
    """Remembers the highest sure stamp, and compares files at the end."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.highest_sure_ms = 0
        self.problems: list[str] = []

    def on_stamped(self, node: Node, what: str, stamped: Stamped) -> None:
        """A hub has taken a stamp."""
        stamp, trust = stamped.stamp, stamped.saved.clock.trust
        if trust is Trust.CONTACT:
            self.highest_sure_ms = max(self.highest_sure_ms, stamp.physical_ms)
        elif stamp.physical_ms > self.highest_sure_ms:
            self.problems.append(
                f"at {self.world.now_ms} ms {node.name}, unsure, stamped {what} with {stamp.physical_ms}; "
                f"the highest sure stamp is {self.highest_sure_ms}"
            )

    def check(self) -> Iterator[str]:
        """At the end."""
        yield from self.problems
        if self.world.is_forked:  # rows of a former life are offered again by the next one
            return
        held = _cells(
            self.world.cloud,
            """
            SELECT incarnation, key, CAST(body AS TEXT) FROM tally
            JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica WHERE feed.stream = 'members'
            """,
        )
        written: Cells = {}
        for hub in self.world.hubs:
            written |= _cells(
                hub,
                "SELECT incarnation, member_id, body FROM member JOIN replica ON replica.id = member.replica WHERE own = 1",
            )
        for key in sorted(written.keys() | held.keys()):
            if written.get(key) != held.get(key):
                yield f"{key} is {written.get(key)} where it was written, {held.get(key)} at the cloud"
        yield from self._compare_restamps(written)

    def _compare_restamps(self, written: Cells) -> Iterator[str]:
        """What counts in the place of a stamp from the far future, at the cloud and where it was written."""
        counts: dict[str, dict[tuple[str, str], str]] = {}
        told: dict[str, dict[tuple[str, str], str]] = {}
        for key, rep, *numbers in self.world.cloud.disk.rows(
            "SELECT key, rep, physical_ms, logical, by_physical_ms, by_logical, by_rep FROM restamp WHERE entity = 'member'"
        ):
            was = f"{numbers[0]:011x}{numbers[1]:06x}{rep}"
            counts.setdefault(rep, {})[key, was] = f"{numbers[2]:011x}{numbers[3]:06x}{numbers[4]}"
        for hub in self.world.hubs:
            if not hub.is_retired:
                rows = hub.disk.rows("SELECT key, was, now FROM restamp WHERE entity = 'member' AND gone = 0")
                told[hub.rep] = {(key, was): now for key, was, now in rows}
        for (_, member, field), (_, (physical_ms, logical, rep)) in sorted(written.items()):
            name = (member, f"{physical_ms:011x}{logical:06x}{rep}")
            here, there = told.get(rep, {}).get(name), counts.get(rep, {}).get(name)
            if here != there:
                yield f"{member}.{field} of {rep} counts as {here} where it was written, as {there} at the cloud"
            elif here is not None:
                self.world.meet("stamp from the far future")


def _cells(node: Node, sql: str) -> Cells:
    return {
        (incarnation, member_id, field): cell
        for incarnation, member_id, body in node.disk.rows(sql)
        for field, cell in json.loads(body)["cells"].items()
    }
