"""One step of benchmark `sync` in a process of its own: `python -m bench.sync_child ENGINE STEP FOLDER SEED`; JSON out.

    step    does, in a process of its own                       figures
    write   the three replicas' own writes, left as files       write_cpu_s
    merge   opens them, exchanges pairwise until all agree      merge_cpu_s, rss_over_imports_mib, wire_*_bytes
    sales   ships sales in batches of 100                       bytes_per_sale_batch100
    grow    writes so many deltas at one replica (SEED of them)  nothing, where the engine cannot
    grown   opens what `grow` left                               file_bytes, rss_bytes
    cold    ships 200,000 products and tallies to an empty one  cold_resync_cpu_s (peers; ours is bench.sync_cold)

CPU is user and system time of this process, all threads: encode, compress, decompress, decode, apply at all three replicas, each
durable (written and fsynced) before the next message; neither opening the files nor the check at the end. Memory is the
highest resident size from the first file opened to the last message applied, over that after all imports. An engine that
ends in replicas which disagree, or whose sums are not the trace's, ends the benchmark.

Not here: an engine (bench.sync_own, bench.sync_peers), what was written (bench.sync_workload).
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from bench.figures import Figures
from bench.sync_workload import REPLICAS, Delta, Trace, cold_catalogue, draw_trace, sale_rows, stream_deltas
from sync.retail.catalogue.registers import product_row, write_row

ENGINES = {"own": "bench.sync_own", "pycrdt": "bench.sync_pycrdt", "loro": "bench.sync_loro"}
BATCH = 100
SALES = 5_000


class Wire:
    """What went over the line: bytes as sent, and before zstd."""

    def __init__(self) -> None:
        self.zstd_bytes = 0
        self.raw_bytes = 0

    def sent(self, *, zstd_bytes: int, raw_bytes: int) -> None:
        """Count one message."""
        self.zstd_bytes += zstd_bytes
        self.raw_bytes += raw_bytes


class Held(msgspec.Struct, frozen=True):
    """What a replica says at the end: stock and price by product."""

    on_hand: dict[int, int]
    prices: dict[int, int]


class Replica(Protocol):
    """One of the three, open."""

    def held(self) -> Held:
        """Return what it holds."""
        ...

    def close(self) -> None:
        """Close its file."""
        ...


class Engine(Protocol):
    """A replicated store under test."""

    def write(self, folder: Path, trace: Trace) -> None:
        """Write each replica's part of the trace, and leave it in files."""
        ...

    def open(self, folder: Path) -> list[Replica]:
        """Open what `write` left."""
        ...

    def send(self, giver: Replica, taker: Replica, wire: Wire) -> None:
        """Send all that the taker lacks of the giver's; it is durable there at the end."""
        ...

    def sales_bytes(self, sales: Sequence[bytes], batch: int) -> int:
        """Return how many bytes ship these sales in batches."""
        ...


@runtime_checkable
class Grower(Protocol):
    """An engine that can be made to swallow many deltas."""

    def grow(self, folder: Path, deltas: Iterable[Sequence[Delta]]) -> None:
        """Write these at one replica, with all it does to stay small, and leave its one file in the folder."""
        ...

    def open_grown(self, folder: Path) -> Replica:
        """Open what `grow` left."""
        ...


class Peer(Engine, Protocol):
    """Another library, in memory: what real processes do for ours, one process does for it."""

    def cold_cpu_s(self, rows: Sequence[tuple[str, str, int]]) -> float:
        """Return the CPU time to bring an empty replica to rows of (SKU, product as JSON, stock), from a full one's export."""
        ...


def write(engine: Engine, folder: Path, seed: int) -> Figures:
    """Leave the files that `merge` opens."""
    trace, began_s = draw_trace(seed), time.process_time()
    engine.write(folder, trace)
    return {"write_cpu_s": time.process_time() - began_s}


def merge(engine: Engine, folder: Path, seed: int) -> Figures:
    """Exchange pairwise, measure, then check that all agree with the trace."""
    wire = Wire()
    imported_kib = _memory_kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the highest size starts anew. proc_pid_clear_refs(5)
    replicas = engine.open(folder)
    began_s = time.process_time()
    for one, other in combinations(replicas, 2):
        engine.send(one, other, wire)
        engine.send(other, one, wire)
    took_s = time.process_time() - began_s
    peak_kib = _memory_kib("VmHWM")
    _check([replica.held() for replica in replicas], draw_trace(seed))
    for replica in replicas:
        replica.close()
    return {
        "merge_cpu_s": took_s,
        "rss_over_imports_mib": (peak_kib - imported_kib) / 1024,
        "wire_zstd_bytes": wire.zstd_bytes,
        "wire_raw_bytes": wire.raw_bytes,
    }


def sales(engine: Engine, folder: Path, seed: int) -> Figures:
    """Ship sales in batches of BATCH."""
    del folder
    return {"bytes_per_sale_batch100": engine.sales_bytes(sale_rows(seed, SALES), BATCH) / SALES}


def grow(engine: Engine, folder: Path, deltas: int) -> Figures:
    """Leave what so many deltas leave; return nothing for an engine that cannot."""
    if not isinstance(engine, Grower):
        return {}
    engine.grow(folder, stream_deltas(deltas, deltas))
    return {"deltas": deltas}


def grown(engine: Grower, folder: Path, deltas: int) -> Figures:
    """Return the size of the files in the folder, and of the process over its imports with them open."""
    del deltas
    size = sum(path.stat().st_size for path in folder.iterdir())
    imported_kib = _memory_kib("VmRSS")
    replica = engine.open_grown(folder)
    rss_kib = _memory_kib("VmRSS")
    replica.close()
    return {"file_bytes": size, "rss_bytes": (rss_kib - imported_kib) * 1024}


def cold(engine: Peer, folder: Path, seed: int) -> Figures:
    """Bring an empty replica to a whole catalogue."""
    del folder, seed
    rows = [
        (entry.product.sku, write_row(product_row(entry.product, 1)).decode(), entry.stock or 0)
        for entry in cold_catalogue()
    ]
    return {"cold_resync_cpu_s": engine.cold_cpu_s(rows)}


STEPS: dict[str, Callable[..., Figures]] = {
    "write": write,
    "merge": merge,
    "sales": sales,
    "grow": grow,
    "grown": grown,
    "cold": cold,
}


def main(engine_name: str, step: str, folder: str, seed: str) -> None:
    """Run one step and print its figures."""
    engine = import_module(ENGINES[engine_name]).ENGINE
    print(msgspec.json.encode(STEPS[step](engine, Path(folder), int(seed))).decode())


def _check(held: list[Held], trace: Trace) -> None:
    assert len(held) == REPLICAS
    if any(each != held[0] for each in held):
        raise SystemExit("bench: the replicas disagree after all pairs have met")
    if held[0].on_hand != trace.on_hand or set(held[0].prices) != set(trace.prices):
        raise SystemExit("bench: the replicas agree on something else than the sums of the trace")


def _memory_kib(name: str) -> int:
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
