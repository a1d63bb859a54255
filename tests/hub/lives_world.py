"""Two machines of a store and a cloud on real files; they talk by sessions over frames as bytes, files are copied like cards."""

import secrets
import sqlite3
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from shutil import copyfile
from typing import Any

from devices.model import CounterReading
from hub.books import HubBooks
from hub.holders import PEER
from hub.migrations import MIGRATIONS
from hub.standby.books import StandbyBooks
from hub.store import footfall
from hub.store.model import Shop
from hub.store.replica.lives import begin_life, why_new_life
from hub.store.selling.returns import return_job
from hub.store.selling.sales import sale_job
from hub.store.stock.levels import facts_to_fold, fold_all
from hub.store.stock.stock import Movement, move
from hub.store.upkeep.retention import note_marks, prune
from sync.batch import Batch
from sync.cloud.catalogue import Entry
from sync.cloud.databases import begin_file
from sync.cloud.metrics import CloudMetrics
from sync.cloud.migrations import MIGRATIONS as CLOUD_MIGRATIONS
from sync.cloud.store import CloudBooks, CloudStore
from sync.db import Database, open_database
from sync.errors import SyncError
from sync.protocol import FEATURES, Packed, decode, encode, packed, unpacked
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.returns import Return
from sync.retail.selling.sales import Sale
from sync.retail.visitors.footfall import QUARTER_MS
from sync.session import (
    Acked,
    Apply,
    Effect,
    End,
    EndLives,
    Forked,
    Jump,
    Load,
    LoadOpening,
    NoteSealed,
    Opened,
    Send,
    Session,
)
from sync.store.replicas import identify
from sync.store.retention import DAY_MS
from tests.files import open_fresh

NOW_MS = 1_790_000_000_000


class Machine:
    """A hub's books on a file. `crash` leaves the file as it is; `copy_to` is a card cloned, or a backup."""

    def __init__(self, path: Path, shop: Shop) -> None:
        self.path = path
        self.shop = shop
        self.deaf = False
        self.now_ms = NOW_MS
        self.next_incarnation = ""

    async def start(self, stack: AsyncExitStack, *, fingerprint: str = "") -> None:
        self.db: Database = await stack.enter_async_context(open_fresh(self.path, migrations=MIGRATIONS))
        replica = await self.db.write(lambda tx: identify(tx, "hk01", incarnation=secrets.token_hex(8), now_ms=NOW_MS))
        if fingerprint:
            why = await self.db.write(lambda tx: why_new_life(tx, fingerprint))
            if why:
                reborn = await self.db.write(
                    lambda tx: begin_life(
                        tx, replica, peer=PEER, incarnation=secrets.token_hex(8), why=why, now_ms=NOW_MS
                    )
                )
                assert reborn is not None
                replica = reborn.replica
        self.books = HubBooks(
            self.db,
            replica,
            currency="HKD",
            now_ms=lambda: self.now_ms,
            new_incarnation=lambda: self.next_incarnation or secrets.token_hex(8),
        )

    @property
    def rep(self) -> str:
        return self.books.rep

    async def sell(self, sale: Sale) -> Any:
        return await self.db.write(sale_job(self.books.replica, self.shop, sale, print_to=None, now_ms=self.now_ms))

    async def take_back(self, content: Return) -> Any:
        return await self.db.write(return_job(self.books.replica, self.shop, content, now_ms=self.now_ms))

    async def receive(self, qty: int, sku: str = "TEA-01") -> None:
        movement = Movement(movement_id=secrets.token_hex(8), sku=sku, qty=qty, reason="receive")
        await self.db.write(
            lambda tx: move(tx, self.books.replica, movement, location=self.shop.location, now_ms=self.now_ms)
        )

    async def count(self, entered: int, exited: int = 0, *, quarter: int = 0) -> None:
        """Let people through the door in a quarter hour, told by a counter that says how many more."""
        at_ms = NOW_MS + quarter * QUARTER_MS
        said = CounterReading(
            "c", "door", at_ms=at_ms, in_delta=entered, out_delta=exited, delta_id=secrets.token_hex(8)
        )
        await self.db.write(lambda tx: footfall.record(tx, self.books.replica, [said], now_ms=at_ms))

    async def read_total(self, entered: int) -> None:
        """Hear from a counter how many have come since it was mounted."""
        said = CounterReading("t", "gate", in_total=entered, out_total=0)
        await self.db.write(lambda tx: footfall.record(tx, self.books.replica, [said], now_ms=NOW_MS))

    def visitors(self) -> tuple[int, int]:
        """How many came and left, of all lives, as this machine shows it."""
        row: tuple[int, int] = self.db.read.execute(
            "SELECT coalesce(sum(entered), 0), coalesce(sum(exited), 0) FROM footfall"
        ).fetchone()
        return row

    async def fold(self) -> None:
        await fold_all(self.db, self.books.replica)

    async def forget(self, *, days: int = 0) -> None:
        """Let days pass; note how far the cloud holds what there is, and forget what is old."""
        self.now_ms += days * DAY_MS
        own = self.books.replica
        await self.db.write(lambda tx: note_marks(tx, own, peer=PEER, now_ms=self.now_ms))
        while (await self.db.write(lambda tx: prune(tx, own, peer=PEER, now_ms=self.now_ms))).rows:
            pass

    def on_hand(self, sku: str = "TEA-01") -> int:
        row = self.db.read.execute("SELECT on_hand FROM stock WHERE sku = ?", (sku,)).fetchone()
        return row[0] if row else 0

    def price(self, sku: str) -> int:
        amount: int = self.db.read.execute("SELECT amount_minor FROM price WHERE sku = ?", (sku,)).fetchone()[0]
        return amount

    def sold_number(self, sale_id: str) -> str:
        return self.db.read.execute("SELECT receipt_no FROM sale WHERE sale_id = ?", (sale_id,)).fetchone()[0]

    def sale_ids(self) -> list[str]:
        return sorted(sale_id for (sale_id,) in self.db.read.execute("SELECT sale_id FROM sale"))

    def copy_to(self, path: Path) -> Path:
        """What a backup or a card reader copies: everything that is committed."""
        with (
            closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(path)) as target,
        ):
            source.backup(target)
        return path


