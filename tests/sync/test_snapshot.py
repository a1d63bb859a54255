"""A peer that stands before the first row that is left of a log: it jumps, once, and writes the hole down; nobody else does."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import opening as openings
from sync.batch import Batch, Boundary, Head
from sync.errors import ProtocolError
from sync.model import Feed
from sync.opening import Came, Fell, Gathered, Left, Numbered, Opening, Part, parts_of, read
from sync.opening import encode as encode_row
from sync.protocol import (
    FEATURES,
    OPENING,
    SNAPSHOT,
    Snapshot,
    decode,
    encode,
    part_of,
    snapshot,
)
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, End2End, fill

DIGEST = b"12345678"
OLDER = {"features": tuple(each for each in FEATURES if each != OPENING)}
said = st.one_of(
    st.builds(Came, st.sampled_from("AB"), st.just("shop"), *[st.integers(-(2**53), 2**53)] * 4),
    st.builds(Left, st.just("sale"), st.text(min_size=1, max_size=9), st.just("0af0"), st.integers(0, 9), st.just(5)),
    st.builds(Fell, st.just("sale"), st.text(min_size=1, max_size=9), st.integers(0, 9), st.just(5)),
    st.builds(Numbered, st.just("t1"), st.just("ABCD"), st.integers(0, 9)),
)


def pruned_hub(*, rows: int, floor: int) -> MemoryBooks:
    hub = MemoryBooks(HUB)
    fill(hub, "sales", rows)
    hub.prune("sales", floor)
    return hub


def test_a_cursor_below_the_floor_jumps_there_and_the_hole_is_written_down() -> None:
    hub, cloud = pruned_hub(rows=7, floor=4), MemoryBooks(CLOUD)
    line = End2End(hub, cloud)

    line.settle()

    assert list(cloud.rows_of(HUB, "sales")) == [5, 6, 7]
    assert cloud.holes == [(HUB, "sales", 0, 4)]
    assert hub.acks["sales"].last == 7 and line.ends == []


@pytest.mark.parametrize("older", [{}, OLDER], ids=["is told no sum", "cannot read one"])
def test_a_log_that_another_machine_tells_is_left_to_it_and_the_others_go_on(older: dict[str, Any]) -> None:
    hub, cloud = pruned_hub(rows=7, floor=4), MemoryBooks(CLOUD)
    hub.told_elsewhere = {"sales"}
    fill(hub, "stock", 3)
    line = End2End(hub, cloud, acceptor=older)
    line.settle()

    assert cloud.rows_of(HUB, "sales") == {} and cloud.holes == [] and line.ends == []
    assert list(cloud.rows_of(HUB, "stock")) == [1, 2, 3]

    line.carry_out("dialler", line.sessions["dialler"].finish(line.now_ms))
    line.settle()
    assert [end.code for end in line.ends] == ["done"], "what is left keeps no conversation open"


def test_an_ack_follows_the_jump_even_where_no_row_is_left() -> None:
    hub, cloud = pruned_hub(rows=4, floor=4), MemoryBooks(CLOUD)
    hub.write("sales", b'{"n":5}')
    hub.prune("sales", 5)
    hub.write("sales", b'{"n":6}')
    End2End(hub, cloud).settle()

    assert cloud.vector("")[HUB, "sales"].last == 6


def test_a_cursor_at_or_above_the_floor_is_left_alone() -> None:
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    fill(hub, "sales", 5)
    End2End(hub, cloud).settle()

    hub.prune("sales", 5)
    hub.write("sales", b'{"n":6}')
    End2End(hub, cloud).settle()

    assert list(cloud.rows_of(HUB, "sales")) == [1, 2, 3, 4, 5, 6] and cloud.holes == []


def test_a_state_stream_has_no_floor() -> None:
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    first = hub.write("levels", b'{"n":1}', feed=Feed.STATE)
    hub.write("levels", b'{"n":2}', feed=Feed.STATE, replaces=first)
    End2End(hub, cloud).settle()

    assert list(cloud.rows_of(HUB, "levels")) == [2] and cloud.holes == []


def test_the_frame_is_read_as_it_was_written_and_is_a_feature() -> None:
    frame = Snapshot(HUB, "sales", 9, DIGEST)

    assert decode(encode(frame)) == frame and SNAPSHOT in FEATURES


@pytest.mark.parametrize("back", [0, 2])
async def test_a_cursor_never_goes_back(back: int) -> None:
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    fill(hub, "sales", 3)
    End2End(hub, cloud).settle()
    at = cloud.vector("")[HUB, "sales"]

    hub.prune("sales", back)
    assert await cloud.jump(HUB, "sales", hub.floors["sales"], None) == at and cloud.holes == []


def summed(hub: MemoryBooks, *, rows: int = 3) -> Opening:
    opening = Opening(hub.floors["sales"], tuple(encode_row(Came(f"S{n}", "shop", n)) for n in range(rows)))
    hub.sums[HUB, "sales"] = opening
    return opening


def test_what_rows_below_the_floor_came_to_is_told_once_and_no_hole_is_left() -> None:
    hub, cloud = pruned_hub(rows=7, floor=4), MemoryBooks(CLOUD)
    told = summed(hub)
    line = End2End(hub, cloud)
    line.settle()

    assert cloud.sums[HUB, "sales"] == told and cloud.holes == []
    assert list(cloud.rows_of(HUB, "sales")) == [5, 6, 7] and hub.acks["sales"].last == 7 and line.ends == []


class Told(MemoryBooks):
    """A hub that is told of a log by another one."""

    is_told = False

    def heads(self) -> list[Head]:
        """Nothing until then."""
        return super().heads() if self.is_told else []


def hear(hub: Told, line: End2End) -> None:
    hub.is_told = True
    line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))


@pytest.mark.parametrize("is_older", [False, True])
def test_a_log_that_is_new_in_mid_conversation_is_told_as_at_the_opening(*, is_older: bool) -> None:
    """Nothing is below the floor to begin with: without the sum what comes behind it would wait for the next hello."""
    hub, cloud = Told(HUB), MemoryBooks(CLOUD)
    fill(hub, "sales", 7)
    hub.prune("sales", 4)
    told = summed(hub)
    line = End2End(hub, cloud, **({"acceptor": OLDER} if is_older else {}))
    line.settle()
    assert cloud.vector("") == {}

    hear(hub, line)
    line.settle()

    assert list(cloud.rows_of(HUB, "sales")) == [5, 6, 7] and hub.acks["sales"].last == 7 and line.ends == []
    assert (cloud.holes, cloud.sums.get((HUB, "sales"))) == (([(HUB, "sales", 0, 4)], None) if is_older else ([], told))


def test_what_the_hello_said_is_held_of_a_log_that_is_new_in_mid_conversation_is_not_sent_again() -> None:
    hub, cloud = Told(HUB), MemoryBooks(CLOUD)
    hub.is_told = True
    fill(hub, "sales", 3)
    line = End2End(hub, cloud)
    line.settle()
    hub.is_told = False
    line.connect()
    line.settle()

    hub.write("sales", b'{"n":4}')
    hear(hub, line)
    batches = [frame for frame in line.wires["acceptor"] if isinstance(frame, Batch)]
    line.settle()

    assert [(batch.after, batch.last) for batch in batches] == [(3, 4)]
    assert list(cloud.rows_of(HUB, "sales")) == [1, 2, 3, 4] and line.ends == []


def test_a_boundary_of_the_hello_that_was_never_offered_is_a_fork_also_when_the_log_is_heard_of_later() -> None:
    hub, cloud, other = Told(HUB), MemoryBooks(CLOUD), MemoryBooks(HUB)
    fill(other, "sales", 3)
    End2End(other, cloud).settle()
    line = End2End(hub, cloud)
    line.settle()
    fill(hub, "sales", 5)
    hear(hub, line)

    assert len(hub.forks) == 1 and [end.code for end in line.ends] == ["fork"]


@pytest.mark.parametrize("older", ["dialler", "acceptor"])
def test_a_peer_that_knows_no_sums_gets_what_it_got(older: str) -> None:
    hub, cloud = pruned_hub(rows=7, floor=4), MemoryBooks(CLOUD)
    summed(hub)
    End2End(hub, cloud, **{older: OLDER}).settle()

    assert cloud.holes == [(HUB, "sales", 0, 4)] and (HUB, "sales") not in cloud.sums
    assert list(cloud.rows_of(HUB, "sales")) == [5, 6, 7]


def test_a_sum_of_many_parts_goes_one_by_one_and_counts_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "PART_ROWS", 2)
    hub, cloud = pruned_hub(rows=7, floor=4), MemoryBooks(CLOUD)
    told = summed(hub, rows=7)
    line = End2End(hub, cloud)
    seen = 0
    while line.is_up and any(line.wires.values()):
        parts = [frame for frame in line.wires["acceptor"] if isinstance(frame, Snapshot)]
        assert len(parts) <= 1
        seen += sum(part.more for part in parts)
        assert (HUB, "sales") not in cloud.sums or not any(part.more for part in parts)
        line.deliver("acceptor")
        line.deliver("dialler")

    assert seen >= 3 and cloud.sums[HUB, "sales"] == told and list(cloud.rows_of(HUB, "sales")) == [5, 6, 7]


def test_a_line_that_breaks_between_two_parts_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "PART_ROWS", 2)
    hub, cloud = pruned_hub(rows=7, floor=4), MemoryBooks(CLOUD)
    told = summed(hub, rows=7)
    line = End2End(hub, cloud)
    for _ in range(3):
        line.deliver("acceptor")
        line.deliver("dialler")
    assert (HUB, "sales") not in cloud.sums

    line.connect()
    line.settle()

    assert cloud.sums[HUB, "sales"] == told and cloud.holes == []


def test_a_peer_that_asks_for_rows_below_the_floor_is_told_the_sum_again() -> None:
    hub, cloud = pruned_hub(rows=7, floor=4), MemoryBooks(CLOUD)
    told = summed(hub)
    line = End2End(hub, cloud)
    line.deliver("acceptor")
    line.deliver("dialler")
    line.wires["acceptor"].clear()  # all that the hub had sent is lost inside the connection
    hub.write("sales", b'{"n":8}')
    line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))
    line.settle()

    assert cloud.sums[HUB, "sales"] == told and list(cloud.rows_of(HUB, "sales")) == [5, 6, 7, 8]


@given(rows=st.lists(said, max_size=40), size=st.integers(1, 7), rng=st.randoms(use_true_random=False))
def test_the_parts_of_a_sum_are_the_sum(rows: list[openings.Said], size: int, rng: random.Random) -> None:
    opening = Opening(Boundary(9, DIGEST), tuple(map(encode_row, rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openings, "PART_ROWS", size)
        parts = parts_of(HUB, "sales", opening)
    gathered = Gathered()
    features = rng.sample(FEATURES, rng.randrange(len(FEATURES)))

    frames = [decode(encode(snapshot(part, features=features))) for part in parts]
    taken = [gathered.take(part_of(frame)) for frame in frames if isinstance(frame, Snapshot)]

    assert taken == [*[None] * (len(parts) - 1), opening] and list(read(opening.rows)) == rows


def test_a_kind_of_a_later_version_is_passed_over_and_nonsense_is_refused() -> None:
    assert list(read([b'["weather","rain"]', encode_row(Numbered("t1", "ABCD", 3))])) == [Numbered("t1", "ABCD", 3)]
    for row in (b'["stock",5]', b"{}", b"[]", b"\xff", b'["key","sale","k","zz",1,2]', b'["fell","sale"]'):
        with pytest.raises(ProtocolError):
            list(read([row]))


def test_parts_out_of_order_or_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    at = Boundary(9, DIGEST)
    with pytest.raises(ProtocolError, match="part 1"):
        Gathered().take(Part(HUB, "sales", at, 1, False))
    gathered = Gathered()
    assert gathered.take(Part(HUB, "sales", at, 0, True, (b"[1]",))) is None
    with pytest.raises(ProtocolError, match="part 1"):
        gathered.take(Part(HUB, "sales", Boundary(8, DIGEST), 1, False))
    monkeypatch.setattr(openings, "BYTES_MAX", 20)
    gathered = Gathered()
    for n in range(2):
        gathered.take(Part(HUB, "sales", at, n, True, (b'["x",12]',)))
    assert gathered.take(Part(HUB, "sales", at, 0, True, (b'["x",12]',))) is None, "what begins anew is forgotten"
    gathered.take(Part(HUB, "sales", at, 1, True, (b'["x",12]',)))
    with pytest.raises(ProtocolError, match="bytes"):
        gathered.take(Part(HUB, "sales", at, 2, True, (b'["x",12]',)))
    assert parts_of(HUB, "sales", Opening(at, (b"x" * 21,))) == [], "one that is too large is not told"
