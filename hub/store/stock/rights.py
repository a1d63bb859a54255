"""Rights of this hub's life to stock at the shop: how much it may sell and promise by itself, what it grants to others, debts.

Nothing is written for it when a till sells. What came and went is known from the cached figure on hand, as long as the shop has
had one life only; else from the life's folded level and the facts behind it. Both are exact in the job that asks.

    right = received - issued + picked + granted to this life - granted by it + passed on to it

A grant is decided by what others can know (the folded level), never beyond the exact right, and is a row of stream `grants` in
the job that decides it. Functions of a write job, and of reads on any connection.

Not here: the rules (sync.retail.stock.rights, sync.retail.stock.rebalance), promises (hub.store.stock.promises), when it is done
(hub.rights).
"""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from hub.store.stock.levels import bodies_of, picks_taken_back
from sync.entities import REGISTRY
from sync.kinds import Entity
from sync.model import Replica
from sync.retail.stock import rights
from sync.retail.stock.grants import GRANT
from sync.retail.stock.rebalance import Policy, Sides, due_grants
from sync.retail.stock.rights import Row, SpendPolicy, State
from sync.store.streams import reserve_state_seqs
from sync.store.tables import table_of

PLACES_MAX = 200  # looked at in one job: a sale never waits for longer than these take


class Rule(Struct, frozen=True, kw_only=True):
    """How a shop uses rights. `reclaimed_online`: what former lives passed on may go on line before it was counted."""

    policy: Policy = Policy()
    spend: SpendPolicy = SpendPolicy.PHYSICAL_FIRST
    reclaimed_online: bool = False


class Place(NamedTuple):
    """A SKU at a location of this shop."""

    sku: str
    location: str


class Debt(Struct, frozen=True):
    """A line of the manager's list: goods sold beyond this life's right."""

    sku: str
    location: str
    qty: int


def right_of(read: Connection, own: Replica, place: Place) -> int:
    """Return this life's exact right; below 0 it is a debt."""
    return _net(read, own, place) + _picked(read, own, place) + _moved(read, own, place)


def is_shared(read: Connection, own: Replica, place: Place) -> bool:
    """Whether rights are in use here: some were granted or passed on, or this life is not the shop's first."""
    row = read.execute(
        """
        SELECT EXISTS (SELECT 1 FROM stock_grant WHERE sku = ?1 AND location = ?2)
          OR EXISTS (SELECT 1 FROM passed_right WHERE sku = ?1 AND location = ?2)
        """,
        place,
    ).fetchone()
    return bool(row[0]) or not _is_first_life(read, own)


def debts(read: Connection, own: Replica) -> list[Debt]:
    """Return what this life owes, by SKU: overdraws that nobody has settled yet.

    What has no stock owes none, though it may have been sold before the catalogue said so.
    """
    places = read.execute(
        """
        SELECT sku, location FROM (
          SELECT sku, location FROM stock WHERE on_hand < 0
          UNION SELECT sku, location FROM stock_grant
          UNION SELECT sku, location FROM passed_right
          UNION SELECT sku, location FROM level WHERE replica = ? AND received < issued
        ) AS place
        WHERE NOT EXISTS (SELECT 1 FROM product WHERE product.sku = place.sku AND stocked = 0)
        ORDER BY 1, 2
        """,
        (own.local_id,),
    ).fetchall()
    owed = [(Place(*place), -right_of(read, own, Place(*place))) for place in places]
    return [Debt(*place, qty) for place, qty in owed if qty > 0]


def known_state(read: Connection, own: Replica, place: Place, *, cloud: str) -> State:
    """Return what the rows say of this life and of the cloud's, as both ends can know it.

    Of others only what they granted to these is known here: they are shown without any right of their own. The cloud spends what
    it has and no more; where it seems to have spent more, a grant to it has not come by here.
    """
    rows: dict[str, Row] = {own.rep: _folded(read, own, place)}
    for holder, spent, given_back in read.execute(
        "SELECT holder, spent, given_back FROM spent_right WHERE sku = ? AND store = ? AND location = ?",
        (place.sku, own.store, place.location),
    ):
        rows[holder] = replace(rows.get(holder, Row()), spent=spent, given_back=given_back)
    for giver, taker, qty in _grants(read, place):
        row = rows.get(giver, Row())
        granted = row.granted.get(taker, 0) + qty
        rows[giver] = replace(row, granted={**row.granted, taker: granted})
    store = cloud.rpartition(":")[0]
    for rep in [rep for rep in rows if rep != own.rep]:
        missing = -rights.right_of(rows, rep)
        if missing > 0 or rep.rpartition(":")[0] != store:
            rows[rep] = replace(rows[rep], received=rows[rep].received + missing)
    return rows


