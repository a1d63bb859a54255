"""What the web may sell: rights that this cloud holds at all places, less what waits for orders that asked for it, by SKU.

    availability    as it is at this moment, for who answers a channel
    note_changed    a write job: SKUs whose figure is another one than the last that was noted move to the end of the list
    changes         the list behind a number: what channels are to be told

A promise has spent its right already. What a shop keeps for who walks in was never granted. Of a figure that changes twice
between two looks a reader sees the last one. Not here: HTTP (sync.cloud.web.allocation_routes), channels.
"""

from collections.abc import Collection, Iterator
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.rows import key_of
from sync.cloud.rights.promises import kept_of
from sync.cloud.rights.rights import LAST, Place, known_of, store_of
from sync.model import Replica
from sync.retail.stock import rights
from sync.retail.stock.promises import AskedRow

ROWS_MAX = 200  # looked at in one job, of each stream: nothing waits for longer than these take

_FEEDS = ("grants", "spent", "passed", "asked", "levels")
_COUNTER, _LIFE = "availability", "availability/life"  # in table `looked`, beside how far each stream was looked at
_asked = msgspec.json.Decoder(AskedRow).decode


class Available(Struct, frozen=True):
    """How much of a SKU may be promised now, over all places; `n` is its place in the list of changes."""

    sku: str
    available: int
    n: int


class Noted(Struct, frozen=True):
    """What came of a look: SKUs whose figure has changed, whether any right has moved, whether there is more to look at."""

    skus: tuple[str, ...] = ()
    has_moved: bool = False
    has_more: bool = False


def availability(read: Connection, *, skus: Collection[str] | None = None) -> dict[str, int]:
    """Return SKU -> what the web may promise now: rights held over all locations less what is promised. THE figure for channels.

    What a location keeps back (`safety_stock`, `online = false`) is none of it. A SKU that was named and of which nothing was
    ever granted is 0; without `skus` all of which something was. About 0.1 ms a place: for a whole catalogue follow `changes`.
    """
    found = dict.fromkeys(skus or (), 0)
    for place in places_of_web(read, skus=skus):
        found[place.sku] = found.get(place.sku, 0) + held_at(read, place)
    return found


def held_at(read: Connection, place: Place, *, but: str = "") -> int:
    """Return what may be promised at a place now, by its declaration. `but`: a question whose answer is kept for who asks."""
    declared = read.execute(
        "SELECT safety_stock, is_online FROM location WHERE store = ? AND location = ?", (place.store, place.location)
    ).fetchone()
    safety_stock, is_online = declared or (0, 1)
    unspent = rights.unspent_of(known_of(read, place).state, own_rep(read))
    return max(0, unspent - kept_of(read, place, but=but) - safety_stock) if is_online else 0


def places_of_web(read: Connection, *, skus: Collection[str] | None = None) -> list[Place]:
    """Return the places at which this cloud was ever granted a right, or keeps goods itself."""
    own = own_rep(read)
    spans = [("", LAST)] if skus is None else [(head := key_of(sku)[:-1] + ",", head + LAST) for sku in skus]
    found = {place for span in spans for place in _granted(read, store_of(own), span)}
    return sorted(found)


def own_rep(read: Connection) -> str:
    """Return this life of the cloud."""
    rep: str = read.execute("SELECT store || ':' || incarnation FROM replica WHERE own = 1").fetchone()[0]
    return rep


def note_changed(tx: Connection, own: Replica, *, now_ms: int) -> Noted:
    """Note the figures of SKUs that something has happened to since the last time."""
    _begin_anew(tx, own)
    touched: set[str] = set()
    has_more = False
    for stream in _FEEDS:
        rows = _touched(tx, own, stream)
        has_more |= len(rows) == ROWS_MAX
        touched |= {_sku_of(stream, key, body) for _, key, body in rows}
        if rows:
            _look_up_to(tx, f"availability/{stream}", rows[-1][0])
    changed = []
    for sku, qty in sorted(availability(tx, skus=touched).items()) if touched else ():
        known = tx.execute("SELECT qty FROM availability WHERE sku = ?", (sku,)).fetchone()
        if known is None or known[0] != qty:
            _note(tx, sku, qty, now_ms)
            changed.append(sku)
    return Noted(tuple(changed), bool(touched), has_more)


