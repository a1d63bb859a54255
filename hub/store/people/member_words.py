"""Members by the words of their names and the last four digits of their telephone: the index, kept in the job of the cells.

The words are clear data of the register in another order: they go with it. Functions of a write job; `search` runs in the
searching thread. Not here: what a word is (hub.store.catalogue.search).
"""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

from hub.store.catalogue.search import index_words, query_terms
from hub.store.people.people import cells_of
from sync.db import Database
from sync.merge import ERASED

DIGITS = 4  # of a telephone number, as a customer says them
COUNTED_MAX = 1000  # entries of a word that are counted to find the rarest
_LAST = "\U0010ffff"
_COUNT = f"SELECT count(*) FROM (SELECT 1 FROM member_word WHERE word >= :begin AND word < :end LIMIT {COUNTED_MAX})"
_FIND = """
  SELECT found.word, found.id, member_id FROM member_word AS found CROSS JOIN member_known ON member_known.id = found.id
  WHERE found.word >= :begin AND found.word < :end AND (found.word, found.id) > (:word, :id)
"""


def index_member(tx: Connection, member_id: str) -> None:
    """Bring a member's words to what its register says."""
    cells = cells_of(tx, member_id)
    before = tx.execute("SELECT id, words FROM member_known WHERE member_id = ?", (member_id,)).fetchone()
    words = index_words(str(cells.get("name") or ""), str(cells.get("phone") or "")[-DIGITS:])
    if before is not None:
        if before[1] == words and ERASED not in cells:
            return
        tx.executemany(
            "DELETE FROM member_word WHERE word = ? AND id = ?", [(word, before[0]) for word in before[1].split()]
        )
        if ERASED in cells:
            tx.execute("DELETE FROM member_known WHERE id = ?", (before[0],))
    if ERASED in cells or not cells:
        return
    found = tx.execute(
        """
        INSERT INTO member_known (member_id, words) VALUES (?, ?)
        ON CONFLICT (member_id) DO UPDATE SET words = excluded.words RETURNING id
        """,
        (member_id, words),
    ).fetchone()[0]
    tx.executemany("INSERT INTO member_word (word, id) VALUES (?, ?)", [(word, found) for word in words.split()])


def index_members(tx: Connection, member_ids: Iterable[str]) -> None:
    """The same for members whose cells have come from elsewhere."""
    for member_id in sorted(set(member_ids)):
        index_member(tx, member_id)


_HAS = "EXISTS (SELECT 1 FROM member_word WHERE word = :also{n} AND id = found.id)"  # beside its like: no row is read for it
_BEGINS = "instr(' ' || words, :also{n}) > 0"


class Hit(NamedTuple):
    """A member that was found, and the cursor behind it."""

    member_id: str
    cursor: str


async def search(db: Database, query: str, *, after: str, limit: int) -> list[Hit]:
    """Return members that have all words of the query, from behind a cursor; none when it has no word.

    The rarest word leads, in the order of its entries, so that a page is found without sorting all who have it; a member with two
    words of one beginning may stand on two pages.
    """
    terms = [(word, word + (_LAST if is_prefix else "\0"), is_prefix) for word, is_prefix in query_terms(query)]
    if not terms:
        return []
    counts = [(await db.search(_COUNT, {"begin": begin, "end": end}))[0][0] for begin, end, _ in terms]
    begin, end, _ = terms.pop(counts.index(min(counts)))
    said, _, at = after.rpartition(" ")
    parameters: dict[str, str | int] = {"begin": begin, "end": end, "limit": limit}
    parameters |= {"word": said, "id": int(at) if at.isascii() and at.isdecimal() and len(at) < 19 else 0}
    parameters |= {f"also{n}": f" {word}" if is_prefix else word for n, (word, _, is_prefix) in enumerate(terms)}
    also = "".join(" AND " + (_BEGINS if is_prefix else _HAS).format(n=n) for n, (_, _, is_prefix) in enumerate(terms))
    rows = await db.search(f"{_FIND}{also} ORDER BY found.word, found.id LIMIT :limit", parameters)
    return [Hit(member_id, f"{word} {found}") for word, found, member_id in rows]
