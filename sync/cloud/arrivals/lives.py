"""Lives of hubs that have ended: sealed once all that is known of them is here. Functions of a write job.

    given up   its machine (in a hello) or head office says that nobody writes under this name any more
    sealed     every log is here as far as anybody holds it: the cursors are final, stock levels are summed up anew from the
               facts (the one time that a tally is replaced, not maxed), what is left of its rights passes to the life that
               followed it, a debt as a debt; a seal fact says so, nothing more of it is taken

Source: the design, 3.1 (Fork repair).
"""

import json
from collections.abc import Mapping, Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.batch import START
from sync.cloud.arrivals.cursors import cursor_of, number_rows
from sync.cloud.arrivals.floors import add_told
from sync.cloud.arrivals.rows import key_of
from sync.cloud.rights.rights import heir_of, pass_on
from sync.cloud.rights.transfers import hand_on_of_sealed
from sync.cloud.scopes.scope_branches import mark_store
from sync.model import Feed, Replica, Stream
from sync.retail.lives.seals import SealedLevel, SealFact
from sync.retail.stock.levels import LevelRow
from sync.store.replicas import replica_id
from sync.store.streams import append_fact

_EARLIER = "earlier"  # whoever told it before the cloud noted who
LIVES_A_DAY_MAX = 20  # of one store: more are not restored machines but a fault, and a person has to look


class Sealed(Struct, frozen=True):
    """A life that was sealed just now; `replica` is its id here."""

    replica: int
    rep: str
    heir: str
    heads: dict[str, int]


class Life(Struct, frozen=True, omit_defaults=True):
    """A life of a store's hub: since when it is known, how far each stream is held; who ended it and when, when it was sealed."""

    rep: str
    began_ms: int
    streams: dict[str, int]
    why: str | None = None
    heir: str | None = None
    given_up_ms: int | None = None
    sealed_ms: int | None = None


def lives_of(read: Connection, store: str) -> list[Life]:
    """Return every life of a store, the newest last."""
    rows = read.execute(
        """
        SELECT replica.id, store || ':' || incarnation, began_ms, why, nullif(heir, ''), noted_ms, sealed_ms
        FROM replica LEFT JOIN ended_life ON ended_life.replica = replica.id
        WHERE store = ? ORDER BY replica.id
        """,
        (store,),
    ).fetchall()
    return [Life(rep, began_ms, _heads(read, replica), *ended) for replica, rep, began_ms, *ended in rows]


def give_up(tx: Connection, rep: str, *, heir: str, why: str, wanted: Mapping[str, int] | None, now_ms: int) -> int:
    """Note that a life has ended and how much of it its heir has to send, None where nobody knows; return its id here.

    Of what one heir says the last word counts: rows that it has written as its own meanwhile come under its own name.
    """
    replica = replica_id(tx, rep, now_ms=now_ms)
    row = tx.execute("SELECT wanted, told FROM ended_life WHERE replica = ?", (replica,)).fetchone()
    sums, told = (json.loads(each) for each in row) if row else ({}, {})
    told = told or ({_EARLIER: sums} if sums else {})
    if wanted is not None:
        told[heir] = dict(wanted)
    streams = sorted({stream for heads in told.values() for stream in heads})
    sums = {stream: max(heads.get(stream, 0) for heads in told.values()) for stream in streams}
    tx.execute(
        """
        INSERT INTO ended_life (replica, heir, why, wanted, told, noted_ms) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (replica) DO UPDATE SET wanted = excluded.wanted, told = excluded.told WHERE sealed_ms IS NULL
        """,
        (replica, heir, why, json.dumps(sums), json.dumps(told), now_ms),
    )
    return replica


