"""Places as the cloud knows them: declared ones, and the goods of those that have no hub, which this cloud keeps itself.

    settle_locations    at the start: what is declared stands in table `location`, for every worker
    set_stock           a warehouse's own system says what is there; the right to it is the cloud's, and nobody else's
    leave               goods of such a place have left for a promise
    send_away           goods of such a place have left for another place, on the cloud's right

At a place without a hub the cloud is the owner who makes rights: it writes the level, under its own name as the store and the
place's as the location. So much of a figure as is promised and has not left is no right. Functions of a write job.
Not here: HTTP, which place is chosen.
"""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from sync.cloud.allocation.availability import look_again
from sync.cloud.allocation.settings import Location
from sync.cloud.rights.promises import open_promises
from sync.cloud.rights.rights import Place, known_of, put_own
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.selling.sales import QTY_MAX, Sku
from sync.retail.stock import rights
from sync.retail.stock.levels import LEVEL, LevelRow
from sync.retail.stock.rights import Outlet, Row, SpendPolicy


class Figure(Struct, frozen=True, forbid_unknown_fields=True):
    """What is there of a SKU, all that was not shipped, promised or not."""

    sku: Sku
    on_hand: Annotated[int, Meta(ge=0, le=QTY_MAX)]


class Taken(Struct, frozen=True):
    """What came of figures: how many were taken, and how many were older than what is known."""

    taken: int
    older: int
    places: tuple[Place, ...] = ()


def settle_locations(tx: Connection, own: Replica, locations: Iterable[Location]) -> bool:
    """Make the table what is declared; say whether anything was another way."""
    wanted = {
        (each.name, each.store or own.store, each.location, each.safety_stock, int(each.is_online))
        for each in locations
    }
    known = tx.execute("SELECT name, store, location, safety_stock, is_online FROM location").fetchall()
    if wanted == {tuple(row) for row in known}:
        return False
    tx.execute("DELETE FROM location")
    tx.executemany(
        "INSERT INTO location (name, store, location, safety_stock, is_online) VALUES (?, ?, ?, ?, ?)", sorted(wanted)
    )
    look_again(tx)
    return True


def place_at(own: Replica, location: Location, sku: str) -> Place:
    """Return where a SKU lies at a place."""
    return Place(sku, location.store or own.store, location.location)


def set_stock(tx: Connection, own: Replica, location: Location, figures: Iterable[Figure], *, as_of_ms: int) -> Taken:
    """Take what a place without a hub says is there; raise RuleError for one that has one."""
    if location.store:
        raise RuleError(
            "has_hub", "/name", f"{location.name} has a hub: its stock is what the hub of {location.store} says"
        )
    places, older = [], 0
    for figure in figures:
        row = tx.execute(
            """
            INSERT INTO place_stock (name, sku, on_hand, as_of_ms) VALUES (?, ?, ?, ?)
            ON CONFLICT (name, sku) DO UPDATE SET on_hand = excluded.on_hand, as_of_ms = excluded.as_of_ms
            WHERE place_stock.as_of_ms <= excluded.as_of_ms
            RETURNING sku
            """,
            (location.name, figure.sku, figure.on_hand, as_of_ms),
        ).fetchone()
        if row is None:
            older += 1
            continue
        place = place_at(own, location, figure.sku)
        _make_right(tx, own, place, figure.on_hand)
        places.append(place)
    return Taken(len(places), older, tuple(places))


def leave(tx: Connection, own: Replica, place: Place, qty: int) -> None:
    """Goods of a place that we keep have left for a promise."""
    known = known_of(tx, place)
    _put_level(tx, own, place, rights.pick(known.state, own.rep, qty)[own.rep])
    _note_gone(tx, place, qty)


def send_away(tx: Connection, own: Replica, place: Place, qty: int) -> None:
    """Goods of a place that we keep have left for another one; raise RuleError beyond what is not promised."""
    state = known_of(tx, place).state
    spent = rights.spend(state, own.rep, qty, outlet=Outlet.ISSUED, policy=SpendPolicy.STRICT)
    _put_level(tx, own, place, spent.state[own.rep])
    _note_gone(tx, place, qty)


def _make_right(tx: Connection, own: Replica, place: Place, on_hand: int) -> None:
    """Make our right what is there less what is promised: more comes, less goes, into debt if need be."""
    state = known_of(tx, place).state
    promised = sum(each.n for each in open_promises(tx, place))
    more = on_hand - promised - rights.right_of(state, own.rep)
    row = state.get(own.rep, Row())
    if more > 0:
        _put_level(tx, own, place, replace(row, received=row.received + more))
    elif more < 0:
        _put_level(tx, own, place, replace(row, issued=row.issued - more))


def _put_level(tx: Connection, own: Replica, place: Place, row: Row) -> None:
    level = LevelRow(
        sku=place.sku, location=place.location, received=row.received, issued=row.issued, picked=row.picked
    )
    put_own(tx, own, own.store, LEVEL, level, by=own.rep)


def _note_gone(tx: Connection, place: Place, qty: int) -> None:
    """What has left is not there any more, whatever was told last."""
    tx.execute(
        """
        UPDATE place_stock SET on_hand = CASE WHEN on_hand > ? THEN on_hand - ? ELSE 0 END
        WHERE sku = ? AND name = (SELECT name FROM location WHERE store = ? AND location = ?)
        """,
        (qty, qty, place.sku, place.store, place.location),
    )
