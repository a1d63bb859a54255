"""What the cloud itself says of people: facts of stream `people`, told to the regions in which their members are known.

They stand among the facts of the stores, are read in the same feed, and are entered here at once. A fact that is here already is
not written again. Functions of a write job. Not here: clear values (sync.cloud.loyalty.member_cells).
"""

from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.facts import add_facts
from sync.cloud.arrivals.rows import key_of
from sync.cloud.loyalty.nearness import is_near
from sync.cloud.persons.people import take_fact
from sync.cloud.scopes.scope_definitions import member_scope
from sync.cloud.scopes.scope_members import PEOPLE, written
from sync.cloud.scopes.scopes import Numbers, served, write_rows
from sync.kinds import Entity
from sync.model import Feed, Replica
from sync.store.tables import table_of


def write_people(
    tx: Connection, own: Replica, entity: Entity, fact: Struct, *, of: tuple[str, str], now_ms: int
) -> bool:
    """Write a fact about one member, or two (`of`; the other is empty); return whether it is new."""
    body = msgspec.json.encode(fact)
    if said_before(tx, entity, table_of(entity).key_text(fact)) is not None:
        return False
    numbers = Numbers(tx, own, PEOPLE)
    seq = numbers.next(body)
    add_facts(tx, [(seq, body)], store=own.store, replica=own.local_id, stream=PEOPLE, kind=Feed.LOG, now_ms=now_ms)
    n = tx.execute("SELECT n FROM feed WHERE stream = ?", (PEOPLE,)).fetchone()[0]
    tx.execute("INSERT INTO web_fact (n, member_id, other) VALUES (?, ?, ?)", (n, *of))
    take_fact(tx, own.store, body)
    for scope in served(tx, PEOPLE):
        if is_near(tx, [each for each in of if each], member_scope(scope.definition).stores):
            write_rows(tx, numbers, scope.id, list(written(numbers, own.rep, [(seq, body)])))
    numbers.close()
    return True


def said_before(read: Connection, entity: Entity, key: str) -> bytes | None:
    """Return the fact of stream `people` that stands under a key."""
    row = read.execute(
        """
        SELECT fact.body FROM fact_key JOIN fact ON fact.stream = fact_key.stream AND fact.n = fact_key.n
        WHERE fact_key.stream = (SELECT id FROM feed WHERE stream = ?) AND fact_key.key = ?
        """,
        (PEOPLE, key_of(entity.name, key)),
    ).fetchone()
    return row[0] if row else None
