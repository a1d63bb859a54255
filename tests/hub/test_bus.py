"""The ring and its clients: resume by cursor, reset, the slow one is dropped alone, scans are for one audience while fresh."""

import json
from typing import Any

import pytest

from hub.bus import CLIENT_QUEUE_MAX, CONSOLE, RING_MAX, SCAN_REPLAY_MS, Bus, Subscriber


def publish(bus: Bus, count: int = 1, event_type: str = "sale", **where: Any) -> None:
    for n in range(count):
        bus.publish(event_type, {"n": n}, now_ms=where.pop("now_ms", 0), **where)


def received(subscriber: Subscriber) -> list[Any]:
    return [json.loads(subscriber.queue.get_nowait()) for _ in range(subscriber.queue.qsize())]


def resume(
    bus: Bus, after: str, *, till_id: str = "t1", now_ms: int = 0, is_console: bool = False
) -> tuple[bool, list[Any]]:
    must_reset, frames = bus.subscribe(Subscriber(till_id, is_console), after, now_ms=now_ms)
    return must_reset, [json.loads(frame) for frame in frames]


async def test_a_client_resumes_behind_its_cursor() -> None:
    bus = Bus("e1")
    publish(bus, 5)

    must_reset, frames = resume(bus, "e1.3")

    assert (must_reset, [frame["cursor"] for frame in frames]) == (False, ["e1.4", "e1.5"])


@pytest.mark.parametrize("after", ["e1.5", "e1.0"])
async def test_a_client_at_either_end_of_the_ring_is_not_reset(after: str) -> None:
    bus = Bus("e1")
    publish(bus, 5)

    assert resume(bus, after)[0] is False


@pytest.mark.parametrize("after", ["e2.3", "e1.6", "e1.x", "e1.", "", "3", "e1.-1", "e1.٣", "e1." + "9" * 5000])
async def test_a_cursor_that_is_not_of_this_ring_is_reset(after: str) -> None:
    bus = Bus("e1")
    publish(bus, 5)

    assert resume(bus, after) == (True, [])


async def test_a_client_behind_the_ring_is_reset_and_at_its_edge_is_not() -> None:
    bus = Bus("e1")
    publish(bus, RING_MAX + 10)

    assert resume(bus, "e1.9") == (True, [])
    must_reset, frames = resume(bus, "e1.10")

    assert (must_reset, len(frames), frames[0]["cursor"]) == (False, RING_MAX, "e1.11")


async def test_a_full_client_is_dropped_and_nobody_else_is_disturbed() -> None:
    bus, slow, quick = Bus("e1"), Subscriber("t1", False), Subscriber("t2", False)
    bus.subscribe(slow, None, now_ms=0)
    bus.subscribe(quick, None, now_ms=0)
    seen = []
    for _ in range(CLIENT_QUEUE_MAX + 5):
        publish(bus)
        seen += received(quick)

    assert (slow.dropped.is_set(), quick.dropped.is_set(), bus.dropped_clients, bus.clients) == (True, False, 1, 1)
    assert [event["cursor"] for event in seen] == [f"e1.{n}" for n in range(1, CLIENT_QUEUE_MAX + 6)]
    assert slow.queue.qsize() == CLIENT_QUEUE_MAX


async def test_an_addressed_event_is_seen_by_its_till_and_by_the_console_that_watches() -> None:
    bus, mine, other, console = Bus("e1"), Subscriber("t1", False), Subscriber("t2", False), Subscriber("m1", True)
    for subscriber in (mine, other, console):
        bus.subscribe(subscriber, None, now_ms=0)

    publish(bus, event_type="scan", device="s1", audience="t1")
    publish(bus, event_type="scan", device="s1", audience=CONSOLE)

    assert [len(received(s)) for s in (mine, other, console)] == [1, 0, 2]


@pytest.mark.parametrize(("age_ms", "is_replayed"), [(0, True), (SCAN_REPLAY_MS, True), (SCAN_REPLAY_MS + 1, False)])
async def test_a_missed_scan_is_replayed_while_fresh_and_marked(age_ms: int, is_replayed: bool) -> None:
    bus = Bus("e1")
    publish(bus, event_type="scan", audience="t1", now_ms=1_000_000)
    publish(bus, now_ms=1_000_000)

    _, frames = resume(bus, "e1.0", now_ms=1_000_000 + age_ms)

    assert [f["type"] for f in frames] == (["scan"] if is_replayed else []) + ["sale"]
    assert [f["data"].get("replayed", False) for f in frames] == ([True] if is_replayed else []) + [False]


async def test_a_missed_scan_is_not_replayed_to_other_tills() -> None:
    bus = Bus("e1")
    publish(bus, event_type="scan", audience="t1")

    assert resume(bus, "e1.0", till_id="t2") == (False, [])


async def test_who_left_is_not_written_to() -> None:
    bus, gone = Bus("e1"), Subscriber("t1", False)
    bus.subscribe(gone, None, now_ms=0)

    bus.unsubscribe(gone)
    bus.unsubscribe(gone)
    publish(bus)

    assert (gone.queue.empty(), bus.has_subscriber("t1"), bus.clients) == (True, False, 0)


async def test_a_till_with_two_sockets_still_listens_when_one_closes() -> None:
    bus, one, two = Bus("e1"), Subscriber("t1", False), Subscriber("t1", False)
    bus.subscribe(one, None, now_ms=0)
    bus.subscribe(two, None, now_ms=0)

    bus.unsubscribe(one)

    assert bus.has_subscriber("t1")
