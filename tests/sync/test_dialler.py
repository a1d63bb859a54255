"""When the hub dials: all the time, by a schedule of its own or the cloud's, when asked; and how it backs off. Real sockets."""

import asyncio
import random
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from sync.line import link
from sync.line import state as lines
from sync.line.dialler import Dialler
from sync.line.link import Conversation
from sync.line.state import LIES_MAX, REMEDIES, LinkState, backoff_s
from sync.protocol import FRAME_MAX, SUBPROTOCOL, HelloOk, encode
from sync.schedule import JITTER, Schedule, until_next_s
from sync.sending import BATCH_ROWS, WINDOW
from sync.testing.memory_books import MemoryBooks

HUB, CLOUD = "hk01:aa", "cloud:bb"
WAIT_S = 60.0
NEVER = Schedule("scheduled", 3600.0)  # no contact of its own accord while a test runs


class Shop:
    """A dialler, its states, the books of both ends; `misbehave` replaces the honest cloud."""

    def __init__(self) -> None:
        self.hub, self.cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
        self.hub.write("sales", b'{"n":1}')
        self.states: list[LinkState] = []
        self.contacts = 0
        self.told: Schedule | None = None
        self.misbehave: Callable[[web.WebSocketResponse], Any] | None = None
        self.wakes = False
        self.dialler: Dialler
        self._news = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.contacts += 1
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX)
        await ws.prepare(request)
        if self.misbehave is not None:
            await self.misbehave(ws)
        else:
            await Conversation("acceptor", self.cloud, now_ms=lambda: 0, schedule=self.told).run(ws)
        return ws

    def on_state(self, state: LinkState) -> None:
        self.states.append(state)
        self._news.set()

    async def until(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not what():
                self._news.clear()
                await self._news.wait()

    async def until_at_rest(self, contacts: int) -> LinkState:
        await self.until(lambda: self.contacts == contacts and self.states[-1].reason == "scheduled")
        return self.states[-1]


@pytest.fixture
async def shop() -> AsyncIterator[Any]:
    @asynccontextmanager
    async def open_shop(made: Shop, **options: Any) -> AsyncIterator[Shop]:
        app = web.Application()
        app.router.add_get("/sync/v1/link", made.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.dialler = Dialler(
            f"http://127.0.0.1:{runner.addresses[0][1]}",
            "secret-token",
            made.hub,
            now_ms=lambda: 1_000,
            rng=random.Random(1),
            on_state=made.on_state,
            is_wanted=lambda: made.wakes,
            **({"reconnect_max_s": 0.02} | options),
        )
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(made.dialler.run(), name="dialler")
                yield made
                running.cancel()
        finally:
            await runner.cleanup()

    yield open_shop


async def test_a_scheduled_line_drains_both_sides_and_rests(shop: Any) -> None:
    made = Shop()
    made.cloud.write("prices", b"{}")
    async with shop(made, schedule=NEVER):
        state = await made.until_at_rest(1)

    assert made.hub.acks["sales"].last == 1 and made.hub.rows_of(CLOUD, "prices")
    assert (state.is_up, state.failures, state.detail) == (False, 0, "")
    assert 1_000 + 3_600_000 * (1 - JITTER) <= (state.next_contact_ms or 0) <= 1_000 + 3_600_000 * (1 + JITTER)
    assert "scheduled" in REMEDIES


async def test_the_clouds_word_counts_where_the_hub_names_no_mode(shop: Any) -> None:
    made = Shop()
    made.told = NEVER
    async with shop(made):
        state = await made.until_at_rest(1)

    assert state.schedule == NEVER


async def test_the_hubs_own_mode_wins(shop: Any) -> None:
    made = Shop()
    made.told = NEVER
    async with shop(made, schedule=Schedule("realtime")):
        await made.until(lambda: made.states and made.states[-1].is_up)
        made.hub.write("sales", b'{"n":2}')
        made.dialler.grown()
        async with asyncio.timeout(WAIT_S):
            while len(made.cloud.rows_of(HUB, "sales")) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)

        assert made.states[-1].is_up and made.contacts == 1
        assert made.states[-1].schedule == Schedule("realtime")


async def test_who_asks_is_heard_at_once(shop: Any) -> None:
    made = Shop()
    async with shop(made, schedule=NEVER):
        await made.until_at_rest(1)
        made.hub.write("sales", b'{"n":2}')
        made.dialler.grown()
        ask = made.dialler.state.ask
        assert ask is not None
        ask()
        await made.until_at_rest(2)

        assert made.hub.acks["sales"].last == 2


async def test_rows_that_break_the_schedule_go_at_once_and_others_wait(shop: Any) -> None:
    made = Shop()
    async with shop(made, schedule=NEVER):
        await made.until_at_rest(1)
        made.hub.write("sales", b'{"n":2}')
        made.dialler.grown()
        for _ in range(20):
            await asyncio.sleep(0)
        assert made.contacts == 1
        made.wakes = True
        made.dialler.grown()
        await made.until_at_rest(2)


async def test_a_scheduled_line_dials_by_itself(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "until_next_s", lambda schedule, _: schedule.every_s)
    made = Shop()
    async with shop(made, schedule=Schedule("scheduled", 0.01)):
        await made.until(lambda: made.contacts >= 4)

    assert {state.reason for state in made.states} <= {"starting", "scheduled", ""}


async def test_rests_are_no_outages_in_the_log(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    made = Shop()
    async with shop(made, schedule=NEVER):
        await made.until_at_rest(1)

    assert [record.message for record in caplog.records if "line" in record.message] == []


HELLO_OK = encode(HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0))


async def lie(ws: web.WebSocketResponse) -> None:
    await ws.send_bytes(HELLO_OK)
    await ws.send_bytes(b"\xc1 no frame")
    async for _ in ws:
        pass


async def test_a_peer_that_lies_again_and_again_is_backed_off_and_named(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[tuple[float, int]] = []

    def noted(failures: int, rng: random.Random, *, max_s: float, lies: int) -> float:
        waits.append((backoff_s(failures, rng, max_s=300.0, lies=lies), lies))
        return 0.0

    monkeypatch.setattr(lines, "backoff_s", noted)
    monkeypatch.setattr(lines, "HEALTHY_MS", -1)  # each lie comes after a line that held for long
    made = Shop()
    made.misbehave = lie
    async with shop(made):
        await made.until(lambda: len(waits) >= 12)
    lying = made.states[-1] if made.states[-1].reason else made.states[-2]

    assert [lies for _, lies in waits[:5]] == [1, 2, 3, 4, 5]
    assert all(wait_s >= 2.0 ** min(lies, 8) / 2 for wait_s, lies in waits[LIES_MAX - 1 : 8])
    assert (lying.reason, lying.peer_rep) == ("protocol", CLOUD) and "no frame" in lying.detail


async def test_a_peer_that_reads_nothing_is_given_up_and_holds_no_memory(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits here and in its socket is no more than the window."""
    monkeypatch.setattr(link, "SEND_TIMEOUT_S", 0.3)
    monkeypatch.setattr("sync.session.ACK_TIMEOUT_MS", 300)
    made = Shop()
    for n in range(20 * BATCH_ROWS):
        made.hub.write("sales", random.Random(n).randbytes(1000))
    loaded: list[int] = []
    load = made.hub.load

    async def counted(*args: Any, **more: Any) -> Any:
        batches = await load(*args, **more)
        loaded.append(sum(len(batch.rows) for batch in batches))
        return batches

    made.hub.load = counted  # type: ignore[method-assign]
    gone = asyncio.Event()

    async def deaf(ws: web.WebSocketResponse) -> None:
        await ws.send_bytes(HELLO_OK)
        assert ws._req is not None and ws._req.transport is not None
        ws._req.transport.pause_reading()  # type: ignore[attr-defined]
        await gone.wait()

    made.misbehave = deaf
    async with shop(made):
        await made.until(lambda: [state for state in made.states if state.reason not in ("starting", "")])
        gone.set()
    down = next(state for state in made.states if state.reason not in ("starting", ""))

    assert down.reason in ("hung_up", "no_ack")
    assert sum(loaded) <= (WINDOW + 1) * BATCH_ROWS * made.contacts


class Stuffed:
    """A wire on which somebody greets and then nothing goes out any more."""

    def __init__(self) -> None:
        self.sent = 0
        self.never = asyncio.Event()

    async def send(self, message: bytes) -> None:
        self.sent += 1
        if self.sent > 1:
            await self.never.wait()

    async def read(self, take: Any) -> str:
        await take(HELLO_OK)
        await self.never.wait()
        return ""

    async def flush(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_wire_that_takes_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "SEND_TIMEOUT_S", 0.02)
    books, wire = MemoryBooks(HUB), Stuffed()
    for n in range(20 * BATCH_ROWS):
        books.write("sales", b"%d" % n)
    async with asyncio.timeout(WAIT_S):
        end = await Conversation("dialler", books, now_ms=lambda: 0).run(wire)

    assert (end.code, end.peer, wire.sent) == ("hung_up", CLOUD, 2)


async def test_a_disk_that_is_slow_holds_the_sender_at_the_window(shop: Any) -> None:
    made = Shop()
    for n in range(2, 20 * BATCH_ROWS):
        made.hub.write("sales", b'{"n":%d}' % n)
    waiting, room = asyncio.Event(), asyncio.Event()
    apply, sent = made.cloud.apply, []
    load = made.hub.load

    async def slow(batch: Any) -> Any:
        waiting.set()
        await room.wait()
        return await apply(batch)

    async def counted(*args: Any, **more: Any) -> Any:
        batches = await load(*args, **more)
        sent.extend(batches)
        return batches

    made.cloud.apply, made.hub.load = slow, counted  # type: ignore[method-assign]
    async with shop(made):
        async with asyncio.timeout(WAIT_S):
            await waiting.wait()
            for _ in range(2000):
                made.dialler.grown()
                await asyncio.sleep(0)
        held = len(sent)
        room.set()
        async with asyncio.timeout(WAIT_S):
            while len(made.cloud.rows_of(HUB, "sales")) < 20 * BATCH_ROWS - 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    assert held <= WINDOW


@pytest.mark.parametrize("failures", [0, 1, 5, 20, 5_000])
def test_the_back_off_is_spread_over_all_of_its_time(failures: int) -> None:
    """Full jitter (uniform), capped; 4,000 draws: mean within 5 % of the half, tenths all hit."""
    longest_s = min(300.0, 2.0 ** min(failures, 16))
    rng = random.Random(failures)
    waits = [backoff_s(failures, rng, max_s=300.0) for _ in range(4000)]

    assert 0 <= min(waits) < 0.05 * longest_s and 0.95 * longest_s < max(waits) <= longest_s
    assert statistics.mean(waits) == pytest.approx(longest_s / 2, rel=0.05)
    assert {int(10 * wait_s / longest_s) for wait_s in waits} >= set(range(10))


def test_a_liar_never_waits_for_less_than_half() -> None:
    rng = random.Random(1)
    for lies in range(LIES_MAX, 40):
        longest_s = min(300.0, 2.0**lies)
        waits = [backoff_s(0, rng, max_s=300.0, lies=lies) for _ in range(200)]
        assert longest_s / 2 <= min(waits) and max(waits) <= longest_s


def test_a_thousand_hubs_that_come_back_do_not_dial_at_once() -> None:
    """Virtual: the cloud is away for ten minutes; each hub fails and backs off; then it is there again at once."""
    away_s, rng, first, dials = 600.0, random.Random(7), [], []
    for _ in range(1000):
        at_s, failures = 0.0, 0
        while at_s < away_s:
            dials.append(int(at_s))
            failures += 1
            at_s += backoff_s(failures, rng, max_s=300.0)
        first.append(at_s)
    back = [sum(1 for at_s in first if second <= at_s < second + 1) for second in range(600, 901)]

    assert max(back) <= 20, "of a thousand in any second"
    assert sum(1 for at_s in first if at_s < away_s + 150) > 500 and max(first) < away_s + 300
    assert sum(1 for second in dials if second > 300) < 1000 * 10, "and meanwhile it is not a storm"


def test_scheduled_hubs_part_from_one_another() -> None:
    rng = random.Random(3)
    waits = [until_next_s(Schedule("scheduled", 900.0), rng) for _ in range(1000)]

    assert 810 <= min(waits) < 815 and 985 < max(waits) <= 990
    assert max(sum(1 for wait_s in waits if second <= wait_s < second + 1) for second in range(810, 990)) < 20


@pytest.mark.parametrize("every_s", [0.0, -1.0, 1e300, float("inf")])
def test_a_cloud_cannot_make_a_hub_dial_in_a_tight_loop_or_never(every_s: float) -> None:
    assert 0.9 <= until_next_s(Schedule("scheduled", every_s), random.Random(1)) <= 95_040
