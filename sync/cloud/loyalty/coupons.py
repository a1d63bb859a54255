"""Coupons at the cloud: what there is, who holds which uses, and what became of redemptions. Settled in the order of the feed.

    redemption, release   -> the serial is resolved again; what found no use left is a dispute, told to the store that accepted it
    a question            -> as many uses as were wanted in all, or none; answered by its number either way
    a dispute that is over -> told to the same store: its redemption was undone, a use came free, or head office bears it
    no use left           -> what a sealed life has not used is taken back first, as far as is known now

What comes of a sealed life after that stands on no right any more: it takes a use that is left, or is disputed. Functions of a
write job, and of reads. Not here: rules (sync.retail.people.coupons), HTTP (sync.cloud.web.coupon_routes).
"""

from collections.abc import Collection, Iterable, Sequence
from sqlite3 import Connection
from typing import Final, Literal

import msgspec
from msgspec import Struct

from sync import failpoints
from sync.cloud.arrivals.looked import ROWS_MAX, NewRow, new_rows
from sync.cloud.arrivals.rows import key_of
from sync.cloud.rights.promises import write_fact
from sync.cloud.rights.rights import LAST, put_own, store_of
from sync.cloud.scopes.scopes import put_row
from sync.errors import RuleError
from sync.json_errors import NOT_JSON
from sync.kinds import Entity
from sync.model import Dot, Replica
from sync.retail.people.coupon_rows import (
    COUPON,
    COUPON_BATCH,
    COUPON_GRANT,
    DISPUTE,
    DISPUTE_END,
    WHOLE_BATCH,
    CouponAskRow,
    CouponBatchRow,
    CouponGrantRow,
    CouponRow,
    DisputeEndRow,
    prefixes,
)
from sync.retail.people.coupons import Heard, Over, RedemptionFact, ReleaseFact, Resolved, over, resolve, room_for

BORNE: Final = "borne"
REDEMPTIONS, RELEASES, ASKS = "redemptions", "releases", "coupon_asks"

_coupon = msgspec.json.Decoder(CouponRow).decode
_batch = msgspec.json.Decoder(CouponBatchRow).decode
_grant = msgspec.json.Decoder(CouponGrantRow).decode
_ask = msgspec.json.Decoder(CouponAskRow).decode
_redemption = msgspec.json.Decoder(RedemptionFact).decode
_release = msgspec.json.Decoder(ReleaseFact).decode


class Put(Struct, frozen=True):
    """How many definitions and batches were news."""

    changed: int
    unchanged: int


class Serial(Struct, frozen=True):
    """What is known of a serial; no batch: nobody here knows it, and it has no use."""

    serial: str
    batch: CouponBatchRow | None
    uses: int
    rights: dict[str, int]
    heard: tuple[Heard, ...]
    resolved: Resolved


class LookedAt(Struct, frozen=True):
    """What came of a job: whether there is more, how much was written, which redemptions were found to be disputed."""

    has_more: bool = False
    written: int = 0
    disputes: tuple[str, ...] = ()


def put_coupons(
    tx: Connection,
    own: Replica,
    stores: Collection[str],
    *,
    coupons: Sequence[CouponRow] = (),
    batches: Sequence[CouponBatchRow] = (),
) -> Put:
    """Write versions and tell all stores; raise RuleError for what cannot be, nothing written. Their `n` does not matter."""
    changed = 0
    for index, row in enumerate(coupons):
        before = coupon_of(tx, row.coupon_id)
        _check_coupon(row, before, f"/coupons/{index}")
        changed += _put(tx, own, stores, COUPON, row, before)
    for index, batch in enumerate(batches):
        known = batch_of(tx, batch.batch_id)
        _check_batch(tx, batch, known, f"/batches/{index}")
        changed += _put(tx, own, stores, COUPON_BATCH, batch, known)
    return Put(changed, len(coupons) + len(batches) - changed)


def fill_stores(tx: Connection, own: Replica, stores: Collection[str]) -> None:
    """Tell stores that have joined since of all coupons."""
    told = {row[0] for row in tx.execute("SELECT store FROM scope_of WHERE base = ?", (COUPON.stream,))}
    for store in sorted(set(stores) - told):
        for (body,) in tx.execute("SELECT body FROM coupon ORDER BY coupon_id").fetchall():
            put_row(tx, own, store, COUPON, _coupon(body))
        for (body,) in tx.execute("SELECT body FROM coupon_batch ORDER BY batch_id").fetchall():
            put_row(tx, own, store, COUPON_BATCH, _batch(body))


