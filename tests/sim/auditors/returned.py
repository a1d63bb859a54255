"""No more comes back than was sold, by all returns of a sale together.

A file knows all that it has taken back: by itself it allows no more than was sold, and warns a till that says what has happened
already. Two files of a store (a restored card, a copy, two hubs) may not know of each other's returns yet; what they allow
together beyond what was sold is named by the audit of whoever hears of both.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from hub.store.upkeep.audit import audit
from tests.sim.client import Request
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.disk import Disk
    from tests.sim.world import World

Line = tuple[str, int]


class _Taken(NamedTuple):
    """What a file took back; it is held here, so that no other one gets its id."""

    disk: "Disk"
    lines: list[tuple[Line, int]]


class Auditor:
    """Adds up what tills were allowed to take back."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.sold: dict[Line, int] = {}
        self.taken: dict[tuple[int, str], _Taken] = {}
        self.returns: dict[str, Request] = {}

    def on_asked(self, request: Request) -> None:
        """Remember sales."""
        if request.kind == "sale":
            self.sold |= {(request.key, line.line): line.qty for line in request.body.lines}

    def on_said(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        """Remember what a file takes back, whoever hears of it, but for the lines that it warned of.

        Only of 201: what an earlier life of a restored card took back may come to it from the cloud later.
        """
        if request.kind == "return" and status == 201:
            warned = {each["line"] for each in json.loads(body).get("warnings", ()) if each["code"] == "more_than_sold"}
            lines = [(line.line, line.qty) for line in request.body.lines if line.line not in warned]
            taken = _Taken(hub.disk, [((request.body.sale_id, line), qty) for line, qty in lines])
            self.taken.setdefault((id(hub.disk), request.key), taken)

    def on_answered(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        """Remember returns that were allowed."""
        if request.kind == "return" and status in (200, 201):
            self.returns.setdefault(request.key, request)

    def check(self) -> Iterator[str]:
        """At the end."""
        total: Counter[Line] = Counter()
        for request in self.returns.values():
            for line in request.body.lines:
                total[request.body.sale_id, line.line] += line.qty
        by_file: Counter[tuple[int, Line]] = Counter()
        for taken in self.taken.values():
            for of, qty in taken.lines:
                by_file[id(taken.disk), of] += qty
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
