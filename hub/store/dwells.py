"""Dwell in the books: stays that a radio saw, as facts, each once however often it is handed in. Functions of a write job."""

import json
from collections.abc import Sequence
from sqlite3 import Connection

from sync.model import Replica
from sync.retail.visitors.dwells import DWELL, DwellRow
from sync.store.writing import record_fact


def record(tx: Connection, replica: Replica, rows: Sequence[DwellRow]) -> int:
    """Write the stays that are not known yet; return how many these are."""
    ids = json.dumps([row.dwell_id for row in rows])
    known = tx.execute("SELECT dwell_id FROM dwell WHERE dwell_id IN (SELECT value FROM json_each(?))", (ids,))
    new = {row.dwell_id: row for row in rows}
    for (dwell_id,) in known.fetchall():
        del new[dwell_id]
    for row in new.values():
        record_fact(tx, replica, DWELL, row)
    return len(new)