def changes(read: Connection, *, after: int, limit: int) -> list[Available]:
    """Return the figures that were noted behind a number, in the order in which they were."""
    rows = read.execute("SELECT sku, qty, n FROM availability WHERE n > ? ORDER BY n LIMIT ?", (after, limit))
    return [Available(*row) for row in rows]


def look_again(tx: Connection) -> None:
    """Have all figures looked at again: places were declared another way, or rights are another life's."""
    tx.execute("DELETE FROM looked WHERE stream LIKE ? AND stream <> ?", ("availability/%", _LIFE))


def _granted(read: Connection, cloud: str, span: tuple[str, str]) -> Iterator[Place]:
    """Yield places from the keys of grants, and of this cloud's own levels, that lie in a span."""
    granted = read.execute(
        "SELECT key FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = 'grants') AND key BETWEEN ? AND ?",
        span,
    )
    for (key,) in granted:
        sku, location, *who = msgspec.json.decode(key)
        if cloud in (stores := [store_of(rep) for rep in who]) and stores != [cloud, cloud]:
            yield Place(sku, next(store for store in stores if store != cloud), location)
    kept = read.execute(
        """
        SELECT key FROM tally
        WHERE stream = (SELECT id FROM feed WHERE stream = 'levels') AND key BETWEEN ? AND ?
          AND replica = (SELECT id FROM replica WHERE own = 1)
        """,
        span,
    )
    for (key,) in kept:
        sku, location = msgspec.json.decode(key)
        yield Place(sku, cloud, location)


def _touched(tx: Connection, own: Replica, stream: str) -> list[tuple[int, str, bytes]]:
    """Return (feed number, key, row) of rows that may change a figure. What a store has on hand does not: its grants do."""
    looked = tx.execute("SELECT n FROM looked WHERE stream = ?", (f"availability/{stream}",)).fetchone()
    whose, writer = ("AND replica = ?", (own.local_id,)) if stream == "levels" else ("", ())
    rows: list[tuple[int, str, bytes]] = tx.execute(
        f"""
        SELECT n, key, body FROM tally
        WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND n > ? {whose} ORDER BY n LIMIT ?
        """,
        (stream, looked[0] if looked else 0, *writer, ROWS_MAX),
    ).fetchall()
    return rows


def _sku_of(stream: str, key: str, body: bytes) -> str:
    return _asked(body).sku if stream == "asked" else str(msgspec.json.decode(key)[0])


def _begin_anew(tx: Connection, own: Replica) -> None:
    """Look at everything again in a new life of this cloud: what the former one held it does not."""
    row = tx.execute("SELECT n FROM looked WHERE stream = ?", (_LIFE,)).fetchone()
    if row is None or row[0] != own.local_id:
        look_again(tx)
        _look_up_to(tx, _LIFE, own.local_id)


def _look_up_to(tx: Connection, stream: str, n: int) -> None:
    tx.execute(
        "INSERT INTO looked (stream, n) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET n = excluded.n", (stream, n)
    )


def _note(tx: Connection, sku: str, qty: int, now_ms: int) -> None:
    """Give a figure the next number; who reads behind a number misses none, because a number is given with its commit."""
    (n,) = tx.execute(
        "INSERT INTO looked (stream, n) VALUES (?, 1) ON CONFLICT (stream) DO UPDATE SET n = looked.n + 1 RETURNING n",
        (_COUNTER,),
    ).fetchone()
    tx.execute(
        """
        INSERT INTO availability (sku, qty, n, changed_ms) VALUES (?, ?, ?, ?)
        ON CONFLICT (sku) DO UPDATE SET qty = excluded.qty, n = excluded.n, changed_ms = excluded.changed_ms
        """,
        (sku, qty, n, now_ms),
    )
