"""Two sessions in one process, on virtual time, over a wire that loses connections: what both books hold in the end.

Replay a run with its seed: STOREHUB_SEED=12345 .venv/bin/pytest tests/sync/test_session.py -q -s
"""

import os
import random

import pytest
from msgspec.structs import replace

from sync.batch import Batch
from sync.errors import ProtocolError
from sync.model import Feed
from sync.protocol import Ack, Frame, Hello, HelloOk, Pull, Refused
from sync.sending import BATCH_ROWS, STATE_PACE_MS, WINDOW
from sync.session import ACK_TIMEOUT_MS, HELLO_TIMEOUT_MS, PULLS_MAX
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, End2End, fill

SEEDS = 30
REBORN = "hk01:cc"


@pytest.fixture
def line() -> End2End:
    """A hub with three rows and a cloud with two, connected, nothing delivered yet."""
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    fill(hub, "sales", 3)
    for n in range(2):
        cloud.write("catalogue", b'{"price":%d}' % n, feed=Feed.STATE)
    return End2End(hub, cloud)


def test_both_sides_get_what_the_other_has(line: End2End) -> None:
    line.settle()

    assert list(line.books["acceptor"].rows_of(HUB, "sales")) == [1, 2, 3]
    assert list(line.books["dialler"].rows_of(CLOUD, "catalogue")) == [1, 2]
    assert line.books["dialler"].acks["sales"].last == 3
    assert line.ends == []


def test_a_row_is_safe_only_after_the_peer_committed_it(line: End2End) -> None:
    line.books["acceptor"].fail_next.add("apply")
    line.settle()

    assert line.books["dialler"].acks["sales"].last == 0
    assert line.books["acceptor"].rows_of(HUB, "sales") == {}


def test_what_grows_later_follows(line: End2End) -> None:
    line.settle()
    line.books["dialler"].write("sales", b'{"n":99}')
    line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))
    line.settle()

    assert line.books["acceptor"].rows_of(HUB, "sales")[4] == b'{"n":99}'


def test_no_more_than_the_window_is_on_its_way(line: End2End) -> None:
    fill(line.books["dialler"], "sales", 20 * BATCH_ROWS)
    line.settle()

    assert line.most_in_flight <= WINDOW
    assert len(line.books["acceptor"].rows_of(HUB, "sales")) == 20 * BATCH_ROWS + 3


def test_the_clock_offset_is_the_peers_clock_less_ours() -> None:
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    line = End2End(hub, cloud)
    line.skew_ms = 365 * 86_400_000  # a year
    line.settle()

    offsets = [opened.clock_offset_ms for opened in line.opened if opened.peer_rep == CLOUD]
    assert offsets == [365 * 86_400_000]


def test_a_state_stream_is_paced_and_sends_only_what_still_stands(line: End2End) -> None:
    line.settle()
    hub, cloud = line.books["dialler"], line.books["acceptor"]
    seq = None
    for n in range(50):
        seq = cloud.write("levels", b'{"n":%d}' % n, feed=Feed.STATE, replaces=seq)
        line.carry_out("acceptor", line.sessions["acceptor"].changed(line.now_ms))
    line.settle()
    applied_at_once = len(hub.rows_of(CLOUD, "levels"))
    line.let_pass(STATE_PACE_MS)
    line.settle()

    assert applied_at_once == 1
    assert hub.rows_of(CLOUD, "levels")[50] == b'{"n":49}'
    assert len(hub.rows_of(CLOUD, "levels")) == 2


def test_a_peer_that_holds_what_was_never_offered_is_a_fork() -> None:
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    fill(hub, "sales", 3)
    End2End(hub, cloud).settle()
    restored = MemoryBooks(HUB)
    fill(restored, "sales", 2)
    line = End2End(restored, cloud)
    line.settle()

    assert line.ends[0].code == "fork"
    assert list(cloud.rows_of(HUB, "sales")) == [1, 2, 3], "nothing of it was taken"


