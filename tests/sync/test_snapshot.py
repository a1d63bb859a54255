"""A peer that stands before the first row that is left of a log: it jumps, once, and writes the hole down; nobody else does."""

import pytest

from sync.model import Feed
from sync.protocol import FEATURES, SNAPSHOT, Snapshot, decode, encode
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, End2End, fill

DIGEST = b"12345678"


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
    assert await cloud.jump(HUB, "sales", hub.floors["sales"]) == at and cloud.holes == []
