"""An ack is said only after the commit, `safe` only of what the cloud or the hub beside has committed: the files say, at once."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sync.protocol import Ack
from tests.sim.hub_node import HubNode
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World


DOUBT_MS = 120_000  # after the cloud was restored: by then no connection of before lives


class Auditor:
    """Looks at the other machine's disk."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.problems: list[str] = []
        self.restored_ms = -DOUBT_MS

    def on_ack(self, node: Node, ack: Ack) -> None:
        """Somebody says that it holds a stream up to here."""
        if not ack.last:
            return
        held = node.disk.rows(
            "SELECT last FROM received JOIN replica ON id = replica WHERE incarnation = ? AND (stream = ? OR stream LIKE ?)",
            ack.rep.rpartition(":")[2],
            ack.stream,
            f"{ack.stream}~%",  # of a former life of its own the cloud notes what each store has told
        )
        if not held or max(last for (last,) in held) < ack.last:
            self.problems.append(f"{node.name} acknowledged {ack.stream} {ack.last} and has committed {held}")

    def on_cloud_restored(self) -> None:
        """Acks of before may still be on their way."""
        self.restored_ms = self.world.now_ms

    def on_safe(self, hub: HubNode) -> None:
        """A hub says that its sales are safe up to here."""
        if self.world.now_ms - self.restored_ms < DOUBT_MS:
            return
        assert hub.hub is not None
        safe = hub.hub.replication.safe
        count = self.world.cloud.disk.value(
            """
            SELECT count(*) FROM fact JOIN feed ON feed.id = fact.stream JOIN replica ON replica.id = fact.replica
            WHERE feed.stream = 'sales' AND replica.incarnation = ? AND fact.seq <= ?
            """,
            safe.rep.rpartition(":")[2],
            safe.upto,
        )
        if count != safe.upto and self._beside(hub, safe.rep) < safe.upto:
            self.problems.append(f"{hub.name} says that {safe.upto} sales are safe, the cloud has {count} of them")

    def _beside(self, hub: HubNode, rep: str) -> int:
        """How many sales of a life the other hub of the store holds, standing or not."""
        other = self.world.beside.other(hub) if self.world.beside is not None else None
        if other is None:
            return 0
        if other.log["restored"]:  # it holds less than it said, and says so when they speak again; this hub has it all
            return sys.maxsize
        count: int = other.disk.value(
            """
            SELECT (SELECT count(*) FROM sale WHERE replica = replica.id)
                 + (SELECT count(*) FROM second_row WHERE replica = replica.id AND stream = 'sales')
                 + (SELECT count(*) FROM pruned_key WHERE replica = replica.id AND entity = 'sale')
            FROM replica WHERE incarnation = ?
            """,
            rep.rpartition(":")[2],
        )
        return count

    def check(self) -> Iterator[str]:
        """At the end."""
        yield from self.problems
