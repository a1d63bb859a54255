"""Members by the words of their names and the last four digits of their telephone: the index, kept in the job of the cells.

The words are clear data of the register in another order: they go with it. Functions of a write job; `search` runs in the
searching thread. Not here: what a word is (hub.store.catalogue.search).
"""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import NamedTuple

from hub.store.catalogue.search import index_words, query_terms
from hub.store.people.people import cells_of
from sync.merge import ERASED

DIGITS = 4  # of a telephone number, as a customer says them
COUNTED_MAX = (
    1000,
    10_000,
    100_000,
)  # entries that are counted to find the rarest word, the next where all words have more
_LAST = "\U0010ffff"
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM member_word WHERE word >= ? AND word < ? LIMIT ?)"
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


class _Term(NamedTuple):
    """A word of a query and where its entries stand: from `begin` to before `end`."""

    word: str
    is_prefix: bool

    @property
    def begin(self) -> str:
        return self.word

    @property
    def end(self) -> str:
        return self.word + (_LAST if self.is_prefix else "\0")


def search(read: Connection, query: str, *, after: str, limit: int) -> list[Hit]:
    """Return members that have all words of the query, from behind a cursor; none when it has no word.

    The rarest word leads, in the order of its entries, so that a page is found without sorting all who have it; on the next page
    the one that led. A member with two words of one beginning may stand on two pages.
    """
    terms = [_Term(word, is_prefix) for word, is_prefix in query_terms(query)]
    if not terms:
        return []
    said, _, at = after.rpartition(" ")
    led = [term for term in terms if said and term.begin <= said < term.end]
    leads = max(led, key=lambda term: term.begin) if led else _rarest(read, terms)
    also = [term for term in terms if term is not leads]
    parameters: dict[str, str | int] = {"begin": leads.begin, "end": leads.end, "limit": limit}
    parameters |= {"word": said, "id": int(at) if at.isascii() and at.isdecimal() and len(at) < 19 else 0}
    parameters |= {f"also{n}": f" {term.word}" if term.is_prefix else term.word for n, term in enumerate(also)}
    has = "".join(" AND " + (_BEGINS if term.is_prefix else _HAS).format(n=n) for n, term in enumerate(also))
    rows = read.execute(f"{_FIND}{has} ORDER BY found.word, found.id LIMIT :limit", parameters)
    return [Hit(member_id, f"{word} {found}") for word, found, member_id in rows.fetchall()]


def _rarest(read: Connection, terms: Sequence[_Term]) -> _Term:
    """Return the term of the fewest entries; of those that all have more than are counted a whole word."""
    if len(terms) == 1:
        return terms[0]
    for counted_max in COUNTED_MAX:
        counts = [(_count(read, term, counted_max), term.is_prefix) for term in terms]
        if min(counts)[0] < counted_max:
            break
    return terms[counts.index(min(counts))]


def _count(read: Connection, term: _Term, counted_max: int) -> int:
    return int(read.execute(_COUNT, (term.begin, term.end, counted_max)).fetchone()[0])
