"""Batches that have come together go to the writer together; one ack speaks for all that one commit has taken."""

import asyncio
from collections.abc import Sequence

import pytest

from sync.actions import End
from sync.batch import SENT_BYTES_MAX, START, Batch, Boundary, Gap, batch_of
from sync.errors import SyncError
from sync.line.link import Conversation
from sync.line.wire import Take
from sync.model import Feed
from sync.protocol import Ack, Frame, Hello, Packed, Pull, Refused, decode, encode, packed
from sync.sending import WINDOW
from sync.testing.memory_books import MemoryBooks

HUB, OTHER_LIFE, CLOUD = "hk01:aa", "hk01:bb", "cloud:cc"
WAIT_S = 60.0


class Writer(MemoryBooks):
    """Books whose applies wait for each other, as jobs do that ride in one commit: `together` is how many each time."""

    def __init__(self) -> None:
        super().__init__(CLOUD)
        self.together: list[int] = []
        self.refused: set[int] = set()
        self.twice: set[int] = set()  # batches that are not done with their first job
        self._waiting: list[asyncio.Future[None]] = []

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Take a batch once the loop has nothing else to start."""
        if batch.last in self.refused:
            await self._commit()
            raise SyncError("disk_full", "told to fail")
        is_half = batch.last in self.twice
        self.twice.discard(batch.last)
        taken = START if is_half else await super().apply(batch)
        await self._commit()
        return await self.apply(batch) if is_half else taken

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        if not self._waiting:
            loop.call_later(0.01, self._answer)  # long after all that is ready to start has started
        self._waiting.append(mine)
        await mine

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.together.append(len(waiting))
        for each in waiting:
            each.set_result(None)


class Fed:
    """A wire whose far end has said all this at once; it hangs up once so many frames were said to it."""

    def __init__(self, frames: Sequence[Frame | Batch], *, answers: int) -> None:
        self._frames, self._answers = frames, answers
        self.said: list[Frame] = []
        self._heard = asyncio.Event()

    async def send(self, message: bytes) -> None:
        """Remember what is said."""
        frame = decode(message)
        assert not isinstance(frame, Packed)
        self.said.append(frame)
        if len(self.said) >= self._answers:
            self._heard.set()

    async def read(self, take: Take) -> str:
        """Give all frames."""
        for frame in self._frames:
            await take(encode(packed(frame) if isinstance(frame, Batch) else frame))
        async with asyncio.timeout(WAIT_S):
            await self._heard.wait()
        return "the far end has gone"

    async def flush(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing is open."""


def batches(count: int, *, rep: str = HUB, stream: str = "sales", feed: Feed = Feed.LOG) -> list[Batch]:
    at, made = START, []
    for number in range(count):
        made.append(batch_of(rep, stream, feed, at, [(number + 1, b'{"n":%d}' % number)]))
        at = made[-1].end
    return made


async def talked(books: Writer, sent: Sequence[Batch], *, answers: int) -> tuple[list[Frame], End]:
    """Return what was answered after the hello, and how it ended."""
    wire = Fed([Hello(rep=HUB, vector=(), t1_ms=0), *sent], answers=1 + answers)
    end = await Conversation("acceptor", books, now_ms=lambda: 5_000).run(wire)
    return wire.said[1:], end


def acked(said: Sequence[Frame]) -> list[tuple[str, int]]:
    return [(frame.stream, frame.last) for frame in said if isinstance(frame, Ack)]


async def test_a_window_of_batches_is_made_durable_together_and_acknowledged_as_one() -> None:
    books = Writer()
    said, _ = await talked(books, batches(6), answers=2)

    assert books.together == [WINDOW, 6 - WINDOW]
    assert acked(said) == [("sales", WINDOW), ("sales", 6)]
    assert list(books.rows_of(HUB, "sales")) == [1, 2, 3, 4, 5, 6]


async def test_large_batches_are_not_all_made_durable_together_because_a_sale_waits_for_the_commit() -> None:
    books, at, large = Writer(), START, []
    for number in range(4):
        row = b'{"n":%d,"x":"%s"}' % (number, b"x" * (SENT_BYTES_MAX - 100))
        large.append(batch_of(HUB, "sales", Feed.LOG, at, [(number + 1, row)]))
        at = large[-1].end
    said, _ = await talked(books, large, answers=2)

    assert books.together == [2, 2]
    assert acked(said) == [("sales", 2), ("sales", 4)]


@pytest.mark.parametrize("feed", [Feed.LOG, Feed.STATE])
async def test_nothing_behind_a_batch_that_was_not_taken_is_acknowledged(feed: Feed) -> None:
    stream = "sales" if feed is Feed.LOG else "levels"
    books = Writer()
    books.refused.add(2)
    said, end = await talked(books, batches(4, stream=stream, feed=feed), answers=2)

    assert acked(said) == [(stream, 1)]
    assert isinstance(said[-1], Refused) and end.code == "cannot_write"
    assert list(books.rows_of(HUB, stream)) == [1], "those behind it were gaps"


async def test_an_effect_does_not_ride_with_its_cause() -> None:
    """The return of a sale must not be taken when the sale is not."""
    books = Writer()
    books.refused.add(2)
    said, _ = await talked(books, [*batches(2), *batches(1, stream="returns")], answers=2)

    assert acked(said) == [("sales", 1)]
    assert not books.rows_of(HUB, "returns")


async def test_streams_take_turns_in_the_order_in_which_they_came() -> None:
    books = Writer()
    said, _ = await talked(books, [*batches(2), *batches(2, stream="returns")], answers=2)

    assert books.together == [2, 2]
    assert acked(said) == [("sales", 2), ("returns", 2)]


async def test_what_a_peer_passes_on_goes_batch_by_batch() -> None:
    """Rows of a passed-on state stream are merged wherever they begin: one that fails must stop the next."""
    books = Writer()
    await talked(books, batches(3, rep=OTHER_LIFE, stream="levels", feed=Feed.STATE), answers=3)

    assert books.together == [1, 1, 1]


async def test_a_batch_that_takes_more_than_one_job_leaves_no_gap_behind_it() -> None:
    books = Writer()
    books.twice.add(1)
    said, _ = await talked(books, batches(3), answers=1)

    assert acked(said) == [("sales", 3)]
    assert not [frame for frame in said if isinstance(frame, Pull)]


async def test_a_real_gap_is_pulled_once() -> None:
    books = Writer()
    said, _ = await talked(books, batches(4)[1:], answers=1)

    assert [frame.last for frame in said if isinstance(frame, Pull)] == [0]
    assert not acked(said)
