"""A cloud and hubs, real books on databases in memory, sessions between them, no sockets and no clock: for tests of scopes."""

import sqlite3
from collections import deque
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from hub.books import HubBooks
from hub.migrations import MIGRATIONS as HUB
from sync.batch import Batch
from sync.cloud.catalogue import Entry
from sync.cloud.config import CloudConfig, parse_cloud_config
from sync.cloud.metrics import CloudMetrics
from sync.cloud.migrations import MIGRATIONS as CLOUD
from sync.cloud.scopes import scope_work
from sync.cloud.store import CloudBooks, CloudStore
from sync.errors import ForkError, ProtocolError
from sync.line.link import Conversation
from sync.migrate import migrate
from sync.model import Replica
from sync.protocol import Frame
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.session import Effect, End, Load, Send
from sync.store.replicas import identify
from sync.testing.sim_database import SimDatabase, run_now

STARTED_MS = 1_790_000_000_000
TOKEN = "a-token-of-the-store-{}"


class World:
    """One cloud, one hub a store. `definitions` is [scopes] of its configuration, `gets` what each store gets of it."""

    def __init__(self, *stores: str, currency: str = "HKD") -> None:
        self.now_ms = 0
        self.lives = 0
        self.definitions: dict[str, Any] = {}
        self.gets: dict[str, dict[str, str]] = {store: {} for store in stores}
        self.cloud_file = _file(CLOUD)
        self.hubs = {store: Hub(self, store, currency) for store in stores}
        self.start_cloud()

    def wall_ms(self) -> int:
        return STARTED_MS + self.now_ms

    def incarnation(self) -> str:
        self.lives += 1
        return f"{self.lives:016x}"

    @property
    def config(self) -> CloudConfig:
        stores = {store: {"token": TOKEN.format(store), **gets} for store, gets in self.gets.items()}
        return parse_cloud_config({"stores": stores, "scopes": self.definitions}, base=Path("/"))

    def start_cloud(self) -> None:
        """Start, or start again with what the configuration says now; every line is cut."""
        for hub in self.hubs.values():
            hub.cut()
        config, db = self.config, SimDatabase(self.cloud_file)
        replica = run_now(
            db.write(lambda tx: identify(tx, "cloud", incarnation=self.incarnation(), now_ms=self.wall_ms()))
        )
        self.cloud = CloudStore(
            db, replica, metrics=CloudMetrics(), now_ms=self.wall_ms, new_incarnation=self.incarnation
        )
        self.cloud.on_grown = self.tell_all
        run_now(scope_work.settle(config, self.cloud))

    def restore_cloud(self, copy: bytes) -> None:
        """Go back to a copy of the cloud's database, as after its disk broke."""
        self.cloud_file = sqlite3.connect(":memory:", isolation_level=None)
        self.cloud_file.deserialize(copy)
        self.start_cloud()

    def define(self, name: str, **definition: Any) -> None:
        """Write [scopes.catalogue.NAME]."""
        self.definitions.setdefault("catalogue", {})[name] = definition

    def give(self, store: str, **gets: str) -> None:
        """Write what a store gets, and start the cloud with it."""
        self.gets[store] = gets
        self.start_cloud()

    def sell(self, *entries: Entry) -> None:
        """Import products at head office."""
        run_now(self.cloud.import_entries(list(entries)))

    def tell_all(self) -> None:
        for hub in self.hubs.values():
            hub.grown("acceptor")

    def let_pass(self, ms: int = 2000) -> None:
        self.now_ms += ms
        for hub in self.hubs.values():
            hub.tick()

    def settle(self) -> None:
        """Connect everybody and deliver all there is."""
        for _ in range(4):
            for hub in self.hubs.values():
                hub.connect()
                hub.deliver_all()
            run_now(scope_work.fold(self.cloud))
            self.let_pass()

    def cloud_scopes(self) -> dict[str, set[tuple[str, str]]]:
        """What stands in each store's scope of the catalogue: (entity, key)."""
        found: dict[str, set[tuple[str, str]]] = {}
        for store, entity, key in self.cloud_file.execute(
            "SELECT store, entity, key FROM scope_of JOIN scope_row USING (scope) WHERE base = 'catalogue' AND state = 'put'"
        ):
            found.setdefault(store, set()).add((entity, key))
        return found


