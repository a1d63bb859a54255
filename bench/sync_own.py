"""Benchmark `sync`: our own engine: three hub databases, rows, batches, frames and cursors of the product, without its network.

    giver                                            taker
    batches_after
    offer_all, a window committed together
    packed -> encode                          ->     decode -> unpacked -> new_rows
                                                     apply_rows and receive_to, committed together
    note_acked, with the next offer           <-     Ack

Deltas travel as what folding leaves of them: tallies, sorted by key within a fold; prices as registers. Batches are as large
as the link sends them (sync.sending): as many at once as the stream may fill places of the window, in one commit of the giver
that offers them and one of the taker. What a hub adds to this is its event loop and the hop to the writer's thread.
"""

import gc
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from backports import zstd

from bench.sync_child import Held, Wire
from bench.sync_growth import grow
from bench.sync_workload import REPLICAS, Delta, Edit, Trace, fold
from bench.workload import CURRENCY, sku_of
from hub.migrations import MIGRATIONS
from hub.store.stock.levels import FOLD_MAX
from sync.batch import START, Batch, Boundary, Gap, Head, batch_of, new_rows
from sync.connections import connect_writer
from sync.kinds import Priority
from sync.model import Feed, Replica
from sync.protocol import Ack, Packed, decode, encode, packed, unpacked
from sync.retail.catalogue.registers import PRICE, PriceRow
from sync.retail.stock.levels import LEVEL
from sync.sending import STATE_ROWS, window_of
from sync.store.cursors import note_acked, receive_to, received_to
from sync.store.offering import batches_after, offer_all
from sync.store.replicas import identify, own_replica, replica_id
from sync.store.rows import apply_rows
from sync.store.streams import stream_heads
from sync.store.writing import Key, grow_tally, put_version

STREAMS = ("levels", "catalogue")
PRIORITY = Priority.NORMAL  # of these streams, or later: they may not fill the window's last place
LOCATION = "shop"
NOW_MS = 1_790_000_000_000
GROWN = "own-grown.db"


class OwnReplica:
    """A hub's database, written by one connection as in the hub."""

    def __init__(self, path: Path, number: int) -> None:
        self.tx = connect_writer(path, MIGRATIONS)
        with self.commit():
            self.me = own_replica(self.tx) or _begin(self.tx, number)

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One durable transaction."""
        self.tx.execute("BEGIN IMMEDIATE")
        yield
        self.tx.execute("COMMIT")

    def held(self) -> Held:
        """Return the sums of all writers' tallies, and the prices that stand."""
        on_hand: Counter[int] = Counter()
        for sku, qty in self.tx.execute("SELECT sku, received - issued FROM level"):
            on_hand[_number(sku)] += qty
        prices = self.tx.execute("SELECT sku, amount_minor FROM price").fetchall()
        return Held(dict(on_hand), {_number(sku): amount for sku, amount in prices})

    def close(self) -> None:
        """Close the file."""
        self.tx.close()


class OwnEngine:
    """The product's replicated store."""

    def write(self, folder: Path, trace: Trace) -> None:
        """Leave what folded deltas and price edits leave."""
        for number in range(REPLICAS):
            replica = OwnReplica(_path(folder, number), number)
            with replica.commit():
                _write_levels(replica, trace.baskets[number])
                _write_prices(replica, trace.edits[number])
            replica.close()

    def open(self, folder: Path) -> list[OwnReplica]:
        """Open what `write` left; what is in memory then stays, as in a hub that has started (hub.app)."""
        gc.freeze()
        return [OwnReplica(_path(folder, number), number) for number in range(REPLICAS)]

    def grow(self, folder: Path, deltas: Iterable[Sequence[Delta]]) -> None:
        """Let one shop live through these deltas, with all that a hub does to stay small."""
        grow(folder / GROWN, deltas)

    def open_grown(self, folder: Path) -> OwnReplica:
        """Open what `grow` left."""
        return OwnReplica(folder / GROWN, 0)

    def send(self, giver: OwnReplica, taker: OwnReplica, wire: Wire) -> None:
        """Send the giver's own streams from behind the taker's cursors, batch by batch, each acknowledged."""
        with taker.commit():
            giver_id = replica_id(taker.tx, giver.me.rep, now_ms=NOW_MS)
        for stream in STREAMS:
            at, is_more = received_to(taker.tx, giver_id, stream), True
            while is_more:
                messages = _offered(giver, taker, stream, at, wire)
                if is_more := bool(messages):
                    with taker.commit():
                        ends = [_take(taker, giver_id, message) for message in messages]
                    at = _acked(giver, stream, ends[-1], wire)

    def sales_bytes(self, sales: Sequence[bytes], batch: int) -> int:
        """Ship sales as rows of a log."""
        wire, at = Wire(), START
        for first in range(0, len(sales), batch):
            rows = list(enumerate(sales[first : first + batch], first + 1))
            sent = batch_of("bench:0123456789abcdef", "sales", Feed.LOG, at, rows)
            _frame(sent, wire)
            at = sent.end
        return wire.zstd_bytes


