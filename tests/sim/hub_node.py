"""A shop's hub: the product's own start, routes, books and dialling rules on a simulated machine.

Not here: what tills do with it (people), how a conversation goes (talk).
"""

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hub.api.routing import Call, Reply
from hub.app import open_hub
from hub.clock import TICK_S
from hub.config import parse_config
from hub.machine_clock import MachineClock
from hub.migrations import MIGRATIONS
from hub.printing.spooler import Spooler
from hub.runtime import Runtime
from hub.store.catalogue.products import put_products
from hub.store.replica.lives import Reborn
from hub.store.staff.tills import Paired
from hub.upkeep import forget
from sync.actions import End, Opened
from sync.entities import REGISTRY
from sync.errors import BusyError, OutcomeUnknownError, SyncError
from sync.kinds import PassedOn
from sync.line.state import Attempts, LinkState, backoff_s
from sync.schedule import Schedule
from tests.sim import versions
from tests.sim.goods import OWN
from tests.sim.network import Wire
from tests.sim.node import Node
from tests.sim.pushing import PushedWire
from tests.sim.talk import Talk

if TYPE_CHECKING:
    from tests.sim.cloud_node import CloudNode
    from tests.sim.world import World

CURRENCY = "HKD"
PRINTER = "receipts"
FOLD_MS = 2_000
UPKEEP_MS = 5_000  # for a day
PASSED_ON = REGISTRY.passed_on(PassedOn.LIVES) | {versions.SAMPLES}  # what docs/entities.md says so of
FOLDED = ("sales", "returns", "stock", "duplicates", versions.SAMPLES)
RECONNECT_MAX_S = 20.0
CONNECT_TIMEOUT_MS = 10_000
EVERY_S = (5, 60)  # between two contacts of a line by schedule
WAKE_FOR = ("stock",)
Told = Callable[[int, bytes], None]
"""What a client gets: 201 or 200 and a body; 4xx and a code; 503 when the same request may be repeated."""

OWN_REGISTERS = """
SELECT 1 FROM (SELECT replica, seq FROM product UNION ALL SELECT replica, seq FROM price) WHERE replica = ? AND seq > ?
"""
_SEALED = """
SELECT store || ':' || incarnation FROM former_life JOIN replica ON replica.id = former_life.replica
WHERE seal_place IS NOT NULL
"""


