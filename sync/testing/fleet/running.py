"""Runs of a fleet: hours of many stores on virtual time, what a row costs at several sizes, a sample on real sockets."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

from sync.cloud.config import CloudConfig, parse_cloud_config
from sync.testing.fleet.balance import unbalanced
from sync.testing.fleet.figures import Backlog, Cost, VirtualRun, lags_of
from sync.testing.fleet.shop import Shop
from sync.testing.fleet.virtual import Fleet, Store
from sync.testing.sim_database import run_now

HOUR_MS = 3_600_000.0
SALES_AN_HOUR = 20.0  # of a shop that is open: a counter in a department store
CUTS_AN_HOUR = 0.2  # of one store's line
CUT_MS = (30_000.0, 20 * 60_000.0)
CONNECT_MS = 60_000.0  # over which all dial at the start, as after a cloud's restart
SETTLE_MS = 30 * 60_000.0
BACKLOG_MS = 10 * 60_000.0  # a backlog that is not in by then is a fault
OTHERS_A_SECOND = 30.0  # sales of the others together: what 5,000 shops sell
COST_SALES = 600  # of all stores together, at each size
Say = Callable[[str], None]


def store_names(count: int) -> list[str]:
    """Return names of stores."""
    return [f"s{n:05}" for n in range(1, count + 1)]


def make_shops(count: int, rng: Random) -> list[Shop]:
    """Return shops that have sold nothing yet."""
    return [Shop(name, Random(rng.getrandbits(64))) for name in store_names(count)]  # noqa: S311 - a simulation


def token_of(store: str) -> str:
    """Return a store's token in a fleet, which is nobody's secret."""
    return f"{store}-token-of-the-fleet"


def fleet_config(folder: Path, stores: Sequence[str], *, database: str = "") -> CloudConfig:
    """Return a cloud's configuration for these stores; its books are a file, or in an empty database of PostgreSQL."""
    told = {store: {"token": token_of(store)} for store in stores}
    return parse_cloud_config({"cloud": {"port": 0, "database": database}, "stores": told}, base=folder)


def run_virtual(folder: Path, *, stores: int, hours: float, seed: int, say: Say) -> VirtualRun:
    """Let stores sell for hours, with cuts of their lines; then let all come in, and compare the books."""
    rng = Random(seed)  # noqa: S311 - a simulation
    with tempfile.TemporaryDirectory(dir=folder) as work:
        fleet = Fleet(fleet_config(Path(work), store_names(stores)))
        with closing(fleet):
            lines = [Store(fleet, shop) for shop in make_shops(stores, rng)]
            began_ms = fleet.now_ms
            ends_ms = began_ms + hours * HOUR_MS
            for line in lines:
                fleet.at(began_ms + rng.uniform(0, CONNECT_MS), line.connect)
                _go_on_selling(fleet, line, ends_ms)
                _cut_now_and_then(fleet, line, ends_ms)
            for part in range(1, 11):
                fleet.run(began_ms + part / 10 * hours * HOUR_MS)
                say(f"{part * hours / 10:.1f} of {hours:g} h, {sum(line.shop.sold for line in lines)} sales")
            fleet.run(ends_ms + SETTLE_MS)
            shops = [line.shop for line in lines]
            rows = sum(head.last for shop in shops for head in shop.heads())
            return VirtualRun(
                stores=stores,
                hours=hours,
                sales=sum(shop.sold for shop in shops),
                rows=rows,
                contacts=sum(line.contacts for line in lines),
                worker_s=fleet.busy_s,
                rows_per_s=rows / fleet.busy_s,
                lags=lags_of([lag for shop in shops for lag in shop.lags_ms]),
                bytes_per_store_day=fleet.wire_bytes / stores / hours * 24,
                unbalanced=run_now(unbalanced(fleet.db, shops)),
            )


def cost_per_row(folder: Path, *, stores: int, seed: int, sales: int = COST_SALES) -> Cost:
    """Return what a row costs at so many stores: all are connected and known, each sells as often as at any other size."""
    rng = Random(seed)  # noqa: S311 - a simulation
    with tempfile.TemporaryDirectory(dir=folder) as work:
        fleet = Fleet(fleet_config(Path(work), store_names(stores)))
        with closing(fleet):
            lines = [Store(fleet, shop) for shop in make_shops(stores, rng)]
            for line in lines:
                fleet.at(fleet.now_ms + rng.uniform(0, CONNECT_MS), line.connect)
            for line in lines:  # the first row of a store costs more than the others
                fleet.at(fleet.now_ms + CONNECT_MS * (1 + rng.random()), line.sell_one)
            fleet.run(fleet.now_ms + 3 * CONNECT_MS)
            known = sum(head.last for line in lines for head in line.shop.heads())
            before_s, at_ms = fleet.busy_s, fleet.now_ms
            for _ in range(sales):
                at_ms += rng.expovariate(stores * SALES_AN_HOUR / HOUR_MS)
                fleet.at(at_ms, rng.choice(lines).sell_one)
            fleet.run(at_ms + CONNECT_MS)
            rows = sum(head.last for line in lines for head in line.shop.heads())
            return Cost(stores, (fleet.busy_s - before_s) / (rows - known) * 1e6)


def run_backlog(folder: Path, *, stores: int, lines: int, seed: int) -> Backlog:
    """Let one store come with days of sales while the others sell, on virtual time."""
    rng = Random(seed)  # noqa: S311 - a simulation
    with tempfile.TemporaryDirectory(dir=folder) as work:
        fleet = Fleet(fleet_config(Path(work), store_names(stores)))
        with closing(fleet):
            late, *others = [Store(fleet, shop) for shop in make_shops(stores, rng)]
            while late.shop.lines < lines:
                late.shop.sell(fleet.now_ms, is_up=False)
            late.shop.fold()
            for other in others:
                fleet.at(fleet.now_ms + rng.uniform(0, CONNECT_MS), other.connect)
            fleet.run(fleet.now_ms + 2 * CONNECT_MS)
            began_ms, at_ms = fleet.now_ms, fleet.now_ms
            fleet.at(began_ms, late.connect)
            while at_ms < began_ms + BACKLOG_MS:
                at_ms += rng.expovariate(OTHERS_A_SECOND / 1000)
                fleet.at(at_ms, rng.choice(others).sell_one)
            fleet.run(began_ms + BACKLOG_MS, is_done=lambda: late.shop.is_safe)
            lags = lags_of([lag for other in others for lag in other.shop.lags_ms])
            return Backlog(stores, late.shop.lines, late.shop.is_safe, (fleet.now_ms - began_ms) / 1000, lags)


def _go_on_selling(fleet: Fleet, line: Store, ends_ms: float) -> None:
    at_ms = fleet.now_ms + line.shop.rng.expovariate(SALES_AN_HOUR / HOUR_MS)
    if at_ms < ends_ms:
        fleet.at(at_ms, line.sell_one)
        fleet.at(at_ms, partial(_go_on_selling, fleet, line, ends_ms))


def _cut_now_and_then(fleet: Fleet, line: Store, ends_ms: float) -> None:
    at_ms = fleet.now_ms + line.shop.rng.expovariate(CUTS_AN_HOUR / HOUR_MS)
    if at_ms >= ends_ms:
        return
    back_ms = at_ms + line.shop.rng.uniform(*CUT_MS)
    fleet.at(at_ms, line.hang_up)
    fleet.at(back_ms, line.connect)
    fleet.at(back_ms, partial(_cut_now_and_then, fleet, line, ends_ms))
