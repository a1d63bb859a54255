"""Lives of this store's hub: how one ends and the next begins, in one transaction. Source: the design, 3.1 (Fork
repair).

    an ended life's rows                       become
    facts that the cloud has acknowledged      stay as they are; the cloud's copy of what came after joins them
    facts after that                           written again under the new life: same keys, new dots; where another hub of the
                                               store has the key as well, the new name may be the larger: then its row stands now
    `duplicate` facts after that               go: they took back what the seal leaves out
    registers after that                       offered again by the new life
    footfall                                   told by the new life in the ended one's name, see
                                               hub.store.replica.sibling_visitors
    stock levels                               the new life's are folded from its own facts, rights begin with none
    grants                                     those that the cloud holds, which it tells again

Not here: when to do it (hub.lives), rows of other lives as they arrive (hub.store.upkeep.siblings).
"""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from msgspec import Struct

from hub.store.replica.settling import settle
from hub.store.replica.sibling_visitors import ask_again, forget_totals, tell_former
from sync.batch import START, Boundary
from sync.entities import REGISTRY
from sync.errors import ForkError
from sync.kinds import Entity, Kind
from sync.model import Feed, Replica, Stream
from sync.retail.visitors.former_footfall import FORMER_FOOTFALL
from sync.store.cursors import acked_boundaries, receive_to
from sync.store.facts import settle_again, settle_beside
from sync.store.replicas import begin_incarnation, own_replica
from sync.store.rows import Taken
from sync.store.streams import append_fact, reserve_state_seqs
from sync.store.tables import table_of

LIVES_A_DAY_MAX = 10  # more are no restored cards: a peer tells of rows that never were, and a person has to look
DAY_MS = 86_400_000
OF_OTHERS = "sealed by the cloud"  # why a life is over of which only the cloud has told
RESTORED = "restored"  # in the place of a machine's fingerprint, which is of hex digits


class Reborn(Struct, frozen=True):
    """A new life: whose it was before, and how many facts were written again."""

    replica: Replica
    former: Replica
    rewritten: int


class Former(Struct, frozen=True):
    """A life that has ended and is not known to be sealed: how far each of its logs is held here."""

    rep: str
    heads: dict[str, int]


def begin_life(tx: Connection, own: Replica, *, peer: str, incarnation: str, why: str, now_ms: int) -> Reborn | None:
    """End a life and begin the next; None when it has ended already, as when two tills bear witness at once.

    Raise ForkError when that has happened too often to be true.
    """
    if own_replica(tx) != own:
        return None
    recent = tx.execute("SELECT count(*) FROM former_life WHERE ended_ms > ?", (now_ms - DAY_MS,)).fetchone()[0]
    if recent >= LIVES_A_DAY_MAX:
        raise ForkError(
            f"{recent} lives of {own.store} have ended within a day: look at the cloud before anything else"
        )
    common = acked_boundaries(tx, own, peer=peer)
    for (stream,) in tx.execute("SELECT name FROM stream WHERE replica = ?", (own.local_id,)).fetchall():
        receive_to(tx, own.local_id, stream, common.get(stream, START))
    tx.execute("DELETE FROM stream WHERE replica = ?", (own.local_id,))
    new = begin_incarnation(tx, own.store, incarnation=incarnation, now_ms=now_ms)
    _forget_compensations(tx, own, common.get(Stream.DUPLICATES, START))
    rewritten = 0
    for stream, entities in REGISTRY.streams.items():
        after = common.get(stream, START)
        if entities[0].feed is Feed.LOG:
            rewritten += write_again(tx, own.local_id, new, stream, entities=entities, after=after)
        elif entities[0].kind is Kind.REGISTER:
            write_versions_again(tx, own.local_id, new, stream, entities=entities, after=after.last)
    write_versions_again(tx, own.local_id, new, FORMER_FOOTFALL.stream, entities=(FORMER_FOOTFALL,), after=0)
    tell_former(tx, own, new, acked=common.get(Stream.FOOTFALL, START).last, now_ms=now_ms)
    ask_again(tx, own)
    forget_totals(tx)
    _forget_grants(tx, own, after=common.get(Stream.GRANTS, START))
    settle(tx, new, settled_beside(tx, new, REGISTRY.entities))
    tx.execute("INSERT INTO former_life (replica, why, ended_ms) VALUES (?, ?, ?)", (own.local_id, why, now_ms))
    return Reborn(new, own, rewritten)