class Cloud:
    """The cloud's books on a file, and what it adds up to."""

    def __init__(self, path: Path, *, next_incarnation: str = "") -> None:
        self.path = path
        self.now_ms = NOW_MS
        self._next_incarnation = next_incarnation

    async def start(self, stack: AsyncExitStack) -> None:
        begin_file(self.path)
        self.db = await stack.enter_async_context(open_database(self.path, migrations=CLOUD_MIGRATIONS))
        replica = await self.db.write(lambda tx: identify(tx, "cloud", incarnation=secrets.token_hex(8), now_ms=NOW_MS))
        self.store = CloudStore(
            self.db,
            replica,
            metrics=CloudMetrics(),
            now_ms=lambda: self.now_ms,
            new_incarnation=lambda: self._next_incarnation or secrets.token_hex(8),
        )

    copy_to = Machine.copy_to

    async def edit(self, sku: str, amount: int) -> None:
        """Head office sets a price."""
        await self.store.import_entries([Entry(Product(sku=sku, name=Name(en=sku)), Price(amount, "HKD"))])

    def price(self, sku: str) -> int:
        amount: int = self.db.read.execute(
            "SELECT CAST(body AS TEXT) ->> 'amount' FROM register WHERE kind = 'price' AND sku = ?", (sku,)
        ).fetchone()[0]
        return amount

    def sales(self) -> tuple[int, int]:
        """How many sales count, and what they come to."""
        row = self.db.read.execute("SELECT row_count, amount FROM store_sum WHERE measure = 'sales'").fetchone()
        return (row[0], row[1]) if row else (0, 0)

    def stock_by_keys(self) -> dict[str, int]:
        """Effects of the facts with different keys, read by plain SQL and added up here."""
        sums: Counter[str] = Counter()
        for stream in ("sales", "returns", "stock"):
            rows = self.db.read.execute(
                """
                SELECT effect.value ->> 0, effect.value ->> 2
                FROM feed JOIN fact_key ON fact_key.stream = feed.id
                JOIN fact ON fact.stream = feed.id AND fact.n = fact_key.n
                JOIN json_each(CAST(fact.body AS TEXT), '$.stock') AS effect
                WHERE feed.stream = ?
                """,
                (stream,),
            )
            for sku, qty in rows:
                sums[sku] += qty
        return dict(sums)

    def stock_by_tallies(self) -> dict[str, int]:
        """What all writers' levels come to."""
        sums: Counter[str] = Counter()
        rows = self.db.read.execute(
            """
            SELECT CAST(tally.body AS TEXT) ->> 'sku', CAST(tally.body AS TEXT) ->> 'received',
                   CAST(tally.body AS TEXT) ->> 'issued'
            FROM tally JOIN feed ON feed.id = tally.stream WHERE feed.stream = 'levels'
            """
        )
        for sku, received, issued in rows:
            sums[sku] += received - issued
        return dict(sums)

    def visitors(self) -> tuple[int, int]:
        """How many came and left, of all lives; the sums that are kept beside say the same."""
        rows = self.db.read.execute(
            """
            SELECT CAST(tally.body AS TEXT) ->> 'in', CAST(tally.body AS TEXT) ->> 'out'
            FROM tally JOIN feed ON feed.id = tally.stream WHERE feed.stream = 'footfall'
            """
        ).fetchall()
        added_up = sum(row[0] for row in rows), sum(row[1] for row in rows)
        kept = dict(
            self.db.read.execute("SELECT measure, amount FROM store_sum WHERE measure LIKE 'footfall%'").fetchall()
        )
        assert added_up == (kept.get("footfall_in", 0), kept.get("footfall_out", 0))
        return added_up

    def sealed(self) -> list[str]:
        return sorted(
            json_rep
            for (json_rep,) in self.db.read.execute(
                """
                SELECT CAST(body AS TEXT) ->> 'rep' FROM fact
                WHERE stream = (SELECT id FROM feed WHERE stream = 'seals')
                """
            )
        )


