"""The simulated database keeps the contract of the real one: groups, neighbours, answers, and what a crash leaves behind."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest

from hub.migrations import MIGRATIONS
from sync import failpoints
from sync.errors import OutcomeUnknownError, SyncError
from sync.testing.sim_database import Crash, SimDatabase, drive, run_now
from tests.sim.disk import Disk, new_file

Job = Callable[[sqlite3.Connection], Any]


@pytest.fixture
def disk() -> Disk:
    """A disk with a table of the test's own."""
    disk = Disk(new_file(MIGRATIONS))
    disk.rows("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")
    return disk


class Later:
    """Virtual time of one machine: what is to come, and going on to it."""

    def __init__(self) -> None:
        self.coming: list[Callable[[], None]] = []

    def __call__(self, _delay_s: float, action: Callable[[], None]) -> None:
        self.coming.append(action)

    def go_on(self) -> None:
        """Let everything come that is to come."""
        coming, self.coming = self.coming, []
        for action in coming:
            action()


def note(text: str | None) -> Job:
    """Return a job that writes a note and returns how many there are then."""

    def job(tx: sqlite3.Connection) -> int:
        tx.execute("INSERT INTO note (text) VALUES (?)", (text,))
        count: int = tx.execute("SELECT count(*) FROM note").fetchone()[0]
        return count

    return job


def notes(disk: Disk) -> list[str]:
    return [text for (text,) in disk.rows("SELECT text FROM note ORDER BY id")]


def ask(db: SimDatabase, job: Job, said: list[object]) -> None:
    """Write, and keep the answer or the error."""
    drive(db.write(job), done=said.append, failed=said.append)


def test_without_time_a_write_is_durable_when_it_returns(disk: Disk) -> None:
    db = SimDatabase(disk.connection)

    assert [run_now(db.write(note("one"))), run_now(db.write(note("two")))] == [1, 2]
    assert notes(disk) == ["one", "two"]
    assert (db.commits, db.jobs) == (2, 2)


def test_jobs_that_wait_together_share_one_commit_and_are_answered_after_it(disk: Disk) -> None:
    later, said = Later(), list[object]()
    db = SimDatabase(disk.connection, later=later)
    for text in ("one", "two"):
        ask(db, note(text), said)
    assert (said, notes(disk)) == ([], [])

    later.go_on()

    assert (said, notes(disk), db.commits) == ([1, 2], ["one", "two"], 1)


def test_a_job_that_raises_leaves_its_neighbours_alone(disk: Disk) -> None:
    later, said = Later(), list[object]()
    db = SimDatabase(disk.connection, later=later)

    def refuse(tx: sqlite3.Connection) -> None:
        note("refused")(tx)
        raise SyncError("refused")

    ask(db, note("one"), said)
    ask(db, refuse, said)
    ask(db, note("two"), said)
    later.go_on()

    assert [getattr(each, "code", each) for each in said] == [1, "refused", 2]
    assert notes(disk) == ["one", "two"]


def test_what_may_wait_rides_with_the_next_group_and_is_kept_when_that_fails(disk: Disk) -> None:
    later, said = Later(), list[object]()
    db = SimDatabase(disk.connection, later=later)
    db.write_soon(note("soon"), then=said.append)
    disk.fail_commits()
    later.go_on()
    assert (said, notes(disk)) == ([], [])

    disk.free()
    later.go_on()

    assert (said, notes(disk)) == ([1], ["soon"])


@pytest.mark.parametrize("break_disk", [Disk.fail_commits, lambda disk: disk.fill(0)])
def test_a_disk_that_takes_nothing_answers_unknown_and_is_well_again(
    disk: Disk, break_disk: Callable[[Disk], None]
) -> None:
    db = SimDatabase(disk.connection)
    break_disk(disk)

    with pytest.raises(OutcomeUnknownError):
        run_now(db.write(note("much " * 10_000)))
    disk.free()

    assert run_now(db.write(note("one"))) == 1
    assert notes(disk) == ["one"]


@pytest.mark.parametrize(("where", "left"), [("job.done", []), ("commit.before", []), ("commit.after", ["one"])])
def test_a_crash_leaves_what_the_last_commit_left_and_tells_nobody(disk: Disk, where: str, left: list[str]) -> None:
    said: list[object] = []

    def hit(name: str) -> None:
        if name == where:
            raise Crash(name)

    with patch.object(failpoints, "hit", hit), pytest.raises(Crash):
        ask(SimDatabase(disk.connection), note("one"), said)
    disk.settle()

    assert (said, notes(disk)) == ([], left)
    assert run_now(SimDatabase(disk.connection).write(note("again"))) == len(left) + 1


def test_a_crash_before_any_statement_leaves_all_or_nothing(disk: Disk) -> None:
    """BEGIN, two of the job, COMMIT: dying before any of the four leaves nothing."""
    lefts = []
    for statements in range(5):
        disk.cut_after(statements)
        with suppress(Crash):
            run_now(SimDatabase(disk.connection).write(note(f"{statements}")))
        disk.settle()
        lefts.append(notes(disk))
    assert lefts == [[]] * 4 + [["4"]]


def test_a_job_reads_through_what_it_was_given(disk: Disk) -> None:
    db = SimDatabase(disk.connection)

    with pytest.raises(AssertionError):
        run_now(db.write(lambda tx: db.read.execute("SELECT 1").fetchone()))


def test_an_image_is_a_machine_of_its_own(disk: Disk) -> None:
    run_now(SimDatabase(disk.connection).write(note("before")))
    copy = Disk(disk.image())
    run_now(SimDatabase(disk.connection).write(note("here")))
    run_now(SimDatabase(copy.connection).write(note("there")))

    assert (notes(disk), notes(copy)) == (["before", "here"], ["before", "there"])
