"""Whether a member is known in a region: a shop has written of it, or head office enrolled it near one. Reads only."""

import json
from collections.abc import Collection, Iterable
from sqlite3 import Connection

from sync.retail.people.members import MEMBER


def is_near(read: Connection, member_ids: Iterable[str], stores: Collection[str]) -> bool:
    """Whether one of these members is known in one of these stores, or was enrolled for it."""
    return any(_stores_of(read, each) & set(stores) or _is_enrolled_for(read, each, stores) for each in member_ids)


def _stores_of(read: Connection, member_id: str) -> set[str]:
    rows = read.execute(
        """
        SELECT DISTINCT replica.store FROM tally JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = ? AND tally.key = ?
        """,
        (MEMBER.stream, member_id),
    )
    return {store for (store,) in rows}


def _is_enrolled_for(read: Connection, member_id: str, stores: Collection[str]) -> bool:
    found = "SELECT 1 FROM web_member WHERE member_id = ? AND (store = '' OR store IN (SELECT value FROM json_each(?)))"
    return read.execute(found, (member_id, json.dumps(sorted(stores)))).fetchone() is not None
