"""One session alone, frame by frame: exactly what it answers, and when its patience ends. Two of them: test_session."""

from typing import Any

import pytest
from msgspec.structs import replace

from sync.actions import Acked, Apply, End, Forked, Jump, Load, LoadOpening, Opened, Send
from sync.batch import START, Batch, Boundary, Head
from sync.model import Feed
from sync.protocol import (
    DETAIL_MAX,
    FEATURES,
    LIVES,
    Ack,
    Bye,
    Held,
    Hello,
    HelloOk,
    Pull,
    Refused,
    refusal,
)
from sync.sending import STATE_PACE_MS, WINDOW
from sync.session import ACK_TIMEOUT_MS, HELLO_TIMEOUT_MS, PULLS_MAX, QUIET_MS, Session
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, fill, run
from tests.sync.one_session import AT, BATCH, BEGAN_MS, GAP, NOBODY, filled, greeted, hear, load, opened

# when it is over


def test_an_ended_conversation_says_nothing_more() -> None:
    books = filled()
    session = greeted(books)
    asked = hear(session, NOBODY)
    assert hear(session, Refused("busy", "later")) == [End("busy", "later", is_ours=False, peer=CLOUD)]

    assert load(session, books, asked) == []
    assert hear(session, Ack(HUB, "sales", 1, bytes(8))) == []
    assert session.changed(BEGAN_MS) == session.finish(BEGAN_MS) == session.tick(BEGAN_MS + 10**9) == []
    assert session.applied(BATCH, AT) == session.applied(BATCH, GAP) == []
    assert session.jumped(Jump(CLOUD, "prints", AT), AT) == session.lives_ended() == []


def test_an_ended_conversation_tells_no_sum_that_was_still_looked_up() -> None:
    books = filled()
    books.prune("sales", 2)
    session = greeted(books)
    asked = hear(session, replace(NOBODY, features=FEATURES))
    assert isinstance(asked[-1], LoadOpening)
    hear(session, Refused("busy", "later"))

    assert session.summed_up(None, BEGAN_MS) == []


def test_whoever_ended_it_takes_nothing_more() -> None:
    session = opened()
    assert hear(session, NOBODY)[1].code == "unexpected"

    assert hear(session, BATCH) == session.tick(BEGAN_MS + 10**9) == []


@pytest.mark.parametrize("what", ["changed", "tick"])
def test_a_side_that_was_born_anew_says_nothing_more_as_who_it_was(what: str) -> None:
    books = filled()
    session = opened(books)
    books.become("hk01:cc")

    said, end = getattr(session, what)(BEGAN_MS)
    assert said.frame.code == end.code == "fork" and "new life" in end.detail


def test_a_peer_that_has_sealed_us_is_a_fork() -> None:
    end = End("sealed", "of yesterday", is_ours=False, peer=CLOUD)

    assert hear(opened(), Refused("sealed", "of yesterday")) == [Forked("sealed"), end]


@pytest.mark.parametrize(
    ("said", "heard", "code"),
    [(False, False, "cut"), (False, True, "cut"), (True, False, "cut"), (True, True, "done")],
)
def test_a_line_that_goes_is_as_it_should_be_only_when_both_had_said_bye(said: bool, heard: bool, code: str) -> None:
    books = MemoryBooks(HUB)
    session = Session("acceptor", books)
    session.start(BEGAN_MS, wall_ms=0)
    hear(session, Hello(rep=CLOUD, vector=(), t1_ms=0))
    if heard and not said:
        fill(books, "sales", 1)  # it has more to say: no bye of its own yet
    if heard:
        hear(session, Bye())
    if said and not heard:
        session.finish(BEGAN_MS)

    assert session.hung_up(End("cut", "a pipe")) == End(code, "a pipe", is_ours=False, peer=CLOUD)


@pytest.mark.parametrize("role", ["dialler", "acceptor"])
def test_a_hello_is_waited_for_just_so_long(role: Any) -> None:
    session = Session(role, MemoryBooks(HUB))
    session.start(BEGAN_MS, wall_ms=0)

    assert session.tick(BEGAN_MS + HELLO_TIMEOUT_MS) == []
    said, end = session.tick(BEGAN_MS + HELLO_TIMEOUT_MS + 1)
    assert end == End("no_hello", "no answer to the hello within 10 s")
    assert said == Send(Refused(end.code, end.detail))


