"""Visitors of the store's other lives, as the cloud tells them; and those of an ended life, told by the one that follows.

    from the cloud     windows by the life that counted them, merged into what is held of it, whatever seqs that life had
                       given: two copies of one life give the same seq to two windows
    begin_life         all that is told is asked for again, and the ended life's windows are told in its name: those that the
                       cloud may not have, and those that a cloud restored to within its recovery window has lost
    a cloud begins a   the windows of all other lives are told once: of those that write no more nobody else may have them
    new life

Functions of a write job. Source: the design, 3.1 (Fork repair).
"""

from collections.abc import Sequence
from sqlite3 import Connection

from sync.batch import START, Row
from sync.json_errors import NOT_JSON
from sync.model import Replica, Stream
from sync.retail.visitors.footfall import QUARTER_MS
from sync.retail.visitors.former_footfall import FORMER_FOOTFALL
from sync.scope_rows import AT, PutBy, read_scope_row
from sync.store.cursors import receive_to
from sync.store.replicas import replica_id
from sync.store.retention import DAY_MS, RECOVERY_DAYS
from sync.store.rows import apply_rows
from sync.store.unknown import keep_unknown
from sync.store.writing import Key, grow_tally


def take_visitors(tx: Connection, own: Replica, owner: int, stream: str, rows: Sequence[Row], *, now_ms: int) -> int:
    """Merge windows told by the cloud, `owner` here; return how many rows cannot be used. The caller moves the cursor."""
    by_life: dict[str, list[bytes]] = {}
    odd: list[Row] = []
    for seq, body in rows:
        put = _read(body)
        if put is None or put.by.rpartition(":")[0] != own.store or put.by == own.rep:
            odd.append((seq, body))
        else:
            by_life.setdefault(put.by, []).append(bytes(put.row))
    keep_unknown(tx, owner, stream, odd)
    unread = len(odd)
    for rep, windows in by_life.items():
        life = replica_id(tx, rep, now_ms=now_ms)
        told = list(enumerate(windows, _last(tx, life) + 1))
        unread += apply_rows(tx, Stream.FOOTFALL, told, replica=life, rep=rep).unread
    return unread


def ask_again(tx: Connection, own: Replica) -> None:
    """Forget how far the cloud has told: what it said of the life that has ended was left out, or was said to a copy."""
    tx.execute("UPDATE received SET last = ?, digest = ? WHERE stream = ?", (START.last, START.digest, _stream(own)))


def forget_totals(tx: Connection) -> None:
    """Let the next running total of each sensor be a baseline: what it has grown by, the lost card may have counted already.

    So nobody counts twice, and who came between two readings is in no figure.
    """
    tx.execute("UPDATE footfall_sensor SET in_total = NULL, out_total = NULL WHERE in_total IS NOT NULL")


def tell_former(tx: Connection, ended: Replica, new: Replica, *, acked: int, now_ms: int) -> None:
    """Tell what a life has counted and the cloud may lack, in its name."""
    rows = tx.execute(
        """
        SELECT entrance, quarter_ms, entered, exited FROM footfall
        WHERE replica = ? AND (seq > ? OR quarter_ms > ?)
        """,
        (ended.local_id, acked, _since_ms(now_ms)),
    ).fetchall()
    windows: dict[Key, tuple[int, ...]] = {(door, at_ms, ended.rep): tuple(numbers) for door, at_ms, *numbers in rows}
    grow_tally(tx, new, FORMER_FOOTFALL, windows)


def is_another(read: Connection, own: Replica, cloud: str) -> bool:
    """Whether a life of the cloud has told nothing yet, and one before it has."""
    told = read.execute(
        "SELECT store || ':' || incarnation FROM received JOIN replica ON replica.id = received.replica WHERE stream = ?",
        (_stream(own),),
    ).fetchall()
    return bool(told) and (cloud,) not in told


def tell_others(tx: Connection, own: Replica, cloud: str, *, now_ms: int) -> None:
    """Tell a new life of the cloud, once, what other lives of this store have counted within its recovery window."""
    if not is_another(tx, own, cloud):
        return
    rows = tx.execute(
        """
        SELECT entrance, quarter_ms, rep, max(0, heard.entered - coalesce(told.entered, 0)),
          max(0, heard.exited - coalesce(told.exited, 0))
        FROM footfall AS heard
        JOIN (SELECT id, store || ':' || incarnation AS rep FROM replica WHERE store = ?1 AND own = 0) AS life
          ON life.id = heard.replica
        LEFT JOIN (SELECT entrance, quarter_ms, of AS rep, entered, exited FROM former_footfall WHERE replica = ?2) AS told
          USING (entrance, quarter_ms, rep)
        WHERE quarter_ms > ?3
        """,
        (own.store, own.local_id, _since_ms(now_ms)),
    ).fetchall()
    grow_tally(tx, own, FORMER_FOOTFALL, {tuple(key): (came, left) for *key, came, left in rows if came or left})
    receive_to(tx, replica_id(tx, cloud, now_ms=now_ms), _stream(own), START)


def _last(tx: Connection, life: int) -> int:
    """Return the largest number of a window of a life, readable or not: those of other lives are numbered as they come."""
    last: int = tx.execute(
        """
        SELECT max(coalesce((SELECT max(seq) FROM footfall WHERE replica = ?1), 0),
          coalesce((SELECT max(seq) FROM unknown_row WHERE replica = ?1 AND stream = ?2), 0))
        """,
        (life, Stream.FOOTFALL),
    ).fetchone()[0]
    return last


def _stream(own: Replica) -> str:
    return f"{Stream.FOOTFALL}{AT}{own.store}"


def _since_ms(now_ms: int) -> float:
    return now_ms - RECOVERY_DAYS * DAY_MS - QUARTER_MS


def _read(body: bytes) -> PutBy | None:
    try:
        row = read_scope_row(body)
    except NOT_JSON:
        return None
    return row if isinstance(row, PutBy) else None
