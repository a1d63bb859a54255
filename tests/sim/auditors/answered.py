"""What was answered stands: at its hub from that moment on, after every start, at the end also at the cloud; nothing else does.

Every answer to a repeated request is the first answer; a request that was refused is nowhere. A restored hub may lack what it was
asked before, and refuse it, until the tills and the cloud have told it again; a till does not give up, and a run that never comes
to rest for it has failed; but for a return whose sale the hub has forgotten by then, which a person has to claim. What a hub has
forgotten and a restored cloud has lost is lost, where the cloud was told its sum.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim.client import Request
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

TABLES = {
    "sale": ("sale", "sale_id"),
    "return": ("sale_return", "return_id"),
    "movement": ("stock_movement", "movement_id"),
}
STREAMS = {"sale": "sales", "return": "returns", "movement": "stock"}


class Auditor:
    """Remembers what was asked and what was told."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.asked: dict[str, Request] = {}
        self.told: dict[tuple[str, str], bytes] = {}
        self.refused: dict[str, set[str]] = {}
        self.problems: list[str] = []

    def on_asked(self, request: Request) -> None:
        """Remember."""
        self.asked[request.key] = request

    def on_answered(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        """Remember, and hold against what was told before."""
        if status not in (200, 201):
            self.refused.setdefault(request.key, set()).add(hub.name)
            return
        if request.kind == "movement":
            said = json.loads(body)
            if "movement_id" in said:  # `repeated` and `on_hand` say how it is now; a document is told as it was
                body = json.dumps([said["movement_id"], said["dot"]]).encode()
        known = self.told.setdefault((hub.name, request.key), body)
        may_differ = self.world.is_forked or self.world.options.prunes  # another row of it may stand
        is_one = len(request.hubs) < 2 and not may_differ
        if known != body and is_one:
            self.problems.append(f"{request.key}: {hub.name} said {known!r} and then {body!r}")

    def on_given_up(self, request: Request) -> None:
        """Nobody asks for it any more: where no row of it comes back, it is lost."""
        self.told = {(name, key): body for (name, key), body in self.told.items() if key != request.key}

    def on_opened(self, hub: HubNode) -> None:
        """After every start: whatever was told is there; after a restored backup only in the end."""
        if self.world.is_forked:
            return
        there = {kind: _keys(hub, kind) for kind in TABLES}
        for name, key in self.told:
            if name == hub.name and key not in there[self.asked[key].kind]:
                self.problems.append(f"{key} was told and is gone after a start of {name}")

    def check(self) -> Iterator[str]:
        """At the end."""
        yield from self.problems
        at_cloud = {kind: _at_cloud(self.world, kind) for kind in TABLES}
        for hub in self.world.hubs:
            if hub.is_retired:
                continue
            for kind in TABLES:
                there = _keys(hub, kind)
                for name, key in self.told:
                    if name == hub.name and self.asked[key].kind == kind and key not in there:
                        yield f"{key} was told by {name} and is not there"
                for key in sorted(there - {key for (key,) in hub.disk.rows("SELECT key FROM pruned_key")}):
                    yield from self._check_row(hub, kind, key)
        lost = _lost(self.world)
        for _, key in self.told:
            kind = self.asked[key].kind
            if key not in at_cloud[kind] and key not in lost:
                yield f"{key} was told and is not at the cloud"

    def _check_row(self, hub: HubNode, kind: str, key: str) -> Iterator[str]:
        if key.startswith("opening~"):
            return
        request = self.asked.get(key)
        if request is None or request.kind != kind:
            yield f"{hub.name} has a {kind} {key} that nobody asked for"
        elif self.refused.get(key, set()) >= set(request.hubs) and not self.world.is_forked:
            yield f"{key} was refused by everybody and is at {hub.name}"


def _keys(hub: HubNode, kind: str) -> set[str]:
    table, key = TABLES[kind]
    return {row[0] for row in hub.disk.rows(f"SELECT {key} FROM {table} UNION SELECT key FROM pruned_key")}


def _at_cloud(world: "World", kind: str) -> set[str]:
    rows = world.cloud.disk.rows(
        "SELECT fact.body FROM fact JOIN feed ON feed.id = fact.stream WHERE feed.stream = ?", STREAMS[kind]
    )
    path = {"sale": ("sale", "sale_id"), "return": ("return", "return_id"), "movement": ("movement", "movement_id")}[
        kind
    ]
    return {json.loads(body)[path[0]][path[1]] for (body,) in rows}


def _lost(world: "World") -> set[str]:
    """Keys that a hub has forgotten and a restored cloud has no rows of: it was told what these came to."""
    floors = {
        (incarnation, stream): last
        for incarnation, stream, last in world.cloud.disk.rows(
            "SELECT incarnation, stream, last FROM floor JOIN replica ON replica.id = floor.replica"
        )
    }
    return {
        key
        for hub in world.hubs
        for entity, key, incarnation, seq in hub.disk.rows(
            "SELECT entity, key, incarnation, seq FROM pruned_key JOIN replica ON replica.id = pruned_key.replica"
        )
        if entity in STREAMS and seq <= floors.get((incarnation, STREAMS[entity]), 0)
    }
