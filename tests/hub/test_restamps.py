"""A stamp from the far future, and the cloud's in its place: who holds the same cells and restamps says the same, in SQL too."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.migrations import MIGRATIONS
from sync.clock import Stamp
from sync.cloud.arrivals.clock import standing_register
from sync.connections import connect_writer
from sync.merge import Cell, Merged
from sync.model import Feed
from sync.retail.lives.restamps import RESTAMP, RestampRow, restamp_row
from sync.retail.people.members import MEMBER, MemberRow
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from sync.store.shared import look_again, standing_cells
from sync.store.tables import table_of
from sync.store.writing import write_cells
from tests.hub.lives_world import NOW_MS, Cloud, Machine, meet

YEAR_MS = 365 * 86_400_000
WRITERS = ("hk01:a", "hk01:b", "hk02:c")
CLOUDS = ("cloud:x", "cloud:y")
FIELDS = ("name", "phone")
times = st.sampled_from((NOW_MS, NOW_MS + 1, NOW_MS + YEAR_MS, NOW_MS + 2 * YEAR_MS))


class Said(msgspec.Struct, frozen=True):
    """A row of a stream: of a member by one of the writers, or a restamp by one life of the cloud."""

    by: str
    seq: int
    row: MemberRow | RestampRow


@st.composite
def histories(draw: st.DrawFn) -> list[Said]:
    """What was ever said: each writer's later rows say all that its earlier ones did; stamps of a writer only grow."""
    said: list[Said] = []
    far: set[Stamp] = set()
    for writer in WRITERS:
        cells: dict[str, Cell] = {}
        at = 0
        for seq in range(1, draw(st.integers(1, 3)) + 1):
            at = max(at + 1, draw(times))
            stamp = Stamp(at, 0, writer)
            cells = cells | {
                field: Cell(f"{writer} {seq}", stamp) for field in draw(st.sets(st.sampled_from(FIELDS), min_size=1))
            }
            said.append(Said(writer, seq, MemberRow(key="m1", cells=dict(sorted(cells.items())))))
            if at > NOW_MS + YEAR_MS - 1:
                far.add(stamp)
    for cloud in CLOUDS:
        for seq, was in enumerate(sorted(draw(st.sets(st.sampled_from(sorted(far)))) if far else ()), 1):
            now = Stamp(NOW_MS + 10 * seq + CLOUDS.index(cloud), seq, cloud)
            said.append(Said(cloud, seq, restamp_row("member", "m1", was, now)))
    return said


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    with closing(connect_writer(tmp_path_factory.mktemp("restamps") / "hub.db", MIGRATIONS)) as tx:
        yield tx


def standing_after(tx: sqlite3.Connection, said: list[Said]) -> Merged:
    """Take rows in this order, in a transaction that is taken back."""
    tx.execute("SAVEPOINT example")
    try:
        for each in said:
            replica = replica_id(tx, each.by, now_ms=0)
            is_cloud = isinstance(each.row, RestampRow)
            stream, feed = (RESTAMP if is_cloud else MEMBER).stream, Feed.STATE
            rows = [(each.seq, msgspec.json.encode(each.row))]
            apply_rows(tx, stream, rows, replica=replica, rep=each.by, is_owner=is_cloud, feed=feed)
            if isinstance(each.row, RestampRow):
                look_again(tx, [each.row])
        return standing_cells(tx, table_of(MEMBER), ("m1",))
    finally:
        tx.execute("ROLLBACK TO example")


@given(said=histories(), rng=st.randoms(use_true_random=False))
def test_rows_and_restamps_in_any_order_told_twice_or_stale_come_to_the_same(
    file: sqlite3.Connection, said: list[Said], rng: random.Random
) -> None:
    again = [*rng.sample(said, len(said)), *rng.sample(said, rng.randrange(len(said) + 1))]

    assert standing_after(file, again).cells == standing_after(file, said).cells


@given(said=histories())
def test_an_edit_behind_the_restamp_stands_before_the_cell_from_the_far_future(
    file: sqlite3.Connection, said: list[Said]
) -> None:
    """Every far stamp is restamped; whoever has seen that writes with a larger one, and it stands for ever."""
    far = {cell.stamp for each in said if isinstance(each.row, MemberRow) for cell in each.row.cells.values()}
    restamps = [
        Said("cloud:w", n, restamp_row("member", "m1", was, Stamp(NOW_MS + 100 + n, 0, "cloud:w")))
        for n, was in enumerate(sorted(each for each in far if each.physical_ms > NOW_MS + 10), 1)
    ]
    seen = Stamp(NOW_MS + 10_000, 0, "hk09:z")
    edit = Said("hk09:z", 1, MemberRow(key="m1", cells={"name": Cell("right", seen)}))

    assert standing_after(file, [edit, *restamps, *said]).cells["name"].value == "right"


@pytest.mark.parametrize(("was", "now"), [("never", "now"), ("f" * 17 + "hk01:a", "0" * 17 + "x"), ("", "")])
def test_a_restamp_that_says_no_stamp_changes_nothing(file: sqlite3.Connection, was: str, now: str) -> None:
    cell = Said("hk01:a", 1, MemberRow(key="m1", cells={"name": Cell("x", Stamp(NOW_MS, 0, "hk01:a"))}))
    bad = Said("cloud:x", 1, RestampRow(entity="member", key="m1", was=was, now=now, n=1))

    assert standing_after(file, [cell, bad]) == standing_after(file, [cell])


async def test_the_hub_that_wrote_from_the_far_future_says_what_the_cloud_says(tmp_path: Path, shop: Any) -> None:
    async with AsyncExitStack() as stack:
        machine, cloud = Machine(tmp_path / "hub.db", shop), Cloud(tmp_path / "cloud.db")
        await machine.start(stack)
        await cloud.start(stack)
        own = machine.books.replica
        far, true = Stamp(NOW_MS + YEAR_MS, 0, own.rep), Stamp(NOW_MS + 60_000, 0, "hk02:c")
        cells = {"name": "wrong year", "phone": "1"}
        await machine.db.write(lambda tx: write_cells(tx, own, MEMBER, "m1", cells, stamp=far))
        await meet(machine, cloud)
        other = msgspec.json.encode(MemberRow(key="m1", cells={"name": Cell("corrected", true)}))
        await machine.db.write(  # as a scope of members would bring it
            lambda tx: apply_rows(
                tx, "members", [(1, other)], replica=replica_id(tx, "hk02:c", now_ms=0), rep="hk02:c", feed=Feed.STATE
            )
        )
        await cloud.db.write(
            lambda tx: tx.execute(
                """
                INSERT INTO tally (stream, key, replica, n, seq, received_ms, body)
                SELECT id, 'm1', 99, 99, 1, 0, ? FROM feed WHERE stream = 'members'
                """,
                (other,),
            )
        )
        await meet(machine, cloud)

        here = standing_cells(machine.db.read, table_of(MEMBER), ("m1",))
        assert here == standing_register(cloud.db.read, "member", "m1")
        assert {field: cell.value for field, cell in here.cells.items()} == {"name": "corrected", "phone": "1"}
        restamps = machine.db.read.execute("SELECT was, now FROM restamp").fetchall()
        assert len(restamps) == 1, "cells that were written at once have one stamp"
        lost = machine.db.read.execute("SELECT field, value FROM conflict WHERE rep = ?", (own.rep,)).fetchall()
        assert lost == [("name", '"wrong year"')]
