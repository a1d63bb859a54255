"""The HTTP counter driver, and what both counter drivers make of vendors' forms: names, entrances, faults, refusals."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devices import registry
from devices.drivers.http_counter import DRIVER
from devices.errors import OptionError
from devices.model import CounterReading, Health
from devices.supervision.requests import DeviceAnswer, DeviceRequest
from devices.testing.context import RecordingContext

AXIS_LIVE = {"serial": "cam", "timestamp": "2026-07-01T09:00:00Z", "total_in": 10, "total_out": 8}


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[RecordingContext]:
    ctx = RecordingContext("door")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_run(ctx, options), name="driver")
        yield ctx
        task.cancel()


async def _run(ctx: RecordingContext, options: Any) -> None:
    await DRIVER.run(ctx, registry.options_for("http_counter", options, device_id="door"))


async def post(ctx: RecordingContext, document: Any, method: str = "POST") -> DeviceAnswer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return await ctx.ask(DeviceRequest(method, content_type="application/json", body=body))


async def test_a_vendor_s_push_is_recorded_before_it_is_answered() -> None:
    async with running(format="axis_live", entrances={"door": "Main door"}) as ctx:
        ctx.takes_readings.clear()
        asking = asyncio.create_task(post(ctx, AXIS_LIVE))
        await asyncio.sleep(0)
        assert not asking.done()
        ctx.takes_readings.set()
        assert (await asking).status == 200
    at_ms = 1_782_896_400_000
    assert ctx.readings == [CounterReading("door", "Main door", at_ms=at_ms, in_total=10, out_total=8)]


async def test_lines_are_sensors_of_their_own_that_may_hang_at_one_entrance() -> None:
    mapping = {"each": "/l/*", "line": "n", "in": "i"}
    async with running(mapping=mapping, entrances={"door": "Main", "door:B": "Side"}) as ctx:
        await post(ctx, {"l": [{"n": "A", "i": 1}, {"n": "B", "i": 2}]})
    assert [(each.sensor, each.entrance) for each in ctx.readings] == [("door:A", "Main"), ("door:B", "Side")]


async def test_a_count_that_is_not_durable_is_to_be_sent_again() -> None:
    async with running() as ctx:
        ctx.refuses_readings = True
        answer = await post(ctx, {"in": 1})
        assert (answer.status, dict(answer.headers)) == (503, {"Retry-After": "5"})
        assert ctx.last_status is not None and ctx.last_status.reason == "not_recorded"
        ctx.refuses_readings = False
        assert (await post(ctx, {"in": 1})).status == 200
        assert ctx.last_status.health is Health.READY


async def test_what_cannot_be_read_is_refused_counted_and_logged_once_without_its_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        async with running(format="milesight") as ctx:
            for _ in range(2):
                assert (await post(ctx, b"secret")).status == 422
    assert ctx.counters["refused_not_json"] == 2
    assert len(caplog.records) == 1 and "secret" not in caplog.text


async def test_a_counter_that_stands_still_is_degraded_until_it_counts() -> None:
    def uplink(payload: str) -> dict[str, Any]:
        return {"devEUI": "a8", "fPort": 1, "data": payload}

    async with running(format="terabee_lorawan") as ctx:
        await post(ctx, uplink("AAAAAAAAAAAB"))
        assert ctx.last_status is not None
        assert (ctx.last_status.reason, ctx.last_status.detail) == ("sensor_fault", "1 not counting: door (stopped)")
        await post(ctx, uplink("AAAAyAAAAcgA"))
        assert ctx.last_status.health is Health.READY
    assert [each.in_total for each in ctx.readings] == [200]


async def test_a_counter_that_is_not_heard_is_degraded_until_it_is() -> None:
    async with running(silent_after_s=1) as ctx:
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "silent")
        await post(ctx, {"in": 1})
        assert ctx.last_status is not None and ctx.last_status.health is Health.READY


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "xoviss"}, r"no format 'xoviss'; .*did you mean 'xovis'"),
        ({"format": "xovis", "mapping": {"in": "a"}}, "not both"),
        ({"mapping": {"out": "a", "inn": "b"}}, "inn"),
        ({"mapping": {}}, "in, out, or both"),
    ],
)
def test_a_wrong_option_is_refused_with_its_remedy(options: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        registry.options_for("http_counter", options, device_id="door")
