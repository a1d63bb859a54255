"""Streams and replicas in a real SQLite file: dots are dense, digests roll, one life at a time is our own."""

import sqlite3
from collections.abc import Iterator
from sqlite3 import Connection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.migrations import MIGRATIONS
from sync.digest import EMPTY, roll
from sync.entities import FEED_OF_STREAM
from sync.migrate import migrate
from sync.model import Dot, Feed, Replica, Stream
from sync.store.replicas import begin_incarnation, own_replica
from sync.store.streams import append_fact, reserve_state_seqs

LOGS = [stream for stream in Stream if FEED_OF_STREAM[stream] is Feed.LOG]
STATES = [stream for stream in Stream if FEED_OF_STREAM[stream] is Feed.STATE]


def tip(tx: Connection, replica: Replica, stream: Stream) -> int:
    """Return the last seq given out, read without our own code."""
    row = tx.execute("SELECT seq FROM stream WHERE replica = ? AND name = ?", (replica.local_id, stream)).fetchone()
    return int(row[0])


def new_store() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, MIGRATIONS)
    return connection


@pytest.fixture
def tx() -> Iterator[sqlite3.Connection]:
    """An empty store."""
    connection = new_store()
    yield connection
    connection.close()


def stored_digest(tx: sqlite3.Connection, replica: Replica, stream: Stream) -> bytes:
    row = tx.execute("SELECT digest FROM stream WHERE replica = ? AND name = ?", (replica.local_id, stream)).fetchone()
    digest: bytes = row[0]
    return digest


def test_before_the_first_start_there_is_nobody(tx: sqlite3.Connection) -> None:
    assert own_replica(tx) is None


def test_a_life_begins_with_empty_streams(tx: sqlite3.Connection) -> None:
    replica = begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=1)

    assert own_replica(tx) == replica and replica.rep == f"hk01:{'a' * 16}"
    assert [tip(tx, replica, stream) for stream in Stream] == [0] * len(Stream)


def test_a_new_life_starts_at_zero_and_the_old_one_keeps_its_streams(tx: sqlite3.Connection) -> None:
    old = begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=1)
    append_fact(tx, old, Stream.SALES, b"row")

    new = begin_incarnation(tx, "hk01", incarnation="b" * 16, now_ms=2)

    assert own_replica(tx) == new and new.local_id != old.local_id
    assert (tip(tx, old, Stream.SALES), tip(tx, new, Stream.SALES)) == (1, 0)
    assert tx.execute("SELECT count(*) FROM replica WHERE own = 1").fetchone() == (1,)


def test_an_incarnation_is_used_once(tx: sqlite3.Connection) -> None:
    begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=1)

    with pytest.raises(sqlite3.IntegrityError):
        begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=2)


@given(rows=st.lists(st.tuples(st.sampled_from(LOGS), st.binary(max_size=10)), max_size=20))
def test_every_log_is_dense_and_digests_its_own_rows(rows: list[tuple[Stream, bytes]]) -> None:
    tx = new_store()
    replica = begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=1)
    rolled = dict.fromkeys(LOGS, EMPTY)
    counts = dict.fromkeys(LOGS, 0)
    for stream, row in rows:
        dot = append_fact(tx, replica, stream, row)
        rolled[stream], counts[stream] = roll(rolled[stream], row), counts[stream] + 1
        assert dot == Dot(replica.rep, stream, counts[stream])

    assert {s: (tip(tx, replica, s), stored_digest(tx, replica, s)) for s in LOGS} == {
        s: (counts[s], rolled[s]) for s in LOGS
    }
    tx.close()


@given(counts=st.lists(st.integers(1, 50), max_size=10))
def test_state_seqs_never_overlap(counts: list[int]) -> None:
    tx = new_store()
    replica = begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=1)
    taken = [
        first + n
        for count in counts
        for first in [reserve_state_seqs(tx, replica, STATES[0], count)]
        for n in range(count)
    ]

    assert taken == list(range(1, sum(counts) + 1)) and tip(tx, replica, STATES[0]) == sum(counts)
    tx.close()


def test_a_state_stream_takes_no_fact_and_a_log_no_reservation(tx: sqlite3.Connection) -> None:
    replica = begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=1)

    with pytest.raises(AssertionError):
        append_fact(tx, replica, STATES[0], b"row")
    with pytest.raises(AssertionError):
        reserve_state_seqs(tx, replica, LOGS[0], 1)


def test_what_is_rolled_back_takes_no_dot(tx: sqlite3.Connection) -> None:
    replica = begin_incarnation(tx, "hk01", incarnation="a" * 16, now_ms=1)
    tx.execute("BEGIN")
    append_fact(tx, replica, Stream.SALES, b"lost")
    tx.execute("ROLLBACK")

    assert append_fact(tx, replica, Stream.SALES, b"kept").seq == 1
    assert stored_digest(tx, replica, Stream.SALES) == roll(EMPTY, b"kept")