def seal_if_whole(tx: Connection, own: Replica, replica: int, *, now_ms: int) -> Sealed | None:
    """Seal a life that was given up when everything of it is here; return it when it was sealed by this call."""
    row = tx.execute(
        """
        SELECT store || ':' || incarnation, heir, why, wanted
        FROM ended_life JOIN replica ON replica.id = ended_life.replica
        WHERE ended_life.replica = ? AND sealed_ms IS NULL
        """,
        (replica,),
    ).fetchone()
    if row is None:
        return None
    rep, heir, why, wanted = row
    if any(cursor_of(tx, replica, stream).last < last for stream, last in json.loads(wanted).items()):
        return None
    heads = _heads(tx, replica)
    levels = levels_of(tx, replica)
    _replace_levels(tx, replica, levels, now_ms=now_ms)
    fact = SealFact(rep=rep, heads=heads, levels=levels, heir=heir or None, why=why)
    seq = _write_fact(tx, own, msgspec.json.encode(fact), now_ms=now_ms)
    tx.execute(  # the order of seals is told by it: a clock that was put back changes none
        """
        UPDATE ended_life SET seal_seq = ?, sealed_ms = max(?, coalesce((SELECT max(sealed_ms) + 1 FROM ended_life), 0))
        WHERE replica = ?
        """,
        (seq, now_ms, replica),
    )
    lives_on = heir_of(tx, rep)
    if lives_on is not None:
        pass_on(tx, own, rep, lives_on)
    hand_on_of_sealed(tx, own, replica, rep.rpartition(":")[0])
    return Sealed(replica, rep, heir, heads)


def sum_up_again(tx: Connection, own: Replica, feed_id: int, keys: Sequence[str], *, now_ms: int) -> None:
    """Sum up anew the levels of sealed lives that have written facts under these keys, which could not be read at their seals.

    What changes of what is left of their rights passes on as at the seal.
    """
    found = tx.execute(
        """
        SELECT DISTINCT fact.replica, store || ':' || incarnation, store, sealed_ms, seal_seq
        FROM (
          SELECT n, key FROM duplicate WHERE stream = ?1 UNION SELECT n, key FROM fact_key WHERE stream = ?1
        ) AS named
        JOIN fact ON fact.stream = ?1 AND fact.n = named.n
        JOIN ended_life ON ended_life.replica = fact.replica AND sealed_ms IS NOT NULL
        JOIN replica ON replica.id = fact.replica
        WHERE named.key IN (SELECT value FROM json_each(?2)) ORDER BY sealed_ms, seal_seq
        """,
        (feed_id, json.dumps(list(keys))),
    ).fetchall()
    for replica, rep, store, *_ in found:
        _replace_levels(tx, replica, levels_of(tx, replica), now_ms=now_ms)
        lives_on = heir_of(tx, rep)
        if lives_on is not None:
            pass_on(tx, own, rep, lives_on)
        mark_store(tx, store, now_ms=now_ms)


def _heads(read: Connection, replica: int) -> dict[str, int]:
    """Return how far each stream of a life is held."""
    return dict(read.execute("SELECT stream, last FROM received WHERE replica = ?", (replica,)).fetchall())


def sealed_lives(read: Connection, store: str) -> tuple[str, ...]:
    """Return the lives of a store of which nothing more is taken, in the order of their seals."""
    rows = read.execute(
        """
        SELECT store || ':' || incarnation FROM ended_life JOIN replica ON replica.id = ended_life.replica
        WHERE store = ? AND sealed_ms IS NOT NULL ORDER BY sealed_ms, seal_seq
        """,
        (store,),
    )
    return tuple(rep for (rep,) in rows)


def is_sealed(read: Connection, replica: int) -> bool:
    """Whether a life is sealed."""
    row = read.execute("SELECT sealed_ms IS NOT NULL FROM ended_life WHERE replica = ?", (replica,)).fetchone()
    return bool(row and row[0])


def waiting_lives(read: Connection) -> set[int]:
    """Return the lives that were given up and are not sealed yet."""
    return {replica for (replica,) in read.execute("SELECT replica FROM ended_life WHERE sealed_ms IS NULL")}


