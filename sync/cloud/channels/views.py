"""What head office sees of channels: orders as they stand with their refunds, and how each channel does. Reads only."""

from datetime import datetime
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sync.cloud.channels.exceptions import moment, open_count
from sync.cloud.channels.said import RefundLine
from sync.cloud.channels.settings import Channel
from sync.json_errors import NOT_JSON


class RefundView(Struct, frozen=True):
    """Money that was given back."""

    refund_id: str
    currency: str
    amount: int
    refunded_at: datetime
    lines: tuple[RefundLine, ...]


class ChannelOrderView(Struct, frozen=True, omit_defaults=True):
    """An order of a channel. `order_id`: this cloud's, empty while there is none; `received`: as it came, of one order only."""

    channel: str
    channel_order_id: str
    number: str
    state: str
    order_id: str
    currency: str
    total: int
    changed_at: datetime
    received_at: datetime
    refunds: tuple[RefundView, ...] = ()
    received: Raw | None = None


class ChannelView(Struct, frozen=True):
    """How a channel does. `behind`: items whose level the shop does not show yet, of those that were counted last."""

    channel: str
    kind: str
    currency: str
    orders: dict[str, int]
    exceptions: int
    items: int
    reconciled_at: datetime | None
    differing: int
    pushed_at: datetime | None
    fault: str


_lines = msgspec.json.Decoder(tuple[RefundLine, ...]).decode
_ORDER = """
    SELECT channel, channel_order_id, number, state, order_id, currency, total, changed_ms, received_ms FROM channel_order
"""


def channel_view(read: Connection, channel: Channel) -> ChannelView:
    """Return how a channel does."""
    states = read.execute(
        "SELECT state, count(*) FROM channel_order WHERE channel = ? GROUP BY state ORDER BY state", (channel.name,)
    ).fetchall()
    items = read.execute("SELECT count(*) FROM channel_level WHERE channel = ?", (channel.name,)).fetchone()[0]
    told = read.execute(
        "SELECT reconciled_ms, differing, pushed_ms, fault FROM channel_round WHERE channel = ?", (channel.name,)
    ).fetchone() or (0, 0, 0, "")
    return ChannelView(
        channel=channel.name,
        kind=channel.kind,
        currency=channel.currency,
        orders=dict(states),
        exceptions=open_count(read, channel.name),
        items=items,
        reconciled_at=moment(told[0]) if told[0] else None,
        differing=told[1],
        pushed_at=moment(told[2]) if told[2] else None,
        fault=told[3],
    )


def channel_orders(read: Connection, channel: str, *, after: str, limit: int) -> list[ChannelOrderView]:
    """Return orders of a channel behind one, by its id."""
    rows = read.execute(
        _ORDER + " WHERE channel = ? AND channel_order_id > ? ORDER BY channel_order_id LIMIT ?",
        (channel, after, limit),
    ).fetchall()
    return [_view(read, row) for row in rows]


def channel_order(read: Connection, channel: str, channel_order_id: str) -> ChannelOrderView | None:
    """Return one order with what was received of it."""
    row = read.execute(_ORDER + " WHERE channel = ? AND channel_order_id = ?", (channel, channel_order_id)).fetchone()
    if row is None:
        return None
    body = read.execute(
        "SELECT body FROM channel_order WHERE channel = ? AND channel_order_id = ?", (channel, channel_order_id)
    ).fetchone()[0]
    return msgspec.structs.replace(_view(read, row), received=_raw(body))


def received_of(read: Connection, channel: str, channel_order_id: str) -> tuple[str, bytes] | None:
    """Return topic and body of what stands of an order; None for an unknown one, or one whose body was emptied."""
    row = read.execute(
        "SELECT topic, body FROM channel_order WHERE channel = ? AND channel_order_id = ?", (channel, channel_order_id)
    ).fetchone()
    return (row[0], row[1]) if row and row[1] else None


def _view(read: Connection, row: tuple[Any, ...]) -> ChannelOrderView:  # Any: a row
    refunds = read.execute(
        """
        SELECT refund_id, currency, amount, refunded_ms, lines FROM channel_refund
        WHERE channel = ? AND channel_order_id = ? ORDER BY refunded_ms, refund_id
        """,
        (row[0], row[1]),
    ).fetchall()
    shown = tuple(RefundView(each[0], each[1], each[2], moment(each[3]), _lines(each[4])) for each in refunds)
    channel, order_id, number, state, own_id, currency, total = row[:7]
    return ChannelOrderView(
        *(channel, order_id, number, state, own_id, currency, total), moment(row[7]), moment(row[8]), shown
    )


def _raw(body: bytes) -> Raw | None:
    try:
        msgspec.json.decode(body)
    except NOT_JSON:
        return None
    return Raw(body)