class Hub:
    """A store's hub and its line to the cloud."""

    def __init__(self, world: World, store: str, currency: str) -> None:
        self.world, self.store = world, store
        self.file = _file(HUB)
        self.db = SimDatabase(self.file)
        self.replica: Replica = run_now(
            self.db.write(lambda tx: identify(tx, store, incarnation=world.incarnation(), now_ms=world.wall_ms()))
        )
        self.books = HubBooks(
            self.db, self.replica, currency=currency, now_ms=world.wall_ms, new_incarnation=world.incarnation
        )
        self.talks: dict[str, Conversation] = {}
        self.wires: dict[str, deque[Frame | Batch]] = {}
        self.ends: list[End] = []
        self.batches = 0
        self.streams: set[str] = set()

    @property
    def is_up(self) -> bool:
        return bool(self.talks)

    def connect(self) -> None:
        """Dial, unless the line is up."""
        if self.is_up:
            return
        cloud_books = CloudBooks(self.world.cloud, self.store)
        self.books_of: dict[str, Any] = {"dialler": self.books, "acceptor": cloud_books}  # Any: Books
        self.talks = {
            role: Conversation(role, books, now_ms=self.world.wall_ms)  # type: ignore[arg-type]  # the two roles
            for role, books in self.books_of.items()
        }
        self.wires = {"dialler": deque(), "acceptor": deque()}
        for role in list(self.talks):
            self._do(role, self._session(role).start(self.world.now_ms, wall_ms=self.world.wall_ms()))

    def cut(self) -> None:
        """The line is gone, with whatever was on its way."""
        self.talks, self.wires = {}, {}

    def deliver(self, role: str) -> bool:
        """Let one frame arrive; whether there was one."""
        if not self.is_up or not self.wires[role]:
            return False
        frame = self.wires[role].popleft()
        if isinstance(frame, Batch):
            self.batches += 1
            self.streams.add(frame.stream)
        self._do(role, self._session(role).receive(frame, self.world.now_ms, wall_ms=self.world.wall_ms()))
        return True

    def deliver_all(self) -> None:
        while self.deliver("acceptor") or self.deliver("dialler"):
            pass
        self.db.commit()

    def grown(self, role: str) -> None:
        if self.is_up:
            self._do(role, self._session(role).changed(self.world.now_ms))

    def tick(self) -> None:
        for role in list(self.talks):
            if self.is_up:
                self._do(role, self._session(role).tick(self.world.now_ms))

    def shown(self) -> set[tuple[str, str]]:
        """The catalogue as tills see it: (entity, SKU)."""
        return {
            (entity, sku)
            for entity in ("product", "price")
            for (sku,) in self.file.execute(f"SELECT sku FROM {entity} WHERE gone = 0")
        }

    def _session(self, role: str) -> Any:  # Any: a Session, which a Conversation keeps to itself
        return self.talks[role]._session

    def _do(self, role: str, effects: Sequence[Effect]) -> None:
        todo = deque(effects)
        while todo and self.is_up:
            effect = todo.popleft()
            if isinstance(effect, Send):
                self.wires["acceptor" if role == "dialler" else "dialler"].append(effect.frame)
            elif isinstance(effect, End):
                self.ends.append(effect)
                self.cut()
            elif isinstance(effect, Load):
                load = self.books_of[role].load
                batches = run_now(load(effect.head, effect.after, effect.rows_max, batches_max=effect.batches_max))
                todo.extend(self._session(role).loaded(batches, self.world.now_ms))
            else:
                try:
                    todo.extend(run_now(self.talks[role]._carry_out(effect, None)))  # type: ignore[arg-type]  # no socket
                except (ProtocolError, ForkError) as err:
                    self.ends.append(End(type(err).__name__, err.detail))
                    self.cut()


def entry(sku: str, amount: int = 100, currency: str = "HKD", *, category: str | None = None, en: str = "") -> Entry:
    """A product with its price."""
    return Entry(Product(sku=sku, name=Name(en=en or sku), category=category), Price(amount, currency))


@cache
def _empty(migrations: str) -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    import_module(migrations)
    migrate(connection, migrations)
    return connection.serialize()


def _file(migrations: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_empty(migrations))
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
