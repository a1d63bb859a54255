"""One person's data: all of it told, or all of it gone. Functions of a write job, except `export`.

    erased cell        absorbs every other cell, past and future, at each copy; sweeps what lost in a conflict (sync.store.shared)
    identities         taken back: nobody is found by them, somebody else may have them
    words, hashes of what requests said   deleted
    sales, points, consents, links        stay, with ids and keyed hashes

SQLite overwrites what it deletes (`secure_delete`, see sync.db); the write-ahead log is emptied after the commit. A list of who
was erased stands beside the database (hub.erasures), so that a copy of an earlier day applies it before it serves.
Source: the design, 3.2 (Personal data).
"""

from collections.abc import Callable
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from hub.errors import NotFoundError
from hub.store.people.arrivals import forget_local
from hub.store.people.members import Work, undo_identity
from hub.store.people.people import cells_of, identities_of, is_erased, is_known, person_ids
from hub.store.replica.clock import write_stamped
from hub.store.staff.audit_trail import note
from sync.merge import ERASED
from sync.retail.people.members import MEMBER
from sync.retail.selling.sales import Id
from sync.store.tables import table_of

EXPORT_ROWS_MAX = 10_000  # of each kind; the newest


class Erasure(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A person is to be forgotten."""

    erasure_id: Id


class Erased(Struct, frozen=True):
    """All ids of the person, and whether they were erased before."""

    ids: list[str]
    repeated: bool


class Export(Struct, frozen=True, kw_only=True):
    """All that this shop holds of a person. `cells`: by member and field, [value, stamp]; `overruled`: other writers' that lost.

    Any: JSON, rows as they are stored.
    """

    ids: list[str]
    cells: dict[str, dict[str, Any]]
    overruled: list[dict[str, Any]]
    identities: list[dict[str, Any]]
    links: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    points: dict[str, int]
    points_entries: list[dict[str, Any]]
    sales: list[dict[str, Any]]
    returns: list[dict[str, Any]]
    coupons: list[dict[str, Any]]


def erase_job(work: Work, member_id: str, *, remember: Callable[[list[str]], None]) -> Callable[[Connection], Erased]:
    """Return the job that erases a person, all its members; NotFoundError for one that was never known.

    `remember` makes the ids durable beside the database, before the commit.
    """

    def job(tx: Connection) -> Erased:
        ids, _ = person_ids(tx, member_id)
        if not any(map_known(tx, ids).values()):
            raise NotFoundError("member", f"no member {member_id!r}")
        repeated = is_erased(tx, member_id)
        if not repeated:
            remember(ids)
        for each in ids:
            erase_one(tx, work, each)
        if not repeated:
            note(tx, actor=work.actor, action="member_erased", subject=ids[0], reason="", now_ms=work.now_ms)
        return Erased(ids, repeated)

    return job


def map_known(tx: Connection, ids: list[str]) -> dict[str, bool]:
    """Return which of these are or were members."""
    return {each: bool(cells_of(tx, each)) for each in ids}


def erase_one(tx: Connection, work: Work, member_id: str) -> bool:
    """Erase a member, also one of whom nothing is here yet; say whether that was news."""
    is_news = not is_erased(tx, member_id)
    if is_news:
        write_stamped(tx, work.replica, MEMBER, member_id, {ERASED: True}, stamped=work.stamped)
    for identity_id, _ in identities_of(tx, [member_id]):
        undo_identity(tx, work, "erasure", identity_id, "erased")
    forget_local(tx, member_id)
    return is_news


def apply_erasures(tx: Connection, work: Work, member_ids: list[str]) -> int:
    """Erase those of these who are not: the database is a copy of an earlier day. Return how many."""
    return sum(erase_one(tx, work, each) for each in member_ids)


def export(read: Connection, member_id: str) -> Export:
    """Return all that is held of a person; raise NotFoundError."""
    ids, links = person_ids(read, member_id)
    if not any(is_known(read, each) for each in ids):
        raise NotFoundError("member", f"no member {member_id!r}")
    return Export(
        ids=ids,
        cells={each: _cells(read, each) for each in ids},
        overruled=[row for each in ids for row in _overruled(read, each)],
        identities=_bodies(read, "identity", "member_id", ids),
        links=[msgspec.to_builtins(link) for link in links],
        consents=_bodies(read, "consent", "member_id", ids),
        points=dict(_balances(read, ids)),
        points_entries=_naming(read, "points_entry", "$.points[0][0]", ids),
        sales=_naming(read, "sale", "$.sale.member_id", ids),
        returns=_returns(read, ids),
        coupons=_naming(read, "coupon_issue", "$.member_id", ids),
    )


def _cells(read: Connection, member_id: str) -> dict[str, Any]:
    rows = read.execute("SELECT body FROM member WHERE member_id = ? ORDER BY replica", (member_id,)).fetchall()
    decode = table_of(MEMBER).decode
    written: dict[str, Any] = {}
    for (body,) in rows:
        for field, cell in decode(body.encode()).cells.items():
            known = written.get(field)
            if known is None or known.stamp < cell.stamp:
                written[field] = cell
    return {field: msgspec.to_builtins(cell) for field, cell in sorted(written.items())}


def _overruled(read: Connection, member_id: str) -> list[dict[str, Any]]:
    rows = read.execute(
        "SELECT field, rep, physical_ms, value FROM conflict WHERE entity = 'member' AND key = ? ORDER BY field, rep",
        (member_id,),
    ).fetchall()
    return [
        {"member_id": member_id, "field": field, "writer": rep, "at_ms": at_ms, "value": msgspec.json.decode(value)}
        for field, rep, at_ms, value in rows
    ]


def _bodies(read: Connection, table: str, column: str, ids: list[str]) -> list[dict[str, Any]]:
    rows = read.execute(
        f"SELECT body FROM {table} WHERE {column} IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?",
        (_list(ids), EXPORT_ROWS_MAX),
    ).fetchall()
    return [msgspec.json.decode(body) for (body,) in rows]


def _naming(read: Connection, table: str, path: str, ids: list[str]) -> list[dict[str, Any]]:
    """Return facts that name a member in their body: no index, because it is asked once in a long while."""
    rows = read.execute(
        f"SELECT body FROM {table} WHERE body ->> ? IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?",
        (path, _list(ids), EXPORT_ROWS_MAX),
    ).fetchall()
    return [msgspec.json.decode(body) for (body,) in rows]


def _returns(read: Connection, ids: list[str]) -> list[dict[str, Any]]:
    rows = read.execute(
        """
        SELECT sale_return.body FROM sale JOIN sale_return ON sale_return.sale_id = sale.sale_id
        WHERE sale.body ->> '$.sale.member_id' IN (SELECT value FROM json_each(?)) ORDER BY sale_return.id DESC LIMIT ?
        """,
        (_list(ids), EXPORT_ROWS_MAX),
    ).fetchall()
    return [msgspec.json.decode(body) for (body,) in rows]


def _balances(read: Connection, ids: list[str]) -> list[tuple[str, int]]:
    return read.execute(
        "SELECT member_id, points FROM point_balance WHERE member_id IN (SELECT value FROM json_each(?))", (_list(ids),)
    ).fetchall()


def _list(ids: list[str]) -> str:
    return msgspec.json.encode(ids).decode()
