"""What became of attempts: the cursor goes on, the next attempt is set, or a message is dead. Functions of a write job, or reads.

A dead letter names a row. When it is told again the row is read again: a state row that has changed since is told as it is now by
its later message, and who was erased is not told.
"""

import json
from collections.abc import Sequence
from sqlite3 import Connection

from msgspec import Struct

from sync.cloud.handing.messages import Message

DEAD_MAX = 3  # dead messages one after the other: the subscriber is gone, and the cursor waits for it
LETTERS_MAX = 1000  # of one answer
_NAMED = "webhook = ? AND message_id IN (SELECT value FROM json_each(?))"


class DeadLetter(Struct, frozen=True):
    """A message that was not taken. `is_due`: it is told again as soon as may be."""

    message_id: str
    stream: str
    n: int
    kind: str
    attempts: int
    why: str
    dead_ms: int
    is_due: int


def passed(tx: Connection, name: str, worker: str, ends: dict[str, int], *, is_told: bool) -> bool:
    """Move cursors on, never back; say whether this worker is to go on: another one may serve it now, or nobody."""
    held = tx.execute("SELECT state FROM webhook WHERE name = ? AND worker = ?", (name, worker)).fetchone()
    if held is None:
        return False
    tx.executemany(
        "UPDATE webhook_cursor SET n = ? WHERE webhook = ? AND stream = ? AND n < ?",
        [(n, name, stream, n) for stream, n in ends.items()],
    )
    if is_told and held[0] == "active":
        tx.execute("UPDATE webhook SET attempts = 0, next_ms = 0, why = '', dead_in_a_row = 0 WHERE name = ?", (name,))
    return bool(held[0] == "active")


def put_off(tx: Connection, name: str, why: str, *, next_ms: int) -> None:
    """One more attempt has failed; the next is not before `next_ms`."""
    tx.execute(
        "UPDATE webhook SET attempts = attempts + 1, next_ms = ?, why = ? WHERE name = ?", (next_ms, why[:300], name)
    )


def bury(tx: Connection, name: str, message: Message, attempts: int, why: str, *, now_ms: int) -> bool:
    """Give a message up and go on behind it; say whether the subscription was disabled with it."""
    tx.execute(
        """
        INSERT INTO dead_letter (webhook, message_id, stream, n, kind, attempts, why, dead_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (webhook, message_id) DO NOTHING
        """,
        (name, message.message_id, message.stream, message.n, message.kind, attempts, why[:300], now_ms),
    )
    tx.execute(
        "UPDATE webhook_cursor SET n = ? WHERE webhook = ? AND stream = ? AND n < ?",
        (message.n, name, message.stream, message.n),
    )
    (dead,) = tx.execute(
        """
        UPDATE webhook SET attempts = 0, next_ms = 0, why = ?, dead_in_a_row = dead_in_a_row + 1 WHERE name = ?
        RETURNING dead_in_a_row
        """,
        (why[:300], name),
    ).fetchone()
    if dead >= DEAD_MAX:
        said = f"{dead} messages in a row were not taken, the last: {why}"
        tx.execute("UPDATE webhook SET state = 'disabled', why = ? WHERE name = ?", (said[:300], name))
    return bool(dead >= DEAD_MAX)


def letters(read: Connection, name: str, *, is_due: bool = False, limit: int = LETTERS_MAX) -> list[DeadLetter]:
    """Return dead letters, oldest first; with `is_due` those only that are to be told again."""
    rows = read.execute(
        """
        SELECT message_id, stream, n, kind, attempts, why, dead_ms, is_due FROM dead_letter
        WHERE webhook = ? AND is_due >= ? ORDER BY dead_ms, stream, n, message_id LIMIT ?
        """,
        (name, int(is_due), limit),
    ).fetchall()
    return [DeadLetter(*row) for row in rows]


def count(read: Connection, name: str) -> int:
    """Return how many dead letters there are."""
    (number,) = read.execute("SELECT count(*) FROM dead_letter WHERE webhook = ?", (name,)).fetchone()
    return int(number)


def retry(tx: Connection, name: str, ids: Sequence[str]) -> int:
    """Have letters told again; return how many there were."""
    return tx.execute(f"UPDATE dead_letter SET is_due = 1 WHERE {_NAMED}", (name, json.dumps(list(ids)))).rowcount


def drop(tx: Connection, name: str, ids: Sequence[str]) -> int:
    """Forget letters; return how many there were."""
    return tx.execute(f"DELETE FROM dead_letter WHERE {_NAMED}", (name, json.dumps(list(ids)))).rowcount


def died_again(tx: Connection, name: str, message_id: str, why: str) -> None:
    """A letter was not taken again: it waits for a person."""
    tx.execute(
        "UPDATE dead_letter SET is_due = 0, attempts = attempts + 1, why = ? WHERE webhook = ? AND message_id = ?",
        (why[:300], name, message_id),
    )
