"""Which of our goods a channel means: names it has for them, and SKUs. Functions of a write job, and of reads.

    a person has said so (assign)     else the configuration's `skus`     else the SKU that it says, or its barcode, is ours

What was said of goods that have left the catalogue since means nothing any more: it is asked again.
"""

from collections.abc import Iterable
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.channels.settings import Channel
from sync.errors import RuleError


class _Row(Struct, frozen=True):
    gone: bool = False


_row = msgspec.json.Decoder(_Row).decode


def sku_of(read: Connection, channel: Channel, items: Iterable[str]) -> str | None:
    """Return our SKU for the first name that means one; None where none does."""
    names = tuple(items)
    for find in (_assigned, _configured, _own):
        for item in names:
            sku = find(read, channel, item)
            if sku is not None and is_sold(read, sku):
                return sku
    return None


def assign(tx: Connection, channel: Channel, item: str, sku: str) -> None:
    """Note which goods a channel's name means; raise RuleError for a SKU that is not in the catalogue."""
    if not is_sold(tx, sku):
        raise RuleError("channel_sku", "/sku", f"no SKU {sku[:64]!r} in the catalogue")
    tx.execute(
        """
        INSERT INTO channel_sku (channel, item, sku) VALUES (?, ?, ?)
        ON CONFLICT (channel, item) DO UPDATE SET sku = excluded.sku
        """,
        (channel.name, item, sku),
    )


def assigned(read: Connection, channel: Channel) -> dict[str, str]:
    """Return all that was assigned."""
    rows = read.execute("SELECT item, sku FROM channel_sku WHERE channel = ? ORDER BY item", (channel.name,))
    return dict(rows.fetchall())


def is_sold(read: Connection, sku: str) -> bool:
    """Whether a SKU stands in the catalogue."""
    row = read.execute("SELECT body FROM register WHERE kind = 'product' AND sku = ?", (sku,)).fetchone()
    return row is not None and not _row(row[0]).gone


def _assigned(read: Connection, channel: Channel, item: str) -> str | None:
    row = read.execute("SELECT sku FROM channel_sku WHERE channel = ? AND item = ?", (channel.name, item)).fetchone()
    return row[0] if row else None


def _configured(_read: Connection, channel: Channel, item: str) -> str | None:
    return channel.skus.get(item)


def _own(read: Connection, _channel: Channel, item: str) -> str | None:
    kind, _, value = item.partition(":")
    if kind == "sku":
        return value
    if kind == "gtin":
        row = read.execute("SELECT sku FROM gtin WHERE gtin = ?", (value,)).fetchone()
        return row[0] if row else None
    return None
