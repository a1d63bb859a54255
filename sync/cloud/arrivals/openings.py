"""What the older rows of a store's log came to, for a hub that joins late and needs no years of facts: see sync.opening.

    rows that are told as a sum     taken longer ago than their `keep`: what a hub that was here would have pruned, where other
                                    rows have come on half of these days (a clock that jumps makes nothing old); and
                                    those of which the hub that had pruned them has told this database a sum, and nothing else
    a return whose sale is younger  ends the range: returned <= sold is counted from rows
    rows under one key              one counts, as sync.merge.standing says by the seals; its key goes with what it did, those
                                    of the others as well: a later seal lets one of them stand
    keys                            as long as a hub would keep them; the newest of a log for ever and told as new, as this clock
                                    may be wrong, or was when it took them

Rows are read a thousand at a time, the loop free between them. Reads only. Source: the design, 3.2.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.batch import START, Boundary, Head, Row
from sync.cloud.arrivals.floors import Floor, floor_of, told_of
from sync.cloud.arrivals.lives import sealed_lives
from sync.cloud.arrivals.rows import NUMBERED_BY_STORE, Fact, key_of, read_facts
from sync.cloud.scopes.relay import PASSED_ON, held_boundary
from sync.digest import roll
from sync.effects import effects_of
from sync.entities import REGISTRY
from sync.errors import ForkError
from sync.json_errors import NOT_JSON
from sync.kinds import Kind
from sync.merge import FactDot, standing
from sync.model import Feed, Stream
from sync.opening import Came, Fell, Left, Numbered, Opening, Place, add_moves, came_rows, encode
from sync.retail.selling.left import last_numbers, said_of
from sync.store import retention
from sync.store.replicas import known_id
from sync.store.tables import table_of

PAGE = 1000
KEYS_ALWAYS = 10_000  # of a log's told rows: four months of a shop, longer than any till repeats
DAYS_SEEN = (
    0.5  # of the days that a row is old, rows must have come on: a clock that has jumped is not time that has passed
)
NO_ROWS = 0  # the feed of a stream of which nobody has sent any


class _Log(Struct, frozen=True):
    """A log as it is held here."""

    replica: int
    rep: str
    stream: str
    feed_id: int


class _Sum:
    """What is told so far."""

    def __init__(self) -> None:
        self.at = START
        self.sums: dict[Place, list[int]] = {}
        self.lefts: list[Left | Fell] = []
        self.numbers: dict[tuple[str, str], int] = {}

    def opening(self) -> Opening:
        """As it is told."""
        numbers = [Numbered(*name, n) for name, n in sorted(self.numbers.items())]
        rows = [*came_rows(self.sums), *map(encode, self.lefts), *map(encode, numbers)]
        return Opening(self.at, tuple(rows))


def told_up_to(read: Connection, head: Head, at: Boundary, *, now_ms: int) -> int:
    """Return up to where a store's hub is told a sum: one without any row as far as rows are old, others to the floor."""
    floor = floor_of(read, head.rep, head.stream).at.last if head.feed is Feed.LOG else 0
    days = retention.keep_days(head.stream)
    log = _log_of(read, head)
    if at != START or head.stream not in PASSED_ON or head.feed is not Feed.LOG or days is None or log is None:
        return floor
    upto = min(head.last, _before_days(read, log, int(days * DAYS_SEEN)))
    return max(floor, _aged_to(read, log, old_ms=_ago(days, now_ms), upto=upto))


