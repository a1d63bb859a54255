"""Print results: how each job of the print ledger ended, as facts of stream `prints`. The ledger is hub.store.printing."""

from sqlite3 import Connection

import msgspec

from sync.model import Dot, Replica, Stream
from sync.retail.prints import PrintResult
from sync.store.streams import append_fact


def record_result(tx: Connection, replica: Replica, result: PrintResult) -> Dot:
    """Write down a result in the write job that changed the ledger; no commit of its own."""
    body = msgspec.json.encode(result)
    dot = append_fact(tx, replica, Stream.PRINTS, body)
    tx.execute(
        "INSERT INTO print_result (replica, seq, body) VALUES (?, ?, ?)", (replica.local_id, dot.seq, body.decode())
    )
    return dot


def print_rows(read: Connection, replica: Replica, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return (seq, body as it was rolled into the digest) of stream `prints`, in order, from after `after`."""
    rows = read.execute(
        "SELECT seq, body FROM print_result WHERE replica = ? AND seq > ? ORDER BY seq LIMIT ?",
        (replica.local_id, after, limit),
    )
    return [(seq, body.encode()) for seq, body in rows]