def test_an_ack_is_waited_for_just_so_long() -> None:
    books = filled()
    session = greeted(books)
    load(session, books, hear(session, NOBODY))

    assert session.tick(BEGAN_MS + ACK_TIMEOUT_MS) == []
    said, end = session.tick(BEGAN_MS + ACK_TIMEOUT_MS + 1)
    assert end == End("no_ack", "a batch was not acknowledged within 60 s", peer=CLOUD)
    assert said == Send(Refused(end.code, end.detail))


def test_whoever_is_greeted_waits_for_no_further_hello() -> None:
    assert opened().tick(BEGAN_MS + 10 * HELLO_TIMEOUT_MS) == []


def test_nothing_is_read_before_the_peer_is_known() -> None:
    session = greeted(filled())

    assert session.changed(BEGAN_MS) == []
    assert [type(each) for each in hear(session, NOBODY)] == [Opened, Acked, Load]


def test_a_refusal_is_no_longer_than_a_peer_takes() -> None:
    assert refusal("c" * 99, "d" * 9999) == Refused("c" * 64, "d" * DETAIL_MAX)


# rows that come


def test_what_is_committed_is_acknowledged() -> None:
    session = opened()

    assert hear(session, BATCH) == [Apply(BATCH)]
    assert session.applied(BATCH, AT) == [Send(Ack(CLOUD, "catalogue", 7, AT.digest))]


def test_a_gap_is_pulled_once_for_all_that_was_on_its_way_and_given_up_at_last() -> None:
    session = opened()
    pull = [Send(Pull(CLOUD, "catalogue", 3, b"\x03" * 8))]

    answers = [session.applied(BATCH, GAP) for _ in range(PULLS_MAX * (WINDOW + 1) + 1)]

    assert answers[:-1] == [pull, *[[]] * WINDOW] * PULLS_MAX
    assert [type(each) for each in answers[-1]] == [Send, End] and answers[-1][1].code == "gap"
    assert "rows after 3 do not come" in answers[-1][1].detail


def test_a_gap_that_is_filled_is_forgotten() -> None:
    session = opened()
    pull = [Send(Pull(CLOUD, "catalogue", 3, b"\x03" * 8))]
    for _ in range(PULLS_MAX + 1):
        assert session.applied(BATCH, GAP) == pull
        assert session.applied(BATCH, GAP) == []
        session.applied(BATCH, AT)


# rows that go


def test_an_ack_is_noted_once_and_only_for_our_own_rows() -> None:
    books = filled()
    session = greeted(books)
    load(session, books, hear(session, NOBODY))
    ack = Ack(HUB, "sales", 3, books.digest_of("sales"))

    assert hear(session, ack) == [Acked(HUB, "sales", Boundary(3, ack.digest))]
    assert hear(session, ack) == []


def test_nobody_acknowledges_a_stream_that_is_not_there() -> None:
    assert hear(opened(filled()), Ack(HUB, "returns", 0, bytes(8)))[1].code == "fork"
    assert hear(opened(filled()), Pull(HUB, "returns", 0, bytes(8)))[1].code == "fork"


def test_a_range_is_sent_again_just_so_often() -> None:
    books = filled()
    session = greeted(books)
    load(session, books, hear(session, NOBODY))
    for _ in range(PULLS_MAX):
        (again,) = hear(session, Pull(HUB, "sales", 0, bytes(8)))
        assert isinstance(again, Load) and again.after == START
        load(session, books, [again])

    said, end = hear(session, Pull(HUB, "sales", 0, bytes(8)))
    assert said.frame.code == end.code == "gap"


def test_a_batch_that_was_pulled_back_while_it_was_read_is_not_sent() -> None:
    books = filled()
    session = greeted(books)
    sent = load(session, books, hear(session, NOBODY))
    books.write("sales", b"{}")
    asked = session.changed(BEGAN_MS)
    batches = run(books.load(asked[0].head, asked[0].after, asked[0].rows_max))
    assert hear(session, Pull(HUB, "sales", 0, bytes(8))) == []

    (again,) = session.loaded(batches, BEGAN_MS)
    assert isinstance(sent[0], Send) and isinstance(again, Load) and again.after == START


class Relaying(MemoryBooks):
    """Books that pass on five sales of another shop."""

    def heads(self) -> list[Head]:
        return [*super().heads(), Head("hk02:cc", "sales", Feed.LOG, 5)]

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        return rep == "hk02:cc" or super().is_offered(rep, stream, boundary)


