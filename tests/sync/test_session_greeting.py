"""One session alone: how it greets, whom it admits, and what it makes of where the peer is."""

from typing import Any

import pytest

from sync.actions import Acked, End, EndLives, Forked, Jump, NoteSealed, Opened, Send
from sync.batch import START, Batch, Boundary
from sync.model import Feed
from sync.protocol import (
    BYE,
    FEATURES,
    LIVES,
    OPENING,
    SNAPSHOT,
    Ack,
    Bye,
    FormerLife,
    Held,
    Hello,
    HelloOk,
    Sealed,
    Snapshot,
    Unknown,
)
from sync.session import Session
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, run
from tests.sync.one_session import AT, BATCH, BEGAN_MS, NOBODY, filled, greeted, hear, opened

# greeting


def test_the_offset_is_half_of_both_ways() -> None:
    """NTP's four: the peer's clock at arrival and answer, ours before and after."""
    ok = HelloOk(rep=CLOUD, vector=(), t1_ms=1_000, t2_ms=1_250, t3_ms=1_270)

    (effect,) = hear(greeted(), ok, wall_ms=1_040)
    assert effect == Opened(CLOUD, ((1_250 - 1_000) + (1_270 - 1_040)) // 2) == Opened(CLOUD, 240)


def test_the_answer_to_a_hello_says_when_it_came_and_what_is_held_and_sealed() -> None:
    books = MemoryBooks(CLOUD)
    books.sealed_reps.append("hk01:00")
    run(books.apply(Batch(HUB, "levels", Feed.STATE, 0, 7, AT.digest, ((7, b"{}"),))))
    session = Session("acceptor", books, features=("zstd",))
    life = FormerLife("hk01:00", {"sales": 4})

    said, ended, open_ = hear(session, Hello(rep=HUB, vector=(), t1_ms=3, former=(life,)), wall_ms=9)

    held = (Held(HUB, "levels", 7, AT.digest),)
    answer = HelloOk(rep=CLOUD, features=("zstd",), vector=held, t1_ms=3, t2_ms=9, t3_ms=9, sealed=("hk01:00",))
    assert said == Send(answer)
    assert ended == EndLives((life,)) and open_ == Opened(HUB, None)


def test_whoever_is_not_admitted_or_is_sealed_is_told_so() -> None:
    books = MemoryBooks(CLOUD)
    books.sealed_reps.append(HUB)
    hello = Hello(rep=HUB, vector=(), t1_ms=0)
    said, end = hear(Session("acceptor", books), hello)
    assert (said.frame.code, end.code) == ("sealed", "sealed") and HUB in end.detail

    said, end = hear(Session("acceptor", MemoryBooks(CLOUD), admits=lambda rep: rep != HUB), hello)
    assert (said.frame.code, end.code) == ("refused", "refused") and HUB in end.detail


def test_no_lives_are_ended_where_none_has() -> None:
    effects = hear(Session("acceptor", MemoryBooks(CLOUD)), Hello(rep=HUB, vector=(), t1_ms=0))
    assert [type(each) for each in effects] == [Send, Opened]


def test_a_version_that_only_the_peer_speaks_ends_the_greeting_on_both_sides() -> None:
    for session, frame in (
        (Session("acceptor", MemoryBooks(CLOUD)), Hello(rep=HUB, vector=(), t1_ms=0, version=9, min_version=9)),
        (greeted(), HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0, version=9, min_version=9)),
    ):
        assert [type(each) for each in hear(session, frame)] == [Send, End]


def test_lives_that_the_peer_has_sealed_are_noted_first() -> None:
    noted, open_ = hear(greeted(), HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0, sealed=("hk01:00",)))

    assert noted == NoteSealed(("hk01:00",)) and isinstance(open_, Opened)


def test_lives_that_the_peer_seals_later_are_noted_too() -> None:
    assert hear(opened(), Sealed(("hk01:00",))) == [NoteSealed(("hk01:00",))]


