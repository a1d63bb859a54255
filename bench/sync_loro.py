"""Benchmark `sync`: the same work by Loro: an extra of the benchmark, `pip install 'store-hub[bench]'`.

Stock is Loro's own counter, one a SKU, at the root (map entries by SKU and replica make 2.1 MB of 1.5); a price is a map entry
that the later write wins. One commit a basket. An update is made durable as it arrives: appended to the taker's
file and fsynced.
"""

import os
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from backports import zstd

from bench.sync_child import Held, Wire
from bench.sync_workload import REPLICAS, Delta, Trace
from bench.workload import sku_of
from sync.protocol import ZSTD_LEVEL

loro: Any = import_module("loro")  # Any: no dependency of ours, so not there when types are checked
PRICES = "price"


class LoroReplica:
    """One document, the file of its updates, its counters."""

    def __init__(self, path: Path, number: int) -> None:
        self.doc = loro.LoroDoc()
        self.doc.peer_id = number + 1
        self.counters: dict[int, Any] = {}  # Any: Loro's counters
        self.file = path.open("a+b")
        self.file.seek(0)
        if update := self.file.read():
            self.doc.import_(update)

    def add(self, product: int, qty: int) -> None:
        """Change the stock of a product."""
        if product not in self.counters:
            self.counters[product] = self.doc.get_counter(sku_of(product))
        self.counters[product].increment(qty)

    def held(self) -> Held:
        """Return the counters and the prices."""
        values: dict[str, Any] = self.doc.get_deep_value()  # Any: numbers, and one map
        prices = values.pop(PRICES)
        on_hand = {_number(sku): int(qty) for sku, qty in values.items()}
        return Held(on_hand, {_number(sku): amount for sku, amount in prices.items()})

    def keep(self, update: bytes) -> None:
        """Make an update durable."""
        self.file.write(update)
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class LoroEngine:
    """Loro."""

    def write(self, folder: Path, trace: Trace) -> None:
        """Write each replica's part of the trace, and leave a snapshot in its file."""
        for number in range(REPLICAS):
            replica = LoroReplica(_path(folder, number), number)
            for basket in trace.baskets[number]:
                for product, qty in basket:
                    replica.add(product, qty)
                replica.doc.commit()
            prices = replica.doc.get_map(PRICES)
            for edit in trace.edits[number]:
                prices.insert(sku_of(edit.product), edit.amount)
            replica.doc.commit()
            replica.keep(replica.doc.export(loro.ExportMode.Snapshot()))
            replica.close()

    def open(self, folder: Path) -> list[LoroReplica]:
        """Open what `write` left."""
        return [LoroReplica(_path(folder, number), number) for number in range(REPLICAS)]

    def send(self, giver: LoroReplica, taker: LoroReplica, wire: Wire) -> None:
        """Send the difference to the taker's version vector."""
        update = giver.doc.export(loro.ExportMode.Updates(taker.doc.oplog_vv))
        message = zstd.compress(update, ZSTD_LEVEL)
        wire.sent(zstd_bytes=len(message), raw_bytes=len(update))
        arrived = zstd.decompress(message)
        taker.doc.import_(arrived)
        taker.keep(arrived)

    def sales_bytes(self, sales: Sequence[bytes], batch: int) -> int:
        """Ship sales as entries of a list, each the JSON it is."""
        doc, size = loro.LoroDoc(), 0
        listed = doc.get_list("sales")
        for first in range(0, len(sales), batch):
            seen = doc.oplog_vv
            for sale in sales[first : first + batch]:
                listed.push(sale.decode())
            doc.commit()
            size += len(zstd.compress(doc.export(loro.ExportMode.Updates(seen)), ZSTD_LEVEL))
        return size

    def grow(self, folder: Path, deltas: Iterable[Sequence[Delta]]) -> None:
        """Increment, one commit a step, and leave a snapshot without its history: all peers have it."""
        replica = LoroReplica(_path(folder, 0), 0)
        for step in deltas:
            for product, qty in step:
                replica.add(product, qty)
            replica.doc.commit()
        replica.keep(replica.doc.export(loro.ExportMode.ShallowSnapshot(replica.doc.state_frontiers)))
        replica.close()

    def open_grown(self, folder: Path) -> LoroReplica:
        """Open what `grow` left."""
        return LoroReplica(_path(folder, 0), 0)

    def cold_cpu_s(self, rows: Sequence[tuple[str, str, int]]) -> float:
        """Export a full document's snapshot and import it into an empty one."""
        full, empty = loro.LoroDoc(), loro.LoroDoc()
        products = full.get_map("product")
        for sku, body, on_hand in rows:
            products.insert(sku, body)
            full.get_counter(sku).increment(on_hand)
        full.commit()
        began_s = time.process_time()
        snapshot = full.export(loro.ExportMode.Snapshot())
        empty.import_(zstd.decompress(zstd.compress(snapshot, ZSTD_LEVEL)))
        return time.process_time() - began_s


def _path(folder: Path, number: int) -> Path:
    return folder / f"loro-{number}.bin"


def _number(sku: str) -> int:
    return int(sku.removeprefix("B"))


ENGINE = LoroEngine()