def test_what_is_passed_on_goes_on_from_where_the_peer_is_and_its_acks_are_noted() -> None:
    books = Relaying(HUB)
    session = greeted(books)
    held = (Held("hk02:cc", "sales", 2, AT.digest),)

    open_, told, asked = hear(session, HelloOk(rep=CLOUD, vector=held, t1_ms=0, t2_ms=0, t3_ms=0))
    assert open_ == Opened(CLOUD, 0) and books.peer_rep == CLOUD
    assert told == Acked("hk02:cc", "sales", Boundary(2, AT.digest))
    assert asked.head.rep == "hk02:cc" and asked.after == Boundary(2, AT.digest)
    batch = Batch("hk02:cc", "sales", Feed.LOG, 2, 5, AT.digest, tuple((seq, b"{}") for seq in (3, 4, 5)))
    assert session.loaded([batch], BEGAN_MS) == [Send(batch)]
    assert hear(session, Ack("hk02:cc", "sales", 5, AT.digest)) == [Acked("hk02:cc", "sales", Boundary(5, AT.digest))]


class Adopting(MemoryBooks):
    """Books that pass on a return of another life, whose sale becomes their own when it is seen that the peer holds another."""

    def heads(self) -> list[Head]:
        return [*super().heads(), Head("hk01:cc", "returns", Feed.LOG, 1)]


def test_what_became_our_own_while_rows_of_another_life_were_read_goes_before_them() -> None:
    books = Adopting(HUB)
    session = greeted(books)
    *_, told, asked = hear(session, NOBODY)
    assert told.stream == asked.head.stream == "returns"
    fill(books, "sales", 1)  # by the effect before the load
    batch = Batch("hk01:cc", "returns", Feed.LOG, 0, 1, AT.digest, ((1, b"{}"),))

    sent, again = load(session, books, session.loaded([batch], BEGAN_MS))
    assert sent.frame.stream == "sales" and again == asked
    assert session.loaded([batch], BEGAN_MS) == [Send(batch)]


def test_rows_of_the_peer_itself_are_not_sent_back_to_it() -> None:
    books = Relaying(HUB)

    open_, *more = hear(greeted(books), HelloOk(rep="hk02:cc", vector=(), t1_ms=0, t2_ms=0, t3_ms=0))
    assert isinstance(open_, Opened) and not [each for each in more if isinstance(each, Load)]


# the end of a contact


def finished(features: tuple[str, ...], books: MemoryBooks | None = None) -> tuple[Session, list[Any]]:
    session = opened(books, features=features)
    return session, session.finish(BEGAN_MS)


def test_a_dialler_that_is_done_says_bye_once_and_goes_when_it_hears_one() -> None:
    session, said = finished(FEATURES)

    assert said == [Send(Bye())]
    assert session.tick(BEGAN_MS + QUIET_MS + 1) == []
    assert hear(session, Bye()) == [End("done", peer=CLOUD)]
    assert session.tick(BEGAN_MS + 10**9) == []


def test_a_dialler_waits_for_a_bye_just_so_long() -> None:
    session, _ = finished(FEATURES)

    assert session.tick(BEGAN_MS + ACK_TIMEOUT_MS) == []
    assert session.tick(BEGAN_MS + ACK_TIMEOUT_MS + 1) == [End("done", peer=CLOUD)]


def test_a_peer_without_bye_is_left_when_it_was_quiet_for_just_so_long() -> None:
    session, said = finished((LIVES,))

    assert said == session.tick(BEGAN_MS + QUIET_MS) == []
    hear(session, BATCH, BEGAN_MS + QUIET_MS)
    assert session.tick(BEGAN_MS + 2 * QUIET_MS) == []
    assert session.tick(BEGAN_MS + 2 * QUIET_MS + 1) == [End("done", peer=CLOUD)]


def test_an_acceptor_never_hangs_up_by_itself() -> None:
    session = Session("acceptor", MemoryBooks(CLOUD))
    hear(session, Hello(rep=HUB, vector=(), t1_ms=0))

    assert hear(session, Bye()) == [Send(Bye())]
    assert session.tick(BEGAN_MS + 10 * ACK_TIMEOUT_MS) == []


def test_nobody_says_bye_while_rows_are_read_or_wait_for_their_ack() -> None:
    books = filled()
    session = greeted(books)
    asked = hear(session, NOBODY)
    assert session.finish(BEGAN_MS) == []
    (sent,) = load(session, books, asked)
    assert isinstance(sent, Send) and isinstance(sent.frame, Batch)
    assert session.tick(BEGAN_MS + STATE_PACE_MS) == []

    said = hear(session, Ack(HUB, "sales", 3, books.digest_of("sales")))
    assert said[1:] == [Send(Bye())]