@pytest.mark.parametrize("features", [(), (BYE,), (LIVES,), FEATURES])
def test_what_is_sealed_is_told_only_to_whoever_understands_it(features: tuple[str, ...]) -> None:
    books = MemoryBooks(HUB)
    session = opened(books, features=features)
    books.sealed_reps.append("hk01:00")

    assert session.lives_ended() == ([Send(Sealed(("hk01:00",)))] if LIVES in features else [])


@pytest.mark.parametrize(
    ("newer", "frame", "is_skipped"),
    [
        ({"version": 2}, Unknown("telepath"), True),
        ({"features": ("telepathy",)}, Unknown("telepath"), True),
        ({}, Unknown("telepath"), False),
        ({"version": 2}, NOBODY, False),
    ],
)
def test_only_unknown_frames_of_a_newer_peer_are_skipped(newer: Any, frame: Any, is_skipped: bool) -> None:
    effects = hear(opened(**newer), frame)

    assert [type(each) for each in effects] == ([] if is_skipped else [Send, End])


@pytest.mark.parametrize("frame", [BATCH, Ack(HUB, "sales", 0, bytes(8)), Bye(), Sealed(()), Unknown("telepath")])
@pytest.mark.parametrize("role", ["dialler", "acceptor"])
def test_before_both_have_greeted_any_other_frame_ends_it(role: Any, frame: Any) -> None:
    session = Session(role, MemoryBooks(HUB))
    session.start(BEGAN_MS, wall_ms=0)

    assert [each.code for each in hear(session, frame) if isinstance(each, End)] == ["unexpected"]


# where the peer is


def is_fork(effects: list[Any]) -> bool:
    if not isinstance(effects[0], Forked):
        return False
    forked, said, end = effects
    assert said.frame.code == end.code == "fork" and end.detail == forked.why
    return True


@pytest.mark.parametrize(
    ("held", "is_one"),
    [
        (Held(HUB, "catalogue@north", 5, AT.digest), True),  # a part that is served no more, and its past is unknown
        (Held(HUB, "catalogue@north", 0, bytes(8)), False),
        (Held(CLOUD, "catalogue@north", 5, AT.digest), False),  # another's: not ours to judge
        (Held(HUB, "telepathy", 5, AT.digest), False),  # no stream of ours, and no part of one
        (Held(HUB, "sales", 5, AT.digest), True),
        (Held(HUB, "sales", 0, bytes(8)), False),
    ],
)
def test_a_boundary_of_ours_that_was_never_offered_is_a_fork(held: Held, is_one: bool) -> None:
    effects = hear(greeted(filled()), HelloOk(rep=CLOUD, vector=(held,), t1_ms=0, t2_ms=0, t3_ms=0))

    assert is_fork(effects) == is_one


OLD = tuple(each for each in FEATURES if each != OPENING)  # peers that cannot be told what the rows came to


@pytest.mark.parametrize(
    ("features", "at", "jumps"), [(OLD, 0, True), (OLD, 2, False), ((BYE,), 0, False), (OLD, 1, True)]
)
def test_whoever_stands_before_the_first_row_that_is_left_is_told_where_it_is(
    features: tuple[str, ...], at: int, jumps: bool
) -> None:
    books = filled(rows=4)
    digests = [run(books.load(books.heads()[0], START, n or 1))[0].digest if n else bytes(8) for n in range(3)]
    books.prune("sales", 2)
    session = greeted(books)
    held = (Held(HUB, "sales", at, digests[at]),) if at else ()

    effects = hear(session, HelloOk(rep=CLOUD, features=features, vector=held, t1_ms=0, t2_ms=0, t3_ms=0))

    assert effects[1] == Acked(HUB, "sales", Boundary(at, digests[at]))
    told = Send(Snapshot(HUB, "sales", 2, books.floors["sales"].digest))
    assert (told in effects) == jumps == (SNAPSHOT in features and at < 2)
    assert effects[-1].after.last == (2 if jumps else at)


def test_a_jump_is_made_and_acknowledged_where_the_cursor_is() -> None:
    session = opened()
    (jump,) = hear(session, Snapshot(CLOUD, "prints", 7, AT.digest))

    assert jump == Jump(CLOUD, "prints", AT)
    assert session.jumped(jump, AT) == [Send(Ack(CLOUD, "prints", 7, AT.digest))]
