"""What a shop shows of our goods, and what it should: the difference is what is sent. Functions of a write job, and of reads.

    read back       the shop's whole list takes the place of what we believed; items that it has no more are forgotten
    wanted          items whose SKU is ours and that show another number than we have; of items with one SKU the first shows
                    all, the others nothing: what is there once is not sold twice
    told            what was taken is believed from then on, and of a stale one what the shop shows

Not here: how many there are (sync.cloud.channels.availability), who talks to the shop (sync.cloud.talk.shops).
"""

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

from sync.cloud.channels.said import Level, SetResult, Wanted
from sync.cloud.channels.settings import Channel
from sync.cloud.channels.skus import sku_of


class Shown:
    """What a shop shows, as far as we know, by our SKU; the first item of a SKU is the one that shows its level."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Level]] = {}

    def put(self, sku: str, level: Level) -> None:
        """Take an item of ours."""
        self._items.setdefault(sku, {})[level.item] = level

    @property
    def skus(self) -> set[str]:
        """All that the shop has of ours."""
        return set(self._items)

    def of(self, sku: str) -> list[Level]:
        """The items of a SKU."""
        return list(self._items.get(sku, {}).values())

    def believe(self, sku: str, item: str, number: int) -> None:
        """Take what an item shows now."""
        level = self._items[sku][item]
        self._items[sku][item] = Level(level.item, level.parent, level.told, number)


def levels_of(read: Connection, channel: Channel) -> list[Level]:
    """Return what we believe that a shop shows, of all its items."""
    rows = read.execute(
        "SELECT item, parent, told, shown FROM channel_level WHERE channel = ? ORDER BY length(item), item",
        (channel.name,),
    ).fetchall()
    return [Level(*row) for row in rows]


def named(read: Connection, channel: Channel, levels: Iterable[Level]) -> list[tuple[str, Level]]:
    """Return the items that are ours, each with its SKU."""
    found = ((sku_of(read, channel, names_of(level)), level) for level in levels)
    return [(sku, level) for sku, level in found if sku is not None]


def catalogue_seq(read: Connection) -> int:
    """Return how far the catalogue is: another number, and items may be ours that were not."""
    seq: int = read.execute("SELECT coalesce(max(seq), 0) FROM register").fetchone()[0]
    return seq


def names_of(level: Level) -> tuple[str, ...]:
    """Return the names under which a shop knows an item, as its orders say them."""
    kind = "item" if level.item.startswith("gid:") else "variation" if level.parent else "product"
    number = level.item.rpartition("/")[2]
    return (f"{kind}:{number}", f"sku:{level.told}") if level.told else (f"{kind}:{number}",)


def wanted_of(items: Shown, have: Mapping[str, int]) -> list[Wanted]:
    """Return what is to be sent: the items that show something else than they should."""
    wanted = []
    for sku, qty in sorted(have.items()):
        for index, level in enumerate(items.of(sku)):
            should = qty if index == 0 else 0
            if level.shown != should:
                wanted.append(Wanted(level.item, level.parent, level.shown, should, sku))
    return wanted


def read_back(tx: Connection, channel: Channel, levels: Iterable[Level]) -> int:
    """Believe a shop's whole list; return how many items showed something else than we believed."""
    rows = tx.execute("SELECT item, shown FROM channel_level WHERE channel = ? ORDER BY item", (channel.name,))
    before: dict[str, int] = dict(rows.fetchall())
    listed = {level.item: level for level in levels}
    differing = sum(item in before and before[item] != level.shown for item, level in listed.items())
    for item in before.keys() - listed.keys():
        tx.execute("DELETE FROM channel_level WHERE channel = ? AND item = ?", (channel.name, item))
    for level in listed.values():
        _put(tx, channel, level)
    tx.execute("UPDATE channel_round SET differing = ? WHERE channel = ?", (differing, channel.name))
    return differing


def believed(sent: Iterable[Wanted], results: Iterable[SetResult]) -> list[tuple[Wanted, int]]:
    """Return what each item shows now: what was taken, and of a stale one what the shop says."""
    ended = {result.item: result for result in results}
    shows = [(each, ended[each.item]) for each in sent if each.item in ended]
    now = [(each, each.wanted if not result.code else result.shown) for each, result in shows]
    return [(each, number) for each, number in now if number is not None]


def note_sent(tx: Connection, channel: Channel, shows: Iterable[tuple[Wanted, int]], *, now_ms: int) -> None:
    """Note what items show now."""
    for each, number in shows:
        tx.execute(
            "UPDATE channel_level SET shown = ? WHERE channel = ? AND item = ?", (number, channel.name, each.item)
        )
    tx.execute("UPDATE channel_round SET pushed_ms = ? WHERE channel = ?", (now_ms, channel.name))


def note_fault(tx: Connection, channel: Channel, fault: str) -> None:
    """Note why a shop cannot be talked to; empty: it can."""
    tx.execute(
        """
        INSERT INTO channel_round (channel, reconciled_ms, differing, pushed_ms, fault) VALUES (?, 0, 0, 0, ?)
        ON CONFLICT (channel) DO UPDATE SET fault = excluded.fault WHERE channel_round.fault <> excluded.fault
        """,
        (channel.name, fault[:300]),
    )


def note_reconciled(tx: Connection, channel: Channel, *, now_ms: int) -> None:
    """Note that a shop was asked for all it has."""
    tx.execute(
        """
        INSERT INTO channel_round (channel, reconciled_ms, differing, pushed_ms, fault) VALUES (?, ?, 0, 0, '')
        ON CONFLICT (channel) DO UPDATE SET reconciled_ms = excluded.reconciled_ms
        """,
        (channel.name, now_ms),
    )


def reconciled_ms(read: Connection, channel: Channel) -> int:
    """Return when a shop was asked for all it has last; 0: never."""
    row = read.execute("SELECT reconciled_ms FROM channel_round WHERE channel = ?", (channel.name,)).fetchone()
    at_ms: int = row[0] if row else 0
    return at_ms


def _put(tx: Connection, channel: Channel, level: Level) -> None:
    tx.execute(
        """
        INSERT INTO channel_level (channel, item, parent, told, shown) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (channel, item) DO UPDATE SET
          parent = excluded.parent, told = excluded.told, shown = excluded.shown
        WHERE (channel_level.parent, channel_level.told, channel_level.shown)
          <> (excluded.parent, excluded.told, excluded.shown)
        """,
        (channel.name, level.item, level.parent, level.told[:200], level.shown),
    )