def grant_batch(tx: Connection, own: Replica, batch_id: str, taker: str) -> CouponGrantRow:
    """Give all uses of all serials of a batch to a replica, once; raise RuleError when somebody has any of them."""
    batch = batch_of(tx, batch_id)
    coupon = coupon_of(tx, batch.coupon_id) if batch else None
    if batch is None or coupon is None or batch.gone or coupon.gone:
        raise RuleError("coupon_batch", "/batch_id", f"no batch {batch_id!r}")
    begun = key_of(batch_id)[:-1] + ","
    holders = [_grant(body) for body in _bodies(tx, begun)]
    same = next((row for row in holders if row.serial == WHOLE_BATCH and row.taker == taker), None)
    if same is not None:
        return same
    if holders or any(True for (serial,) in tx.execute("SELECT serial FROM redeemed") if batch.has(serial)):
        raise RuleError("coupon_granted", "/batch_id", f"serials of {batch_id} are held or redeemed already")
    row = CouponGrantRow(batch_id=batch_id, serial=WHOLE_BATCH, giver=own.rep, taker=taker, n=coupon.uses)
    put_own(tx, own, store_of(taker), COUPON_GRANT, row, by=own.rep)
    return row


def look_at_coupons(tx: Connection, own: Replica, *, now_ms: int) -> LookedAt:
    """Look at redemptions, releases and questions that have arrived since the last time, ROWS_MAX of each."""
    redemptions = new_rows(tx, own, REDEMPTIONS, "fact")
    releases = new_rows(tx, own, RELEASES, "fact")
    asks = new_rows(tx, own, ASKS, "tally")
    serials = _take_redemptions(tx, redemptions) | _take_releases(tx, releases)
    disputes = [name for serial in sorted(serials) for name in _settle(tx, own, serial, now_ms=now_ms)]
    answered = sum(_answer(tx, own, row) for row in asks)
    failpoints.hit("cloud.coupons_looked")
    has_more = any(len(rows) == ROWS_MAX for rows in (redemptions, releases, asks))
    return LookedAt(has_more, len(disputes) + answered, tuple(disputes))


def serial_of(read: Connection, serial: str) -> Serial:
    """Return what is known of a serial and what became of its redemptions."""
    batch = _batch_with(read, serial)
    coupon = coupon_of(read, batch.coupon_id) if batch else None
    rights: dict[str, int] = {}
    if batch is not None:
        for row in grants_of(read, batch.batch_id, serial):
            rights[row.taker] = rights.get(row.taker, 0) + row.n - row.reclaimed
    rows = read.execute(
        "SELECT place, rep, seq, body FROM redeemed WHERE serial = ? ORDER BY place", (serial,)
    ).fetchall()
    heard = tuple(Heard(_redemption(body), Dot(rep, REDEMPTIONS, seq), place) for place, rep, seq, body in rows)
    undone = [
        Dot(rep, REDEMPTIONS, seq)
        for rep, seq in read.execute("SELECT rep, seq FROM coupon_undone WHERE serial = ?", (serial,))
    ]
    uses = coupon.uses if coupon else 0
    return Serial(serial, batch, uses, rights, heard, resolve(heard, rights, uses=uses, undone=undone))


def coupon_of(read: Connection, coupon_id: str) -> CouponRow | None:
    """Return a coupon as it stands."""
    row = read.execute("SELECT body FROM coupon WHERE coupon_id = ?", (coupon_id,)).fetchone()
    return _coupon(row[0]) if row else None


def batch_of(read: Connection, batch_id: str) -> CouponBatchRow | None:
    """Return a batch as it stands."""
    row = read.execute("SELECT body FROM coupon_batch WHERE batch_id = ?", (batch_id,)).fetchone()
    return _batch(row[0]) if row else None


def _check_coupon(row: CouponRow, before: CouponRow | None, pointer: str) -> None:
    try:
        row.definition  # noqa: B018 - reading it is the check
    except ValueError as err:
        raise RuleError("coupon", pointer, str(err)) from err
    if before is not None and before.uses != row.uses:
        raise RuleError(
            "coupon", f"{pointer}/uses", f"{row.coupon_id} has {before.uses} uses; rights were given for them"
        )


