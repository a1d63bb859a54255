"""Times that a hub writes down: in the order of its facts, unless a cloud told it meanwhile that it was ahead; stamps only grow.

A time is read when a request comes, after the commit before its own: what the cloud has said since then may have come in between.
Kept per file: a restored one is another past, and the new life that follows begins anew. Sales that it adopts from another life
come behind its own with the times that they had.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.disk import Disk
    from tests.sim.world import World

YEARS = ("2020-", "2200-")


@dataclass(slots=True)
class _Seen:
    disk: "Disk"
    rep: str
    last_seq: int
    committed_at: str
    lines: int  # how often a cloud had been met, at least, when the last sale's time was read
    lines_before: int  # and at the last commit
    highest: tuple[int, int]
    cells: dict[str, tuple[int, int]]


class Auditor:
    """Reads a hub after each of its commits."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.seen: dict[str, _Seen] = {}
        self.problems: list[str] = []

    def on_commit(self, node: Node, is_ok: bool) -> None:
        """Look at the sales that are new, and at the clock's row."""
        if node.kind != "hub":
            return
        if is_ok:
            self._look(node)
        if node.name in self.seen:
            self.seen[node.name].lines_before = node.log["opened line"]

    def _look(self, node: Node) -> None:
        own = node.disk.rows("SELECT id, store || ':' || incarnation FROM replica WHERE own = 1")
        if not own:
            return
        (replica, rep), lines = own[0], node.log["opened line"]
        seen = self.seen.get(node.name)
        if seen is None or seen.disk is not node.disk or seen.rep != rep:
            last = node.disk.value("SELECT coalesce(max(seq), 0) FROM sale WHERE replica = ?", replica)
            seen = self.seen[node.name] = _Seen(node.disk, rep, last, "", lines, lines, (0, 0), {})
        new = node.disk.rows(
            """
            SELECT seq, body ->> '$.committed_at' FROM sale WHERE replica = ? AND seq > ?
              AND NOT EXISTS (
                SELECT 1 FROM former_dot WHERE (stream, new_replica, new_seq) = ('sales', sale.replica, sale.seq)
              )
            ORDER BY seq
            """,
            replica,
            seen.last_seq,
        )
        for seq, committed_at in new:
            is_earlier = seen.committed_at and datetime.fromisoformat(committed_at) < datetime.fromisoformat(
                seen.committed_at
            )
            if is_earlier and lines == seen.lines:
                self._say(node, f"sale {seq} is of {committed_at}, after one of {seen.committed_at}")
            if not YEARS[0] <= committed_at < YEARS[1]:
                self._say(node, f"sale {seq} is of {committed_at}")
            seen.last_seq, seen.committed_at, seen.lines = seq, committed_at, seen.lines_before
        self._look_at_stamps(node, seen, replica)

    def _look_at_stamps(self, node: Node, seen: _Seen, replica: int) -> None:
        rows = node.disk.rows("SELECT physical_ms, logical FROM clock")
        highest = rows[0] if rows else (0, 0)
        if highest < seen.highest:
            self._say(node, f"its clock's row went from {seen.highest} back to {highest}")
        before, seen.highest = max(seen.cells.values(), default=(0, 0)), highest
        for member_id, body in node.disk.rows("SELECT member_id, body FROM member WHERE replica = ?", replica):
            for field, (_, (physical_ms, logical, _rep)) in msgspec.json.decode(body)["cells"].items():
                key, stamp = f"{member_id}.{field}", (physical_ms, logical)
                if seen.cells.get(key) == stamp:
                    continue
                if stamp <= before:
                    self._say(node, f"{key} has the stamp {stamp}, and {before} was given before")
                if stamp > highest:
                    self._say(node, f"{key} has the stamp {stamp}, which was not saved")
                seen.cells[key] = stamp

    def _say(self, node: Node, what: str) -> None:
        self.problems.append(f"at {self.world.now_ms} ms {node.name}: {what}")

    def check(self) -> Iterator[str]:
        """At the end."""
        yield from self.problems
