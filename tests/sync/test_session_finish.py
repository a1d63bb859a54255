"""A scheduled contact ends when nothing waits on either side; telemetry never stands in a sale's way. Virtual time."""

from collections import deque

import pytest

from sync.batch import Batch
from sync.model import Feed
from sync.protocol import Bye, HelloOk
from sync.schedule import Schedule
from sync.sending import BATCH_ROWS, STATE_PACE_MS, TELEMETRY_ROWS, WINDOW
from sync.session import ACK_TIMEOUT_MS, End
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, End2End, fill


@pytest.fixture
def line() -> End2End:
    """A hub with 1,000 sales and a counter, a cloud with a catalogue."""
    hub, cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
    fill(hub, "sales", 1000)
    for n in range(700):
        hub.write("footfall", b'{"in":%d}' % n, feed=Feed.STATE)
        cloud.write("catalogue", b'{"price":%d}' % n, feed=Feed.STATE)
    return End2End(hub, cloud)


def finish(line: End2End) -> None:
    line.carry_out("dialler", line.sessions["dialler"].finish(line.now_ms))


def test_both_sides_drain_and_the_dialler_hangs_up(line: End2End) -> None:
    finish(line)
    for _ in range(20):
        line.settle()
        line.let_pass(STATE_PACE_MS)

    assert [(end.code, end.is_ours) for end in line.ends] == [("done", True)]
    assert len(line.books["acceptor"].rows_of(HUB, "sales")) == 1000
    assert len(line.books["acceptor"].rows_of(HUB, "footfall")) == 700
    assert len(line.books["dialler"].rows_of(CLOUD, "catalogue")) == 700
    assert line.books["dialler"].acks["sales"].last == 1000
    assert line.sessions["acceptor"].hung_up(End("hung_up", is_ours=False)).code == "done"


def test_what_is_sold_meanwhile_goes_as_well(line: End2End) -> None:
    finish(line)
    line.deliver("acceptor")
    line.deliver("dialler")
    line.books["dialler"].write("sales", b'{"n":"late"}')
    line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))
    for _ in range(20):
        line.settle()
        line.let_pass(STATE_PACE_MS)

    assert [end.code for end in line.ends] == ["done"]
    assert line.books["acceptor"].rows_of(HUB, "sales")[1001] == b'{"n":"late"}'


def test_a_counter_that_never_rests_does_not_keep_the_line(line: End2End) -> None:
    """It counts between any two frames: whenever a batch is acknowledged there is more to send."""
    finish(line)
    for n in range(2000):
        line.books["dialler"].write("footfall", b'{"in":"%d"}' % n, feed=Feed.STATE)
        if line.is_up:
            line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))
            line.deliver("acceptor")
            line.books["dialler"].write("footfall", b'{"out":"%d"}' % n, feed=Feed.STATE)
            line.deliver("dialler")
            line.let_pass(1)

    assert [end.code for end in line.ends] == ["done"]


def test_a_peer_that_says_no_bye_is_left_after_a_while(line: End2End) -> None:
    finish(line)
    while line.is_up and any(line.wires.values()):
        line.deliver("acceptor")
        said = [frame for frame in line.wires["dialler"] if not isinstance(frame, Bye)]
        line.wires["dialler"] = deque(said)
        line.deliver("dialler")
    assert line.ends == []
    line.let_pass(ACK_TIMEOUT_MS + 1)

    assert [end.code for end in line.ends] == ["done"]


def test_nobody_hangs_up_while_rows_wait_for_their_ack(line: End2End) -> None:
    finish(line)
    line.deliver("acceptor")
    line.deliver("dialler")
    line.wires["acceptor"].clear()
    line.let_pass(ACK_TIMEOUT_MS + 1)

    assert {end.code for end in line.ends} == {"no_ack"}


def test_without_being_asked_nobody_says_bye(line: End2End) -> None:
    for _ in range(5):
        line.settle()
        line.let_pass(STATE_PACE_MS)

    assert line.is_up and line.ends == []


@pytest.mark.parametrize("schedule", [None, Schedule("realtime"), Schedule("scheduled", 900.0)])
def test_the_acceptor_says_when_it_wants_to_be_dialled(schedule: Schedule | None) -> None:
    line = End2End(MemoryBooks(HUB), MemoryBooks(CLOUD), acceptor={"schedule": schedule})
    line.settle()

    assert [opened.schedule for opened in line.opened if opened.peer_rep == CLOUD] == [schedule]


def test_a_mode_of_a_later_version_says_nothing_yet() -> None:
    line = End2End(MemoryBooks(HUB), MemoryBooks(CLOUD))
    ok = HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0, mode="at_full_moon", every_s=2.5e6)
    line.wires["dialler"].append(ok)
    line.deliver("dialler")

    assert [opened.schedule for opened in line.opened] == [None]


def test_a_backlog_of_telemetry_delays_a_sale_by_one_small_batch() -> None:
    """A sale at any moment while 100,000 rows drain: before it at most one telemetry batch is sent."""
    hub = MemoryBooks(HUB)
    for n in range(100_000):
        hub.write("footfall", b"%d" % n, feed=Feed.STATE)
    line = End2End(hub, MemoryBooks(CLOUD))
    line.deliver("acceptor")
    line.deliver("dialler")
    for _ in range(25):
        ahead = [frame for frame in line.wires["acceptor"] if isinstance(frame, Batch)]
        assert len(ahead) <= 1 and all(len(batch.rows) <= TELEMETRY_ROWS for batch in ahead)
        seq = hub.write("sales", b"{}")
        line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))
        behind = [frame for frame in line.wires["acceptor"] if isinstance(frame, Batch)]
        assert [batch.stream for batch in behind] == ["footfall"] * len(ahead) + ["sales"]
        while seq not in line.books["acceptor"].rows_of(HUB, "sales"):
            line.deliver("acceptor")
        for _ in range(3):
            line.deliver("acceptor")
            line.deliver("dialler")

    assert len(line.books["acceptor"].rows_of(HUB, "footfall")) >= 25 * TELEMETRY_ROWS, "it drains meanwhile"


def test_a_backlog_of_anything_leaves_a_place_for_a_sale() -> None:
    hub = MemoryBooks(HUB)
    for n in range(40 * BATCH_ROWS):
        hub.write("levels", b"%d" % n, feed=Feed.STATE)
    line = End2End(hub, MemoryBooks(CLOUD))
    line.deliver("acceptor")
    line.deliver("dialler")
    before = len(line.wires["acceptor"])
    hub.write("sales", b"{}")
    line.carry_out("dialler", line.sessions["dialler"].changed(line.now_ms))

    assert before == WINDOW - 1
    assert [frame.stream for frame in line.wires["acceptor"] if isinstance(frame, Batch)][-1] == "sales"
