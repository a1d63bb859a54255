"""A cloud that lies, after a good hello: the hub goes on selling, takes nothing of it, and the line comes back."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web
from backports import zstd

from sync.batch import START, Batch, batch_of
from sync.columns import pack, unpack
from sync.line.link import Conversation
from sync.model import Feed
from sync.protocol import FRAME_MAX, SUBPROTOCOL, encode, packed
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.catalogue.registers import price_row, product_row, write_row
from sync.retail.names import Name
from sync.testing.memory_books import MemoryBooks

CLOUD = "cloud:00000000000000cc"
HUGE = 2**63 + 5
WHO = "?"  # stands for the hub's own replica


def raw(kind: str, **fields: Any) -> bytes:
    return msgspec.msgpack.encode({"type": kind, **fields})


def hello_ok(*vector: list[Any]) -> bytes:
    return raw("hello_ok", rep=CLOUD, version=1, vector=list(vector), t1_ms=0, t2_ms=0, t3_ms=0)


def columns(table: Any, *, last: int = 1) -> bytes:
    rows = zstd.compress(msgspec.msgpack.encode(table))
    fields = {"rep": CLOUD, "stream": "catalogue", "feed": "state", "after": 0, "last": last, "digest": bytes(8)}
    return raw("batch", rows=rows, steps=[last], **fields)


def rows(*bodies: bytes, rep: str = CLOUD) -> bytes:
    return encode(packed(batch_of(rep, "catalogue", Feed.STATE, START, list(enumerate(bodies, 1)))))


def one_column(*column: Any) -> list[Any]:
    return [900, [], ["o", [["a"]], ["c", 0], ["a"], [list(column)]]]


def deep(levels: int) -> bytes:
    return b'{"kind":"price","v":' + b"[" * levels + b"]" * levels + b"}"


LIES: dict[str, list[bytes]] = {
    "lists where text belongs": [hello_ok(), columns(one_column("s", [], ["x"], ["c", 0], [[]]))],
    "a seq beyond 2**63": [hello_ok(), columns([1, [], ["c", {}]], last=2**63 + 9)],
    "an ack beyond 2**63": [hello_ok(), raw("ack", rep=WHO, stream="sales", last=HUGE, digest=bytes(8))],
    "a pull beyond 2**63": [hello_ok(), raw("pull", rep=WHO, stream="sales", last=HUGE, digest=bytes(8))],
    "a vector beyond 2**63": [hello_ok([WHO, "sales", HUGE, bytes(8)])],
    "gigabytes in a few bytes": [hello_ok(), columns([900, [], ["c", {"a": "x" * 1_000_000}]])],
    "more rows than may be": [hello_ok(), columns([10**6, [], ["c", {}]])],
    "names that unfold": [
        hello_ok(),
        columns([900, [], ["o", [["k" * 100_000]], ["c", 0], ["k" * 100_000], [["c", 1]]]]),
    ],
    "rows of the store itself": [hello_ok(), rows(b"{}", rep="hk01:ffffffffffffffff")],
}


class Liar:
    """Lies on the first connection, is honest afterwards."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.books = MemoryBooks(CLOUD)
        self.port = 0

    async def link(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX)
        await ws.prepare(request)
        if not self.frames:
            await Conversation("acceptor", self.books, now_ms=lambda: 0).run(ws)
            return ws
        frames, self.frames = self.frames, []
        rep = msgspec.msgpack.decode((await ws.receive()).data)["rep"]
        for frame in frames:
            await ws.send_bytes(frame.replace(msgspec.msgpack.encode(WHO), msgspec.msgpack.encode(rep), 1))
        async for _ in ws:
            pass
        return ws


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    made = Liar()
    app = web.Application()
    app.router.add_get("/sync/v1/link", made.link)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def join(start_hub: Any, liar: Liar) -> Any:
    url = f"http://127.0.0.1:{liar.port}"
    return await start_hub(cloud={"url": url, "token": "store-token", "reconnect_max_s": 0.1})


@pytest.mark.parametrize("frames", LIES.values(), ids=[lie.replace(" ", "-") for lie in LIES])
async def test_a_lie_ends_a_conversation_and_nothing_else(
    *,
    start_hub: Any,
    liar: Liar,
    pair_till: Any,
    until: Callable[..., Any],
    frames: list[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    liar.frames = list(frames)
    till = await pair_till(await join(start_hub, liar))
    sold = await till.post("/v1/sales", till.sale())
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["safe"]["upto"] == 1)

    assert sold.status == 201
    reasons = {record.reason for record in caplog.records if record.message == "the line to the cloud is down"}
    assert reasons and reasons <= {"protocol", "fork"}
    assert not [record for record in caplog.records if record.exc_info], "nothing took us by surprise"
    assert (await till.get("/v1/products/TEA-01")).json["price"]["amount"] == 1090


UNUSABLE = [
    write_row(price_row("TEA-01", Price(-500, "HKD"), 1)),
    write_row(price_row("TEA-01", Price(5000, "USD"), 1)),
    write_row(price_row("TEA-01", Price(500, "HKD", 0), 1)),
    write_row(price_row("TEA-01", Price(500, "HKD"), 1)).replace(b'"n":1', b'"n":%d' % HUGE),
    write_row(price_row("TEA-01", Price(500, "HKD"), 1)).replace(b":500", b":%d" % HUGE),
    write_row(product_row(Product(sku="TEA-01", name=Name(en="a\0b")), 1)),
    write_row(product_row(Product(sku="x" * 100_000, name=Name(en="x")), 1)),
    write_row(product_row(Product(sku="TEA-01", name=Name(en="x"), gtins=["abc"]), 1)),
    deep(3000),
    b'{"kind":"bundle","note":"' + b"1" * 5000 + b'"}',
]


async def test_registers_that_cannot_be_used_are_kept_aside_and_named(
    start_hub: Any, liar: Liar, pair_till: Any, until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    for body in [*UNUSABLE, write_row(price_row("PLUM", Price(2600, "HKD", 600), 1))]:
        liar.books.write("catalogue", body, feed=Feed.STATE)
    till = await pair_till(await join(start_hub, liar))

    def named() -> list[logging.LogRecord]:
        return [record for record in caplog.records if "kept aside" in record.message]

    await until(lambda: till.get("/v1/products/PLUM"), lambda got: got.json["price"]["amount"] == 2600 and named())

    assert (await till.get("/v1/products/TEA-01")).json["price"]["amount"] == 1090
    (said,) = named()
    assert said.rows == len(UNUSABLE)


@pytest.mark.parametrize("body", [b'{"a":"' + b"1" * 5000 + b'"}', deep(3000), b'{"a":-0.0}', b'{"a":0.0}'])
def test_a_row_of_any_shape_can_be_sent(body: bytes) -> None:
    """What one store may write must never stop the catalogue of the others."""
    alike = [body, body.replace(b"1", b"2"), b'{"a":0.0}', b'{"a":-0.0}']

    assert unpack(pack(alike), rows_max=9) == alike
    assert packed(Batch(CLOUD, "catalogue", Feed.STATE, 0, 2, bytes(8), ((1, body), (2, body)))).rows