def grantable(read: Connection, own: Replica, place: Place) -> int:
    """Return what this life may hand on: its exact right, as far as its level, which others see, has come."""
    level, taken_back = _folded(read, own, place), picks_taken_back(read, own).get(place, 0)
    seen = level.received - level.issued + level.picked - taken_back + _moved(read, own, place)
    return max(0, min(seen, right_of(read, own, place)))


def grant(tx: Connection, own: Replica, place: Place, taker: str, qty: int) -> None:
    """Write a grant; raise RuleError beyond what may be handed on."""
    rights.grant({own.rep: Row(received=grantable(tx, own, place))}, own.rep, taker, qty)
    level = tx.execute(
        "SELECT seq FROM level WHERE sku = ? AND location = ? AND replica = ?", (*place, own.local_id)
    ).fetchone()
    before = tx.execute(
        "SELECT granted FROM stock_grant WHERE sku = ? AND location = ? AND giver = ? AND taker = ? AND replica = ?",
        (*place, own.rep, taker, own.local_id),
    ).fetchone()
    total = qty + (before[0] if before else 0)
    seq = reserve_state_seqs(tx, own, GRANT.stream, 1)
    values = (*place, own.rep, taker, total, level[0] if level else 0, own.local_id, seq)
    tx.execute(table_of(GRANT).insert, values)


def balance(tx: Connection, own: Replica, rule: Rule, *, cloud: str) -> bool:
    """Grant what is due at places that have changed, up to PLACES_MAX of them; say whether there may be more."""
    places, has_more = changed_places(tx, own)
    for place in places:
        share(tx, own, place, rule, cloud=cloud)
    return has_more


def share(tx: Connection, own: Replica, place: Place, rule: Rule, *, cloud: str) -> None:
    """Grant what is due at a place."""
    state, exact = known_state(tx, own, place, cloud=cloud), right_of(tx, own, place)
    unfolded = max(0, rights.right_of(state, own.rep) - exact)
    kept = unfolded + (0 if rule.reclaimed_online else uncounted(tx, own, place))
    if not rights.debts(state):  # goods that were sold are covered before any are kept for who walks in
        kept += kept_on_shelf(tx, own, place, rule)
    for due in due_grants(state, own.rep, sides=Sides(own.rep, cloud), policy=rule.policy, kept=kept):
        grant(tx, own, place, due.receiver, due.qty)


def is_changed(read: Connection, own: Replica) -> bool:
    """Whether a place has changed since it was last looked at."""
    return any(_behind(read, source, replica, 1) for source, replica in _sources(read, own))


def changed_places(tx: Connection, own: Replica) -> tuple[list[Place], bool]:
    """Return places whose rows have changed since the last call, and whether there may be more. A function of a write job."""
    places: set[Place] = set()
    has_more = False
    for source, replica in _sources(tx, own):
        rows = _behind(tx, source, replica, PLACES_MAX)
        if not rows:
            continue
        has_more |= len(rows) == PLACES_MAX
        places |= {Place(sku, location) for sku, location, _ in rows}
        tx.execute(
            """
            INSERT INTO right_looked (source, replica, last) VALUES (?, ?, ?)
            ON CONFLICT (source, replica) DO UPDATE SET last = excluded.last
            """,
            (source, replica, rows[-1][2]),
        )
    return sorted(places), has_more


def uncounted(read: Connection, own: Replica, place: Place) -> int:
    """Return how much of what former lives passed on to this one has not been counted on the shelf since."""
    row = read.execute(
        """
        SELECT coalesce(sum(max(passed.qty, 0)), 0) - coalesce(max(counted.qty), 0)
        FROM passed_right AS passed LEFT JOIN right_counted AS counted USING (sku, location, heir)
        WHERE sku = ? AND location = ? AND heir = ? AND gone = 0
        """,
        (*place, own.rep),
    ).fetchone()
    return max(0, int(row[0]))


def note_counted(tx: Connection, own: Replica, place: Place) -> None:
    """Note that the shelf was counted: what was passed on to this life by now is there, and may be shared."""
    is_news = tx.execute(
        """
        INSERT INTO right_counted (sku, location, heir, qty)
        SELECT sku, location, heir, sum(max(qty, 0)) FROM passed_right
        WHERE sku = ? AND location = ? AND heir = ? AND gone = 0 GROUP BY 1, 2, 3
        ON CONFLICT (sku, location, heir) DO UPDATE SET qty = excluded.qty WHERE excluded.qty <> right_counted.qty
        """,
        (*place, own.rep),
    ).rowcount
    if is_news:  # a count that agrees moves nothing, and nobody would look at the place again
        tx.execute("DELETE FROM right_looked WHERE source = 'passed_right'")


