"""Benchmark `wear`: which tables and indexes a sale with its receipt is written to, at page sizes of 1 and 4 KiB.

The hub's own jobs on its own file, in this process: what each commit appended to the write-ahead log is read back, frame by
frame, and each page is looked up in dbstat. Three ways of selling:

    alone     a commit a sale, its receipt begun in it, with `printed` of the one before: less than PRINTED_WITHIN_S apart
    seldom    a commit for the sale and one for `printed`: a shop with a sale now and then
    grouped   16 sales a commit, with what has been printed of the 16 before

disk_kib is what `sales` counts as disk_bytes_per_sale, reckoned: the 4 KiB pages of the file system that a commit makes
dirty, and at a checkpoint those of the database file. A source's KiB are its frames; what frames do not fill of a page is in no
source. Nothing here depends on how fast or how busy the machine is. Sources below SOURCE_MIN_KIB are left out of the table.
"""

import random
import secrets
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from shutil import copyfile
from typing import Any

from bench.drain import BEGAN_MS, SHOP, sale_of
from bench.figures import Figures, Target
from bench.processes import working_folder
from bench.workload import catalogue, draw_basket
from hub.migrations import MIGRATIONS
from hub.store.catalogue.products import put_products
from hub.store.selling import printing
from hub.store.selling.printing import PrintTo
from hub.store.selling.sales import sale_job
from sync.connections import CHECKPOINT_PAGES, connect_writer
from sync.model import Replica
from sync.store.replicas import identify

PAGE_SIZES = (1024, 4096)
GROUPS = {"alone": 1, "seldom": 1, "grouped": 16}
SALES = 3_200
SALES_BEFORE = 3_200  # so that the trees are as deep as a shop's of some days
PAUSE_MS = 15_000
TILLS = 4
BLOCK_BYTES = 4096  # of the file system
WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24  # SQLite file format 4.1
SOURCE_MIN_KIB = 0.05