def _check_batch(tx: Connection, row: CouponBatchRow, before: CouponBatchRow | None, pointer: str) -> None:
    if coupon_of(tx, row.coupon_id) is None:
        raise RuleError("coupon", f"{pointer}/coupon_id", f"no coupon {row.coupon_id!r}")
    if not row.digits and row.count != 1:
        raise RuleError("coupon_batch", f"{pointer}/digits", f"{row.count} serials need digits behind the prefix")
    if row.digits and row.first + row.count > 10**row.digits:
        raise RuleError("coupon_batch", f"{pointer}/count", f"{row.digits} digits end at {10**row.digits - 1}")
    if len(row.prefix) + row.digits > 64:
        raise RuleError("coupon_batch", f"{pointer}/prefix", "a serial has 64 characters at most")
    same = msgspec.structs.replace(row, n=0, gone=False)
    if before is not None and msgspec.structs.replace(before, n=0, gone=False) != same:
        raise RuleError("coupon_batch", pointer, f"{row.batch_id} stands; only `gone` may change, serials are out")
    for (body,) in tx.execute("SELECT body FROM coupon_batch WHERE batch_id <> ?", (row.batch_id,)):
        other = _batch(body)
        if any(row.has(each) for each in _ends(other)) or any(other.has(each) for each in _ends(row)):
            raise RuleError("coupon_batch", f"{pointer}/prefix", f"{other.batch_id} has some of these serials")


def _ends(batch: CouponBatchRow) -> tuple[str, str]:
    return batch.serial(batch.first), batch.serial(batch.first + batch.count - 1)


def _put(  # noqa: PLR0917 - a row and whom it is told
    tx: Connection,
    own: Replica,
    stores: Collection[str],
    entity: Entity,
    row: CouponRow | CouponBatchRow,
    before: CouponRow | CouponBatchRow | None,
) -> bool:
    """Write the next version where it says something new."""
    if before is not None and msgspec.structs.replace(row, n=before.n) == before:
        return False
    row = msgspec.structs.replace(row, n=before.n + 1 if before else 1)
    body = msgspec.json.encode(row)
    if isinstance(row, CouponRow):
        tx.execute(
            "INSERT INTO coupon (coupon_id, body) VALUES (?, ?) ON CONFLICT (coupon_id) DO UPDATE SET body = excluded.body",
            (row.coupon_id, body),
        )
    else:
        tx.execute(
            """
            INSERT INTO coupon_batch (batch_id, prefix, body) VALUES (?, ?, ?)
            ON CONFLICT (batch_id) DO UPDATE SET body = excluded.body
            """,
            (row.batch_id, row.prefix, body),
        )
    for store in sorted(stores):
        put_row(tx, own, store, entity, row)
    return True


def _take_redemptions(tx: Connection, rows: Iterable[NewRow]) -> set[str]:
    """Note redemptions; a store speaks of what it accepted itself, and of nobody else."""
    serials = set()
    for row in rows:
        try:
            fact = _redemption(row.body)
        except NOT_JSON:
            continue
        if fact.store != store_of(row.rep) or store_of(fact.rep) != fact.store:
            continue
        tx.execute(
            "INSERT INTO redeemed (place, serial, rep, seq, body) VALUES (?, ?, ?, ?, ?)",
            (row.n, fact.serial, row.rep, row.seq, row.body),
        )
        serials.add(fact.serial)
    return serials


def _take_releases(tx: Connection, rows: Iterable[NewRow]) -> set[str]:
    """Note what was undone; a store undoes what it accepted itself."""
    serials = set()
    for row in rows:
        try:
            fact = _release(row.body)
        except NOT_JSON:
            continue
        tx.executemany(
            "INSERT INTO coupon_undone (serial, rep, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [(fact.serial, dot.rep, dot.seq) for dot in fact.seen if store_of(dot.rep) == store_of(row.rep)],
        )
        serials.add(fact.serial)
    return serials


def end_dispute(tx: Connection, own: Replica, redemption_id: str) -> bool | None:
    """Head office bears a dispute, for good; return whether that was news, None for a redemption that was never disputed."""
    row = tx.execute("SELECT serial, why FROM disputed WHERE redemption_id = ?", (redemption_id,)).fetchone()
    if row is None:
        return None
    if row[1] == BORNE:
        return False
    known = serial_of(tx, row[0])
    _tell(tx, own, next(each.fact for each in known.heard if each.fact.redemption_id == redemption_id), BORNE)
    return True


def _settle(tx: Connection, own: Replica, serial: str, *, now_ms: int) -> list[str]:
    """Write the disputes of a serial that are not written yet, and how those stand that are."""
    written = []
    known = serial_of(tx, serial)
    for dispute in known.resolved.disputes:
        is_new = tx.execute(
            "INSERT INTO disputed (redemption_id, serial) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (dispute.redemption_id, serial),
        ).rowcount
        if is_new:
            write_fact(tx, own, dispute.store, DISPUTE, dispute, key=dispute.redemption_id, now_ms=now_ms)
            written.append(dispute.redemption_id)
    facts = {each.fact.redemption_id: each.fact for each in reversed(known.heard)}
    rows = tx.execute(
        "SELECT redemption_id, why FROM disputed WHERE serial = ? AND why <> ? ORDER BY redemption_id", (serial, BORNE)
    ).fetchall()
    for redemption_id, before in rows:
        why: Over | Literal[""] = over(redemption_id, known.resolved) or ""
        if why != before:
            _tell(tx, own, facts[redemption_id], why)
    return written


