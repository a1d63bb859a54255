"""What the web may still sell of a SKU: the rights that this cloud holds, less what is ordered and not promised yet. Reads only.

Whoever allocates takes rights for an order when he promises its goods; until then an order of state `created` counts here, or a
level sent in between would offer the same goods twice. The one place where channels ask; rights are sync.cloud.rights'.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from sqlite3 import Connection

import msgspec

from sync.cloud.arrivals.rows import key_of
from sync.cloud.orders import promise_of
from sync.cloud.rights.promises import find_promise
from sync.cloud.rights.rights import LAST, Place, known_of, store_of
from sync.model import Replica
from sync.retail.orders.order_rows import OrderFact
from sync.retail.stock import rights
from sync.retail.stock.grants import GrantRow

STREAMS = ("levels", "grants", "spent", "passed")

_grant = msgspec.json.Decoder(GrantRow).decode
_order = msgspec.json.Decoder(OrderFact).decode
_key = msgspec.json.Decoder(list[str | int]).decode


def available(read: Connection, own: Replica, skus: Iterable[str]) -> dict[str, int]:
    """Return what may still be sold of each SKU, never below 0."""
    ordered = unpromised(read)
    found = {}
    for sku in skus:
        held = sum(max(0, rights.unspent_of(known_of(read, place).state, own.rep)) for place in _places(read, own, sku))
        found[sku] = max(0, held - ordered[sku])
    return found


def unpromised(read: Connection) -> Counter[str]:
    """Return how much of each SKU is ordered of this cloud and not promised yet."""
    wanted: Counter[str] = Counter()
    for store, body in read.execute(
        "SELECT store, body FROM web_order WHERE state = 'created' ORDER BY order_id"
    ).fetchall():
        order = _order(body)
        for line in order.lines:
            standing = find_promise(read, promise_of(order.order_id, line.line, store)) if store else None
            wanted[line.sku] += 0 if standing is not None and not standing.ending else line.qty
    return wanted


def changed_skus(read: Connection, after: Mapping[str, int] | None) -> tuple[set[str], dict[str, int]]:
    """Return the SKUs whose rights may have changed behind a place in the feeds, and the place now. None: from now on."""
    told = read.execute("SELECT stream, n FROM feed WHERE stream IN (?, ?, ?, ?) ORDER BY stream", STREAMS).fetchall()
    now: dict[str, int] = dict(told)
    skus: set[str] = set()
    for stream, n in now.items() if after is not None else ():
        rows = read.execute(
            """
            SELECT tally.key FROM tally JOIN feed ON feed.id = tally.stream
            WHERE feed.stream = ? AND tally.n > ? AND tally.n <= ? ORDER BY tally.n
            """,
            (stream, (after or {}).get(stream, 0), n),
        )
        skus |= {str(_key(key)[0]) for (key,) in rows.fetchall()}
    return skus, now


def _places(read: Connection, own: Replica, sku: str) -> list[Place]:
    """Return where this cloud may hold rights to a SKU: whoever has granted any, to whomever."""
    at = key_of(sku)[:-1] + ","
    rows = read.execute(
        """
        SELECT tally.body FROM tally JOIN feed ON feed.id = tally.stream
        WHERE feed.stream = 'grants' AND tally.key BETWEEN ? AND ? ORDER BY tally.key
        """,
        (at, at + LAST),
    ).fetchall()
    grants = [_grant(body) for (body,) in rows]
    stores = {(store_of(rep), grant.location) for grant in grants for rep in (grant.giver, grant.taker)}
    return [Place(sku, store, location) for store, location in sorted(stores) if store != own.store]
