"""How goods lie and move at a place: what each day's levels were, and what follows for age and demand.

    note_days    a write job: levels that have changed since it last looked, summed over a store's lives, stand for today
    age_of       days since goods last came to a place: the longer, the sooner they should leave
    demand_of    what left a place in so many days, without what left for another place; of fewer days where there are no more

A level tells totals, so a day that nobody looked at is none that is lost: it is in the next one. Rows older than anybody asks for
go. Not here: what is done about it (sync.cloud.allocation.sites, sync.cloud.allocation.proposals).
"""

from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.rows import key_of
from sync.cloud.rights.rights import Place
from sync.json_errors import NOT_JSON
from sync.retail.stock.levels import LevelRow
from sync.retail.stock.transfers import TransferFact

ROWS_MAX = 500  # levels looked at in one job
DAYS_MAX = 100  # kept; demand is asked of 90 at most
DAY_MS = 86_400_000

_level = msgspec.json.Decoder(LevelRow).decode
_transfer = msgspec.json.Decoder(TransferFact).decode


class Demand(Struct, frozen=True):
    """So many pieces left in so many days; `days` is 0 where a place is known since today."""

    qty: int
    days: int

    def lasts_days(self, on_hand: int) -> int | None:
        """Return how long so much lasts; None where nothing was asked for."""
        return max(0, on_hand) * self.days // self.qty if self.qty > 0 and self.days else None


def note_days(tx: Connection, *, now_ms: int) -> bool:
    """Note today's levels; say whether there is more to look at."""
    looked = tx.execute("SELECT n FROM looked WHERE stream = ?", ("place_day",)).fetchone()
    rows = tx.execute(
        """
        SELECT tally.n, replica.store, tally.body FROM tally JOIN replica ON replica.id = tally.replica
        WHERE tally.stream = (SELECT id FROM feed WHERE stream = 'levels') AND tally.n > ? ORDER BY tally.n LIMIT ?
        """,
        (looked[0] if looked else 0, ROWS_MAX),
    ).fetchall()
    for place in sorted(
        {Place(level.sku, store, level.location) for _, store, body in rows for level in (_level(body),)}
    ):
        _note(tx, place, now_ms // DAY_MS)
    if rows:
        tx.execute(
            "INSERT INTO looked (stream, n) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET n = excluded.n",
            ("place_day", rows[-1][0]),
        )
    return len(rows) == ROWS_MAX


def age_of(read: Connection, place: Place, *, now_ms: int) -> int | None:
    """Return days since goods last came to a place; None where nothing is known of it."""
    row = read.execute(
        """
        SELECT min(day) FROM place_day WHERE sku = ? AND store = ? AND location = ? AND received = (
          SELECT max(received) FROM place_day WHERE sku = ? AND store = ? AND location = ?)
        """,
        (*place, *place),
    ).fetchone()
    return None if row[0] is None else int(max(0, now_ms // DAY_MS - row[0]))


def demand_of(read: Connection, place: Place, *, days: int, now_ms: int, sent: dict[tuple[str, str], int]) -> Demand:
    """Return what left a place in the last `days`; `sent` is `sent_away` of these days."""
    today = now_ms // DAY_MS
    row = read.execute(
        """
        SELECT day, issued FROM place_day
        WHERE sku = ? AND store = ? AND location = ? AND (day <= ? OR day = (
          SELECT min(day) FROM place_day WHERE sku = ? AND store = ? AND location = ?))
        ORDER BY day DESC LIMIT 1
        """,
        (*place, today - days, *place),
    ).fetchone()
    newest = read.execute(
        "SELECT issued FROM place_day WHERE sku = ? AND store = ? AND location = ? ORDER BY day DESC LIMIT 1", place
    ).fetchone()
    if row is None or newest is None:
        return Demand(0, 0)
    gone = newest[0] - row[1] - sent.get((place.sku, sender_at(read, place)), 0)
    return Demand(max(0, gone), min(days, today - row[0]))


def sender_at(read: Connection, place: Place) -> str:
    """Return under which name goods of a place travel: the store's; of one that this cloud keeps, its own."""
    row = read.execute("SELECT store FROM replica WHERE own = 1").fetchone()
    return place.location if row is not None and row[0] == place.store else place.store


def sent_away(read: Connection, *, days: int, now_ms: int) -> dict[tuple[str, str], int]:
    """Return (SKU, sender) -> what it has sent to other places in the last `days`: nobody had asked for it there."""
    found: dict[tuple[str, str], int] = {}
    rows = read.execute(
        "SELECT body FROM fact WHERE stream = (SELECT id FROM feed WHERE stream = 'transfers') AND received_ms >= ?",
        (now_ms - days * DAY_MS,),
    )
    for (body,) in rows:
        try:
            fact = _transfer(body)
        except NOT_JSON:
            continue  # an arrival, or goods that were taken back elsewhere
        for line in fact.lines:
            found[line.sku, fact.sender] = found.get((line.sku, fact.sender), 0) + line.qty
    return found


def _note(tx: Connection, place: Place, today: int) -> None:
    rows = tx.execute(
        """
        SELECT tally.body FROM tally JOIN replica ON replica.id = tally.replica
        WHERE tally.stream = (SELECT id FROM feed WHERE stream = 'levels') AND tally.key = ? AND replica.store = ?
        """,
        (key_of(place.sku, place.location), place.store),
    )
    levels = [_level(body) for (body,) in rows]
    received, issued = sum(level.received for level in levels), sum(level.issued for level in levels)
    tx.execute(
        """
        INSERT INTO place_day (sku, store, location, day, received, issued) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (sku, store, location, day) DO UPDATE SET received = excluded.received, issued = excluded.issued
        """,
        (*place, today, received, issued),
    )
    tx.execute(
        """
        DELETE FROM place_day WHERE sku = ? AND store = ? AND location = ? AND day < ? AND day < (
          SELECT max(day) FROM place_day WHERE sku = ? AND store = ? AND location = ? AND day <= ?)
        """,
        (*place, today - DAYS_MAX, *place, today - DAYS_MAX),
    )