@pytest.mark.parametrize("when", ["greeted", "open"])
def test_a_side_that_becomes_somebody_else_ends_and_says_so_in_its_next_hello(line: End2End, when: str) -> None:
    """A till bears witness: what the peer leaves out for the life that it has greeted, the new one would never get."""
    if when == "open":
        line.settle()
    line.books["dialler"].become(REBORN)
    line.books["acceptor"].write("catalogue", b'{"price":9}', feed=Feed.STATE)
    line.now_ms += STATE_PACE_MS
    line.carry_out("acceptor", line.sessions["acceptor"].changed(line.now_ms))
    line.settle()

    assert line.ends[0].code == "fork"
    assert 3 not in line.books["dialler"].rows_of(CLOUD, "catalogue"), (
        "what was sent to the one is not taken by the other"
    )
    line.connect()
    line.settle()
    assert line.books["acceptor"].rows_of(REBORN, "sales")
    assert 3 in line.books["dialler"].rows_of(CLOUD, "catalogue")


def test_the_peers_word_of_yesterday_is_sent_again_from_there() -> None:
    """A cloud restored from a copy holds less than it once acknowledged: the hub sends again."""
    hub = MemoryBooks(HUB)
    fill(hub, "sales", 3)
    End2End(hub, MemoryBooks(CLOUD)).settle()
    yesterday = MemoryBooks(CLOUD)
    line = End2End(hub, yesterday)
    line.settle()

    assert list(yesterday.rows_of(HUB, "sales")) == [1, 2, 3]


def test_a_batch_that_was_lost_is_pulled_again(line: End2End) -> None:
    fill(line.books["dialler"], "sales", 3 * BATCH_ROWS)
    line.deliver("acceptor")
    line.deliver("dialler")
    wire = line.wires["acceptor"]
    wire.remove(next(frame for frame in wire if isinstance(frame, Batch)))
    line.settle()

    assert len(line.books["acceptor"].rows_of(HUB, "sales")) == 3 * BATCH_ROWS + 3
    assert line.ends == []


def test_rows_that_never_come_end_the_conversation(line: End2End) -> None:
    fill(line.books["dialler"], "sales", 3 * BATCH_ROWS)
    for _ in range(50 * PULLS_MAX):
        wire = line.wires["acceptor"]
        first = next((frame for frame in wire if isinstance(frame, Batch) and frame.after == 0), None)
        if first is not None:
            wire.remove(first)
        line.deliver("acceptor")
        line.deliver("dialler")
        line.let_pass(1000)

    assert line.ends and {end.code for end in line.ends} <= {"gap", "no_ack"}
    assert line.books["dialler"].acks["sales"].last == 0


def test_batches_doubled_and_out_of_order_change_nothing(line: End2End) -> None:
    fill(line.books["dialler"], "sales", 2 * BATCH_ROWS)
    line.deliver("acceptor")
    line.deliver("dialler")
    wire = line.wires["acceptor"]
    wire.extendleft([frame for frame in list(wire) if isinstance(frame, Batch)])
    line.settle()

    assert len(line.books["acceptor"].rows_of(HUB, "sales")) == 2 * BATCH_ROWS + 3


def test_a_lying_digest_is_refused_and_nothing_is_acknowledged(line: End2End) -> None:
    line.deliver("acceptor")
    line.deliver("dialler")
    wire = line.wires["acceptor"]
    honest = next(frame for frame in wire if isinstance(frame, Batch))
    wire[wire.index(honest)] = replace(honest, digest=b"\x09" * 8)

    with pytest.raises(ProtocolError, match="digest"):
        line.settle()
    assert line.books["acceptor"].rows_of(HUB, "sales") == {}
    assert line.books["dialler"].acks["sales"].last == 0


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Ack(HUB, "sales", 77, bytes(8)), "fork"),
        (Pull(HUB, "sales", 2, bytes(8)), "fork"),
        (Ack("other:cc", "sales", 1, bytes(8)), "fork"),
        (Hello(rep=CLOUD, vector=(), t1_ms=0), "unexpected"),
        (Refused("revoked", "this store was sealed"), "revoked"),
    ],
)
def test_a_peer_out_of_its_mind_ends_the_conversation(line: End2End, frame: Frame, code: str) -> None:
    line.settle()
    line.wires["dialler"].append(frame)
    line.deliver("dialler")

    assert [end.code for end in line.ends] == [code]


