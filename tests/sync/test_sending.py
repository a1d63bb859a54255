"""What one side sends next, choice by choice: order, window, pace, and the way back after a pull."""

from collections.abc import Iterable

import pytest

from sync.actions import Load, LoadOpening
from sync.batch import START, Batch, Boundary, Head
from sync.model import Feed
from sync.opening import PART_ROWS, Opening, Part
from sync.sending import BATCH_ROWS, STATE_PACE_MS, STATE_ROWS, TELEMETRY_ROWS, WINDOW, Sending

ME, PEER = "hk01:a", "cloud:b"
SALES, LEVELS = Head(ME, "sales", Feed.LOG, 1000), Head(ME, "levels", Feed.STATE, 1000)
FOOTFALL, CATALOGUE = Head(ME, "footfall", Feed.STATE, 1000), Head(ME, "catalogue", Feed.STATE, 1000)


def at(last: int) -> Boundary:
    return Boundary(last, b"\x01" * 8) if last else START


def rows(head: Head, after: int, last: int) -> Batch:
    return Batch(head.rep, head.stream, head.feed, after, last, at(last).digest, ((last, b"{}"),))


def rows_max_of(head: Head) -> int:
    return {"sales": BATCH_ROWS, "footfall": TELEMETRY_ROWS}.get(head.stream, STATE_ROWS)


def following(sending: Sending, heads: Iterable[Head], now_ms: int = 0) -> Load | LoadOpening | Part | None:
    """What is read or sent next, where the peer has nothing of what is new here."""
    heads = list(heads)
    for head in heads:
        if not sending.knows(head.rep, head.stream):
            sending.begin(head, START)
    return sending.next(heads, PEER, now_ms)


def asked(sending: Sending, heads: Iterable[Head], now_ms: int = 0) -> tuple[str, int, int] | None:
    """Which stream is read next, behind what, and how many rows."""
    found = following(sending, heads, now_ms)
    assert found is None or isinstance(found, Load)
    return None if found is None else (found.head.stream, found.after.last, found.rows_max)


def send(sending: Sending, head: Head, after: int, last: int, now_ms: int = 0) -> None:
    assert following(sending, [head], now_ms) is not None
    assert sending.loaded([rows(head, after, last)], now_ms)


def test_the_first_of_the_streams_that_has_more_is_read_and_one_at_a_time() -> None:
    sending = Sending()
    sending.begin(SALES, at(1000))

    assert asked(sending, [SALES, LEVELS, CATALOGUE]) == ("levels", 0, STATE_ROWS)
    assert not sending.is_at_rest and asked(sending, [CATALOGUE]) is None


@pytest.mark.parametrize(
    ("head", "rows_max"), [(SALES, BATCH_ROWS), (CATALOGUE, STATE_ROWS), (FOOTFALL, TELEMETRY_ROWS)]
)
def test_telemetry_is_read_in_small_batches(head: Head, rows_max: int) -> None:
    assert asked(Sending(), [head]) == (head.stream, 0, rows_max)


def test_a_part_of_a_stream_and_an_unknown_one_have_their_place_too() -> None:
    part, unknown = Head(ME, "footfall@north", Feed.STATE, 5), Head(ME, "telepathy", Feed.LOG, 5)

    assert asked(Sending(), [part]) == ("footfall@north", 0, TELEMETRY_ROWS)
    assert asked(Sending(), [unknown]) == ("telepathy", 0, BATCH_ROWS)


def test_the_window_keeps_its_last_place_for_what_is_urgent() -> None:
    sending = Sending()
    for n in range(WINDOW - 1):
        send(sending, CATALOGUE, n, n + 1)

    assert asked(sending, [CATALOGUE, LEVELS]) is None
    send(sending, SALES, 0, 1)
    assert asked(sending, [SALES]) is None, "the window is full"
    assert sending.acked(ME, "catalogue", at(2))
    assert asked(sending, [LEVELS]) == ("levels", 0, STATE_ROWS)


@pytest.mark.parametrize(("head", "places"), [(CATALOGUE, WINDOW - 1), (LEVELS, WINDOW - 1), (FOOTFALL, 1), (SALES, 1)])
def test_of_a_state_stream_all_batches_that_may_go_out_are_read_at_once(head: Head, places: int) -> None:
    """The writer makes the ends of all durable in one commit; of a log nothing is written."""
    assert following(Sending(), [head]) == Load(head, START, rows_max_of(head), places)


def test_what_is_on_its_way_takes_places_from_what_is_read_next() -> None:
    sending = Sending()
    send(sending, SALES, 0, 1)
    assert following(sending, [CATALOGUE]) == Load(CATALOGUE, START, STATE_ROWS, WINDOW - 2)
    assert sending.loaded([rows(CATALOGUE, 0, 10), rows(CATALOGUE, 10, 20)], 0)

    assert asked(sending, [CATALOGUE]) is None, "the last place is for what is urgent"
    sending.acked(ME, "catalogue", at(20))
    assert following(sending, [CATALOGUE]) == Load(CATALOGUE, at(20), STATE_ROWS, WINDOW - 2)


