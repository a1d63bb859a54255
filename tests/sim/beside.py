"""The line between the two hubs of the first store: hub1 follows hub0. The product, on a wire in the shop.

Not here: what both do on the line to the cloud (hub_node), that a till goes from one to the other (people, faults/failed_over).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.standby.books import StandbyBooks
from hub.store.upkeep.siblings import RELAYED
from sync.actions import End, Opened, Role
from sync.line.state import backoff_s
from tests.sim.hub_node import HubNode
from tests.sim.network import Wire
from tests.sim.node import Node
from tests.sim.talk import Talk

if TYPE_CHECKING:
    from tests.sim.world import World

LAN = "beside"  # its name in the network
RECONNECT_MAX_S = 10.0


class Beside:
    """Hears of both hubs, dials for the one, answers for the other."""

    def __init__(self, world: "World", follower: HubNode, followed: HubNode) -> None:
        self.world = world
        self.follower = follower
        self.followed = followed
        self._talks: dict[HubNode, Talk] = {}
        self._failures = 0

    def other(self, hub: HubNode) -> HubNode | None:
        """Who stands beside a hub."""
        return {self.follower: self.followed, self.followed: self.follower}.get(hub)

    def on_opened(self, hub: HubNode) -> None:
        """A hub has started: the one that follows dials."""
        if hub is self.follower:
            self._dial_soon()

    def on_gone(self, hub: HubNode) -> None:
        """A hub is down."""
        talk = self._talks.pop(hub, None)
        if talk is not None:
            talk.drop(is_told=self.world.rng.random() < 0.5)

    def on_commit(self, node: Node, _is_ok: bool) -> None:
        """A hub's logs may have grown."""
        if isinstance(node, HubNode) and node in self._talks:
            self._talks[node].grown()

    def unsettled(self) -> Iterator[str]:
        """What the other hub does not hold yet; what came from it and is nowhere else."""
        for hub in (self.follower, self.followed):
            if not hub.is_retired and (waits := hub.disk.rows("SELECT stream, last FROM confirmed")):
                yield f"{hub.name}: not known to be at the cloud: {waits}"
            other = self.other(hub)
            if other is None or hub.is_retired or other.is_retired:
                continue
            held = dict(
                hub.disk.rows(
                    "SELECT stream, last FROM acked JOIN replica ON id = replica WHERE own = 1 AND peer = 'standby'"
                )
            )
            for name, seq in hub.disk.rows(
                "SELECT name, seq FROM stream JOIN replica ON replica.id = stream.replica WHERE own = 1"
            ):
                if name in RELAYED and held.get(name, 0) != seq:
                    yield f"{hub.name} {name}: {seq} written, {held.get(name, 0)} beside"

    def _dial_soon(self) -> None:
        wait_s = backoff_s(self._failures, self.world.rng, max_s=RECONNECT_MAX_S)
        self.follower.after(wait_s * 1000, self._dial)

    def _dial(self) -> None:
        network = self.world.network
        if self.followed.hub is None or network.is_cut(LAN, "up") or network.is_cut(LAN, "down"):
            for way in ("up", "down"):
                if network.is_cut(LAN, way):
                    network.feel(LAN, way)
            self._failures += 1
            if not self.followed.is_retired:
                self._dial_soon()
            return
        wire = network.connect(LAN)
        wire.dialler = self._talk(self.follower, "dialler", wire)
        wire.acceptor = self._talk(self.followed, "acceptor", wire)
        wire.acceptor.begin()
        wire.dialler.begin()

    def _talk(self, hub: HubNode, role: Role, wire: Wire) -> Talk:
        assert hub.hub is not None
        books = StandbyBooks(hub.hub.replication.books)

        def on_open(_: Opened) -> None:
            self._failures = 0
            hub.log["opened beside"] += 1

        def on_end(_: End) -> None:
            if self._talks.get(hub) is talk:
                del self._talks[hub]
            if hub is self.follower and hub.is_up:
                self._failures += 1
                self._dial_soon()

        talk = Talk(hub, role, books, wire, on_open=on_open, on_end=on_end, admits=books.admits)
        self._talks[hub] = talk
        return talk