async def sum_up(read: Connection, head: Head, to: int, *, now_ms: int) -> Opening | None:
    """Return what the rows of a log came to up to there, or not quite; None where nobody can tell."""
    floor, log = floor_of(read, head.rep, head.stream), _log_of(read, head)
    if log is None or (floor.at.last and not floor.is_told):
        return None
    days = retention.keep_days(head.stream)
    old_ms = _ago(days, now_ms) if days is not None else now_ms
    found = _Sum()
    _add_told(read, log, floor, found)
    while rows := _rows(read, log, found.at.last, to):
        facts = read_facts(head.stream, [body for _, body, _ in rows])
        old = rows[: _before_younger_sale(read, facts, old_ms=old_ms)]
        _add(read, log, found, old, facts, days=days, now_ms=now_ms, always_after=to - KEYS_ALWAYS)
        if len(old) < len(rows):
            break
        await asyncio.sleep(0)
    held = held_boundary(read, head.rep, head.stream)
    if found.at.last == held.last and found.at != held:
        raise ForkError(f"{head.rep} {head.stream}: the rows up to {held.last} are not those that came")
    return found.opening()


def _ago(days: float, now_ms: int) -> int:
    return now_ms - int(days * retention.DAY_MS)


def _log_of(read: Connection, head: Head) -> _Log | None:
    replica = known_id(read, head.rep)
    feed = read.execute("SELECT id FROM feed WHERE stream = ?", (head.stream,)).fetchone()
    return None if replica is None else _Log(replica, head.rep, head.stream, feed[0] if feed else NO_ROWS)


def _before_days(read: Connection, log: _Log, days: int) -> int:
    """Return the last row behind which rows came on so many days, 0 where there were not so many."""
    row = read.execute(
        """
        SELECT max(seq) FROM fact WHERE replica = ? AND stream = ?
        GROUP BY received_ms / 86400000 ORDER BY 1 DESC LIMIT 1 OFFSET ?
        """,
        (log.replica, log.feed_id, days),
    ).fetchone()
    return row[0] if row else 0


def _aged_to(read: Connection, log: _Log, *, old_ms: int, upto: int) -> int:
    """Return the last row that was taken before that time: rows are taken in their order."""
    low, high = 0, upto
    while low < high:
        middle = (low + high + 1) // 2
        row = read.execute(
            "SELECT received_ms FROM fact WHERE replica = ? AND stream = ? AND seq >= ? ORDER BY seq LIMIT 1",
            (log.replica, log.feed_id, middle),
        ).fetchone()
        if row is not None and row[0] < old_ms:
            low = middle
        else:
            high = middle - 1
    return low


def _rows(read: Connection, log: _Log, after: int, to: int) -> list[tuple[int, bytes, int]]:
    return read.execute(
        """
        SELECT seq, body, received_ms FROM fact
        WHERE replica = ? AND stream = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?
        """,
        (log.replica, log.feed_id, after, to, PAGE),
    ).fetchall()


def _add_told(read: Connection, log: _Log, floor: Floor, found: _Sum) -> None:
    found.at = floor.at
    for each in told_of(read, log.replica, log.stream):
        if isinstance(each, Came):
            found.sums[each.sku, each.location] = list(each.totals)
        elif isinstance(each, Left | Fell):
            found.lefts.append(each)
        else:
            found.numbers[each.till_id, each.series] = each.last_n


def _add(
    read: Connection,
    log: _Log,
    found: _Sum,
    rows: Sequence[tuple[int, bytes, int]],
    facts: Sequence[Fact | None],
    *,
    days: float | None,
    now_ms: int,
    always_after: int,
) -> None:
    """Add rows that follow the last ones."""
    stands = _stands(read, log, [fact.key for fact in facts[: len(rows)] if fact and fact.key])
    digest = found.at.digest
    for (seq, body, received_ms), fact in zip(rows, facts, strict=False):
        digest = roll(digest, body)
        dot = stands.get(fact.key) if fact else None
        is_counted = dot is None or dot == FactDot(log.rep, seq)
        add_moves(
            found.sums, body, is_counted=is_counted and log.stream != Stream.DUPLICATES, is_known=fact is not None
        )
        pruned_ms = received_ms + int((days or 0) * retention.DAY_MS)
        is_kept = seq > always_after or pruned_ms > now_ms - retention.KEYS_KEPT_DAYS * retention.DAY_MS
        if seq > always_after:
            pruned_ms = max(pruned_ms, now_ms)  # this clock may have been wrong: the hub keeps them from now on
        if fact is not None and is_kept:
            left = _lefts_of(log.stream, (seq, body), pruned_ms, has_rival=dot is not None)
            found.lefts += left if is_counted else _fallen(left)
    if rows:
        found.at = Boundary(rows[-1][0], digest)
    if log.stream == Stream.SALES:
        for name, n in last_numbers(body for _, body, _ in rows).items():
            found.numbers[name] = max(n, found.numbers.get(name, 0))


