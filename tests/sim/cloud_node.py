"""The cloud end: the product's own start, store, line and books on a simulated machine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sync.actions import Opened
from sync.cloud.config import parse_cloud_config
from sync.cloud.main import open_cloud
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.store import CloudBooks
from sync.cloud.talk.line import Connection
from sync.cloud.web.http import Cloud
from sync.errors import SyncError
from tests.sim.goods import Entry, entries
from tests.sim.network import Wire
from tests.sim.node import Node
from tests.sim.pulling import Asker
from tests.sim.pushing import PushedWire
from tests.sim.talk import Talk

if TYPE_CHECKING:
    from tests.sim.hub_node import HubNode
    from tests.sim.world import World


class CloudNode(Node):
    """The cloud. `cloud` is the running product, None while it is down."""

    kind = "cloud"
    migrations = MIGRATIONS

    def __init__(self, world: "World") -> None:
        super().__init__(world, "cloud")
        self.cloud: Cloud | None = None
        self.talks: list[Talk] = []
        self._askers: list[Asker] = []
        self.expects = ""  # who it was when it was restored
        self.config = parse_cloud_config({}, base=Path("/"))

    @property
    def incarnation(self) -> str:
        """Which life of the cloud's database this is."""
        incarnation: str = self.disk.value("SELECT incarnation FROM replica WHERE own = 1")
        return incarnation

    async def open(self) -> None:
        """As sync.cloud.main, without sockets."""
        db = self.database()
        self.cloud = await open_cloud(self.config, db, now_ms=self.wall_ms)
        count_group = db.on_group

        def on_group(jobs: int, is_ok: bool) -> None:
            count_group(jobs, is_ok)
            self.world.note(self.name, f"commits {jobs}" if is_ok else f"cannot commit {jobs}")
            if self.expects and self.incarnation != self.expects:
                self.world.meet("cloud restored")
                self.expects = ""
            self.world.tell("commit", self, is_ok)

        db.on_group = on_group
        self.log["opened"] += 1
        self.world.tell("cloud_opened")
        self._askers = [Asker(self, hub) for hub in self.world.hubs if hub.mode == "pull" and not hub.is_retired]

    def move(self, hub: "HubNode", to: "HubNode") -> None:
        """Another machine has a hub's address from now on."""
        for asker in self._askers:
            if asker.hub is hub:
                asker.hub = to

    def gone(self) -> None:
        """The machine is down."""
        self.cloud = None
        for talk in self.talks:
            talk.drop(is_told=self.world.rng.random() < 0.5)
        self.talks.clear()

    def accept(self, wire: Wire | PushedWire, store: str) -> bool:
        """As sync.cloud.web.app.link: one connection a replica, a newer one cuts the older; False when nobody listens."""
        if self.cloud is None:
            return False
        self.run(partial(self._accept, self.cloud, wire, store))
        return True

    def _accept(self, cloud: Cloud, wire: Wire | PushedWire, store: str) -> None:

        def on_open(opened: Opened) -> None:
            cloud.line.greeted(connection, opened.peer_rep)

        def on_end(_: object) -> None:
            cloud.line.leave(connection)
            if talk in self.talks:
                self.talks.remove(talk)

        talk = Talk(
            self,
            "acceptor",
            CloudBooks(cloud.books, store),
            wire,
            on_open=on_open,
            on_end=on_end,
            admits=lambda rep: rep.rpartition(":")[0] == store,
        )
        wire.acceptor = talk
        self.talks.append(talk)
        connection = Connection(store, talk.hung_up, talk.grown, self.wall_ms())
        cloud.line.enter(connection)
        talk.begin()

    def import_products(self, wanted: list[Entry], told: Callable[[bool], None]) -> None:
        """Head office writes products and prices; `told` says whether that is durable."""
        assert self.cloud is not None

        def failed(_: SyncError) -> None:
            told(False)

        self.spawn(self.cloud.books.import_entries(entries(wanted)), done=lambda _: told(True), failed=failed)

    def sealed(self, store: str) -> set[str]:
        """Lives of a store of which nothing more is taken."""
        rows = self.disk.rows(
            """
            SELECT store || ':' || incarnation FROM ended_life JOIN replica ON replica.id = ended_life.replica
            WHERE sealed_ms IS NOT NULL
            """
        )
        return {rep for (rep,) in rows if rep.rpartition(":")[0] == store}

    def give_up_orphans(self, living: list[str]) -> int:
        """Head office says of which lives nobody writes any more: those that were begun and lost with a restored file."""
        assert self.cloud is not None
        orphans = [
            rep
            for (rep,) in self.disk.rows(
                """
                SELECT store || ':' || incarnation FROM replica
                WHERE own = 0 AND store <> 'cloud' AND id NOT IN (SELECT replica FROM ended_life) ORDER BY id
                """
            )
            if rep not in living
        ]
        for rep in orphans:
            self.world.note("office", f"gives up {rep}")
            ended = self.cloud.books.end_life(rep, heir="", why="its file was restored", wanted={})
            self.run(partial(self.spawn, ended))
        if orphans:  # a hub hears of it with the next hello
            self.after(2_000, self.cloud.line.cut_all)
        return len(orphans)

    def held(self, rep: str) -> dict[str, int]:
        """How far each stream of a replica is held, read from the file."""
        store, _, incarnation = rep.rpartition(":")
        rows = self.disk.rows(
            "SELECT stream, last FROM received JOIN replica ON id = replica WHERE store = ? AND incarnation = ?",
            store,
            incarnation,
        )
        return dict(rows)

    def lives_of(self, store: str) -> dict[tuple[str, str], int]:
        """How far each stream of each life of a store is held, read from the file."""
        rows = self.disk.rows(
            "SELECT incarnation, stream, last FROM received JOIN replica ON id = replica WHERE store = ?", store
        )
        return {(incarnation, stream): last for incarnation, stream, last in rows}

    def visitors_end(self, store: str, *, but: str) -> int:
        """The number of the newest window that another life of a store has counted, read from the file."""
        last: int | None = self.disk.value(
            """
            SELECT max(tally.n) FROM tally JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica
            WHERE feed.stream = 'footfall' AND replica.store = ? AND replica.incarnation <> ?
            """,
            store,
            but,
        )
        return last or 0

    def scope_ends(self, store: str) -> dict[str, int]:
        """How far each scope of a store's own goes, read from the file."""
        rows = self.disk.rows("SELECT stream, last FROM scope JOIN scope_of ON scope = id WHERE store = ?", store)
        return dict(rows)

    def catalogue_end(self) -> int:
        """The last seq of the cloud's own catalogue, read from the file."""
        last: int = self.disk.value(
            "SELECT seq FROM stream JOIN replica ON id = replica WHERE own = 1 AND name = 'catalogue'"
        )
        return last
