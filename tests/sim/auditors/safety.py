"""An ack is said only after the commit, `safe` only of what the cloud or the hub beside has committed: the files say, at once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.replication import SafeView
from sync.protocol import Ack
from tests.sim.hub_node import HubNode
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World


SALES = """
SELECT store || ':' || incarnation, seq, key FROM (
  SELECT replica, seq, sale_id AS key FROM sale
  UNION ALL SELECT replica, seq, key FROM second_row WHERE stream = 'sales'
  UNION ALL SELECT replica, seq, key FROM pruned_key WHERE entity = 'sale'
) JOIN replica ON replica.id = replica
"""
FLOOR = """
SELECT last FROM floor JOIN replica ON replica.id = floor.replica
WHERE stream = 'sales' AND store || ':' || incarnation = ?
"""
TOLD_MS = 10_000  # from the first hello of a restored cloud: one word after another, each with a commit, it says what it holds


class Auditor:
    """Looks at the other machine's disk."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.problems: list[str] = []
        self.greeted: dict[str, int] | None = None  # hub -> conversations before the restored cloud was up
        self.is_away = (
            False  # from the restoring to the start after it: what still arrives is the word of the cloud before
        )
        self.told_ms: dict[str, int] = {}  # hub -> when it first spoke with the restored cloud

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
        """What it had acknowledged nobody takes back before it speaks again: until then a hub can know no better."""
        self.is_away = True

    def on_cloud_opened(self) -> None:
        """Whoever hears of it from now on may hear what it has lost."""
        if self.is_away:
            self.is_away = False
            self.greeted = {hub.name: hub.log["opened line"] for hub in self.world.hubs}

    def on_safe(self, hub: HubNode) -> None:
        """A hub says that its sales are safe up to here."""
        if self._knows_no_better(hub):
            return
        assert hub.hub is not None
        safe = hub.hub.replication.safe
        told = self._told(safe)
        count = told + self.world.cloud.disk.value(
            """
            SELECT count(*) FROM fact JOIN feed ON feed.id = fact.stream JOIN replica ON replica.id = fact.replica
            WHERE feed.stream = 'sales' AND replica.incarnation = ? AND fact.seq > ? AND fact.seq <= ?
            """,
            safe.rep.rpartition(":")[2],
            told,
            safe.upto,
        )
        if count != safe.upto and not self._is_beside(hub, safe):
            self.problems.append(f"{hub.name} says that {safe.upto} sales are safe, the cloud has {count} of them")

    def _told(self, safe: SafeView) -> int:
        """Up to where a restored cloud was told the sum of sales that the hub had forgotten: it has what is left of them."""
        last: int = self.world.cloud.disk.value(
            """
            SELECT coalesce(max(last), 0) FROM floor JOIN replica ON replica.id = floor.replica
            WHERE stream = 'sales' AND is_told = 1 AND incarnation = ?
            """,
            safe.rep.rpartition(":")[2],
        )
        return min(last, safe.upto)

    def _knows_no_better(self, hub: HubNode) -> bool:
        """Whether the cloud was restored and has not told this hub yet what it has lost; a copied card is told as well."""
        if self.is_away:
            return True
        if self.greeted is None:
            return False
        if hub.log["opened line"] == self.greeted.get(hub.name, 0):
            return True
        return self.world.now_ms - self.told_ms.setdefault(hub.name, self.world.now_ms) < TOLD_MS

    def _is_beside(self, hub: HubNode, safe: SafeView) -> bool:
        """Whether the other hub of the store has these sales: by their keys, as it may have adopted them under its own dots.

        Also of a card that was copied: what was acknowledged to the one is safe of the other as well.
        """
        beside = self.world.beside
        if beside is None or beside.follower.store != hub.store:
            return False
        other = beside.followed if hub is beside.follower else beside.follower
        if other.log["restored"]:  # it holds less than it said, and says so when they speak again; this hub has it all
            return True
        there, floor = other.disk.rows(SALES), min(_floor(other, safe.rep), safe.upto)
        if sum(rep == safe.rep and floor < seq <= safe.upto for rep, seq, _ in there) == safe.upto - floor:
            return True
        floor = min(_floor(hub, safe.rep), safe.upto)  # what went here had been at the cloud for long
        keys = {key for rep, seq, key in hub.disk.rows(SALES) if rep == safe.rep and floor < seq <= safe.upto}
        return len(keys) == safe.upto - floor and keys <= {key for _, _, key in there}

    def check(self) -> Iterator[str]:
        """At the end."""
        yield from self.problems


def _floor(hub: HubNode, rep: str) -> int:
    """Up to where a life's sales were forgotten: of those that gave way no key is left."""
    rows = hub.disk.rows(FLOOR, rep)
    return rows[0][0] if rows else 0