def test_of_batches_that_were_read_at_once_the_last_says_whether_the_stream_is_up_to_date() -> None:
    for last, next_ms in ((999, 0), (1000, STATE_PACE_MS)):
        sending, more = Sending(), Head(ME, "levels", Feed.STATE, 1001)
        assert asked(sending, [LEVELS]) is not None
        assert sending.loaded([rows(LEVELS, 0, 500), rows(LEVELS, 500, last)], 0)
        assert asked(sending, [more], next_ms - 1) is None or not next_ms
        assert asked(sending, [more], next_ms) == ("levels", last, STATE_ROWS)


def test_one_batch_of_telemetry_is_on_its_way_at_a_time() -> None:
    sending = Sending()
    send(sending, FOOTFALL, 0, 100)

    assert asked(sending, [FOOTFALL]) is None
    send(sending, CATALOGUE, 0, 1)
    sending.acked(ME, "footfall", at(100))
    assert asked(sending, [FOOTFALL]) == ("footfall", 100, TELEMETRY_ROWS)


def test_rows_of_the_peer_are_not_read() -> None:
    assert asked(Sending(), [Head(PEER, "catalogue", Feed.STATE, 5)]) is None


def test_a_state_stream_that_is_up_to_date_rests_for_its_pace() -> None:
    sending, more = Sending(), Head(ME, "levels", Feed.STATE, 1001)
    send(sending, LEVELS, 0, 1000, now_ms=7)

    assert asked(sending, [more], 7 + STATE_PACE_MS - 1) is None
    assert asked(sending, [more], 7 + STATE_PACE_MS) == ("levels", 1000, STATE_ROWS)


def test_a_state_stream_that_was_cut_short_and_a_log_go_on_at_once() -> None:
    for head in (LEVELS, SALES):
        sending = Sending()
        send(sending, head, 0, 999)
        assert asked(sending, [head]) == (head.stream, 999, STATE_ROWS if head is LEVELS else BATCH_ROWS)


def test_while_finishing_a_state_stream_is_sent_once_more_and_no_more() -> None:
    sending = Sending()
    sending.is_finishing = True
    send(sending, LEVELS, 0, 1000)

    assert asked(sending, [Head(ME, "levels", Feed.STATE, 1001)], 10**12) is None


def test_where_nothing_was_found_nothing_is_read_until_there_is_more() -> None:
    sending = Sending()
    assert asked(sending, [SALES]) is not None
    assert not sending.loaded([], 0)

    assert asked(sending, [SALES]) is None and sending.is_at_rest
    assert asked(sending, [Head(ME, "sales", Feed.LOG, 1001)]) == ("sales", 0, BATCH_ROWS)


def test_a_state_stream_in_which_nothing_was_found_rests_too() -> None:
    sending, more = Sending(), Head(ME, "levels", Feed.STATE, 1001)
    assert asked(sending, [LEVELS]) is not None
    assert not sending.loaded([], 0)

    assert asked(sending, [more], STATE_PACE_MS - 1) is None
    assert asked(sending, [more], STATE_PACE_MS) == ("levels", 0, STATE_ROWS)


def test_the_oldest_batch_that_waits_says_since_when() -> None:
    sending = Sending()
    assert sending.oldest_sent_ms() is None
    for n, now_ms in enumerate((30, 40)):
        send(sending, SALES, n, n + 1, now_ms)
    send(sending, CATALOGUE, 0, 1, 35)

    assert sending.oldest_sent_ms() == 30
    sending.acked(ME, "sales", at(1))
    assert sending.oldest_sent_ms() == 35
    sending.acked(ME, "catalogue", at(1))
    assert sending.oldest_sent_ms() == 40 and not sending.is_at_rest
    sending.acked(ME, "sales", at(2))
    assert sending.oldest_sent_ms() is None and sending.is_at_rest


def test_only_an_ack_that_says_more_is_news() -> None:
    sending = Sending()
    sending.begin(SALES, at(5))
    send(sending, SALES, 5, 7)

    assert [sending.acked(ME, "sales", at(last)) for last in (4, 5, 6, 6, 7)] == [False, False, True, False, True]


@pytest.mark.parametrize("head", [Head(ME, "sales", Feed.LOG, 1), Head(ME, "levels", Feed.STATE, 1)])
def test_a_pull_goes_back_at_once_whatever_was_sent_found_or_paced(head: Head) -> None:
    sending = Sending()
    send(sending, head, 0, 1)
    assert sending.pulled(ME, head.stream, START) == 1 and sending.is_at_rest

    rows_max = STATE_ROWS if head.feed is Feed.STATE else BATCH_ROWS
    assert asked(sending, [head]) == (head.stream, 0, rows_max)
    assert not sending.loaded([], 0)
    assert sending.pulled(ME, head.stream, START) == 2
    assert asked(sending, [head]) == (head.stream, 0, rows_max)


