"""Members by their words: every page of a search, and what a search costs where a word is common. Steps are SQLite's own."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.migrations import MIGRATIONS
from hub.store.catalogue.search import index_words
from hub.store.people.member_words import COUNTED_MAX, search
from tests.sim.disk import new_file

COMMON = 24 * COUNTED_MAX[0]
STEPS = 100
NAMES = st.sampled_from(["chan", "chang", "ch", "ho", "陳志明", "陳志", "志明", "明"])


@pytest.fixture(scope="module")
def file() -> Iterator[sqlite3.Connection]:
    """Many Chans; one in ten is also 陳志, another one in ten also 志明; three are 陳志明."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(new_file(MIGRATIONS))
        connection.execute("BEGIN")
        for n in range(COMMON):
            given = "陳志明" if n in (7, 3000, COMMON - 1) else {0: " 陳志", 5: " 志明"}.get(n % 10, "")
            write(connection, n, f"Chan {given}")
        connection.execute("COMMIT")
        yield connection


def write(connection: sqlite3.Connection, number: int, name: str) -> None:
    """Write a member's words as the job does."""
    words = index_words(name)
    connection.execute(
        "INSERT INTO member_known (id, member_id, words) VALUES (?, ?, ?)", (number, f"m{number:06}", words)
    )
    connection.executemany(
        "INSERT INTO member_word (word, id) VALUES (?, ?)", [(word, number) for word in words.split()]
    )


def steps(connection: sqlite3.Connection, find: Callable[[], object]) -> int:
    """How many times STEPS instructions of SQLite's machine it took."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connection.set_progress_handler(count, STEPS)
    try:
        find()
    finally:
        connection.set_progress_handler(None, 0)
    return counted


def test_a_name_that_all_have_makes_no_search_longer(file: sqlite3.Connection) -> None:
    alone = steps(file, lambda: search(file, "陳志明", after="", limit=21))
    for query in ("Chan 陳志明", "陳志明 Chan", "cha 陳志明"):
        assert [hit.member_id for hit in search(file, query, after="", limit=21)] == [
            "m000007",
            "m003000",
            f"m{COMMON - 1:06}",
        ]
        assert steps(file, lambda query=query: search(file, query, after="", limit=21)) < 3 * alone  # type: ignore[misc]


def test_the_pages_of_a_search_hold_everybody_once_whatever_becomes_rarer_meanwhile(file: sqlite3.Connection) -> None:
    file.execute("BEGIN")
    try:
        every = [hit.member_id for hit in search(file, "陳志 chan", after="", limit=COMMON)]
        found = search(file, "陳志 chan", after="", limit=10)
        file.execute("DELETE FROM member_word WHERE word = 'chan' AND id > ?", (COMMON // 100,))
        while page := search(file, "陳志 chan", after=found[-1].cursor, limit=1000):
            found += page
        assert [hit.member_id for hit in found] == every
    finally:
        file.execute("ROLLBACK")


@given(
    names=st.lists(st.lists(NAMES, min_size=1, max_size=3).map(" ".join), max_size=30),
    query=st.lists(NAMES, min_size=1, max_size=3).map(" ".join),
    limit=st.integers(1, 7),
)
def test_a_search_finds_who_has_all_words(names: list[str], query: str, limit: int) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(new_file(MIGRATIONS))
        for number, name in enumerate(names):
            write(connection, number, name)
        found: list[str] = []
        after = ""
        while page := search(connection, query, after=after, limit=limit):
            found += [hit.member_id for hit in page]
            after = page[-1].cursor
        assert set(found) == {f"m{n:06}" for n, name in enumerate(names) if has_all(index_words(name).split(), query)}


def has_all(words: list[str], query: str) -> bool:
    """The rule in words: Latin ones as beginnings, two ideographs beside one another as they are, one by itself."""
    for part in query.split():
        if part.isascii():
            if not any(word.startswith(part) for word in words):
                return False
        elif not {part[i : i + 2] for i in range(max(1, len(part) - 1))} <= set(words):
            return False
    return True
