"""Phones that were heard: how many by place, hour and trading day. Numbers only, of this hub only; kept KEEP_DAYS."""

from collections.abc import Sequence
from sqlite3 import Connection

from msgspec import Struct

KEEP_DAYS = 400


class Heard(Struct, frozen=True):
    """Phones that are new in an hour (of a day, where `hour_ms` is None) at a place; `quarter` 0 to 3 is when the report came."""

    place: str
    date: str
    steady: int
    randomised: int
    hour_ms: int | None = None
    quarter: int = 0
    salts: int = 0


def record(tx: Connection, heard: Sequence[Heard], *, forget_before: str) -> None:
    """Add to the hours and days; forget the days before a date."""
    tx.executemany(
        """
        INSERT INTO probe_hour (place, hour_ms, date, steady, randomised, heard) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (place, hour_ms) DO UPDATE SET
          steady = steady + excluded.steady, randomised = randomised + excluded.randomised, heard = heard | excluded.heard
        """,
        [(h.place, h.hour_ms, h.date, h.steady, h.randomised, 1 << h.quarter) for h in heard if h.hour_ms is not None],
    )
    tx.executemany(
        """
        INSERT INTO probe_day (place, date, steady, randomised, salts) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (place, date) DO UPDATE SET
          steady = steady + excluded.steady, randomised = randomised + excluded.randomised, salts = salts + excluded.salts
        """,
        [(h.place, h.date, h.steady, h.randomised, h.salts) for h in heard if h.hour_ms is None],
    )
    tx.execute("DELETE FROM probe_hour WHERE date < ?", (forget_before,))
    tx.execute("DELETE FROM probe_day WHERE date < ?", (forget_before,))