def _tell(tx: Connection, own: Replica, fact: RedemptionFact, why: Over | Literal[""]) -> None:
    """Tell the store that accepted a redemption how its dispute stands."""
    n = tx.execute(
        "UPDATE disputed SET why = ?, n = n + 1 WHERE redemption_id = ? RETURNING n", (why, fact.redemption_id)
    ).fetchone()[0]
    put_row(tx, own, fact.store, DISPUTE_END, DisputeEndRow(redemption_id=fact.redemption_id, n=n, why=why))


def _answer(tx: Connection, own: Replica, row: NewRow) -> int:
    """Answer a replica's question; return how many rows were written."""
    try:
        asked = _ask(row.body)
    except NOT_JSON:
        return 0
    known = serial_of(tx, asked.serial)
    batch = known.batch
    if batch is None or asked.rep != row.rep or asked.gone or asked.rep in _sealed(tx, [asked.rep]):
        return 0
    if known.rights.get(asked.rep, 0) < asked.wanted and _room(known, asked.rep) < asked.wanted:
        _take_back(tx, own, known)
        known = serial_of(tx, asked.serial)
    more = max(0, asked.wanted - known.rights.get(asked.rep, 0))
    if asked.wanted > _room(known, asked.rep):
        more = 0
    before = _grant_row(tx, own, batch.batch_id, asked.serial, asked.rep)
    after = msgspec.structs.replace(before, n=before.n + more, answered=max(before.answered, asked.n))
    put_own(tx, own, store_of(asked.rep), COUPON_GRANT, after, by=own.rep)
    return 1


def _room(known: Serial, rep: str) -> int:
    accepted_by = {each.fact.redemption_id: each.fact.rep for each in known.heard}
    return room_for(rep, known.resolved, accepted_by, known.rights, uses=known.uses)


def _take_back(tx: Connection, own: Replica, known: Serial) -> None:
    """Take back what sealed lives have not used of a serial."""
    assert known.batch is not None
    accepted_by = {each.fact.redemption_id: each.fact.rep for each in known.heard}
    for rep in sorted(_sealed(tx, known.rights)):
        used = sum(accepted_by[each] == rep for each in known.resolved.held)
        if (left := known.rights[rep] - used) > 0:
            before = _grant_row(tx, own, known.batch.batch_id, known.serial, rep)
            after = msgspec.structs.replace(before, reclaimed=before.reclaimed + left)
            put_own(tx, own, store_of(rep), COUPON_GRANT, after, by=own.rep)


def _sealed(read: Connection, reps: Iterable[str]) -> set[str]:
    sealed = (
        "SELECT incarnation FROM ended_life JOIN replica ON replica.id = ended_life.replica WHERE sealed_ms IS NOT NULL"
    )
    return {rep for rep in reps if read.execute(f"SELECT ? IN ({sealed})", (rep.rpartition(":")[2],)).fetchone()[0]}


def _grant_row(read: Connection, own: Replica, batch_id: str, serial: str, taker: str) -> CouponGrantRow:
    """Return our own row of a serial for a replica, all zeros where there is none."""
    rows = grants_of(read, batch_id, serial)
    mine = (row for row in rows if (row.serial, row.giver, row.taker) == (serial, own.rep, taker))
    return next(mine, CouponGrantRow(batch_id=batch_id, serial=serial, giver=own.rep, taker=taker, n=0))


def grants_of(read: Connection, batch_id: str, serial: str) -> list[CouponGrantRow]:
    """Return the rows of a serial, and of its batch as a whole."""
    return [_grant(body) for each in (WHOLE_BATCH, serial) for body in _bodies(read, key_of(batch_id, each)[:-1] + ",")]


def _bodies(read: Connection, begun: str) -> list[bytes]:
    rows = read.execute(
        """
        SELECT body FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND key BETWEEN ? AND ?
        ORDER BY key, replica
        """,
        (COUPON_GRANT.stream, begun, begun + LAST),
    )
    return [body for (body,) in rows.fetchall()]


def _batch_with(read: Connection, serial: str) -> CouponBatchRow | None:
    for prefix in prefixes(serial):
        for (body,) in read.execute("SELECT body FROM coupon_batch WHERE prefix = ?", (prefix,)).fetchall():
            if (batch := _batch(body)).has(serial):
                return batch
    return None