def _offered(giver: OwnReplica, taker: OwnReplica, stream: str, acked: Boundary, wire: Wire) -> list[bytes]:
    """Return what is sent next, the ends of all batches written down before, as a hub does.

    How far the taker is rides with them, or alone at the end.
    """
    head = Head(giver.me.rep, stream, Feed.STATE, stream_heads(giver.tx, giver.me)[stream])
    found = list(islice(batches_after(giver.tx, giver.me, head, acked, rows_max=STATE_ROWS), window_of(PRIORITY)))
    with giver.commit():
        if acked.last:
            note_acked(giver.tx, giver.me, stream, acked, peer=taker.me.store)
        offered = offer_all(giver.tx, giver.me, found)
    return [_frame(batch, wire) for batch in offered]


def _take(taker: OwnReplica, giver_id: int, message: bytes) -> Boundary:
    """Write the rows of a message; return how far the taker is then."""
    frame = decode(message)
    assert isinstance(frame, Packed)
    batch = unpacked(frame)
    rows = new_rows(received_to(taker.tx, giver_id, batch.stream), batch)
    assert not isinstance(rows, Gap)
    apply_rows(taker.tx, batch.stream, rows, replica=giver_id, rep=batch.rep)
    receive_to(taker.tx, giver_id, batch.stream, batch.end)
    return batch.end


def _acked(giver: OwnReplica, stream: str, end: Boundary, wire: Wire) -> Boundary:
    """Return what the giver hears after the taker's commit: one ack for all that was in it."""
    ack = encode(Ack(giver.me.rep, stream, end.last, end.digest))
    wire.sent(zstd_bytes=len(ack), raw_bytes=len(ack))
    answer = decode(ack)
    assert isinstance(answer, Ack)
    return Boundary(answer.last, answer.digest)


def _frame(batch: Batch, wire: Wire) -> bytes:
    frame = packed(batch)
    message = encode(frame)
    unpacked_bytes = zstd.get_frame_info(frame.rows).decompressed_size or 0
    wire.sent(zstd_bytes=len(message), raw_bytes=len(message) - len(frame.rows) + unpacked_bytes)
    return message


def _begin(tx: sqlite3.Connection, number: int) -> Replica:
    return identify(tx, f"shop-{number + 1}", incarnation=f"{number + 1:016x}", now_ms=NOW_MS)


def _write_levels(replica: OwnReplica, baskets: Sequence[Sequence[Delta]]) -> None:
    for moved in fold(baskets, facts_max=FOLD_MAX):
        grown: dict[Key, tuple[int, ...]] = {
            (sku_of(product), LOCATION): (received, issued, 0) for product, received, issued in moved
        }
        grow_tally(replica.tx, replica.me, LEVEL, grown)


def _write_prices(replica: OwnReplica, edits: Sequence[Edit]) -> None:
    for edit in edits:
        row = PriceRow(sku=sku_of(edit.product), n=0, amount=edit.amount, currency=CURRENCY)
        put_version(replica.tx, replica.me, PRICE, row)


def _path(folder: Path, number: int) -> Path:
    return folder / f"own-{number}.db"


def _number(sku: str) -> int:
    return int(sku.removeprefix("B"))


ENGINE = OwnEngine()
