"""Refunds that came as sums, and what a shop says of their lines when it is asked. Functions of a write job, and reads.

    noted as a sum        asked for, once its order is somebody's purchase
    the shop names it     its lines stand in the place of the sum, and the purchase is worked out anew
    the shop has none     it stays a sum, and is not asked for again
    the shop refuses      it stays a sum, and is asked for again a day later

Where a channel has no url nobody asks, and sums stay sums. Not here: asking (sync.cloud.talk.shops).
"""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from sync.cloud.channels.buying import work_out_backs
from sync.cloud.channels.jobs import Job
from sync.cloud.channels.said import ChannelRefund

DAY_MS = 86_400_000


class Unnamed(NamedTuple):
    """An order with refunds whose lines are to be asked for."""

    channel_order_id: str
    currency: str
    refund_ids: tuple[str, ...]


def unnamed_refunds(read: Connection, channel: str, *, now_ms: int, limit: int) -> list[Unnamed]:
    """Return some orders with refunds that are due to be asked for."""
    rows = read.execute(
        """
        SELECT channel_order_id, currency, refund_id FROM channel_refund
        WHERE channel = ? AND ask_at_ms <= ? AND EXISTS (
          SELECT 1 FROM channel_bought
          WHERE channel_bought.channel = channel_refund.channel
            AND channel_bought.channel_order_id = channel_refund.channel_order_id)
        ORDER BY ask_at_ms, channel_order_id, currency, refund_id LIMIT ?
        """,
        (channel, now_ms, limit),
    ).fetchall()
    found: dict[tuple[str, str], list[str]] = {}
    for channel_order_id, currency, refund_id in rows:
        found.setdefault((channel_order_id, currency), []).append(refund_id)
    return [Unnamed(*named, tuple(ids)) for named, ids in found.items()]


def name_lines(job: Job, asked: Unnamed, said: Sequence[ChannelRefund]) -> int:
    """Put what the shop says of these refunds in the place of their sums; return how many have lines now."""
    told = {each.refund_id: each for each in said}
    named = [told[each] for each in asked.refund_ids if each in told]
    job.tx.executemany(
        """
        UPDATE channel_refund SET lines = ?, goods = ?, refunded_ms = ?
        WHERE channel = ? AND refund_id = ? AND channel_order_id = ? AND ask_at_ms IS NOT NULL
        """,
        [
            (
                *(msgspec.json.encode(each.lines), each.goods, each.refunded_ms),
                *(job.channel.name, each.refund_id, asked.channel_order_id),
            )
            for each in named
        ],
    )
    _ask_at(job.tx, job.channel.name, asked, None)
    work_out_backs(job, asked.channel_order_id)
    return sum(bool(each.lines) for each in named)


def ask_tomorrow(tx: Connection, channel: str, asked: Unnamed, *, now_ms: int) -> None:
    """Leave these sums as they are until the shop is asked again."""
    _ask_at(tx, channel, asked, now_ms + DAY_MS)


def _ask_at(tx: Connection, channel: str, asked: Unnamed, at_ms: int | None) -> None:
    tx.executemany(
        "UPDATE channel_refund SET ask_at_ms = ? WHERE channel = ? AND refund_id = ? AND channel_order_id = ?",
        [(at_ms, channel, each, asked.channel_order_id) for each in asked.refund_ids],
    )
