"""What is no fact of a day: stock, members, points, orders, as they stand at the moment of an export. Reads, in pages.

Each page is of one moment; between two pages the shops go on. Members' clear data is written where the configuration says so.
"""

import json
from collections.abc import Callable
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.clock import standing_register
from sync.cloud.handing.tables import Column, Value
from sync.cloud.orders import find_order, order_ids
from sync.json_errors import NOT_JSON
from sync.model import Stream
from sync.retail.people.members import MEMBER
from sync.retail.stock.levels import LevelRow

PAGE_MAX = 500
PERSONAL = ("name", "phone", "email", "birth_month")
_level = msgspec.json.Decoder(LevelRow).decode


class Page(Struct, frozen=True):
    """Lines, and where the next page begins; None: there is none."""

    lines: list[tuple[Value, ...]]
    after: str | None


class State(Struct, frozen=True):
    """A table of what stands now; `page` reads behind a place, "" at first."""

    table: str
    columns: tuple[Column, ...]
    page: Callable[[Connection, str], Page]


def states(*, personal: bool) -> tuple[State, ...]:
    """Return the tables, members with or without their clear data."""
    clear = PERSONAL if personal else ()
    members = (Column("member_id"), Column("tier"), Column("language"), Column("erased", "flag"))
    return (
        State(
            "stock",
            (Column("store"), Column("location"), Column("sku"), *_ints("on_hand", "received", "issued")),
            _stock,
        ),
        State(
            "members",
            (*members, *(Column(name) for name in clear)),
            lambda read, after: _members(read, after, clear),
        ),
        State("points", (Column("store"), Column("member_id"), Column("points", "int")), _points),
        State(
            "orders",
            (
                *(Column("order_id"), Column("kind"), Column("store"), Column("state"), Column("made_by")),
                *(Column("made_at", "time"), Column("changed_at", "time"), Column("deadline", "time")),
                *(Column("sale_id"), *_ints("lines", "qty")),
            ),
            _orders,
        ),
    )


def _ints(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "int") for name in names)


def _stock(read: Connection, after: str) -> Page:
    """Sum what all lives of a store say of a place; a page has whole keys."""
    keys = read.execute(
        """
        SELECT DISTINCT key FROM tally
        WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND key > ? ORDER BY key LIMIT ?
        """,
        (Stream.LEVELS, after, PAGE_MAX),
    ).fetchall()
    if not keys:
        return Page([], None)
    rows = read.execute(
        """
        SELECT replica.store, tally.body FROM tally JOIN replica ON replica.id = tally.replica
        WHERE tally.stream = (SELECT id FROM feed WHERE stream = ?) AND tally.key > ? AND tally.key <= ?
        ORDER BY tally.key, replica.store, replica.id
        """,
        (Stream.LEVELS, after, keys[-1][0]),
    ).fetchall()
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for store, body in rows:
        try:
            level = _level(body)
        except NOT_JSON:  # of a later version: its numbers were merged, and are not ours to name
            continue
        received, issued = sums.get((store, level.location, level.sku), (0, 0))
        sums[store, level.location, level.sku] = received + level.received, issued + level.issued
    lines: list[tuple[Value, ...]] = [(*place, into - out, into, out) for place, (into, out) in sums.items()]
    return Page(lines, keys[-1][0] if len(keys) == PAGE_MAX else None)


def _members(read: Connection, after: str, clear: tuple[str, ...]) -> Page:
    keys = [
        key
        for (key,) in read.execute(
            """
            SELECT DISTINCT key FROM tally
            WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND key > ? ORDER BY key LIMIT ?
            """,
            (MEMBER.stream, after, PAGE_MAX),
        ).fetchall()
    ]
    lines = []
    for key in keys:
        merged = standing_register(read, MEMBER.name, key)
        cells = {} if merged.is_erased else {name: cell.value for name, cell in merged.cells.items()}
        said = [_text(cells.get(name)) for name in ("tier", "language")]
        lines.append((key, *said, merged.is_erased, *(_text(cells.get(name)) for name in clear)))
    return Page(lines, keys[-1] if len(keys) == PAGE_MAX else None)


def _points(read: Connection, after: str) -> Page:
    place = tuple(json.loads(after)) if after else ("", "")
    rows = read.execute(
        """
        SELECT store, member_id, points FROM member_points
        WHERE (store, member_id) > (?, ?) ORDER BY store, member_id LIMIT ?
        """,
        (*place, PAGE_MAX),
    ).fetchall()
    return Page(rows, json.dumps(rows[-1][:2]) if len(rows) == PAGE_MAX else None)


def _orders(read: Connection, after: str) -> Page:
    names = order_ids(read, state="", store="", after=after, limit=PAGE_MAX)
    lines: list[tuple[Value, ...]] = []
    for name in names:
        try:
            known = find_order(read, name)
        except NOT_JSON:  # of a later version
            known = None
        if known is not None:
            of, steps = known.fact, known.steps
            made = (of.made_by, of.made_at.isoformat(), steps[-1].step.at.isoformat())
            until = of.deadline.isoformat() if of.deadline else None
            counted = (len(of.lines), sum(line.qty for line in of.lines))
            lines.append((name, str(of.kind), known.store, str(known.order.state), *made, until, of.sale_id, *counted))
    return Page(lines, names[-1] if len(names) == PAGE_MAX else None)


def _text(value: Any) -> str | None:  # Any: JSON
    return None if value is None else str(value)