def _forget_compensations(tx: Connection, own: Replica, after: Boundary) -> None:
    """What a life takes back it takes out of its own tallies, and those end with it: the seal sums them up from its facts.

    So no other life says it again, nor for a row that was not acknowledged: that one is not written again either.
    """
    tx.execute("DELETE FROM duplicate_fact WHERE replica = ? AND seq > ?", (own.local_id, after.last))


def former_lives(read: Connection) -> tuple[Former, ...]:
    """Return the lives of this machine that have ended and are not known to be sealed."""
    rows = read.execute(
        """
        SELECT former_life.replica, store || ':' || incarnation
        FROM former_life JOIN replica ON replica.id = former_life.replica WHERE seal_place IS NULL ORDER BY replica.id
        """
    ).fetchall()
    return tuple(Former(rep, _log_heads(read, replica)) for replica, rep in rows)


def note_sealed(tx: Connection, reps: Sequence[str], *, now_ms: int) -> Taken:
    """Note that the cloud takes nothing more of these lives of this store, given in the order of their seals.

    Return what that changes: their facts stand before all others under the same key.
    """
    taken, known = Taken(), sealed_lives(tx)
    for place, rep in enumerate(reps, 1):
        if rep in known:
            continue
        store, _, incarnation = rep.rpartition(":")
        tx.execute(
            "INSERT INTO replica (store, incarnation, began_ms, own) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
            (store, incarnation, now_ms),
        )
        tx.execute(
            """
            INSERT INTO former_life (replica, why, ended_ms, seal_place)
            SELECT id, ?, ?, ? FROM replica WHERE incarnation = ? AND own = 0
            ON CONFLICT (replica) DO UPDATE SET seal_place = excluded.seal_place
            """,
            (OF_OTHERS, now_ms, place, incarnation),
        )
        for entity in REGISTRY.entities:
            if entity.kind is Kind.FACT and entity.key:
                added = settle_again(tx, table_of(entity), rep)
                taken += Taken(0, 0, added.duplicates, added.counted, added.fallen)
    return taken


def ended_lives(read: Connection) -> list[str]:
    """Return the lives of this machine that have ended, sealed or not."""
    rows = read.execute(
        """
        SELECT store || ':' || incarnation FROM former_life JOIN replica ON replica.id = former_life.replica
        WHERE why <> ? ORDER BY replica.id
        """,
        (OF_OTHERS,),
    )
    return [rep for (rep,) in rows]


def note_ended(tx: Connection, replica: int, *, why: str, now_ms: int) -> None:
    """Note that a life of this machine has ended, of which the database itself knows nothing; the next hello names
    it."""
    tx.execute(
        "INSERT INTO former_life (replica, why, ended_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (replica, why, now_ms),
    )


def sealed_lives(read: Connection) -> set[str]:
    """Return the lives of this store that are known to be sealed."""
    rows = read.execute(
        """
        SELECT store || ':' || incarnation FROM former_life JOIN replica ON replica.id = former_life.replica
        WHERE seal_place IS NOT NULL
        """
    )
    return {rep for (rep,) in rows}


def new_dot(read: Connection, replica: int, seq: int) -> tuple[int, int]:
    """Return where a sale stands that had this dot when its receipt was printed: (replica, seq)."""
    row = read.execute(
        "SELECT new_replica, new_seq FROM former_dot WHERE replica = ? AND stream = ? AND seq = ?",
        (replica, Stream.SALES, seq),
    ).fetchone()
    return (row[0], row[1]) if row else (replica, seq)


def why_new_life(tx: Connection, fingerprint: str) -> str:
    """Remember the machine ("": it does not say who it is); return why its hub is somebody else now, "" when it is not."""
    row = tx.execute("SELECT fingerprint FROM machine WHERE id = 1").fetchone()
    before = row[0] if row else ""
    if before == RESTORED:
        note_machine(tx, fingerprint)
        return "this database was restored from a backup"
    if not fingerprint or before == fingerprint:
        return ""
    note_machine(tx, fingerprint)
    return "this card was in another machine" if before else ""


def note_machine(tx: Connection, fingerprint: str) -> None:
    """Write down where the database is; RESTORED: it was put back, and nobody has opened it since."""
    tx.execute(
        """
        INSERT INTO machine (id, fingerprint) VALUES (1, ?)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint
        """,
        (fingerprint,),
    )


