"""What the cloud does about rights when rows of a store have arrived: in jobs of bounded work, each in one transaction.

    a row of                     becomes
    promises, of a store         the promise has ended; given back once
    levels, grants               its place is looked at:
        a sealed hub has rights  again: passed on to its heir
        somebody is in debt      settled: own rights, then the newest promises; what others have or keep is asked of them
        nobody is                rights that are too many here go back, by the store's policy

A place of which a grant has come but not the goods it was made of is left alone until they are here: no debt is seen in it.
Places where rows, promises and levels do not come to the same are kept in `right_difference`: at quiescence there are none.
What is owed at a place after that is kept in `right_debt`.

Not here: the rules (sync.retail.stock.rebalance, sync.retail.stock.settlement), when it runs (sync.cloud.rights.contact).
"""

from collections.abc import Mapping
from sqlite3 import Connection
from zlib import crc32

import msgspec
from msgspec import Struct

from sync import failpoints
from sync.cloud.arrivals.floors import told_by_store
from sync.cloud.rights.promises import (
    ask_grant,
    ask_release,
    find_promise,
    kept_of,
    open_promises,
    take_endings,
    write_ending,
    write_fact,
)
from sync.cloud.rights.rights import (
    Known,
    Place,
    heir_of,
    known_of,
    living_of,
    pass_on_place,
    sealed_of,
    store_of,
    write_change,
)
from sync.model import Replica
from sync.retail.stock import rights, settlement
from sync.retail.stock.rebalance import Policy, Sides, due_grants
from sync.retail.stock.rights import Difference
from sync.retail.stock.settlements import SETTLEMENT

PLACES_MAX = 200  # looked at in one job: nothing waits for longer than these take

_FEEDS = ("promises", "levels", "grants")


class Looked(Struct, frozen=True):
    """What came of a job: whether there is more, of which stores places were looked at, which debts were settled."""

    has_more: bool = False
    stores: frozenset[str] = frozenset()
    settled: tuple[str, ...] = ()


def look(tx: Connection, own: Replica, policies: Mapping[str, Policy], *, now_ms: int) -> Looked:
    """Look at rows that have arrived since the last time. Stores without a policy share no rights and are passed over."""
    places: set[Place] = set()
    has_more = False
    for stream in _FEEDS:
        rows = _new_rows(tx, own, stream)
        has_more |= len(rows) == PLACES_MAX
        if not rows:
            continue
        if stream == "promises":
            places |= take_endings(tx, own, [(n, body) for n, _, _, body in rows])
        else:
            places |= {place for _, rep, key, _ in rows if (place := _place_of(rep, key, own)) is not None}
        _move(tx, stream, rows[-1][0])
    settled: list[str] = []
    for place in sorted(each for each in places if each.store in policies):
        settled += attend(tx, own, place, policies[place.store], now_ms=now_ms)
    failpoints.hit("cloud.looked")
    return Looked(has_more, frozenset(each.store for each in places), tuple(settled))


def attend(tx: Connection, own: Replica, place: Place, policy: Policy, *, now_ms: int) -> list[str]:
    """Do what is due at a place; return the settlements written."""
    for rep in sorted(sealed_of(tx, place.store)):
        heir = heir_of(tx, rep)
        if heir is not None and heir != rep:
            pass_on_place(tx, own, place, rep, heir)
    known, settled = known_of(tx, place), []
    if not known.torn:
        for debtor in sorted(rights.debts(known.state)):
            found = _settle(tx, own, place, debtor, now_ms=now_ms)
            settled += [found] if found else []
        known = known_of(tx, place)
        _share(tx, own, place, known, policy)
        _note_debt(tx, place, sum(rights.debts(known.state).values()))
    _note_difference(tx, place, difference(tx, place))
    return settled


def difference(read: Connection, place: Place) -> Difference | None:
    """Return where promises and rows of a place do not come to the same."""
    state = known_of(read, place).state
    unpicked = sum(each.n for each in open_promises(read, place))
    return rights.audit(state, on_hand=rights.on_hand_of(state), unpicked=unpicked)


def differences(read: Connection) -> int:
    """Return at how many places something does not come to the same."""
    count: int = read.execute("SELECT count(*) FROM right_difference").fetchone()[0]
    return count


def identity(read: Connection) -> list[tuple[Place, Difference]]:
    """Compare all places where rights are shared with the facts: goods that moved, promises that are open. Reads every fact."""
    on_hand: dict[Place, int] = {
        Place(*found[:3]): found[3]
        for found in read.execute(
            """
            SELECT effect.value ->> 0, replica.store, effect.value ->> 1, sum(CAST(effect.value ->> 2 AS INTEGER))
            FROM fact
            JOIN feed ON feed.id = fact.stream
            JOIN replica ON replica.id = fact.replica
            CROSS JOIN json_each(
              CASE WHEN json_valid(CAST(fact.body AS TEXT)) THEN CAST(fact.body AS TEXT) ELSE '{}' END, '$.stock'
            ) AS effect
            WHERE feed.stream <> 'duplicates'
              AND NOT EXISTS (SELECT 1 FROM duplicate WHERE duplicate.stream = fact.stream AND duplicate.n = fact.n)
              AND fact.seq > coalesce((
                SELECT last FROM floor
                WHERE floor.replica = fact.replica AND floor.stream = feed.stream AND is_told = 1), 0)
            GROUP BY 1, 2, 3
            """
        )
    }
    for store, (sku, location), totals in told_by_store(read):
        place = Place(sku, store, location)
        on_hand[place] = on_hand.get(place, 0) + totals[0]
    found = []
    for place in sorted(shared_places(read)):
        state = known_of(read, place).state
        unpicked = sum(each.n for each in open_promises(read, place))
        wrong = rights.audit(state, on_hand=on_hand.get(place, 0), unpicked=unpicked)
        if wrong is not None:
            found.append((place, wrong))
    return found