class HubNode(Node):
    """One hub. `hub` is the running product, None while it is down."""

    kind = "hub"
    migrations = MIGRATIONS

    def __init__(self, world: "World", name: str, store: str, mode: str = "realtime") -> None:
        super().__init__(world, name)
        self.store = store
        self.mode = mode
        self.hub: Runtime | None = None
        self.talk: Talk | None = None
        self.fingerprint = ""  # of the machine, where it says one
        self.expects = ""  # the fork that a new life would be the effect of
        self.last_rep = ""
        self.first_aged_ms = 0  # the time it told when it first looked at what is old: it had none to doubt it by
        self._attempts = Attempts(world.rng, max_s=RECONNECT_MAX_S)
        self._dials = 0
        self._up_at_ms: int | None = None
        self.config = parse_config(
            {
                "store": {
                    "id": store,
                    "name_zh_hant": store,
                    "name_en": store,
                    "currency": CURRENCY,
                    "zone": "Asia/Hong_Kong",
                },
                "cloud": _line(world, mode),
            },
            base=Path("/"),
        )

    @property
    def rep(self) -> str:
        """Who writes here now."""
        assert self.hub is not None
        return self.hub.replica.rep

    def has_forgotten(self, sale_id: str) -> bool:
        """Whether of a sale nothing is left but its key."""
        return bool(self.disk.rows("SELECT 1 FROM pruned_key WHERE entity = 'sale' AND key = ?", sale_id))

    def _admit_rows(self) -> None:
        """As hub.disk.room: what is left of the disk is for sales."""
        if self.disk.is_scarce:
            raise BusyError("no_space", "rows of others wait")

    async def open(self) -> None:
        """As hub.app, without sockets and devices."""
        if self.program is not None:
            versions.bring_up(self.program, self.disk.connection)
        db = self.database()
        hub = await open_hub(
            self.config, db, now_ms=self.wall_ms, machine=self.fingerprint, clock=self._machine_clock()
        )
        db.make_room = self.disk.give  # hub.disk would ask the file system below this program
        hub.replication.books.admit_rows = self._admit_rows
        hub.spoolers[PRINTER] = Spooler(
            *(db, lambda: hub.replica, PRINTER),
            now_ms=hub.now_ms,
            monotonic_s=lambda: self.world.now_ms / 1000,
            render=hub.render,
            announce=hub.on_print,
        )
        if self.world.options.has_own_catalogue and self.store == "shop-b" and not self.log["opened"]:
            location, now_ms = hub.shop.location, hub.now_ms()
            await db.write(lambda tx: put_products(tx, hub.replica, OWN, location=location, now_ms=now_ms))
        db.on_group = self._on_group
        self.hub = hub
        self.log["opened"] += 1
        note_acked = hub.replication.books.on_acked

        def on_acked() -> None:
            note_acked()
            self.world.tell("safe", self)

        hub.replication.books.on_acked = on_acked
        note_reborn = hub.replication.books.on_reborn

        def on_reborn(reborn: Reborn) -> None:
            note_reborn(reborn)
            self._look_who()

        hub.replication.books.on_reborn = on_reborn
        self._look_who()
        self.world.tell("opened", self)
        self.after(self.world.rng.randint(0, FOLD_MS), self._fold)
        self.after(TICK_S * 1000, self._tick_clock)
        if self.world.options.prunes:
            self.after(UPKEEP_MS, self._forget)
        if self.mode != "pull":
            self._dial_soon()

    def told_ms(self) -> int:
        """As hub.app has it told on the line: the corrected time."""
        assert self.hub is not None
        return self.hub.clock.corrected_ms()

    def _machine_clock(self) -> MachineClock:
        """Nobody keeps this machine's clock synchronous; it knows how long it has been up."""
        uptime_ms = lambda: self.world.now_ms - self.booted_ms  # noqa: E731
        return MachineClock(self.wall_ms, lambda: False, f"boot {self.boots}", uptime_ms)

    def _tick_clock(self) -> None:
        assert self.hub is not None
        self.hub.clock.tick()
        self.spawn(self.hub.clock.save(self.hub.db))
        self.after(TICK_S * 1000, self._tick_clock)

    def _forget(self) -> None:
        assert self.hub is not None
        if not self.disk.rows("SELECT 1 FROM upkeep WHERE task = 'counted'"):
            self.first_aged_ms = max(self.first_aged_ms, self.hub.now_ms())
        self.spawn(forget(self.hub))
        self.after(UPKEEP_MS, self._forget)

    def gone(self) -> None:
        """The machine is down; the peer learns of it at once (the process died) or by its heartbeat (the power went)."""
        self.hub = None
        self.world.tell("gone", self)
        if self.talk is not None:
            self.talk.drop(is_told=self.world.rng.random() < 0.5)
            self.talk = None

    def post(
        self, handle: Callable[[Call], Coroutine[Any, Any, Reply]], body: object, till_id: str, told: Told
    ) -> None:
        """Let a client's request reach a route."""
        assert self.hub is not None
        call = Call(self.hub, Paired(till_id, till_id, "manager"), {}, body)

        def failed(err: SyncError) -> None:
            told(503 if isinstance(err, BusyError | OutcomeUnknownError) else 422, err.code.encode())

        def done(reply: Reply) -> None:
            told(reply.status, reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body))

        self.spawn(handle(call), done=done, failed=failed)

    def unsettled(self, cloud: "CloudNode") -> Iterator[str]:
        """What the cloud or this hub does not hold yet, read from the files."""
        if self.is_retired:
            return
        if not self.is_up or self.hub is None:
            yield f"{self.name} is down"
            return
        own = self.disk.rows(
            "SELECT name, seq, replica FROM stream JOIN replica ON replica.id = stream.replica WHERE own = 1"
        )
        acked = dict(
            self.disk.rows(
                "SELECT stream, last FROM acked JOIN replica ON id = replica WHERE own = 1 AND peer = 'cloud'"
            )
        )
        held = cloud.held(self.rep)
        folded = dict(self.disk.rows("SELECT stream, last FROM folded JOIN replica ON id = replica WHERE own = 1"))
        for name, seq, replica in own:
            if name == "catalogue" and not self.disk.rows(OWN_REGISTERS, replica, held.get(name, 0)):
                continue  # the cloud's own stand in the place of what was handed over, also at one that has forgotten that
            if held.get(name, 0) != seq or acked.get(name, 0) != seq:
                yield f"{self.name} {name}: {seq} written, {held.get(name, 0)} held, {acked.get(name, 0)} acknowledged"
            if name in FOLDED and folded.get(name, 0) != seq:
                yield f"{self.name} {name}: {seq} written, {folded.get(name, 0)} folded"
        known = {rep for (rep,) in self.disk.rows(_SEALED)}
        yield from (
            f"{self.name} has not heard that {rep} is sealed" for rep in sorted(cloud.sealed(self.store) - known)
        )
        yield from self._others_unsettled(cloud)
        for stream, end in cloud.scope_ends(self.store).items():
            if self._told(stream, cloud) != end:
                yield f"{self.name} {stream}: {self._told(stream, cloud)} of {end}"
        if (down := self._told("catalogue", cloud)) != cloud.catalogue_end():
            yield f"{self.name}: catalogue at {down}, the cloud's ends at {cloud.catalogue_end()}"

    def _others_unsettled(self, cloud: "CloudNode") -> Iterator[str]:
        """What this hub does not hold yet of the other lives of its store, whatever the stream.

        A frame that was dropped with none behind it is missed when its ack is: after a minute, in which all else may be quiet.
        """
        here = {
            (incarnation, stream): last
            for incarnation, stream, last in self.disk.rows(
                "SELECT incarnation, stream, last FROM received JOIN replica ON id = replica WHERE store = ?",
                self.store,
            )
        }
        own = self.rep.rpartition(":")[2]
        for (incarnation, stream), last in cloud.lives_of(self.store).items():
            if incarnation != own and stream in PASSED_ON and here.get((incarnation, stream), 0) != last:
                yield f"{self.name}: {here.get((incarnation, stream), 0)} of {last} {stream} of {incarnation}"
        told, end = self._told(f"footfall@{self.store}", cloud), cloud.visitors_end(self.store, but=own)
        if told != end:
            yield f"{self.name}: visitors of others at {told}, the cloud's end at {end}"

    def _told(self, stream: str, cloud: "CloudNode") -> int:
        """How far this hub holds a stream of the cloud's own."""
        last = self.disk.rows(
            "SELECT last FROM received JOIN replica ON id = replica WHERE stream = ? AND incarnation = ?",
            stream,
            cloud.incarnation,
        )
        return last[0][0] if last else 0

    def _on_group(self, jobs: int, is_ok: bool) -> None:
        assert self.hub is not None
        self.hub.metrics.count_group(jobs, is_ok)
        self.world.note(self.name, f"commits {jobs}" if is_ok else f"cannot commit {jobs}")
        self.world.tell("commit", self, is_ok)
        if self.talk is not None:
            self.talk.grown()
        elif self.hub.replication.link.reason == "scheduled" and self.hub.replication.has_waiting(WAKE_FOR):
            self.world.meet("line woken")
            self._dial_in(0)

    def _look_who(self) -> None:
        """Everybody at this hub hears when it has become somebody else."""
        if self.rep == self.last_rep:
            return
        self.world.note(self.name, f"is {self.rep}")
        if self.last_rep and self.expects:
            self.world.meet(self.expects)
            self.expects = ""
        self.last_rep = self.rep
        self.world.tell("new_life", self)

    def _fold(self) -> None:
        if self.hub is not None:
            self.spawn(self.hub.replication.fold_now())
        self.after(FOLD_MS, self._fold)

    def _dial_soon(self) -> None:
        attempts = self._attempts
        self._dial_in(backoff_s(attempts.failures, self.world.rng, max_s=RECONNECT_MAX_S, lies=attempts.lies))

    def _dial_in(self, wait_s: float) -> None:
        """Dial then, and at no other time that was said before."""
        self._dials += 1
        this = self._dials
        self.after(wait_s * 1000, lambda: self._dial() if this == self._dials else None)

    def _dial(self) -> None:
        network = self.world.network
        if self.mode == "http":
            pushed = PushedWire(self, self.world.cloud)
            self.talk = pushed.dialler = self._talk(pushed)
            pushed.begin()
            self.talk.begin()
            return
        if network.is_cut(self.name, "up") or network.is_cut(self.name, "down"):
            for way in ("up", "down"):
                if network.is_cut(self.name, way):
                    network.feel(self.name, way)
            self.after(CONNECT_TIMEOUT_MS, lambda: self._on_end(End("timeout", "no answer")))
            return
        wire = network.connect(self.name)
        self.talk = wire.dialler = self._talk(wire)
        if self.world.cloud.accept(wire, self.store):
            self.talk.begin()
        else:
            self.talk.is_over = True
            self._on_end(End("unreachable", "nobody listens"))

    def _talk(self, wire: Wire | PushedWire) -> Talk:
        assert self.hub is not None
        return Talk(self, "dialler", self.hub.replication.books, wire, on_open=self._on_open, on_end=self._on_end)

    def _on_open(self, opened: Opened) -> None:
        assert self.hub is not None
        self._up_at_ms = self.world.now_ms
        self.log["opened line"] += 1
        state = LinkState(True, "", "", self.wall_ms(), opened.peer_rep, opened.clock_offset_ms)
        self.hub.replication.on_link(state)
        if self._schedule.is_scheduled and self.talk is not None:
            self.talk.finish()

    @property
    def _schedule(self) -> Schedule:
        assert self.config.cloud is not None
        return self.config.cloud.schedule or Schedule()

    def _on_end(self, end: End) -> None:
        held_ms = self.world.now_ms - self._up_at_ms if self._up_at_ms is not None else 0
        wait_s = self._attempts.wait_s(end.code, self._schedule, held_ms=held_ms)
        self._up_at_ms = None
        self.talk = None
        if self.hub is not None:
            code = "scheduled" if end.code == "done" else end.code
            self.hub.replication.on_link(LinkState(False, code, end.detail, self.wall_ms()))
        if end.code == "done":
            self.world.meet("line at rest")
        self._dial_in(wait_s)


def _line(world: "World", mode: str) -> dict[str, object]:
    """The section [cloud]."""
    if mode == "pull":
        return {"mode": mode}
    dials: dict[str, object] = {"url": "http://127.0.0.1:1", "token": "a-token-of-the-shop"}
    if mode == "http":
        dials["transport"] = mode
    if mode == "scheduled":
        dials |= {"mode": mode, "every_s": float(world.rng.randint(*EVERY_S)), "wake_for": list(WAKE_FOR)}
    return dials
