"""Part of benchmark `cloud`: many stores at one cloud end, as `storehub fleet` has them.

`stores_live` is how many of STORES had sold on real sockets for SECONDS with their books balanced at the end: head office on
PostgreSQL, both ends in this process. `cost_per_row_spread` is how far what a row costs at COST_AT stores is from its mean, on
virtual time and SQLite.
"""

import time
from pathlib import Path

from bench.figures import Figures
from sync.testing.fleet.figures import spread_of
from sync.testing.fleet.live import run_live
from sync.testing.fleet.running import cost_per_row

STORES = 200
SECONDS = 10.0
COST_AT = (10, 100, 1000)


async def fleet_figures(folder: Path, database: str) -> Figures:
    """Return the figures; `database` is an empty one."""
    live = await run_live(
        folder, stores=STORES, seconds=SECONDS, backlog_lines=0, seed=1, now_ms=_now_ms, database=database
    )
    costs = [cost_per_row(folder, stores=stores, seed=1) for stores in COST_AT]
    return {
        "stores_live": float(live.stores - len(live.unbalanced)),
        "live_lag_p99_ms": live.lags.p99_ms,
        "row_us": sum(each.row_us for each in costs) / len(costs),
        "cost_per_row_spread": spread_of(costs),
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
