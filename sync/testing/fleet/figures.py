"""What a run of a fleet came to: rows a second, lags, bytes, the balance of the books, and where it would end. Values only."""

from collections.abc import Sequence

from msgspec import Struct

FLAT = 0.20  # cost of a row at 10, 100 and 1,000 stores: within this of their mean
TOP_LOAD = 0.7  # of one worker: beyond it what waits grows faster than it is done
AT_STORES = 10_000


class Lags(Struct, frozen=True):
    """How long after a sale, made while the line was up, it was committed at the cloud, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class VirtualRun(Struct, frozen=True):
    """Hours of many stores on virtual time. `unbalanced` names stores whose books and the cloud's differ."""

    stores: int
    hours: float
    sales: int
    rows: int
    contacts: int
    worker_s: float
    rows_per_s: float
    lags: Lags
    bytes_per_store_day: float
    unbalanced: tuple[str, ...]


class Cost(Struct, frozen=True):
    """What a row costs the cloud's worker at so many stores, in microseconds of processor time."""

    stores: int
    row_us: float


class LiveRun(Struct, frozen=True):
    """A sample on real sockets. `backlog_s` is how long one store's backlog took, `lags` are those of all the others."""

    stores: int
    sales: int
    rows_per_s: float
    lags: Lags
    backlog_lines: int
    backlog_s: float
    unbalanced: tuple[str, ...]


class Backlog(Struct, frozen=True):
    """One store's backlog on virtual time: whether all is in, how long it took, what the others noticed."""

    stores: int
    lines: int
    is_in: bool
    took_s: float
    lags: Lags


class Report(Struct, frozen=True):
    """All of it. `ends_at_stores` is extrapolated from the measured cost, nothing of that size was run."""

    seed: int
    virtual: VirtualRun
    costs: tuple[Cost, ...]
    cost_per_row_spread: float
    rows_per_store_hour: float
    load_at_10000: float
    ends_at_stores: int
    live: LiveRun | None = None


def lags_of(lags_ms: Sequence[float]) -> Lags:
    """Return percentiles, nearest rank; zeros where nothing was sold."""
    found = sorted(lags_ms) or [0.0]
    return Lags(*(found[min(len(found) - 1, int(share * len(found)))] for share in (0.5, 0.95, 0.99, 1.0)))


def spread_of(costs: Sequence[Cost]) -> float:
    """Return the largest distance of a cost from their mean, as a share of it."""
    mean = sum(each.row_us for each in costs) / len(costs)
    return max(abs(each.row_us - mean) for each in costs) / mean


def report(seed: int, virtual: VirtualRun, costs: Sequence[Cost], live: LiveRun | None) -> Report:
    """Put it together; where it would end follows from the dearest row and the rows that a store writes in an hour."""
    per_hour = virtual.rows / virtual.stores / virtual.hours
    dearest_s = max(each.row_us for each in costs) / 1e6
    load = AT_STORES * per_hour / 3600 * dearest_s
    ends_at = int(TOP_LOAD / (per_hour / 3600 * dearest_s))
    return Report(seed, virtual, tuple(costs), spread_of(costs), per_hour, load, ends_at, live)


def said(report: Report) -> list[str]:
    """Return the report as a person reads it."""
    run, costs = report.virtual, report.costs
    lines = [
        f"virtual: {run.stores} stores, {run.hours:g} h, seed {report.seed}: {run.sales} sales, {run.rows} rows, "
        f"{run.contacts} contacts",
        f"  the worker was busy for {run.worker_s:.1f} s: {run.rows_per_s:.0f} rows/s",
        f"  sale to commit at the cloud: {_said_lags(run.lags)}",
        f"  a store sends {run.bytes_per_store_day / 1024:.0f} KiB a day",
        _said_balance(run.stores, run.unbalanced),
        "cost of a row: " + ", ".join(f"{each.row_us:.0f} µs at {each.stores}" for each in costs),
        f"  within {report.cost_per_row_spread:.0%} of their mean: "
        + ("flat" if report.cost_per_row_spread <= FLAT else f"NOT flat (± {FLAT:.0%})"),
        f"extrapolated, not run: {AT_STORES} stores that write {report.rows_per_store_hour:.0f} rows an hour each take "
        f"{report.load_at_10000:.0%} of one worker; one worker is full ({TOP_LOAD:.0%}) at {report.ends_at_stores} stores",
    ]
    live = report.live
    if live is not None:
        lines += [
            f"live: {live.stores} stores on real sockets, both ends in this process: {live.sales} sales, "
            f"{live.rows_per_s:.0f} rows/s",
            f"  sale to commit at the cloud: {_said_lags(live.lags)}",
            _said_balance(live.stores, live.unbalanced),
        ]
        if live.backlog_lines:
            lines.append(
                f"  a backlog of {live.backlog_lines} lines of one store went in {live.backlog_s:.1f} s meanwhile"
            )
    return lines


def _said_lags(lags: Lags) -> str:
    return f"p50 {lags.p50_ms:.0f} ms, p95 {lags.p95_ms:.0f}, p99 {lags.p99_ms:.0f}, longest {lags.max_ms:.0f}"


def _said_balance(stores: int, wrong: Sequence[str]) -> str:
    if not wrong:
        return "  the books balance"
    return f"  THE BOOKS OF {len(wrong)} OF {stores} DIFFER: {', '.join(wrong[:10])}"