def _stands(read: Connection, log: _Log, keys: Sequence[str]) -> Mapping[str, FactDot]:
    """Return whose row stands of the keys that several lives of the store have written."""
    owner = log.rep.rpartition(":")[0]
    named = {key_of(owner, key) if log.stream in NUMBERED_BY_STORE else key: key for key in keys}
    rows = read.execute(
        """
        WITH twice AS (
          SELECT DISTINCT key FROM duplicate WHERE stream = ?1 AND key IN (SELECT value FROM json_each(?2))
        ),
        rival AS (
          SELECT key, n FROM duplicate JOIN twice USING (key) WHERE stream = ?1
          UNION SELECT key, n FROM fact_key JOIN twice USING (key) WHERE stream = ?1
        )
        SELECT rival.key, store || ':' || incarnation, fact.seq
        FROM rival JOIN fact ON fact.stream = ?1 AND fact.n = rival.n JOIN replica ON replica.id = fact.replica
        WHERE replica.store = ?3
        """,
        (log.feed_id, msgspec.json.encode(list(named)).decode(), owner),
    ).fetchall()
    sealed = {rep: place for place, rep in enumerate(sealed_lives(read, owner))}
    found: dict[str, FactDot] = {}
    for key, rep, seq in rows:
        dot = FactDot(rep, seq)
        found[named[key]] = standing(found.get(named[key], dot), dot, sealed)
    return found


def _lefts_of(stream: str, row: Row, pruned_ms: int, *, has_rival: bool) -> Iterator[Left]:
    """Yield what is left of a fact by its key, and by columns that are its own."""
    seq, body = row
    for entity in REGISTRY.of(stream):
        table = table_of(entity)
        try:
            said_row = table.decode(body)
            values = dict(zip(table.names, table.fact_values(said_row, body), strict=True))
        except NOT_JSON:
            continue
        if entity.kind is not Kind.FACT or not entity.key:
            continue
        key, fingerprint = table.key_text(said_row), values.get("content_hash") or retention.hash_of(body)
        stock = effects_of(body) if has_rival else ()
        yield Left(entity.name, key, fingerprint.hex(), seq, pruned_ms, said_of(entity, body), stock)
        for column in entity.columns:
            if column.is_unique:
                said = msgspec.json.encode(key).decode()
                yield Left(f"{entity.name}.{column.name}", values[column.name], "", seq, pruned_ms, said)


def _fallen(lefts: Iterable[Left]) -> Iterator[Fell]:
    """Yield what is left of a fact that gave way to another writer's."""
    for each in lefts:
        if each.entity in REGISTRY.by_name:
            yield Fell(each.entity, each.key, each.seq, each.pruned_ms, each.stock)


def _before_younger_sale(read: Connection, facts: Sequence[Fact | None], *, old_ms: int) -> int:
    """Return how many facts come before the first that names a sale which is told as a row."""
    for at, fact in enumerate(facts):
        if fact is None or not fact.sale_id:
            continue
        sale = read.execute(
            """
            SELECT received_ms FROM feed JOIN fact_key ON fact_key.stream = feed.id AND fact_key.key = ?
            JOIN fact ON fact.stream = feed.id AND fact.n = fact_key.n WHERE feed.stream = 'sales'
            """,
            (fact.sale_id,),
        ).fetchone()
        if sale is not None and sale[0] >= old_ms:
            return at
    return len(facts)
