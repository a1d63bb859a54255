"""GET /v1/events over real sockets: order after the commit, scans to the claiming till only, slow clients, resuming."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from devices.testing.serial_line import VirtualSerialLine
from hub.bus import CLIENT_QUEUE_MAX, SCAN_REPLAY_MS

PairTill = Callable[..., Awaitable[Any]]
LABEL = b"4890000000010\r"
BIG = {"text": "x" * 20_000}


async def take(ws: Any, count: int = 1) -> list[Any]:
    return [await ws.receive_json(timeout=30) for _ in range(count)]


@pytest.fixture
async def line() -> AsyncIterator[VirtualSerialLine]:
    """A scanner's cable."""
    async with VirtualSerialLine() as line:
        yield line


@pytest.fixture
async def scanning_hub(start_hub: Any, line: VirtualSerialLine, pair_till: PairTill, until: Any) -> Any:
    """A hub whose scanner `s1` is ready; a till that went away keeps its claim for 0.2 s."""
    hub = await start_hub(devices={"s1": {"kind": "serial_scanner", "port": line.device_path}}, grace_s=0.2)
    till = await pair_till(hub)
    await until(lambda: till.get("/v1/devices"), lambda answer: answer.json["items"][0]["health"] == "ready")
    return hub


async def test_the_first_frame_says_where_the_stream_is(till: Any) -> None:
    async with till.events() as ws:
        (hello,) = await take(ws)

    runtime = till.hub.runtime
    assert hello == {
        "type": "hello",
        "rep": runtime.replica.rep,
        "cursor": runtime.bus.cursor,
        "epoch": runtime.bus.epoch,
        "schema": 1,
    }
    assert ws.protocol == "storehub.v1"


async def test_a_sale_and_its_stock_are_told_after_the_commit_in_order(
    hub: Any, till: Any, pair_till: PairTill
) -> None:
    other = await pair_till(hub)
    async with other.events() as ws:
        await take(ws)
        sales = [till.sale() for _ in range(3)]
        for sale in sales:
            await till.post("/v1/sales", sale)
        events = await take(ws, 6)

        known = [(await other.get(f"/v1/sales/{e['data']['sale_id']}")).status for e in events[::2]]

    assert [e["type"] for e in events] == ["sale", "stock"] * 3
    assert [e["data"]["sale_id"] for e in events[::2]] == [s["sale_id"] for s in sales]
    assert [e["data"]["TEA-01"] for e in events[1::2]] == [19, 18, 17]
    assert known == [200] * 3
    numbers = [int(e["cursor"].split(".")[1]) for e in events]
    assert numbers == list(range(numbers[0], numbers[0] + 6))


async def test_repeated_and_refused_sales_tell_nothing(till: Any) -> None:
    sale = till.sale()
    await till.post("/v1/sales", sale)
    async with till.events() as ws:
        await take(ws)
        await till.post("/v1/sales", sale)
        await till.post("/v1/sales", till.sale(total=1))
        last = till.sale()
        await till.post("/v1/sales", last)
        (event,) = await take(ws)

    assert event["data"]["sale_id"] == last["sale_id"]


async def test_a_scan_goes_to_its_till_and_the_console_watches(
    scanning_hub: Any, line: Any, pair_till: PairTill
) -> None:
    holder, other, manager = [await pair_till(scanning_hub, scope=s) for s in ("till", "till", "manager")]
    async with holder.events() as mine, other.events() as theirs, manager.events() as console:
        for ws in (mine, theirs, console):
            await take(ws)
        assert (await holder.post("/v1/devices/s1/claim")).json["claimed_by"] == holder.till_id
        await line.write(LABEL)
        (scan,) = await take(mine)
        (watched,) = await take(console)
        await holder.post("/v1/sales", holder.sale())
        ((following, *_),) = [await take(theirs)]

    assert (scan["type"], scan["device"], scan["data"]["sku"]) == ("scan", "s1", "TEA-01")
    assert scan["data"]["label"] == "4890000000010" and "replayed" not in scan["data"]
    assert (watched["type"], watched["data"]["claimed_by"]) == ("scan", holder.till_id)
    assert following["type"] == "sale"


