"""Transfers: what one branch has sent and what the other says has come are known at both, with the same lines, each once.

Judged by what was asked for and answered, not by what a hub made of it.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hub.api.stock.documents import DocumentRequest
from tests.sim.client import Request
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

Known = dict[str, tuple[str, list[list[Any]]]]  # name -> the other store, or the transfer; the lines


class Auditor:
    """Remembers which documents were answered."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.sent: Known = {}
        self.came: Known = {}
        self.between: dict[str, set[str]] = {}

    def on_answered(self, request: Request, hub: HubNode, status: int, _body: bytes) -> None:
        """Remember a transfer out or in."""
        said = request.body
        if status not in (200, 201) or not isinstance(said, DocumentRequest):
            return
        name, lines = f"{hub.store}:{said.document_id}", [[line.sku, line.qty] for line in said.lines]
        if said.kind == "transfer_out":
            self.sent[name] = (said.to or "", lines)
            self.between[name] = {hub.store, said.to or ""}
        elif said.kind == "transfer_in":
            self.came[name] = (said.transfer, lines)
            self.between[name] = {hub.store, said.transfer.partition(":")[0]}

    def check(self) -> Iterator[str]:
        """At the end."""
        for hub in self.world.hubs:
            if hub.is_retired:
                continue
            for table, key, other, told in (
                ("transfer", "transfer_id", "receiver", self.sent),
                ("arrival", "arrival_id", "transfer_id", self.came),
            ):
                rows = hub.disk.rows(f"SELECT body FROM {table}")
                there = {row[key]: (row[other], row["lines"]) for row in (json.loads(body) for (body,) in rows)}
                expected = {name: said for name, said in told.items() if hub.store in self.between[name]}
                for name in sorted({*expected, *there}):
                    if name not in expected and name not in told:
                        continue  # asked for, booked, and the answer lost: it is nobody's to miss
                    if there.get(name) != expected.get(name):
                        yield f"{hub.name}: {table} {name} is {there.get(name)}, {expected.get(name)} was answered"
