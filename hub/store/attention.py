"""The manager's list in its first form: what waits for a person, read from the tables that have it. Reads only.

    suspended   a sale whose id is known with other content             second     a row whose key another writer's row has
    lost_field  a value of a member that another writer overruled       unread     a row that this version cannot read
    hole        rows of another machine that nobody has any more

What was sold beyond the shop's rights, and promises at risk, are worked out in hub.rights. Source: the design, 3.3.
"""

from collections.abc import Callable, Iterator
from sqlite3 import Connection

from msgspec import Struct

_KINDS = {  # kind -> SQL for (key, said) in the order of the key, from behind a key, at most so many
    "suspended": """
        SELECT sale_id || ' ' || lower(hex(content_hash)) AS key, 'till ' || till_id
        FROM suspended_sale LEFT JOIN suspended_end USING (sale_id, content_hash)
        WHERE ended_by IS NULL AND key > ? ORDER BY key LIMIT ?
    """,
    "second": """
        SELECT entity || ' ' || key || ' ' || store || ':' || incarnation || '/' || seq AS name, 'another row of this key stands'
        FROM second_row JOIN replica ON replica.id = second_row.replica WHERE name > ? ORDER BY name LIMIT ?
    """,
    "lost_field": """
        SELECT entity || ' ' || key || ' ' || field || ' ' || rep AS name, 'another writer''s value stands'
        FROM conflict WHERE name > ? ORDER BY name LIMIT ?
    """,
    "unread": """
        SELECT store || ':' || incarnation || '/' || stream || '/' || printf('%016d', seq) AS name, 'this version cannot read it'
        FROM unknown_row JOIN replica ON replica.id = unknown_row.replica WHERE name > ? ORDER BY name LIMIT ?
    """,
    "hole": """
        SELECT store || ':' || incarnation || '/' || stream || '/' || printf('%016d', last) AS name,
          'rows ' || (after + 1) || ' to ' || last || ' are lost'
        FROM hole JOIN replica ON replica.id = hole.replica WHERE name > ? ORDER BY name LIMIT ?
    """,
}
Read = Callable[[str, int], list[tuple[str, str]]]
"""From behind a key, at most so many: (key, what to say)."""


class Waiting(Struct, frozen=True):
    """A line of the list."""

    kind: str
    key: str
    said: str


def readers(read: Connection) -> dict[str, Read]:
    """Return how to read each kind."""
    return {kind: _reader(read, sql) for kind, sql in _KINDS.items()}


def page(kinds: dict[str, Read], *, after: str, limit: int) -> list[Waiting]:
    """Return the next lines behind `kind key`, kinds in their order."""
    begun, _, key = after.partition(" ")
    found: list[Waiting] = []
    for kind in _from(list(kinds), begun):
        rows = kinds[kind](key if kind == begun else "", limit - len(found))
        found += [Waiting(kind, *row) for row in rows]
        if len(found) >= limit:
            break
    return found


def _from(kinds: list[str], begun: str) -> Iterator[str]:
    yield from kinds[kinds.index(begun) :] if begun in kinds else kinds


def _reader(read: Connection, sql: str) -> Read:
    return lambda after, limit: read.execute(sql, (after, limit)).fetchall()