async def test_an_unclaimed_scan_goes_to_the_console_only(scanning_hub: Any, line: Any, pair_till: PairTill) -> None:
    till, manager = [await pair_till(scanning_hub, scope=s) for s in ("till", "manager")]
    async with till.events() as counter, manager.events() as console:
        await take(counter), await take(console)
        await line.write(LABEL)
        (scan,) = await take(console)
        await till.post("/v1/sales", till.sale())

        assert scan["type"] == "scan" and (await take(counter))[0]["type"] == "sale"


async def test_a_claim_held_by_another_is_a_conflict_that_names_it(scanning_hub: Any, pair_till: PairTill) -> None:
    holder, other = [await pair_till(scanning_hub) for _ in range(2)]
    async with holder.events():
        await holder.post("/v1/devices/s1/claim")

        refused = await other.post("/v1/devices/s1/claim")
        useless = await other.request("DELETE", "/v1/devices/s1/claim")
        twice = await holder.post("/v1/devices/s1/claim")
        freed = await holder.request("DELETE", "/v1/devices/s1/claim")
        taken = await other.post("/v1/devices/s1/claim")

    assert (refused.status, refused.json["code"], refused.json["holder"]) == (409, "claimed", holder.till_id)
    assert useless.json["claimed_by"] == holder.till_id == twice.json["claimed_by"]
    assert "claimed_by" not in freed.json or freed.json["claimed_by"] is None
    assert taken.status == 200


async def test_a_claim_is_freed_after_the_grace_of_a_till_that_left(
    scanning_hub: Any, pair_till: PairTill, until: Any
) -> None:
    holder, other = [await pair_till(scanning_hub) for _ in range(2)]
    async with holder.events() as ws:
        await take(ws)
        await holder.post("/v1/devices/s1/claim")
    assert (await other.post("/v1/devices/s1/claim")).status == 409

    answer = await until(lambda: other.post("/v1/devices/s1/claim"), lambda answer: answer.status == 200)

    assert answer.json["claimed_by"] == other.till_id


async def test_a_printer_cannot_be_claimed_and_a_stranger_not_found(
    start_hub: Any, printer_section: Any, pair_till: PairTill
) -> None:
    till = await pair_till(await start_hub(devices={"p1": printer_section}))

    assert (await till.post("/v1/devices/p1/claim")).json["code"] == "not_claimable"
    assert (await till.post("/v1/devices/p2/claim")).json["code"] == "device"


async def test_a_missed_scan_is_replayed_to_its_till_while_fresh(
    scanning_hub: Any, line: Any, pair_till: PairTill
) -> None:
    till, other = [await pair_till(scanning_hub) for _ in range(2)]
    async with till.events() as ws:
        (hello,) = await take(ws)
        await till.post("/v1/devices/s1/claim")
        await line.write(LABEL)
        await take(ws)

    async with till.events(hello["cursor"]) as mine, other.events(hello["cursor"]) as theirs:
        _, scan = await take(mine, 2)
        await take(theirs)
        await till.post("/v1/sales", till.sale())
        assert (await take(theirs))[0]["type"] == "sale"
    scanning_hub.clock.now_ms += SCAN_REPLAY_MS + 1
    async with till.events(hello["cursor"]) as ws:
        late = await take(ws, 2)

    assert scan["data"]["replayed"] is True
    assert [e["type"] for e in late] == ["hello", "sale"]


async def test_a_client_resumes_where_it_left(till: Any) -> None:
    async with till.events() as ws:
        (hello,) = await take(ws)
    await till.post("/v1/sales", till.sale())

    async with till.events(hello["cursor"]) as ws:
        again, sale, stock = await take(ws, 3)
    async with till.events(sale["cursor"]) as ws:
        _, only = await take(ws, 2)

    assert again["cursor"] == hello["cursor"]
    assert (sale["type"], stock["type"], only) == ("sale", "stock", stock)


@pytest.mark.parametrize(
    "after",
    ["00000000.0", "nonsense", ".", "{epoch}.", "{epoch}.x", "{epoch}.999999", "{epoch}." + "9" * 5000, "{epoch}.-1"],
)
async def test_a_cursor_of_elsewhere_is_told_to_read_again(till: Any, after: str) -> None:
    async with till.events(after.format(epoch=till.hub.runtime.bus.epoch)) as ws:
        hello, reset = await take(ws, 2)

    assert (hello["cursor"], reset) == (till.hub.runtime.bus.cursor, {"type": "reset"})


