"""No more comes back than was sold, by all returns of a sale together.

A file knows all that it has taken back: by itself it allows no more than was sold, and warns a till that says what has happened
already. Two files of a store (a restored card, a copy, two hubs) may not know of each other's returns yet; what they allow
together beyond what was sold is named by the audit of whoever hears of both.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.store.upkeep.audit import audit
from tests.sim.client import Request
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.disk import Disk
    from tests.sim.world import World

Line = tuple[str, int]


class Auditor:
    """Adds up what tills were allowed to take back."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.sold: dict[Line, int] = {}
        self.returns: dict[str, tuple[Disk, Request, frozenset[int]]] = {}

    def on_asked(self, request: Request) -> None:
        """Remember sales."""
        if request.kind == "sale":
            self.sold |= {(request.key, line.line): line.qty for line in request.body.lines}

    def on_answered(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        """Remember returns that were allowed: by which file, and of which lines it warned."""
        if request.kind == "return" and status in (200, 201) and request.key not in self.returns:
            warned = frozenset(
                each["line"] for each in json.loads(body).get("warnings", ()) if each["code"] == "more_than_sold"
            )
            self.returns[request.key] = (hub.disk, request, warned)

    def check(self) -> Iterator[str]:
        """At the end."""
        total: Counter[Line] = Counter()
        by_file: Counter[tuple[int, Line]] = Counter()
        for disk, request, warned in self.returns.values():
            for line in request.body.lines:
                of = (request.body.sale_id, line.line)
                total[of] += line.qty
                by_file[id(disk), of] += line.qty if line.line not in warned else 0
        for (_, of), qty in by_file.items():
            if qty > self.sold[of]:
                yield f"{of[0]} line {of[1]}: {self.sold[of]} sold, {qty} taken back by one file"
        beyond = {of for of, qty in total.items() if qty > self.sold[of]}
        if beyond and not self.world.is_forked:
            yield from (f"{of[0]} line {of[1]}: {self.sold[of]} sold, {total[of]} taken back" for of in sorted(beyond))
        elif beyond and not self.world.options.prunes:
            yield from (f"{of[0]} line {of[1]}: no audit names it" for of in sorted(beyond - self._named()))

    def _named(self) -> set[Line]:
        """What the hubs' own audits say."""
        named: set[Line] = set()
        for hub in self.world.hubs:
            if hub.hub is not None:
                found = audit(hub.hub.db.read, hub.hub.replica)
                named |= {(each.key[0], int(each.key[1])) for each in found if each.check == "returned"}
        return named
