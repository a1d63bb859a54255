"""Rights at the cloud: what its rows say of a SKU at a store's location, and how what follows from them is written.

    row         stream   written by                       says
    level       levels   the store's hubs, this cloud     received, issued, picked; this cloud's are of its own places
    grant       grants   hubs, this cloud                 rights handed on
    spent       spent    this cloud                       promises made, and those that ended unpicked
    passed      passed   this cloud, for a sealed hub     what is left of its right, below 0 a debt

All of them stand in `tally`, one for each key and writer. What this cloud writes is durable with the job that decides it, and is
put into what the store is served (sync.cloud.scopes.scopes). Functions of a write job, and of reads on any connection.

Not here: the rules (sync.retail.stock.rights), promises (sync.cloud.rights.promises), what is done at contact
(sync.cloud.rights.balance).
"""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.cloud.arrivals.cursors import number_rows
from sync.cloud.arrivals.rows import key_of, shown_key
from sync.cloud.scopes.scopes import put_row
from sync.kinds import Entity
from sync.model import Feed, Replica
from sync.retail.lives.seals import PASSED, PassedRow
from sync.retail.stock import rights
from sync.retail.stock.grants import GRANT, SPENT, GrantRow, SpentRow
from sync.retail.stock.levels import LevelRow
from sync.retail.stock.rights import Row, State

LAST = "\U0010ffff"  # sorts behind every text that goes on


class Place(NamedTuple):
    """What rights are rights to: a SKU at a location of a store."""

    sku: str
    store: str
    location: str

    @property
    def asset(self) -> rights.Asset:
        """The same for the rules."""
        return rights.stock_asset(self.sku, f"{self.store}/{self.location}")


class Known(Struct, frozen=True):
    """What is known of a place. `torn`: holders of whom a grant is here, but not yet the goods that it was made of."""

    state: State
    torn: frozenset[str] = frozenset()
    passed: dict[tuple[str, str], PassedRow] = {}


_level = msgspec.json.Decoder(LevelRow).decode
_grant = msgspec.json.Decoder(GrantRow).decode
_spent = msgspec.json.Decoder(SpentRow).decode
_passed = msgspec.json.Decoder(PassedRow).decode


def known_of(read: Connection, place: Place) -> Known:
    """Return what the rows say of a place."""
    rows: dict[str, Row] = {}
    seen: dict[str, int] = {}  # the seq of a writer's level
    counted_to: dict[str, int] = {}
    passed: dict[tuple[str, str], PassedRow] = {}
    for stream, rep, seq, body in _rows(read, place):
        row = rows.get(rep, Row())
        if stream == "levels":
            level = _level(body)
            rows[rep] = replace(row, received=level.received, issued=level.issued, picked=level.picked)
            seen[rep] = seq
        elif stream == "spent":
            spent = _spent(body)
            rows[rep] = replace(row, spent=spent.spent, given_back=spent.given_back)
        elif stream == "grants":
            grant = _grant(body)
            if place.store in (store_of(grant.giver), store_of(grant.taker)):
                rows[rep] = replace(row, granted={**row.granted, grant.taker: grant.n})
                counted_to[rep] = max(counted_to.get(rep, 0), grant.levels_seq)
        else:
            said = _passed(body)
            if place.store not in (store_of(said.rep), store_of(said.heir)):
                continue
            key = (said.rep, said.heir)
            passed[key] = max(said, passed.get(key, said), key=lambda each: each.n)
    for rep in sealed_of(read, place.store):
        if rep in rows:
            rows[rep] = replace(rows[rep], sealed=1)
    for (rep, heir), said in passed.items():
        row = rows.get(rep, Row())
        granted = {**row.granted, heir: row.granted.get(heir, 0) + said.qty}
        rows[rep] = replace(row, granted=granted, sealed=max(row.sealed, said.n))
    torn = {rep for rep, seq in counted_to.items() if seq > seen.get(rep, 0) and not rows[rep].sealed}
    return Known(rows, frozenset(torn), passed)


def write_change(tx: Connection, own: Replica, place: Place, known: Known, after: State) -> None:
    """Write what the rules made of a place: our own tallies, and what sealed replicas have passed on."""
    for rep in sorted(after):
        before, now = known.state.get(rep, Row()), after[rep]
        if before == now:
            continue
        assert rep == own.rep or now.sealed, "nobody writes for a replica that lives"
        if (before.spent, before.given_back) != (now.spent, now.given_back):
            spent = SpentRow(
                sku=place.sku,
                store=place.store,
                location=place.location,
                holder=rep,
                spent=now.spent,
                given_back=now.given_back,
            )
            put_own(tx, own, place.store, SPENT, spent, by=rep)
        for taker in sorted(now.granted):
            qty = now.granted[taker] - before.granted.get(taker, 0)
            if qty and now.sealed:
                _pass_on(tx, own, place, known.passed.get((rep, taker)), (rep, taker, qty))
            elif qty:
                row = GrantRow(
                    sku=place.sku, location=place.location, giver=rep, taker=taker, n=now.granted[taker], levels_seq=0
                )
                put_own(tx, own, place.store, GRANT, row, by=rep)


def pass_on(tx: Connection, own: Replica, rep: str, heir: str) -> int:
    """Pass all that is left of a sealed hub's rights to its heir; return at how many places there was something.

    In the transaction of the seal. Again, it passes what was granted to the dead in the meantime, and nothing twice.
    """
    return sum(pass_on_place(tx, own, place, rep, heir) for place in places_of(tx, rep))