def _log_heads(read: Connection, replica: int) -> dict[str, int]:
    rows = read.execute("SELECT stream, last FROM received WHERE replica = ? AND last > 0", (replica,)).fetchall()
    return {stream: last for stream, last in rows if REGISTRY.feeds.get(stream) is Feed.LOG}


def write_again(
    tx: Connection, former: int, new: Replica, stream: str, *, entities: Sequence[Entity], after: Boundary
) -> int:
    """Give the facts of a life behind a boundary new dots of another, in their order; return how many."""
    _void_receipts(tx, former, stream, after=after)
    tx.execute(  # what gave way to another's fact is not written again: that one stands
        "DELETE FROM second_row WHERE replica = ? AND stream = ? AND seq > ?", (former, stream, after.last)
    )
    found: list[tuple[int, str, str | bytes]] = []
    for entity in entities:
        found += tx.execute(
            f"SELECT seq, '{entity.table}', body FROM {entity.table} WHERE replica = ? AND seq > ?",
            (former, after.last),
        ).fetchall()
    found += tx.execute(  # what this version cannot read is written again as the bytes that it is
        "SELECT seq, 'unknown_row', body FROM unknown_row WHERE replica = ? AND stream = ? AND seq > ?",
        (former, stream, after.last),
    ).fetchall()
    for seq, table, body in sorted(found):
        dot = append_fact(tx, new, stream, body if isinstance(body, bytes) else body.encode())
        of_stream = " AND stream = :stream" if table == "unknown_row" else ""
        tx.execute(
            f"UPDATE {table} SET replica = :new, seq = :at WHERE replica = :former AND seq = :seq{of_stream}",
            {"new": new.local_id, "at": dot.seq, "former": former, "seq": seq, "stream": stream},
        )
        tx.execute(
            """
            INSERT INTO former_dot (replica, stream, seq, new_replica, new_seq) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET new_replica = excluded.new_replica, new_seq = excluded.new_seq
            """,
            (former, stream, seq, new.local_id, dot.seq),
        )
    return len(found)


def settled_beside(tx: Connection, own: Replica, entities: Iterable[Entity]) -> Taken:
    """Let other lives' rows stand beside those that were written again as ours, where the rule says so; return what changes."""
    taken = Taken()
    for entity in entities:
        if entity.kind is Kind.FACT and entity.key:
            added = settle_beside(tx, table_of(entity), own.local_id)
            taken += Taken(0, 0, added.duplicates, added.counted, added.fallen)
    return taken


def _void_receipts(tx: Connection, former: int, stream: str, *, after: Boundary) -> None:
    """Keep the numbers of receipts whose sales are not written again: they are on paper, and no gap."""
    tx.execute(
        """
        INSERT INTO void_receipt (receipt_no, sale_id, replica)
        SELECT body ->> '$.receipt_no', key, replica FROM (
          SELECT CAST(body AS TEXT) AS body, key, replica FROM second_row
          WHERE replica = ?1 AND stream = ?2 AND seq > ?3 AND entity = 'sale'
        ) WHERE body ->> '$.receipt_no' IS NOT NULL
        ON CONFLICT DO NOTHING
        """,
        (former, stream, after.last),
    )


def write_versions_again(
    tx: Connection, former: int, new: Replica, stream: str, *, entities: Sequence[Entity], after: int
) -> None:
    """Give the rows of registers that a life wrote behind a seq new ones of another life, in their order."""
    for entity in entities:
        keys = ", ".join(column.name for column in entity.key)
        rows = tx.execute(
            f"SELECT {keys} FROM {entity.table} WHERE replica = ? AND seq > ? ORDER BY seq",
            (former, after),
        ).fetchall()
        if not rows:
            continue
        first = reserve_state_seqs(tx, new, stream, len(rows))
        is_row = " AND ".join(f"{column.name} = ?" for column in entity.key)
        tx.executemany(
            f"UPDATE {entity.table} SET replica = ?, seq = ? WHERE {is_row} AND replica = ?",
            [(new.local_id, seq, *key, former) for seq, key in enumerate(rows, first)],
        )


def _forget_grants(tx: Connection, own: Replica, *, after: Boundary) -> None:
    """What the cloud does not hold was never granted; what it had before that was overwritten here, and comes back from it."""
    tx.execute("DELETE FROM stock_grant WHERE replica = ? AND seq > ?", (own.local_id, after.last))
    receive_to(tx, own.local_id, Stream.GRANTS, START)
