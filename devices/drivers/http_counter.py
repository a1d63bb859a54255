"""A people counter that pushes its figures by HTTP, category PeopleCounter: one device section for each counter.

Protocol document: docs/counters.md. The counter sends POST (or PUT) to /v1/devices/<section>/wire and is answered 200 after its
count is durable in the hub; 422 when the hub cannot read it, 503 when the hub cannot write: a counter that keeps what was not
taken sends it again, and the hub knows it again by its id or its totals. GET is answered 200: some try the address first.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from devices.codecs.counters.mapping import Mapping
from devices.driver import Capture, DeviceContext, Driver, DriverOptions, Replayed
from devices.drivers._counting import OWN, Counters, Entrance, decoder, masked
from devices.errors import CountError, NotRecordedError
from devices.model import Health, StatusUpdate
from devices.supervision.requests import DeviceRequest


class Options(DriverOptions, frozen=True):
    """`plain_http`: the counter may come without TLS, its token readable on the network.

    One that is not heard for `silent_after_s` is degraded: counters push at night, too. 0 leaves it be.
    """

    format: str = OWN
    mapping: Mapping | None = None
    entrances: dict[str, Entrance] = {}
    plain_http: bool = False
    silent_after_s: Annotated[int, Meta(ge=0, le=7 * 24 * 3600)] = 7200

    def __post_init__(self) -> None:
        decoder(self.format, self.mapping)


async def run(ctx: DeviceContext, options: Options) -> None:
    """Record what the counter sends, until cancelled."""
    counters = Counters(ctx, decoder(options.format, options.mapping), options.entrances)
    counters.report()
    while True:
        try:
            async with asyncio.timeout(options.silent_after_s or None):
                request = await ctx.next_request()
        except TimeoutError:
            silent = (
                f"nothing came for {options.silent_after_s} s: look at the counter, and at the address that it sends to"
            )
            ctx.status(StatusUpdate(Health.DEGRADED, "silent", silent))
            continue
        if request.method in ("POST", "PUT"):
            await _take(ctx, counters, request)
        else:
            request.answer(200 if request.method == "GET" else 405)


def _masked(chunks: Sequence[bytes], salt: bytes, options: Options) -> list[bytes]:
    return [masked(body, salt, options) for body in chunks]


async def _replay(ctx: DeviceContext, options: Options, read: Replayed) -> None:
    counters = Counters(ctx, decoder(options.format, options.mapping), options.entrances)
    while True:
        if body := await read(float("inf")):
            await _take(ctx, counters, DeviceRequest("POST", body=body))


async def _take(ctx: DeviceContext, counters: Counters, request: DeviceRequest) -> None:
    ctx.trace(request.body)
    try:
        readings = counters.readings(request.body, ctx.device_id)
        if readings:
            await ctx.record(readings)
    except CountError as err:
        counters.refuse(ctx.device_id, err)
        request.answer(422, content_type="text/plain; charset=utf-8", body=f"{err.reason}: {err}\n".encode())
        return
    except NotRecordedError as err:
        ctx.count("not_recorded")
        ctx.status(StatusUpdate(Health.DEGRADED, "not_recorded", f"counts wait at the counter: {err}"))
        request.answer(503, headers={"Retry-After": "5"})
        return
    ctx.count("readings", len(readings))
    counters.report()
    request.answer(200)


DRIVER = Driver(
    category="PeopleCounter",
    summary="a people counter that pushes its figures by HTTP",
    document="docs/counters.md",
    options=Options,
    run=run,
    takes_requests=True,
    capture=Capture(_masked, _replay, place={}),
)