def pass_on_place(tx: Connection, own: Replica, place: Place, rep: str, heir: str) -> bool:
    """The same at one place; whether there was something. Lives of this cloud pass on so, once a place is counted."""
    known = known_of(tx, place)
    state = {**known.state, rep: known.state.get(rep, Row())}
    if not rights.right_of(state, rep):
        return False
    write_change(tx, own, place, known, rights.reclaim(state, rep, heir))
    return True


def heir_of(read: Connection, rep: str) -> str | None:
    """Return who lives of those that followed a life, None where nobody is known."""
    seen = set()
    while rep and rep not in seen:
        seen.add(rep)
        row = read.execute(
            """
            SELECT heir FROM ended_life JOIN replica ON replica.id = ended_life.replica
            WHERE replica.incarnation = ?
            """,
            (rep.rpartition(":")[2],),
        ).fetchone()
        if row is None:
            return rep
        rep = row[0]
    return None


def living_of(read: Connection, store: str) -> list[str]:
    """Return the lives of a store that nobody has given up, the one that was heard last first."""
    rows = read.execute(
        """
        SELECT replica.store || ':' || replica.incarnation
        FROM replica JOIN received ON received.replica = replica.id
        WHERE replica.store = ? AND replica.id NOT IN (SELECT replica FROM ended_life)
        GROUP BY replica.id ORDER BY max(received.received_ms) DESC, replica.id DESC
        """,
        (store,),
    )
    return [rep for (rep,) in rows]


def sealed_of(read: Connection, store: str) -> set[str]:
    """Return the sealed lives of a store."""
    rows = read.execute(
        """
        SELECT store || ':' || incarnation FROM ended_life JOIN replica ON replica.id = ended_life.replica
        WHERE store = ? AND sealed_ms IS NOT NULL
        """,
        (store,),
    )
    return {rep for (rep,) in rows}


def places_of(read: Connection, rep: str) -> list[Place]:
    """Return all places at which a replica of a store has written or was granted something. Reads all grants: it is rare."""
    store = store_of(rep)
    found = {
        Place(level.sku, store, level.location)
        for (body,) in read.execute(
            """
            SELECT tally.body FROM tally JOIN replica ON replica.id = tally.replica
            WHERE stream = (SELECT id FROM feed WHERE stream = 'levels') AND replica.incarnation = ?
            """,
            (rep.rpartition(":")[2],),
        )
        for level in (_level(body),)
    }
    for (body,) in read.execute(
        "SELECT body FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = 'grants') AND instr(key, ?) > 0",
        (rep,),
    ):
        grant = _grant(body)
        found.add(Place(grant.sku, store, grant.location))
    for (body,) in read.execute(
        "SELECT body FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = 'passed') AND instr(key, ?) > 0",
        (rep,),
    ):
        said = _passed(body)
        found.add(Place(said.sku, store, said.location))
    return sorted(found)


def store_of(rep: str) -> str:
    """Return whose life a replica is."""
    return rep.rpartition(":")[0]


def put_own(tx: Connection, own: Replica, store: str, entity: Entity, row: Struct, *, by: str = "") -> None:
    """Write a state row of our own, which goes to a store; it moves to the end of its feed. `by` is its writer in its key."""
    seq = put_row(tx, own, store, entity, row, by=by)
    numbers = number_rows(tx, entity.stream, Feed.STATE, 1)
    body = msgspec.json.encode(row)
    key = shown_key(entity.stream, body)
    tx.execute(
        """
        INSERT INTO tally (stream, key, replica, n, seq, received_ms, body) VALUES (?, ?, ?, ?, ?, 0, ?)
        ON CONFLICT (stream, key, replica) DO UPDATE SET n = excluded.n, seq = excluded.seq, body = excluded.body
        """,
        (numbers.feed_id, key, own.local_id, numbers.first, seq, body),
    )


def _rows(read: Connection, place: Place) -> Iterable[tuple[str, str, int, bytes]]:
    """Yield (stream, writer, seq, body) of a place's rows, and of others' with the same location's name."""
    at, at_store = (
        key_of(*parts)[:-1] + "," for parts in ((place.sku, place.location), (place.sku, place.store, place.location))
    )
    ranges = (
        ("levels", key_of(place.sku, place.location), key_of(place.sku, place.location)),
        ("grants", at, at + LAST),
        ("spent", at_store, at_store + LAST),
        ("passed", at, at + LAST),
    )
    for stream, first, last in ranges:
        found = read.execute(
            """
            SELECT replica.store || ':' || replica.incarnation, tally.seq, tally.body
            FROM tally JOIN replica ON replica.id = tally.replica
            WHERE tally.stream = (SELECT id FROM feed WHERE stream = ?) AND tally.key BETWEEN ? AND ?
              AND (replica.store = ? OR (? <> 'levels' AND replica.store = (SELECT store FROM replica WHERE own = 1)))
            ORDER BY tally.key, replica.id
            """,
            (stream, first, last, place.store, stream),
        ).fetchall()
        yield from ((stream, *row) for row in found)


def _pass_on(tx: Connection, own: Replica, place: Place, before: PassedRow | None, more: tuple[str, str, int]) -> None:
    rep, heir, qty = more
    row = PassedRow(
        sku=place.sku,
        location=place.location,
        rep=rep,
        heir=heir,
        n=before.n + 1 if before else 1,
        qty=qty + (before.qty if before else 0),
    )
    put_own(tx, own, place.store, PASSED, row)