def look_again_if_changed(tx: Connection, policies: bytes) -> None:
    """Look at all places again when stores or their policies are not those of the last time."""
    now = crc32(policies)
    before = tx.execute("SELECT n FROM looked WHERE stream = ''").fetchone()
    if before is None or before[0] != now:
        tx.execute("DELETE FROM looked WHERE stream IN ('levels', 'grants')")
        _move(tx, "", now)


def shared_places(read: Connection) -> set[Place]:
    """Return the places of which a right was ever granted."""
    rows = read.execute(
        """
        SELECT DISTINCT tally.key ->> 0, replica.store, tally.key ->> 1
        FROM tally JOIN replica ON replica.id = tally.replica
        WHERE tally.stream = (SELECT id FROM feed WHERE stream = 'grants') AND replica.store <>
          (SELECT store FROM replica WHERE own = 1)
        """
    )
    return {Place(*row) for row in rows}


def _settle(tx: Connection, own: Replica, place: Place, debtor: str, *, now_ms: int) -> str | None:
    """Settle a debt: fact, ended promises and rights in this one transaction. What others must do is asked of them."""
    known, standing = known_of(tx, place), open_promises(tx, place)
    promises = [each.for_rules(own) for each in standing]
    plan = settlement.settle(known.state, place.asset, settler=own.rep, debtor=debtor, promises=promises)
    for promise_id in plan.releases:
        release = find_promise(tx, promise_id)
        assert release is not None
        ask_release(tx, own, release)
    for cover in plan.requests:
        name = f"debt:{plan_name(debtor, place, cover.holder)}"
        ask_grant(tx, own, place, cover.qty, debtor, wanted=0, name=name)
    if plan.settlement is None:
        return None
    write_change(tx, own, place, known, plan.state)
    failpoints.hit("cloud.debt_covered")
    by_id = {each.promise_id: each for each in standing}
    for ended in plan.ended:
        write_ending(tx, own, by_id[ended.order_id], why="gave way to goods sold", now_ms=now_ms)
    name = plan.settlement.settlement_id
    write_fact(tx, own, place.store, SETTLEMENT, plan.settlement, key=name, now_ms=now_ms)
    return name


def _share(tx: Connection, own: Replica, place: Place, known: Known, policy: Policy) -> None:
    hubs = living_of(tx, place.store)
    if len(hubs) != 1 or rights.debts(known.state):
        return  # what one of two hubs gives, the other would be given: each gives what is due, debts are settled, no more
    sides = Sides(hubs[0], own.rep)
    state = known.state
    for grant in due_grants(state, own.rep, sides=sides, policy=policy, kept=kept_of(tx, place)):
        state = rights.with_grant(state, own.rep, grant.receiver, grant.qty)
    write_change(tx, own, place, known, state)


def plan_name(debtor: str, place: Place, holder: str) -> str:
    """Return the name of what is asked of a holder for a debtor: the same debt is asked for once."""
    asset = rights.Asset("stock", (*place, holder))
    return settlement.settlement_id({}, asset, debtor, settler=holder).removeprefix("settlement-")


def _new_rows(tx: Connection, own: Replica, stream: str) -> list[tuple[int, str, str, bytes]]:
    """Return (feed number, writer, key, row) of stores' rows that have not been looked at."""
    looked = tx.execute("SELECT n FROM looked WHERE stream = ?", (stream,)).fetchone()
    table, key = ("fact", "''") if stream == "promises" else ("tally", "row.key")
    rows: list[tuple[int, str, str, bytes]] = tx.execute(
        f"""
        SELECT row.n, replica.store || ':' || replica.incarnation, {key}, row.body
        FROM {table} AS row JOIN replica ON replica.id = row.replica
        WHERE row.stream = (SELECT id FROM feed WHERE stream = ?) AND row.n > ? AND replica.store <> ?
        ORDER BY row.n LIMIT ?
        """,
        (stream, looked[0] if looked else 0, own.store, PLACES_MAX),
    ).fetchall()
    return rows


def _place_of(rep: str, key: str, own: Replica) -> Place | None:
    parts = msgspec.json.decode(key)
    sku, location = parts[:2]
    return Place(sku, store_of(rep), location) if store_of(rep) != own.store else None


def _move(tx: Connection, stream: str, n: int) -> None:
    tx.execute(
        "INSERT INTO looked (stream, n) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET n = excluded.n", (stream, n)
    )


def _note_debt(tx: Connection, place: Place, qty: int) -> None:
    tx.execute("DELETE FROM right_debt WHERE sku = ? AND store = ? AND location = ?", place)
    if qty:
        tx.execute("INSERT INTO right_debt (sku, store, location, qty) VALUES (?, ?, ?, ?)", (*place, qty))


def _note_difference(tx: Connection, place: Place, found: Difference | None) -> None:
    tx.execute("DELETE FROM right_difference WHERE sku = ? AND store = ? AND location = ?", place)
    if found is not None:
        tx.execute(
            """
            INSERT INTO right_difference (sku, store, location, name, by_facts, by_rows) VALUES (?, ?, ?, ?, ?, ?)
            """,
            (*place, found.name, found.by_facts, found.by_rows),
        )
