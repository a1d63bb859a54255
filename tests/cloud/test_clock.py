"""Stamps at the cloud: the far future is re-stamped on arrival, named, its original kept; the edit made later wins."""

import sqlite3
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.batch import Boundary
from sync.clock import AHEAD_MAX_MS, LOGICAL_MAX, PHYSICAL_MAX_MS, Stamp, Trust
from sync.cloud.arrivals.clock import standing_register, take_stamps
from sync.cloud.migrations import MIGRATIONS
from sync.merge import Cell, merge_cells
from sync.migrate import migrate
from sync.model import Replica
from sync.retail.people.members import MemberRow
from sync.store.replicas import replica_id
from tests.cloud.hub_side import Writer

NOW = 1_790_000_000_000
YEAR = 365 * 24 * 3_600_000
A, B = "hk01:aaaaaaaaaaaaaaaa", "hk01:bbbbbbbbbbbbbbbb"
FAR_A = Stamp(NOW + 30 * YEAR, 0, A)


def row(stamp: Stamp, value: str, **more: Cell) -> bytes:
    return msgspec.json.encode(MemberRow(key="m1", cells={"name": Cell(value, stamp)} | more))


async def test_a_far_future_stamp_is_replaced_named_and_kept_and_a_later_edit_wins(
    start_cloud: Any, caplog: pytest.LogCaptureFixture
) -> None:
    end = await start_cloud()
    books, ahead, honest = end.books(), Writer(A), Writer(B)
    await books.apply(ahead.state("members", (1, row(FAR_A, "from 2056"))))
    end.clock.now_ms += 60_000
    later = Stamp(end.clock.now_ms, 0, B)
    await books.apply(honest.state("members", (1, row(later, "made later"))))
    read = end.cloud.books.db.read

    assert standing_register(read, "member", "m1").cells["name"].value == "made later"
    kept = read.execute("SELECT rep, physical_ms, by_physical_ms, by_rep FROM restamp").fetchall()
    assert kept == [(A, FAR_A.physical_ms, NOW, end.books().rep)]
    assert str(FAR_A.physical_ms).encode() in read.execute("SELECT body FROM tally ORDER BY replica").fetchone()[0]
    (named,) = [record for record in caplog.records if "far future" in record.message]
    assert (named.writer, named.cells) == (A, 1)  # type: ignore[attr-defined]

    again = ahead.state("members", (2, row(FAR_A, "from 2056", email=Cell("e", Stamp(NOW, 1, A)))), after=_end(ahead))
    await books.apply(again)
    assert read.execute("SELECT by_physical_ms, by_logical FROM restamp").fetchall() == [(NOW, 0)], "it stays as it was"
    assert standing_register(read, "member", "m1").cells["name"].value == "made later"


def _end(writer: Any) -> Boundary:
    return writer.state("members", (1, row(FAR_A, "from 2056"))).end  # type: ignore[no-any-return]


stamps = st.builds(
    Stamp,
    st.one_of(st.integers(NOW - 5, NOW + 5), st.integers(0, PHYSICAL_MAX_MS)),
    st.one_of(st.integers(0, 3), st.integers(LOGICAL_MAX - 2, LOGICAL_MAX)),
    st.just(A),
)


def own_stamps_of(script: list[tuple[int, Stamp]], *, keeps_clock: bool = True) -> list[Stamp]:
    """Let rows come, with time between and a clock that jumps; the job is the product's. Return the cloud's stamps in order."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db, MIGRATIONS)
    own, writer, given = Replica(1, "cloud", "c" * 16), replica_id(db, A, now_ms=0), []
    for n, (wall_ms, stamp) in enumerate(script):
        body = msgspec.json.encode(MemberRow(key=f"m{n}", cells={"name": Cell(n, stamp)}))
        given += take_stamps(db, own, "members", [(n + 1, body)], replica=writer, now_ms=wall_ms)
        if not keeps_clock:
            db.execute("DELETE FROM clock")
    db.close()
    return [each.now for each in given]


scripts = st.lists(st.tuples(st.integers(NOW - YEAR, NOW + YEAR) | st.integers(-YEAR, 300 * YEAR), stamps), max_size=12)


@given(script=scripts)
def test_the_cloud_s_own_stamps_only_grow_whatever_its_clock_does(script: list[tuple[int, Stamp]]) -> None:
    given_out = own_stamps_of(script)

    assert all(one < other for one, other in pairwise(given_out))


def test_a_cloud_that_forgets_its_clock_is_found_out() -> None:
    """The planted fault of the law above: two in one millisecond."""
    given_out = own_stamps_of([(NOW, FAR_A), (NOW, FAR_A)], keeps_clock=False)

    assert given_out[0] == given_out[1]
    assert own_stamps_of([(NOW, FAR_A), (NOW, FAR_A)])[0] < own_stamps_of([(NOW, FAR_A), (NOW, FAR_A)])[1]


@pytest.mark.parametrize(("ahead_ms", "is_far"), [(0, False), (1, True)])
def test_the_bound_is_that_of_a_clock_in_contact(ahead_ms: int, is_far: bool) -> None:
    stamp = Stamp(NOW + AHEAD_MAX_MS[Trust.CONTACT] + ahead_ms, 0, A)

    assert bool(own_stamps_of([(NOW, stamp)])) == is_far


def test_a_cloud_whose_clock_was_never_set_judges_nobody() -> None:
    assert own_stamps_of([(5_000, Stamp(NOW, 0, A)), (10**16, FAR_A)]) == []


def test_with_far_future_stamps_accepted_the_later_edit_would_lose() -> None:
    """The planted fault: no restamps."""
    rows = [{"name": Cell("from 2056", FAR_A)}, {"name": Cell("made later", Stamp(NOW + 60_000, 0, B))}]

    assert merge_cells(rows).cells["name"].value == "from 2056"
    assert merge_cells(rows, effective=lambda stamp: Stamp(NOW, 0, "cloud:c") if stamp == FAR_A else stamp).cells[
        "name"
    ] == Cell("made later", Stamp(NOW + 60_000, 0, B))