def levels_of(tx: Connection, replica: int) -> tuple[SealedLevel, ...]:
    """Return the stock levels of a writer as its facts give them that stand by its seal.

    Facts of any kind, as its own levels had them: also of one that this version does not know. A key that a life sealed before
    holds as well is that one's; of all others this writer's row stands now, the later of two, whose it was before, and its own
    compensations are void with it: see sync.merge.standing.
    """
    rows = tx.execute(
        """
        WITH rival AS (
          SELECT duplicate.stream, duplicate.key, duplicate.n FROM duplicate
          UNION
          SELECT fact_key.stream, fact_key.key, fact_key.n FROM duplicate JOIN fact_key USING (stream, key)
        ),
        taken AS (
          SELECT mine.stream, mine.n
          FROM rival AS mine
          JOIN rival AS other ON other.stream = mine.stream AND other.key = mine.key AND other.n <> mine.n
          JOIN fact ON fact.stream = other.stream AND fact.n = other.n
          LEFT JOIN ended_life ON ended_life.replica = fact.replica
          WHERE ended_life.sealed_ms < coalesce((SELECT sealed_ms FROM ended_life WHERE replica = ?1), 4611686018427387904)
            OR fact.replica = ?1
            AND fact.seq > (SELECT seq FROM fact WHERE fact.stream = mine.stream AND fact.n = mine.n AND replica = ?1)
        )
        SELECT effect.value ->> 0, effect.value ->> 1,
               sum(iif(named.value = '$.stock', max(CAST(effect.value ->> 2 AS INTEGER), 0), 0)),
               sum(iif(named.value = '$.stock', max(-CAST(effect.value ->> 2 AS INTEGER), 0), 0)),
               sum(iif(named.value = '$.picked', CAST(effect.value ->> 2 AS INTEGER), 0))
        FROM feed
        JOIN fact ON fact.stream = feed.id
        CROSS JOIN json_each('["$.stock","$.picked"]') AS named
        CROSS JOIN json_each(
          CASE WHEN json_valid(CAST(fact.body AS TEXT)) THEN CAST(fact.body AS TEXT) ELSE '{}' END, named.value
        ) AS effect
        WHERE fact.replica = ?1 AND feed.kind = 'log' AND feed.stream <> 'duplicates'
          AND (fact.stream, fact.n) NOT IN (SELECT stream, n FROM taken)
          AND fact.seq > coalesce(
            (SELECT last FROM floor WHERE floor.replica = ?1 AND floor.stream = feed.stream AND is_told = 1), 0)
        GROUP BY 1, 2
        """,
        (replica,),
    )
    sums = {(sku, location): [0, *numbers] for sku, location, *numbers in rows}
    add_told(tx, replica, sums)
    return tuple(SealedLevel(*place, *totals[1:]) for place, totals in sorted(sums.items()))


def _replace_levels(tx: Connection, replica: int, levels: tuple[SealedLevel, ...], *, now_ms: int) -> None:
    feed_id = number_rows(tx, Stream.LEVELS, Feed.STATE, 0).feed_id
    last = cursor_of(tx, replica, Stream.LEVELS).last if levels else START.last
    tx.execute("DELETE FROM tally WHERE stream = ? AND replica = ?", (feed_id, replica))
    tx.execute(  # of picks that it took back: they are not among its facts that stand
        "DELETE FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = 'spent') AND replica = ?", (replica,)
    )
    numbers = number_rows(tx, Stream.LEVELS, Feed.STATE, len(levels))
    tx.executemany(
        "INSERT INTO tally (stream, key, replica, n, seq, received_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (feed_id, key_of(level.sku, level.location), replica, n, last, now_ms, _row_of(level))
            for n, level in enumerate(levels, numbers.first)
        ],
    )


def _row_of(level: SealedLevel) -> bytes:
    values = {name: getattr(level, name) for name in SealedLevel.__struct_fields__}
    return msgspec.json.encode(LevelRow(**values))


def _write_fact(tx: Connection, own: Replica, body: bytes, *, now_ms: int) -> int:
    """Append a seal to the cloud's own log, which head office reads as a feed; return its seq there."""
    dot = append_fact(tx, own, Stream.SEALS, body)
    numbers = number_rows(tx, Stream.SEALS, Feed.LOG, 1)
    tx.execute(
        "INSERT INTO fact (stream, n, replica, seq, received_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
        (numbers.feed_id, numbers.first, own.local_id, dot.seq, now_ms, body),
    )
    return dot.seq
