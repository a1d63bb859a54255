"""One person's data at head office: all of it told, or all of it gone, here and in every shop.

    erased cell     absorbs every other cell of every writer, past and future; the shops of the region do the same when it comes
    identities      taken back: the number is free
    tags, cases, places in segments, what was to be sent    deleted
    purchases, points, consents, links                      stay, with ids and keyed hashes

Not here: emptying the write-ahead log after the commit (sync.cloud.web.people_routes). Functions of a
write job, and a read. Source: the design, 3.2 (Personal data).
"""

import json
from sqlite3 import Connection
from typing import Any

import msgspec

from sync.cloud.loyalty.member_cells import write_cells
from sync.cloud.persons.coupons import coupons_of
from sync.cloud.persons.forgotten import forget_rows
from sync.cloud.persons.links import key_of, utc
from sync.cloud.persons.people import identities_of, person_ids
from sync.cloud.persons.registers import cells_of
from sync.cloud.persons.writing import write_people
from sync.cloud.scopes.scope_members import sweep_erased
from sync.merge import ERASED
from sync.model import Replica, Stream
from sync.retail.people.members import MEMBER
from sync.retail.people.people import UNDO, UndoFact

_ROWS = (
    ("identities", "identity_id member_id kind hash", "FROM person_identity WHERE member_id = ? ORDER BY identity_id"),
    ("links", "link_id a b evidence", "FROM person_link WHERE a = ? ORDER BY link_id"),
    ("points", "stream n member_id store points at_ms", "FROM person_points WHERE member_id = ? ORDER BY stream, n"),
    ("tags", "member_id tag source tagged_ms", "FROM member_tag WHERE member_id = ? ORDER BY tag, source"),
    ("cases", "member_id other why state opened_ms", "FROM join_case WHERE member_id = ? ORDER BY other"),
    (
        "segments",
        "segment entered_ms left_ms",
        "FROM segment_member WHERE person_id = ? ORDER BY segment, entered_ms",
    ),
    (
        "messages",
        "campaign_id state why changed_ms request_id",
        "FROM message WHERE person_id = ? ORDER BY changed_ms, campaign_id",
    ),
    (
        "purchases",
        "channel purchase_id member_id store in_shop city currency amount refunded bought_ms",
        "FROM purchase WHERE member_id = ? ORDER BY bought_ms, channel, purchase_id",
    ),
    (
        "purchase_lines",
        "channel purchase_id line sku qty amount back_qty back_amount",
        """
        FROM purchase_line
        WHERE (channel, purchase_id) IN (SELECT channel, purchase_id FROM purchase WHERE member_id = ?)
        ORDER BY channel, purchase_id, line
        """,
    ),
)
"""What is told by name: which columns, and of which rows."""


def erase(tx: Connection, own: Replica, member_id: str, *, now_ms: int) -> tuple[list[str], bool] | None:
    """Erase a person, all members of it; return their ids and whether that was news, None where nobody was ever known."""
    ids = person_ids(tx, member_id)
    cells = {each: cells_of(tx, each) for each in ids}
    if not any(cells.values()):
        return None
    wanted = [each for each in ids if ERASED not in cells[each]]
    for each in wanted:
        write_cells(tx, own, each, {ERASED: True}, now_ms=now_ms)
    sweep_erased(tx, ids)
    for each in ids:
        for identity_id, _ in identities_of(tx, each):
            undo = UndoFact(
                undo_id=key_of("erasure", identity_id),
                what="identity",
                undone=identity_id,
                reason="erased",
                at=utc(now_ms),
            )
            write_people(tx, own, UNDO, undo, of=(each, ""), now_ms=now_ms)
        forget_rows(tx, each)
    return ids, bool(wanted)


def export(read: Connection, member_id: str) -> dict[str, Any] | None:
    """Return all rows that head office holds of a person, None where nobody is known. Any: JSON, rows as they are stored."""
    ids = person_ids(read, member_id)
    if not any((cells := cells_of(read, each)) and ERASED not in cells for each in ids):
        return None
    told: dict[str, Any] = {"ids": ids, "registers": [row for each in ids for row in _registers(read, each)]}
    for name, columns, rows in _ROWS:
        told[name] = [row for each in ids for row in _named(read, columns.split(), rows, each)]
    told["consents"] = [row for each in ids for row in _consents(read, each)]
    told["coupons"] = coupons_of(read, ids)
    told["sales"] = [row for each in ids for row in _sales(read, each)]
    return told


def _named(read: Connection, columns: list[str], rows: str, member_id: str) -> list[dict[str, Any]]:
    found = read.execute(f"SELECT {', '.join(columns)} {rows}", (member_id,)).fetchall()
    return [dict(zip(columns, row, strict=True)) for row in found]


def _registers(read: Connection, member_id: str) -> list[dict[str, Any]]:
    """Return what each writer says of a member, with its stamps."""
    rows = read.execute(
        """
        SELECT replica.store, tally.body FROM tally JOIN feed ON feed.id = tally.stream
        JOIN replica ON replica.id = tally.replica WHERE feed.stream = ? AND tally.key = ? ORDER BY replica.id
        """,
        (MEMBER.stream, member_id),
    ).fetchall()
    return [{"store": store, "row": msgspec.json.decode(body)} for store, body in rows]


def _consents(read: Connection, member_id: str) -> list[dict[str, Any]]:
    rows = read.execute(
        "SELECT store, body FROM person_consent WHERE member_id = ? ORDER BY consent_id", (member_id,)
    ).fetchall()
    return [{"store": store, "row": msgspec.json.decode(body)} for store, body in rows]


def _sales(read: Connection, member_id: str) -> list[Any]:
    """Return the facts of a member's purchases in shops."""
    sales = read.execute(
        "SELECT purchase_id FROM purchase WHERE member_id = ? AND channel = 'store' ORDER BY purchase_id", (member_id,)
    ).fetchall()
    rows = read.execute(
        """
        SELECT fact.body FROM fact_key JOIN fact ON fact.stream = fact_key.stream AND fact.n = fact_key.n
        WHERE fact_key.stream = (SELECT id FROM feed WHERE stream = ?)
          AND fact_key.key IN (SELECT value FROM json_each(?)) ORDER BY fact_key.key
        """,
        (Stream.SALES, json.dumps([sale for (sale,) in sales])),
    ).fetchall()
    return [msgspec.json.decode(body) for (body,) in rows]