@dataclass(slots=True)
class _Written:
    """What was written: frames by page, log bytes and file-system blocks, and the blocks of checkpoints."""

    frames: Counter[int] = field(default_factory=Counter)
    commits: int = 0
    log_blocks: int = 0
    file_blocks: int = 0
    at: int = WAL_HEADER_BYTES
    since: set[int] = field(default_factory=set)


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return KiB a sale by source; nothing is timed, so `rounds` and `seconds` do not matter. Any: JSON."""
    del rounds, seconds
    result: dict[str, Any] = {}
    with working_folder(folder) as work:
        for page_bytes in PAGE_SIZES:
            replica = _prepare(work / f"{page_bytes}.db", page_bytes)
            for name in GROUPS:
                path = work / f"{page_bytes}-{name}.db"
                copyfile(work / f"{page_bytes}.db", path)
                result[f"{page_bytes}_{name}"] = _sold(path, replica, way=name, page_bytes=page_bytes)
                say(f"{page_bytes} bytes a page, {name}: {result[f'{page_bytes}_{name}']['disk_kib']:.1f} KiB a sale")
    return result


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets of the design, section 8, at the page size the hub uses. Any: what `measure` returned."""
    return [
        Target("alone: disk KiB a sale", result["1024_alone"]["disk_kib"], 32, "at_most"),
        Target("seldom: disk KiB a sale", result["1024_seldom"]["disk_kib"], 32, "at_most"),
        Target("grouped: disk KiB a sale", result["1024_grouped"]["disk_kib"], 16, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    found: dict[str, Figures] = {f"{size} {name}": result[f"{size}_{name}"] for size in PAGE_SIZES for name in GROUPS}
    most = {name: max(each.get(name, 0.0) for each in found.values()) for each in found.values() for name in each}
    shown = [name for name in most if most[name] >= SOURCE_MIN_KIB]
    return {title: {name: figures.get(name, 0.0) for name in shown} for title, figures in found.items()}


def _prepare(path: Path, page_bytes: int) -> Replica:
    """Make a shop's file; its pages lie as they came, no shop's file is ever packed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        connection.execute("VACUUM")  # a file that exists keeps its page size
    with closing(connect_writer(path, MIGRATIONS, "off")) as tx:
        tx.execute("BEGIN")
        replica = identify(tx, SHOP.store_id, incarnation=secrets.token_hex(8), now_ms=BEGAN_MS)
        entries = catalogue()
        while batch := list(islice(entries, 500)):
            put_products(tx, replica, batch, location=SHOP.location, now_ms=BEGAN_MS)
        tx.execute("COMMIT")
        for _ in _commits(tx, replica, sales=SALES_BEFORE, way="grouped", seed=1):
            pass
        tx.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return replica


def _sold(path: Path, replica: Replica, *, way: str, page_bytes: int) -> Figures:
    log = path.with_name(path.name + "-wal")
    with closing(connect_writer(path, MIGRATIONS, "off")) as tx:
        tx.execute("PRAGMA wal_autocheckpoint = 0")
        written = _Written()
        for _ in _commits(tx, replica, sales=SALES, way=way, seed=2):
            _read_log(written, log, page_bytes)
            if (written.at - WAL_HEADER_BYTES) // (page_bytes + FRAME_HEADER_BYTES) >= CHECKPOINT_PAGES:
                _checkpoint(written, tx, page_bytes)
        _checkpoint(written, tx, page_bytes)
        names = dict(tx.execute("SELECT pageno, name FROM dbstat").fetchall())
    kib: defaultdict[str, float] = defaultdict(float)
    for page, frames in written.frames.items():
        kib[names.get(page, "freed")] += frames * (page_bytes + FRAME_HEADER_BYTES) / 1024
    return {
        "disk_kib": (written.log_blocks + written.file_blocks) * BLOCK_BYTES / 1024 / SALES,
        "of it checkpoints": written.file_blocks * BLOCK_BYTES / 1024 / SALES,
        "frames_kib": sum(kib.values()) / SALES,
        "commits": written.commits / SALES,
        **{name: kib[name] / SALES for name in sorted(kib, key=lambda name: -kib[name])},
    }


def _commits(tx: sqlite3.Connection, replica: Replica, *, sales: int, way: str, seed: int) -> Iterator[None]:
    """Sell and print; yield after each commit."""
    rng, now_ms, begun = random.Random(seed), BEGAN_MS + seed * sales * PAUSE_MS, list[str]()
    group = GROUPS[way]
    for first in range(0, sales, group):
        tx.execute("BEGIN IMMEDIATE")
        if way != "seldom":
            _end(tx, replica, begun, now_ms)
        for number in range(first, first + group):
            now_ms += PAUSE_MS
            sale = sale_of(draw_basket(rng), f"till-{number % TILLS + 1}", now_ms, rng)
            job = sale_job(replica, SHOP, sale, print_to=PrintTo("p1", is_promised=True), now_ms=now_ms)
            receipt = job(tx).print_job
            assert receipt is not None, "the sale is new and asks for paper"
            begun.append(receipt.job_id)
        tx.execute("COMMIT")
        yield
        if way == "seldom":
            tx.execute("BEGIN IMMEDIATE")
            _end(tx, replica, begun, now_ms)
            tx.execute("COMMIT")
            yield


def _end(tx: sqlite3.Connection, replica: Replica, begun: list[str], now_ms: int) -> None:
    for job_id in begun:
        printing.end(tx, replica, job_id, "printed", now_ms=now_ms)
    begun.clear()


def _read_log(written: _Written, log: Path, page_bytes: int) -> None:
    """Count the frames that were appended since; the log begins anew after a checkpoint."""
    begun, frame_bytes = written.at, page_bytes + FRAME_HEADER_BYTES
    with log.open("rb") as file:
        salt = file.read(WAL_HEADER_BYTES)[16:24]
        file.seek(written.at)
        while (frame := file.read(frame_bytes))[8:16] == salt:
            page = int.from_bytes(frame[:4], "big")
            written.frames[page] += 1
            written.since.add(page)
            written.at += frame_bytes
    if written.at > begun:
        written.commits += 1
        written.log_blocks += (written.at - 1) // BLOCK_BYTES - begun // BLOCK_BYTES + 1


def _checkpoint(written: _Written, tx: sqlite3.Connection, page_bytes: int) -> None:
    busy, _, _ = tx.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    assert not busy, "nobody else has the file open"
    written.file_blocks += len({(page - 1) * page_bytes // BLOCK_BYTES for page in written.since})
    written.since.clear()
    written.at = WAL_HEADER_BYTES
