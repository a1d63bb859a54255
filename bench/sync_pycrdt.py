"""Benchmark `sync`: the same work by pycrdt (Yjs): an extra of the benchmark, `pip install 'store-hub[bench]'`.

Yjs has no counter that merges: a tally is a map entry `<sku>/<replica>` with the running total, written by that replica only; a
price is a map entry that the later write wins. One transaction a basket. An update is made durable as it arrives: appended to
the taker's file and fsynced, as Yjs's stores do.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from backports import zstd

from bench.sync_child import Held, Wire
from bench.sync_workload import REPLICAS, Delta, Trace
from bench.workload import sku_of
from sync.protocol import ZSTD_LEVEL

pycrdt: Any = import_module("pycrdt")  # Any: no dependency of ours, so not there when types are checked


class YReplica:
    """One document and the file of its updates."""

    def __init__(self, path: Path, number: int) -> None:
        self.doc = pycrdt.Doc(client_id=number + 1)
        self.stock = self.doc.get("stock", type=pycrdt.Map)
        self.price = self.doc.get("price", type=pycrdt.Map)
        self.file = path.open("a+b")
        self.file.seek(0)
        if update := self.file.read():
            self.doc.apply_update(update)

    def held(self) -> Held:
        """Return the sums of the tallies, and the prices."""
        on_hand: Counter[int] = Counter()
        for key, total in self.stock.to_py().items():
            on_hand[_number(key.partition("/")[0])] += int(total)
        return Held(dict(on_hand), {_number(sku): int(amount) for sku, amount in self.price.to_py().items()})

    def keep(self, update: bytes) -> None:
        """Make an update durable."""
        self.file.write(update)
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class YEngine:
    """Yjs by pycrdt."""

    def write(self, folder: Path, trace: Trace) -> None:
        """Write each replica's part of the trace, and leave one update in its file."""
        for number in range(REPLICAS):
            replica, totals = YReplica(_path(folder, number), number), Counter[int]()
            for basket in trace.baskets[number]:
                with replica.doc.transaction():
                    for product, qty in basket:
                        totals[product] += qty
                        replica.stock[f"{sku_of(product)}/{number}"] = totals[product]
            for edit in trace.edits[number]:
                replica.price[sku_of(edit.product)] = edit.amount
            replica.keep(replica.doc.get_update())
            replica.close()

    def open(self, folder: Path) -> list[YReplica]:
        """Open what `write` left."""
        return [YReplica(_path(folder, number), number) for number in range(REPLICAS)]

    def send(self, giver: YReplica, taker: YReplica, wire: Wire) -> None:
        """Send the difference to the taker's state vector."""
        update = giver.doc.get_update(taker.doc.get_state())
        message = zstd.compress(update, ZSTD_LEVEL)
        wire.sent(zstd_bytes=len(message), raw_bytes=len(update))
        arrived = zstd.decompress(message)
        taker.doc.apply_update(arrived)
        taker.keep(arrived)

    def sales_bytes(self, sales: Sequence[bytes], batch: int) -> int:
        """Ship sales as entries of an array, each the JSON it is."""
        doc, size = pycrdt.Doc(client_id=1), 0
        array = doc.get("sales", type=pycrdt.Array)
        for first in range(0, len(sales), batch):
            state = doc.get_state()
            array.extend([sale.decode() for sale in sales[first : first + batch]])
            size += len(zstd.compress(doc.get_update(state), ZSTD_LEVEL))
        return size

    def grow(self, folder: Path, deltas: Iterable[Sequence[Delta]]) -> None:
        """Write totals, one transaction a step; Yjs forgets overwritten values by itself."""
        replica, totals = YReplica(_path(folder, 0), 0), Counter[int]()
        for step in deltas:
            with replica.doc.transaction():
                for product, qty in step:
                    totals[product] += qty
                    replica.stock[f"{sku_of(product)}/0"] = totals[product]
        replica.keep(replica.doc.get_update())
        replica.close()

    def open_grown(self, folder: Path) -> YReplica:
        """Open what `grow` left."""
        return YReplica(_path(folder, 0), 0)

    def cold_cpu_s(self, rows: Sequence[tuple[str, str, int]]) -> float:
        """Export a full document and import it into an empty one."""
        full, empty = pycrdt.Doc(client_id=1), pycrdt.Doc(client_id=2)
        product, stock = full.get("product", type=pycrdt.Map), full.get("stock", type=pycrdt.Map)
        with full.transaction():
            for sku, body, on_hand in rows:
                product[sku] = body
                stock[f"{sku}/0"] = on_hand
        began_s = time.process_time()
        empty.apply_update(zstd.decompress(zstd.compress(full.get_update(empty.get_state()), ZSTD_LEVEL)))
        return time.process_time() - began_s


def _path(folder: Path, number: int) -> Path:
    return folder / f"pycrdt-{number}.bin"


def _number(sku: str) -> int:
    return int(sku.removeprefix("B"))


ENGINE = YEngine()
