"""A people counter that pushes its figures by HTTP, category PeopleCounter: one device section for each counter.

Protocol document: docs/counters.md. The counter sends POST (or PUT) to /v1/devices/<section>/wire and is answered 200 after its
count is durable in the hub; 422 when the hub cannot read it, 503 when the hub cannot write: then it should send the same again.
GET is answered 200, for counters that try the address first.
"""

from typing import Annotated

from msgspec import Meta

from devices.codecs.counters.own import parse_reading
from devices.driver import DeviceContext, Driver, DriverOptions
from devices.errors import CountError, NotRecordedError
from devices.model import Health, StatusUpdate
from devices.requests import DeviceRequest


class Options(DriverOptions, frozen=True):
    """`entrance`: where it hangs, else its own name. `plain_http`: it may come without TLS, its token readable on the network."""

    entrance: Annotated[str, Meta(max_length=64)] = ""
    plain_http: bool = False


async def run(ctx: DeviceContext, options: Options) -> None:
    """Record what the counter sends, until cancelled."""
    ctx.status(StatusUpdate(Health.READY))
    while True:
        request = await ctx.next_request()
        if request.method in ("POST", "PUT"):
            await _take(ctx, options, request)
        else:
            request.answer(200 if request.method == "GET" else 405)


async def _take(ctx: DeviceContext, options: Options, request: DeviceRequest) -> None:
    try:
        reading = parse_reading(request.body, sensor=ctx.device_id, entrance=options.entrance or ctx.device_id)
        await ctx.record([reading])
    except CountError as err:
        ctx.count(f"refused_{err.reason}")
        request.answer(422, content_type="text/plain; charset=utf-8", body=f"{err.reason}: {err}\n".encode())
        return
    except NotRecordedError as err:
        ctx.count("not_recorded")
        ctx.status(StatusUpdate(Health.DEGRADED, "not_recorded", f"counts wait at the counter: {err}"))
        request.answer(503, headers={"Retry-After": "5"})
        return
    ctx.count("readings")
    ctx.status(StatusUpdate(Health.READY))
    request.answer(200)


DRIVER = Driver(
    category="PeopleCounter",
    summary="a people counter that pushes its figures by HTTP",
    document="docs/counters.md",
    options=Options,
    run=run,
    takes_requests=True,
)
