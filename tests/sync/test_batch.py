"""What a receiver makes of a batch: nothing lost, nothing twice, and no lie taken, whatever arrives in whatever order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.batch import ROWS_MAX, SEQ_MAX, START, Batch, Boundary, Gap, batch_of, new_rows
from sync.errors import ProtocolError
from sync.model import Feed

REP = "hk01:1f"


def log(rows: int) -> list[tuple[int, bytes]]:
    return [(seq, b'{"n":%d}' % seq) for seq in range(1, rows + 1)]


def batches_of(rows: list[tuple[int, bytes]], ends: list[int], feed: Feed = Feed.LOG) -> list[Batch]:
    """Cut rows into batches that end at these indices."""
    batches, at, begin = [], START, 0
    for end in ends:
        if rows[begin:end]:
            batches.append(batch_of(REP, "sales", feed, at, rows[begin:end]))
            at, begin = batches[-1].end, end
    return batches


def receive(batches: list[Batch]) -> dict[int, bytes]:
    """Be a receiver that pulls every gap again from the batches it was offered."""
    cursor, held = START, {}
    for batch in batches:
        rows = new_rows(cursor, batch)
        if isinstance(rows, Gap):
            continue
        for seq, row in rows:
            assert seq not in held, "counted twice"
            held[seq] = row
        cursor = batch.end if rows else cursor
    return held


@given(st.integers(1, 30), st.randoms(use_true_random=False))
def test_cut_anyhow_doubled_and_shuffled_every_row_arrives_once(count: int, rng: random.Random) -> None:
    rows = log(count)
    one = batches_of(rows, [*sorted(rng.sample(range(1, count + 1), min(4, count))), count])
    other = batches_of(rows, [*sorted(rng.sample(range(1, count + 1), min(3, count))), count])
    noise = rng.choices(one + other, k=12)

    held = receive([*noise, *one])  # at last the sender goes through it in order, as after a pull

    assert held == dict(rows)


def test_a_receiver_without_the_gap_rule_would_lose_rows() -> None:
    """The planted fault: taking whatever is above the cursor skips the batch that is missing."""
    first, second = batches_of(log(4), [2, 4])

    def careless(cursor: Boundary, batch: Batch) -> list[int]:
        return [seq for seq, _ in batch.rows if seq > cursor.last]

    assert careless(START, second) == [3, 4], "rows 1 and 2 would never be asked for again"
    assert new_rows(START, second) == Gap(START)
    assert [seq for seq, _ in new_rows(first.end, second)] == [3, 4]


def lies() -> list[tuple[str, Batch]]:
    (batch,) = batches_of(log(3), [3])
    rows = batch.rows
    return [
        ("a changed row", replace(batch, rows=(rows[0], (2, b'{"n":9}'), rows[2]))),
        ("another digest", replace(batch, digest=bytes(8))),
        ("a missing row", replace(batch, rows=(rows[0], rows[2]))),
        ("rows in another order", replace(batch, rows=(rows[1], rows[0], rows[2]))),
        ("a doubled row", replace(batch, rows=(rows[0], rows[1], rows[1], rows[2]))),
        ("a range that says more", replace(batch, last=9)),
        ("a range that begins elsewhere", replace(batch, after=1)),
        ("no rows", replace(batch, rows=())),
        ("a range before the start", replace(batch, after=-1)),
        ("too many rows", batches_of(log(ROWS_MAX + 1), [ROWS_MAX + 1])[0]),
    ]


@pytest.mark.parametrize(("lie", "batch"), lies(), ids=[name.replace(" ", "-") for name, _ in lies()])
def test_a_lie_is_refused(lie: str, batch: Batch) -> None:
    with pytest.raises(ProtocolError):
        new_rows(START, batch)


def test_the_digest_of_the_past_counts_too() -> None:
    """The same new row behind another history is another stream."""
    first, second = batches_of(log(2), [1, 2])

    with pytest.raises(ProtocolError, match="digest"):
        new_rows(Boundary(1, bytes(8)), second)
    assert new_rows(first.end, second) == list(second.rows)


def test_a_state_stream_may_have_holes_and_its_digest_is_the_writers() -> None:
    rows = [(3, b"{}"), (7, b"{}")]
    batch = batch_of(REP, "levels", Feed.STATE, Boundary(2, b"12345678"), rows)

    assert new_rows(Boundary(2, b"87654321"), batch) == rows
    assert new_rows(Boundary(1), batch) == Gap(Boundary(1))
    assert new_rows(Boundary(5, b"87654321"), batch) == Gap(Boundary(5, b"87654321")), "it may be a copy's"
    assert new_rows(Boundary(5, b"87654321"), batch, is_relayed=True) == batch.rows


def state(after: int, *seqs: int, last: int | None = None) -> Batch:
    rows = tuple((seq, b"{}") for seq in seqs)
    return Batch(REP, "levels", Feed.STATE, after, seqs[-1] if last is None else last, b"12345678", rows)


@pytest.mark.parametrize(
    "lie",
    [
        *(state(2, 2, 3), state(2, 1, 3), state(2, 4, 3), state(2, 3, 3), state(2, 3, last=4), state(2, 4, last=3)),
        *(state(-1, 3), state(2, SEQ_MAX + 1), state(0, *range(1, ROWS_MAX + 2)), state(2, 3, 5, 4, 6)),
    ],
)
def test_a_state_batch_whose_rows_are_not_those_of_its_range_is_refused(lie: Batch) -> None:
    for is_relayed in (False, True):
        with pytest.raises(ProtocolError, match=r"hk01:1f levels"):
            new_rows(Boundary(max(lie.after, 0)), lie, is_relayed=is_relayed)


@pytest.mark.parametrize("seqs", [(1, 3), (2, 3), (2, 4)])
def test_a_log_with_a_hole_is_refused_even_under_a_true_digest(seqs: tuple[int, int]) -> None:
    with pytest.raises(ProtocolError, match="no holes"):
        new_rows(START, batch_of(REP, "sales", Feed.LOG, START, [(seq, b"{}") for seq in seqs]))


@pytest.mark.parametrize("batch", [state(2, 3), state(2, 9), state(0, SEQ_MAX), state(0, *range(1, ROWS_MAX + 1))])
def test_a_state_batch_at_its_bounds_is_taken(batch: Batch) -> None:
    assert new_rows(Boundary(batch.after), batch) == list(batch.rows)


@pytest.mark.parametrize(
    ("cursor", "is_gap", "taken"),
    [(0, True, 0), (1, True, 0), (2, False, 3), (3, False, 2), (4, False, 1), (5, False, 0), (6, False, 0)],
)
def test_of_a_log_only_what_lies_behind_the_cursor_is_new(cursor: int, is_gap: bool, taken: int) -> None:
    rows = log(6)
    digests = [START.digest, *(batch.digest for batch in batches_of(rows, [1, 2, 3, 4, 5, 6]))]
    batch = batch_of(REP, "sales", Feed.LOG, Boundary(2, digests[2]), rows[2:5])
    at = Boundary(cursor, digests[cursor])

    found = new_rows(at, batch)
    assert found == new_rows(at, batch, is_relayed=True), "a log is one whoever passes it on"
    assert found == (Gap(at) if is_gap else rows[5 - taken : 5] if taken else ())


@pytest.mark.parametrize(("cursor", "is_gap"), [(1, True), (2, False), (3, True), (6, True), (7, False), (8, False)])
def test_a_state_batch_is_taken_only_where_it_begins(cursor: int, is_gap: bool) -> None:
    batch = state(2, 3, 7)
    found = new_rows(Boundary(cursor), batch)

    assert isinstance(found, Gap) == is_gap
    assert is_gap or found == (list(batch.rows) if cursor == 2 else ())


def test_a_batch_says_where_it_ends_and_rolls_its_digest_on() -> None:
    whole = batch_of(REP, "sales", Feed.LOG, START, log(5))
    parts = batches_of(log(5), [2, 5])

    assert parts[-1].end == whole.end == Boundary(5, whole.digest)
    assert [(each.after, each.last) for each in parts] == [(0, 2), (2, 5)]


def test_the_size_of_a_batch_is_that_of_its_rows() -> None:
    assert batch_of(REP, "sales", Feed.LOG, START, [(1, b"{}"), (2, b'{"n":2}')]).size == 2 + 7
