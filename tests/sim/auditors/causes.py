"""Causes before effects: whoever reads the cloud at any moment finds the sale of every return that he finds.

On an honest line: streams are ordered among each other by the connection alone, and a proxy that swaps frames breaks that. A sale
whose row its hub had pruned, and a restored cloud has lost, is found by its key in what the hub has told of such rows.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World


class Auditor:
    """Reads the cloud after each of its commits."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.last_n = 0
        self.problems: list[str] = []

    def on_cloud_restored(self) -> None:
        """It numbers its rows anew."""
        self.last_n = 0

    def on_commit(self, node: Node, is_ok: bool) -> None:
        """Look at the returns that are new."""
        if node is not self.world.cloud or not is_ok or self.world.options.is_hostile:
            return
        new = node.disk.rows(
            """
            SELECT fact.n, fact.body ->> '$.return.sale_id' AS sale_id,
                   EXISTS (
                     SELECT 1 FROM fact_key JOIN feed AS sales ON sales.id = fact_key.stream AND sales.stream = 'sales'
                     WHERE fact_key.key = fact.body ->> '$.return.sale_id'
                   ) OR EXISTS (
                     SELECT 1 FROM opening
                     WHERE opening.stream = 'sales' AND instr(opening.body, '"' || (fact.body ->> '$.return.sale_id') || '"')
                   )
            FROM fact JOIN feed ON feed.id = fact.stream
            WHERE feed.stream = 'returns' AND fact.n > ? ORDER BY fact.n
            """,
            self.last_n,
        )
        for n, sale_id, is_known in new:
            self.last_n = n
            if not is_known:
                self.problems.append(f"at {self.world.now_ms} ms the cloud has a return of {sale_id} and not the sale")

    def check(self) -> Iterator[str]:
        """At the end."""
        yield from self.problems