def test_what_was_pulled_back_while_it_was_read_is_read_again() -> None:
    sending = Sending()
    send(sending, SALES, 0, 1)
    assert asked(sending, [SALES]) == ("sales", 1, BATCH_ROWS)
    sending.pulled(ME, "sales", START)

    assert not sending.loaded([rows(SALES, 1, 2)], 0)
    assert asked(sending, [SALES]) == ("sales", 0, BATCH_ROWS)


def test_pulls_are_counted_since_the_last_ack() -> None:
    sending = Sending()
    sending.begin(SALES, START)

    assert [sending.pulled(ME, "sales", START) for _ in range(3)] == [1, 2, 3]
    sending.acked(ME, "sales", START)
    assert sending.pulled(ME, "sales", START) == 1


def test_a_stream_is_known_once_it_was_offered() -> None:
    sending = Sending()
    assert not sending.knows(ME, "sales")
    sending.begin(SALES, START)
    assert sending.knows(ME, "sales") and not sending.knows(PEER, "sales") and not sending.knows(ME, "levels")


def summing(*, sent: int) -> Sending:
    """One that has just asked for the sum of the sales up to 50, with so many sent before."""
    sending = Sending()
    sending.begin(SALES, at(sent))
    sending.begin_with_sum(SALES, 50)
    assert sending.next([SALES], PEER, 0) == LoadOpening(SALES, 50)
    return sending


def test_a_sum_of_no_more_than_was_sent_is_not_told() -> None:
    sending = summing(sent=10)

    assert sending.summed_up(Opening(at(10), (b"{}",)), at(10)) is None
    assert asked(sending, [SALES]) == ("sales", 10, BATCH_ROWS)


def test_rows_that_are_no_more_and_that_nobody_can_sum_up_are_passed_over_and_named() -> None:
    sending = summing(sent=10)

    assert sending.summed_up(None, at(20)) == SALES
    assert asked(sending, [SALES]) == ("sales", 20, BATCH_ROWS)


def test_a_sum_is_confirmed_by_an_ack_of_its_end_and_of_nothing_before() -> None:
    sending = summing(sent=10)
    assert sending.summed_up(Opening(at(40), (b"{}",)), START) is None
    part = sending.next([SALES], PEER, 0)
    assert isinstance(part, Part) and not part.more

    sending.acked(ME, "sales", at(39))
    assert not sending.is_at_rest
    sending.acked(ME, "sales", at(40))
    assert sending.is_at_rest and asked(sending, [SALES]) == ("sales", 40, BATCH_ROWS)


def test_a_sum_that_is_pulled_half_way_is_asked_for_again_and_its_pulls_are_counted() -> None:
    sending = summing(sent=0)
    sending.summed_up(Opening(at(40), (b"{}",) * (PART_ROWS + 1)), START)
    part = sending.next([SALES], PEER, 0)
    assert isinstance(part, Part) and part.more
    sending.acked(ME, "sales", START)

    assert sending.pulled(ME, "sales", START) == 1
    assert sending.next([SALES], PEER, 0) == LoadOpening(SALES, 50)
    sending.acked(ME, "sales", START)
    assert sending.pulled(ME, "sales", START) == 2, "an ack of less than the sum is none"


OTHERS = Head("hk01:c", "returns", Feed.LOG, 1)


@pytest.mark.parametrize(
    ("before", "is_sent"),
    [
        (SALES, False),
        (LEVELS, True),  # no log: nothing follows from it
        (Head("hk01:c", "sales", Feed.LOG, 5), True),  # of the same writer: in its place when that was chosen
        (Head(PEER, "sales", Feed.LOG, 5), True),  # the peer's own are not sent to it
    ],
)
def test_rows_of_another_life_wait_for_a_log_that_has_come_before_them_meanwhile(before: Head, is_sent: bool) -> None:
    sending = Sending()
    assert asked(sending, [OTHERS]) == ("returns", 0, BATCH_ROWS)

    assert sending.loaded([rows(OTHERS, 0, 1)], 0, heads=[before, OTHERS], peer_rep=PEER) is is_sent
    assert is_sent or asked(sending, [before, OTHERS]) == (before.stream, 0, BATCH_ROWS)


def test_rows_of_another_life_do_not_wait_for_a_log_that_cannot_be_read_yet() -> None:
    sending = summing(sent=0)
    sending.summed_up(Opening(at(40), (b"{}",) * (PART_ROWS + 1)), START)
    assert isinstance(following(sending, [SALES]), Part)
    assert asked(sending, [SALES, OTHERS]) == ("returns", 0, BATCH_ROWS)

    assert sending.loaded([rows(OTHERS, 0, 1)], 0, heads=[SALES, OTHERS], peer_rep=PEER)
