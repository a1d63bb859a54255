"""The hub's clock on disk: one row, written with the stamps that it gave, else every few minutes. Functions of a write job.

Not here: what time it is (hub.clock), what stamps are for (sync.clock, sync.merge).
"""

from collections.abc import Mapping
from datetime import datetime
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from sync.clock import TIME_MAX_MS, TIME_MIN_MS, Clock, Stamp, Trust
from sync.kinds import Entity
from sync.merge import Merged
from sync.model import Replica
from sync.retail.selling.sales import Warned
from sync.store.writing import write_cells

AHEAD_MS_MAX = (
    10 * 60 * 1000
)  # tills are not set to the second; a trading day, a price and a window are a matter of more


class SavedClock(Struct, frozen=True):
    """The clock's state, who said the time, since when, and when in the machine's life that was."""

    clock: Clock
    source: str
    since_ms: int
    boot: str
    uptime_ms: int


class Stamped(Struct, frozen=True):
    """A stamp that was taken, and the clock to be saved with what it stamps."""

    stamp: Stamp
    saved: SavedClock


def save_clock(tx: Connection, saved: SavedClock) -> None:
    """Save it; the highest stamp never goes back, whatever the order in which jobs run."""
    clock = saved.clock
    tx.execute(
        """
        INSERT INTO clock
          (id, physical_ms, logical, time_ms, wall_ms, trust, contact_ms, slack_ms, source, since_ms, boot, uptime_ms)
        VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET
          logical = CASE
            WHEN (physical_ms, logical) > (excluded.physical_ms, excluded.logical) THEN logical ELSE excluded.logical END,
          physical_ms = max(physical_ms, excluded.physical_ms),
          time_ms = excluded.time_ms, wall_ms = excluded.wall_ms, trust = excluded.trust,
          contact_ms = excluded.contact_ms, slack_ms = excluded.slack_ms,
          source = excluded.source, since_ms = excluded.since_ms, boot = excluded.boot, uptime_ms = excluded.uptime_ms
        """,
        (
            clock.physical_ms,
            clock.logical,
            clock.time_ms,
            clock.wall_ms,
            int(clock.trust),
            clock.contact_ms,
            clock.slack_ms,
            saved.source,
            saved.since_ms,
            saved.boot,
            saved.uptime_ms,
        ),
    )


def load_clock(read: Connection, *, rep: str) -> SavedClock | None:
    """Return the saved clock, None before the first time."""
    row = read.execute(
        """
        SELECT physical_ms, logical, time_ms, wall_ms, trust, contact_ms, slack_ms, source, since_ms, boot, uptime_ms
        FROM clock WHERE id = 1
        """
    ).fetchone()
    if row is None:
        return None
    physical_ms, logical, time_ms, wall_ms, trust, contact_ms, slack_ms, source, since_ms, boot, uptime_ms = row
    clock = Clock(
        rep=rep,
        physical_ms=physical_ms,
        logical=logical,
        time_ms=time_ms,
        wall_ms=wall_ms,
        trust=Trust(trust),
        contact_ms=contact_ms,
        slack_ms=slack_ms,
    )
    return SavedClock(clock, source, since_ms, boot, uptime_ms)


def last_commit_ms(read: Connection) -> int:
    """Return when this replica committed its last sale or return, 0 when it has none."""
    rows = read.execute(
        """
        SELECT (SELECT body ->> '$.committed_at' FROM sale WHERE replica = own.id ORDER BY seq DESC LIMIT 1),
               (SELECT body ->> '$.committed_at' FROM sale_return WHERE replica = own.id ORDER BY seq DESC LIMIT 1)
        FROM replica AS own WHERE own.own = 1
        """
    ).fetchall()
    said = [msgspec.convert(text, datetime, strict=False) for row in rows for text in row if text is not None]
    return max((round(moment.timestamp() * 1000) for moment in said), default=0)


def traded_at(told: datetime | None, committed_at: datetime, *, is_sure: bool) -> datetime:
    """Return when something was sold or returned: by the till, unless its clock was never set, or is ahead of a sure one."""
    if told is None or not TIME_MIN_MS <= told.timestamp() * 1000 < TIME_MAX_MS:
        return committed_at
    return committed_at if is_ahead(told, committed_at, is_sure=is_sure) else told


def is_ahead(told: datetime | None, committed_at: datetime, *, is_sure: bool) -> bool:
    """Whether a till's clock shows a time that is still to come, by a clock that is sure."""
    return is_sure and told is not None and (told - committed_at).total_seconds() * 1000 > AHEAD_MS_MAX


def ahead_warnings(told: datetime | None, committed_at: datetime, *, is_sure: bool) -> tuple[Warned, ...]:
    """Return what a sale or return says whose till's clock runs ahead."""
    if told is None or not is_ahead(told, committed_at, is_sure=is_sure):
        return ()
    return (Warned("till_clock", detail=f"the till says {told.isoformat()}; dated by the hub"),)


def write_stamped(
    tx: Connection, replica: Replica, entity: Entity, key: str, cells: Mapping[str, Any], *, stamped: Stamped
) -> Merged:
    """Write cells of a shared register, and the clock that stamped them, or neither. Any: JSON."""
    save_clock(tx, stamped.saved)
    return write_cells(tx, replica, entity, key, cells, stamp=stamped.stamp)