async def test_many_events_at_once_come_whole_and_in_order_whatever_their_length(till: Any) -> None:
    """Judged by the client library: a frame says its length in one of three ways (RFC 6455, 5.2)."""
    bus, lengths = (
        till.hub.runtime.bus,
        [0, 1, 30, 31, 32, 60, 125, 126, 127, 1000, 65_400, 65_535, 65_536, 200_000] * 8,
    )
    async with till.events() as ws:
        await take(ws)
        for length in lengths:
            bus.publish("alarm", {"text": "茶" * (length // 3) + "x" * (length % 3)}, now_ms=0)
        told = await take(ws, len(lengths))

    assert [len(event["data"]["text"].encode()) for event in told] == lengths
    assert [int(event["cursor"].split(".")[1]) for event in told] == list(range(1, len(lengths) + 1))


async def test_a_client_that_is_too_slow_is_closed_with_1013_and_resumes(till: Any) -> None:
    bus = till.hub.runtime.bus
    async with till.events() as ws:
        await take(ws)
        for n in range(CLIENT_QUEUE_MAX + 1):
            bus.publish("alarm", {"n": n}, now_ms=0)
        cursor, seen = f"{bus.epoch}.0", []
        async for message in ws:
            cursor = json.loads(message.data)["cursor"]
            seen.append(json.loads(message.data)["data"]["n"])
        code = ws.close_code
    async with till.events(cursor) as ws:
        rest = (await take(ws, CLIENT_QUEUE_MAX + 2 - len(seen)))[1:]

    assert code == aiohttp.WSCloseCode.TRY_AGAIN_LATER == 1013
    assert seen + [e["data"]["n"] for e in rest] == list(range(CLIENT_QUEUE_MAX + 1))
    assert bus.dropped_clients == 1


async def test_a_till_that_never_reads_is_cut_and_disturbs_nobody(hub: Any, till: Any, pair_till: PairTill) -> None:
    """A raw socket with a closed ear; beside it a client that must see every event in order, and sales that must go on."""
    deaf_till = await pair_till(hub)
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=1024)
    writer.write(
        b"GET /v1/events HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
        b"Sec-WebSocket-Protocol: storehub.v1, storehub.bearer.%s\r\n\r\n" % deaf_till.token.encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    bus, seen = hub.runtime.bus, []
    async with till.events() as ws:
        await take(ws)
        async with asyncio.timeout(30):
            while not bus.dropped_clients:
                for _ in range(20):
                    bus.publish("alarm", BIG, now_ms=0)
                seen += await take(ws, 20)
        sale = await till.post("/v1/sales", till.sale())
        cursors = [int(event["cursor"].split(".")[1]) for event in seen]
        last = await take(ws)

    assert (sale.status, last[0]["type"]) == (201, "sale")
    assert cursors == list(range(1, len(seen) + 1))
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 20):
                pass
    writer.close()
    assert bus.clients <= 1


async def test_what_a_client_says_is_ignored_until_it_is_too_much(till: Any) -> None:
    async with till.events() as ws:
        await take(ws)
        await ws.send_str("hello?")
        await ws.send_bytes(b"\x00" * 100)
        await till.post("/v1/sales", till.sale())
        heard = await take(ws, 2)
        await ws.send_str("x" * 5000)
        message = await ws.receive(timeout=30)

    assert [e["type"] for e in heard] == ["sale", "stock"]
    assert message.type is aiohttp.WSMsgType.CLOSE and ws.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert (await till.post("/v1/sales", till.sale())).status == 201


async def test_a_till_whose_witness_cannot_be_written_gets_no_socket_and_bears_it_again(
    hub: Any, till: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A hub that was restored and has a full disk must not go on as who it was; the till comes back by itself."""
    async with till.events() as ws:
        rep = (await ws.receive_json())["rep"]
    protocols = ("storehub.v1", f"storehub.bearer.{till.token}")
    seen = {"seen": f"{rep}/sales/77/a sale of another past"}
    writer = hub.runtime.db._writer._conn

    writer.execute("PRAGMA query_only = ON")  # what a full disk does to every commit
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await till.session.ws_connect("/v1/events", params=seen, protocols=protocols)
    assert refused.value.status == 503
    assert (await till.post("/v1/sales", till.sale())).status == 503
    writer.execute("PRAGMA query_only = OFF")
    async with till.session.ws_connect("/v1/events", params=seen, protocols=protocols) as ws:
        assert (await ws.receive_json())["rep"] != rep
    caplog.clear()  # errors that were wanted