def test_an_older_peer_is_told_which_version_is_needed() -> None:
    line = End2End(MemoryBooks(HUB), MemoryBooks(CLOUD))
    line.wires["acceptor"][0] = replace(line.wires["acceptor"][0], version=0)
    line.settle()

    assert [end.code for end in line.ends] == ["version"]


def test_a_peer_that_never_answers_is_given_up(line: End2End) -> None:
    line.wires["acceptor"].clear()
    line.let_pass(HELLO_TIMEOUT_MS + 1)

    assert line.ends[0].code == "no_hello"


def test_a_peer_that_takes_and_never_acknowledges_is_given_up(line: End2End) -> None:
    line.deliver("acceptor")
    line.deliver("dialler")
    line.wires["acceptor"].clear()
    line.let_pass(ACK_TIMEOUT_MS + 1)

    assert "no_ack" in {end.code for end in line.ends}


def test_whatever_the_line_does_everything_arrives_once() -> None:
    """Rows are written at any time on both sides, frames lost with their connection, commits fail, the line is cut."""
    base = int(os.environ.get("STOREHUB_SEED") or random.SystemRandom().randrange(10**9))
    for seed in range(base, base + (1 if "STOREHUB_SEED" in os.environ else SEEDS)):
        print(f"replay: STOREHUB_SEED={seed} .venv/bin/pytest tests/sync/test_session.py -q -s")
        hub, cloud = storm(random.Random(seed))

        assert cloud.rows_of(HUB, "sales") == dict(enumerate(written(hub, "sales"), 1)), seed
        assert cloud.applied == len(cloud.rows_of(HUB, "sales")), f"{seed}: something was taken twice"
        assert cloud.vector(HUB)[HUB, "sales"].digest == hub.digest_of("sales"), seed
        newest = max(hub.rows_of(CLOUD, "catalogue"))
        assert hub.rows_of(CLOUD, "catalogue")[newest] == written(cloud, "catalogue")[-1], seed


def storm(rng: random.Random) -> tuple[MemoryBooks, MemoryBooks]:
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    hub.write("sales", b'{"n":0}')
    last = cloud.write("catalogue", b'{"n":0}', feed=Feed.STATE)
    line = End2End(hub, cloud)
    for step in range(300):
        chance = rng.random()
        if chance < 0.35:
            for _ in range(rng.choice((1, 1, 5, BATCH_ROWS))):
                hub.write("sales", b'{"n":%d,"id":"s-%06d"}' % (step, rng.randrange(10**6)))
        elif chance < 0.45:
            last = cloud.write("catalogue", b'{"n":%d}' % step, feed=Feed.STATE, replaces=last)
        elif chance < 0.50:
            rng.choice((hub, cloud)).fail_next.add(rng.choice(("apply", "load")))
        elif chance < 0.55 or not line.is_up:
            line.connect()
        elif chance < 0.65:
            line.let_pass(rng.choice((1, 100, 2000)))
        else:
            line.deliver(rng.choice(("dialler", "acceptor")))
    hub.fail_next.clear()
    cloud.fail_next.clear()
    line.connect()
    for _ in range(3):
        line.settle()
        line.let_pass(STATE_PACE_MS)
    line.settle()
    assert line.is_up, line.ends
    return hub, cloud


def written(books: MemoryBooks, stream: str) -> list[bytes]:
    """The rows of an own stream that still stand, in order."""
    (head,) = [head for head in books.heads() if head.stream == stream]
    return [row for _, row in sorted(books._own[head.stream].items())]


def test_the_hello_says_who_and_how_far(line: End2End) -> None:
    hello = line.wires["acceptor"][0]
    assert isinstance(hello, Hello) and (hello.rep, hello.vector) == (HUB, ())
    line.deliver("acceptor")
    answer = line.wires["dialler"][0]
    assert isinstance(answer, HelloOk) and (answer.rep, answer.t1_ms) == (CLOUD, hello.t1_ms)