def kept_on_shelf(read: Connection, own: Replica, place: Place, rule: Rule) -> int:
    """Return what this store's own word on a SKU keeps on the shelf beyond the policy that both ends have."""
    row = read.execute(
        "SELECT qty FROM safety_stock WHERE sku = ? AND location = ? AND store = ? AND gone = 0", (*place, own.store)
    ).fetchone()
    return max(0, row[0] - rule.policy.safety_stock) if row else 0


def forget_lost(tx: Connection, entity: Entity, cloud: int) -> None:
    """Forget what former lives of the cloud wrote of rights; `cloud`, which lives now, is about to tell all that it knows of it.

    What it does not know it counts nowhere: here it would push rights to and fro, and be sold in the shop and on line.
    """
    tx.execute(
        f"""
        DELETE FROM {entity.table} WHERE replica IN (
          SELECT id FROM replica WHERE id <> ?1 AND store = (SELECT store FROM replica WHERE id = ?1))
        """,
        (cloud,),
    )
    tx.execute("DELETE FROM right_looked")


def _is_first_life(read: Connection, own: Replica) -> bool:
    row = read.execute("SELECT 1 FROM replica WHERE store = ? AND id <> ?", (own.store, own.local_id)).fetchone()
    return row is None


def _net(read: Connection, own: Replica, place: Place) -> int:
    """Return received less issued."""
    if _is_first_life(read, own):
        row = read.execute("SELECT on_hand FROM stock WHERE sku = ? AND location = ?", place).fetchone()
        return row[0] if row else 0
    level = _folded(read, own, place)
    moved = sum(_unfolded(read, own, place, "stock", tuple(REGISTRY.tables_with_effects)))
    return level.received - level.issued + moved - picks_taken_back(read, own).get(place, 0)


def _picked(read: Connection, own: Replica, place: Place) -> int:
    return _folded(read, own, place).picked + sum(_unfolded(read, own, place, "picked", ("promises",)))


def _unfolded(read: Connection, own: Replica, place: Place, effect: str, streams: tuple[str, ...]) -> Iterable[int]:
    """Yield what facts move at a place that are not in the level yet."""
    for stream in streams:
        row = read.execute(
            f"""
            SELECT coalesce(sum(effect.value ->> 2), 0)
            FROM ({bodies_of(stream)}) AS fact, json_each(fact.body, ?) AS effect
            WHERE fact.replica = ? AND fact.seq > coalesce((SELECT last FROM folded WHERE replica = ? AND stream = ?), 0)
              AND effect.value ->> 0 = ? AND effect.value ->> 1 = ?
            """,
            (f"$.{effect}", own.local_id, own.local_id, stream, *place),
        ).fetchone()
        yield int(row[0])


def _folded(read: Connection, own: Replica, place: Place) -> Row:
    row = read.execute(
        "SELECT received, issued, picked FROM level WHERE sku = ? AND location = ? AND replica = ?",
        (*place, own.local_id),
    ).fetchone()
    return Row(*row) if row else Row()


def _moved(read: Connection, own: Replica, place: Place) -> int:
    """Return what was granted and passed on to this life, less what it has granted."""
    grants = list(_grants(read, place))
    to_us = sum(qty for _, taker, qty in grants if taker == own.rep)
    return to_us - sum(qty for giver, _, qty in grants if giver == own.rep)


def _grants(read: Connection, place: Place) -> list[tuple[str, str, int]]:
    """Return (giver, taker, qty): what was granted, and what ended lives have passed on."""
    rows: list[tuple[str, str, int]] = read.execute(
        """
        SELECT giver, taker, granted FROM stock_grant WHERE sku = ?1 AND location = ?2
        UNION ALL
        SELECT rep, heir, qty FROM passed_right WHERE sku = ?1 AND location = ?2 AND gone = 0
        """,
        place,
    ).fetchall()
    return rows


def _sources(read: Connection, own: Replica) -> list[tuple[str, int]]:
    """What this life's level says and what others have written of grants, spent rights and seals."""
    others = [row[0] for row in read.execute("SELECT id FROM replica WHERE id <> ? ORDER BY id", (own.local_id,))]
    tables = ("passed_right", "spent_right", "stock_grant")
    return [("level", own.local_id), *((table, replica) for table in tables for replica in others)]


def _behind(read: Connection, source: str, replica: int, limit: int) -> list[tuple[str, str, int]]:
    rows: list[tuple[str, str, int]] = read.execute(
        f"""
        SELECT sku, location, seq FROM {source}
        WHERE replica = ?1 AND seq > coalesce((SELECT last FROM right_looked WHERE source = ?2 AND replica = ?1), 0)
        ORDER BY seq LIMIT ?3
        """,
        (replica, source, limit),
    ).fetchall()
    return rows