async def meet(machine: Machine, cloud: Cloud, *, times: int = 6, features: tuple[str, ...] = FEATURES) -> list[str]:
    """Fold, then dial until a conversation has nothing more to say; return how each ended ("quiet" for the last)."""
    ends = []
    for _ in range(times):
        await machine.fold()
        await machine.books.tell_lost(cloud.store.replica.rep)
        end = await converse(machine.books, CloudBooks(cloud.store, "hk01"), features)
        ends.append(end.code if end else "quiet")
        if end is None and not facts_to_fold(machine.db.read, machine.books.replica):
            return ends
    return ends


async def converse(
    hub: Any,
    cloud: Any,
    features: tuple[str, ...] = FEATURES,
    *,
    meanwhile: Callable[[], Awaitable[object]] | None = None,
) -> End | None:
    """One conversation over frames as bytes until it falls silent, or ends; `meanwhile` happens when all was said once."""
    sessions = {"hub": Session("dialler", hub, features=features), "cloud": Session("acceptor", cloud)}
    books = {"hub": hub, "cloud": cloud}
    wires: dict[str, deque[bytes]] = {"hub": deque(), "cloud": deque()}
    now_ms = 0

    async def carry_out(side: str, effects: list[Effect]) -> End | None:
        other, session, todo = ("cloud" if side == "hub" else "hub"), sessions[side], deque(effects)
        while todo:
            effect = todo.popleft()
            match effect:
                case Send(frame):
                    wires[other].append(encode(packed(frame) if isinstance(frame, Batch) else frame))
                case Load():
                    batches = await books[side].load(
                        effect.head, effect.after, effect.rows_max, batches_max=effect.batches_max
                    )
                    todo.extend(session.loaded(batches, now_ms))
                case Apply(batch):
                    todo.extend(session.applied(batch, await books[side].apply(batch)))
                case Acked():
                    await books[side].acked(session.peer_rep, effect.rep, effect.stream, effect.boundary)
                case EndLives(lives):
                    await books[side].end_lives(session.peer_rep, lives)
                    todo.extend(session.lives_ended())
                case Jump():
                    cursor = await books[side].jump(effect.rep, effect.stream, effect.to, effect.opening)
                    todo.extend(session.jumped(effect, cursor))
                case LoadOpening():
                    opening = await books[side].opening(effect.head, effect.to)
                    todo.extend(session.summed_up(opening, now_ms))
                case NoteSealed(reps):
                    await books[side].note_sealed(reps)
                case Forked(why):
                    await books[side].forked(why)
                case End():
                    return effect
                case Opened():
                    pass
        return None

    try:
        end = await carry_out("hub", sessions["hub"].start(0, wall_ms=NOW_MS))
        for now_ms in range(0, 6000, 50):
            if now_ms == 3000 and meanwhile is not None:
                await meanwhile()
            while end is None and (wires["hub"] or wires["cloud"]):
                for side in ("cloud", "hub"):
                    if end is None and wires[side]:
                        frame = decode(wires[side].popleft())
                        item = unpacked(frame) if isinstance(frame, Packed) else frame
                        end = await carry_out(side, sessions[side].receive(item, now_ms, wall_ms=NOW_MS))
            for side in ("hub", "cloud"):
                if end is None:
                    end = await carry_out(side, sessions[side].tick(now_ms))
        for frame in (decode(message) for message in list(wires["hub"]) if end is not None):
            if not isinstance(frame, Packed):
                await carry_out("hub", sessions["hub"].receive(frame, now_ms, wall_ms=NOW_MS))
        await _settle_soon(hub)
    except SyncError as err:
        return End(err.code, err.detail)
    return end


async def _settle_soon(hub: HubBooks | StandbyBooks) -> None:
    """Acks are noted with the next commit: let there be one."""
    books = hub._books if isinstance(hub, StandbyBooks) else hub
    await books._db.write(lambda tx: tx.execute("UPDATE replica SET own = own WHERE own = 1"))


async def card(machine: Machine, path: Path) -> Path:
    """Copy a machine's file."""
    return machine.copy_to(path)


def restored(path: Path, shop: Shop, copy: Path) -> Machine:
    """A machine on a copy."""
    copyfile(copy, path)
    return Machine(path, shop)
