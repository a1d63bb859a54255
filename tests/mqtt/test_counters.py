"""People counters from the wire to the books, over the embedded broker and over mosquitto: nothing lost, nothing twice."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from devices.drivers import mqtt_homie, mqtt_probe
from devices.drivers._mqtt_link import INBOX_MAX
from devices.model import Health
from devices.testing.context import RecordingContext

COUNT = "store/hk01/counter/door/count"
STATUS = "store/hk01/counter/door/status"
AT = 1_790_000_000_000


def totals(came: int, left: int = 0, **more: Any) -> str:
    return json.dumps({"in": came, "out": left} | more)


async def test_running_totals_count_their_differences(broker: Any, hub_side: Any, connect: Callable[..., Any]) -> None:
    async with hub_side.driver(broker.port, entrances={"door": "Main entrance"}):
        await hub_side.ready()
        sensor = await connect()
        for came, left in ((100, 90), (103, 90), (103, 91)):
            await sensor.publish(COUNT, totals(came, left))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 3)
        assert hub_side.sums() == {"Main entrance": (3, 1)}
        assert hub_side.verdicts == {"baseline": 1, "counted": 2}


async def test_the_same_reading_again_counts_nothing(broker: Any, hub_side: Any, connect: Callable[..., Any]) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect()
        for payload in (totals(5, at=AT - 2), totals(8, at=AT - 1), totals(8, at=AT - 1), totals(5, at=AT - 2)):
            await sensor.publish(COUNT, payload, dup=True)
        await hub_side.wait_for(lambda: len(hub_side.taken) == 4)
        assert hub_side.sums() == {"door": (3, 0)}
        assert hub_side.verdicts == {"baseline": 1, "counted": 1, "repeated": 1, "stale": 1}


async def test_a_retained_reading_is_a_baseline_and_no_visitor(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    sensor = await connect()
    await sensor.publish(COUNT, totals(500), retain=True)
    async with hub_side.driver(broker.port):
        await hub_side.wait_for(lambda: len(hub_side.taken) == 1)
        assert hub_side.taken[0].retained
        await sensor.publish(COUNT, totals(504))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 2)
        assert hub_side.sums() == {"door": (4, 0)}


async def test_a_sensor_that_began_again_is_counted_from_zero(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect()
        for payload in (totals(900, boot="a"), totals(910, boot="a"), totals(2, boot="b"), totals(3, boot="b")):
            await sensor.publish(COUNT, payload)
        await hub_side.wait_for(lambda: len(hub_side.taken) == 4)
        assert hub_side.sums() == {"door": (13, 0)}
        assert hub_side.verdicts == {"baseline": 1, "counted": 2, "reset": 1}


async def test_messages_of_one_millisecond_are_all_counted(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect()
        for number in range(200):
            sensor.publish_soon(COUNT, json.dumps({"in_delta": 1, "id": number, "at": AT}))
            sensor.publish_soon("store/hk01/counter/door/yard/count", totals(number, at=AT))
        await sensor.acknowledged(400)
        await hub_side.wait_for(lambda: len(hub_side.taken) == 400)
        assert hub_side.sums() == {"door": (200, 0), "door/yard": (199, 0)}


async def test_a_delta_with_an_id_counts_once(broker: Any, hub_side: Any, connect: Callable[..., Any]) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect()
        for number in (7, 8, 7, 8, "morning", "morning"):
            await sensor.publish(COUNT, json.dumps({"in_delta": 2, "out_delta": 1, "id": number}))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 6)
        assert hub_side.sums() == {"door": (6, 3)}


async def test_what_comes_while_the_hub_is_away_is_counted_when_it_is_back(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
    sensor = await connect()
    for number in range(1000):
        sensor.publish_soon(COUNT, json.dumps({"in_delta": 1, "id": number}))
    await sensor.acknowledged(1000)
    hub_side.states.clear()
    async with hub_side.driver(broker.port):
        await hub_side.wait_for(lambda: len(hub_side.taken) >= 1000)
        assert hub_side.sums() == {"door": (1000, 0)}
        assert not any(reading.retained for reading in hub_side.taken)


async def test_a_hub_that_dies_between_commit_and_acknowledgement_counts_once(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    hub_side.holds = asyncio.Event()
    sensor = await connect()
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        await sensor.publish(COUNT, totals(10))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 1)
        for payload in (totals(12), '{"in_delta":3,"id":1}', '{"in_delta":4}', '{"in_delta":4}'):
            await sensor.publish(COUNT, payload)
    hub_side.holds = None
    async with hub_side.driver(broker.port):
        await sensor.publish(COUNT, totals(20))
        await hub_side.wait_for(lambda: hub_side.taken[-1].in_total == 20)
        if broker.keeps:
            assert hub_side.taken[1].redelivered and hub_side.taken[1].in_total == 10
            assert hub_side.sums() == {"door": (10 + 3 + 4 + 4, 0)}
        else:  # the embedded broker dies with its hub, and what was on the way with it: totals make up for it
            assert hub_side.sums()["door"][0] >= 10


async def test_deltas_without_id_that_were_recorded_are_known_when_redelivered(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    sensor = await connect()
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        hub_side.holds = asyncio.Event()
        sensor.publish_soon(COUNT, '{"in_delta":4}')
        sensor.publish_soon(COUNT, '{"in_delta":4}')
        await sensor.acknowledged(2)
        await hub_side.wait_for(lambda: len(hub_side.taken) >= 1)
    recorded = len(hub_side.taken)
    hub_side.holds = None
    hub_side.states.clear()
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        if broker.keeps:
            await hub_side.wait_for(lambda: len(hub_side.taken) >= recorded + 2)
            assert hub_side.sums() == {"door": (8, 0)}
            assert hub_side.verdicts == {"at_least_once": 2, "repeated": recorded}


async def test_a_failed_commit_is_not_acknowledged_and_counts_once_later(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        hub_side.refuses = True
        sensor = await connect()
        for number in range(50):
            sensor.publish_soon(COUNT, json.dumps({"in_delta": 1, "id": number}))
        await hub_side.wait_for(lambda: len(hub_side.batches) >= 2)
        assert (hub_side.states[-1].health, hub_side.states[-1].reason) == (Health.DEGRADED, "not_recorded")
        assert hub_side.sums() == {}
        hub_side.refuses = False
        await hub_side.wait_for(lambda: len(hub_side.taken) == 50)
        await hub_side.ready()
        assert hub_side.sums() == {"door": (50, 0)}
        assert hub_side.verdicts == {"counted": 50}


async def test_a_restarted_broker_is_found_again(broker: Any, hub_side: Any, connect: Callable[..., Any]) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        await (await connect()).publish(COUNT, totals(1))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 1)
        await broker.stop()
        await hub_side.wait_for(lambda: hub_side.states[-1].health is Health.OFFLINE)
        assert hub_side.states[-1].reason == "broker_unreachable"
        await broker.start()
        await hub_side.ready()
        await (await connect()).publish(COUNT, totals(6))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 2)
        assert hub_side.sums() == {"door": (5, 0)}


async def test_wrong_credentials_are_reported_with_their_remedy(broker: Any, hub_side: Any) -> None:
    async with hub_side.driver(broker.port, password="wrong"):
        await hub_side.wait_for(lambda: any(state.reason == "broker_refused" for state in hub_side.states))
        state = next(state for state in hub_side.states if state.reason == "broker_refused")
        assert "correct username and password" in state.detail and "wrong" not in state.detail


@pytest.mark.parametrize(
    ("user", "password"),
    [("", ""), ("device1", "a guess"), ("device2", "token-of-the-door-sensor"), ("hub", "a guess")],
)
async def test_a_device_without_credentials_is_turned_away(
    broker: Any, connect: Callable[..., Any], refused: type[Exception], user: str, password: str
) -> None:
    with pytest.raises(refused):
        await connect(user=user, password=password)


async def test_a_device_hears_nothing_and_publishes_below_its_own_topics_only(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect()
        if not broker.keeps:
            assert await sensor.subscribe("store/hk01/#") == 0x80
            assert await sensor.subscribe("#") == 0x80
        for elsewhere in ("store/other/counter/door/count", "store/hk01/counter/yard/count", "homie/5/yard/$state"):
            await sensor.publish(elsewhere, totals(1))
        await sensor.publish(COUNT, totals(2))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 1)
        assert hub_side.taken[0].in_total == 2


async def test_nonsense_is_acknowledged_counted_and_named_once(
    broker: Any, hub_side: Any, connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    nonsense = [
        b"SECRET",
        b"",
        b"[" * 3000,
        b'{"in":-1}',
        b'{"in":1.5}',
        b'{"who":"SECRET"}',
        b'{"in":1}' + b" " * 5000,
    ]
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect()
        for payload in nonsense * 2:
            await sensor.publish(COUNT, payload)
        await sensor.publish("store/hk01/counter/door/" + "x" * 100 + "/count", totals(1))
        await sensor.publish(STATUS, b"perhaps")
        await sensor.publish(COUNT, totals(1))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 1)
        counted = {name: n for name, n in hub_side.counters().items() if name.startswith("refused")}
        assert sum(counted.values()) == 2 * len(nonsense) + 2
        assert set(counted) == {
            "refused_not_json",
            "refused_wrong_field",
            "refused_no_count",
            "refused_too_long",
            "refused_sensor_name",
            "refused_status",
        }
    lines = [record for record in caplog.records if record.message == "count refused"]
    assert len(lines) == len({(line.sensor, line.reason) for line in lines}) == 6  # type: ignore[attr-defined]
    assert not any("SECRET" in str(record.__dict__) for record in caplog.records)


async def test_ten_megabytes_harm_nobody(broker: Any, hub_side: Any, connect: Callable[..., Any]) -> None:
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        monster = await connect()
        monster.publish_soon(COUNT, b"x" * 10_000_000)
        await monster.receive()  # acknowledged by mosquitto, which keeps it from us; the embedded broker hangs up
        sensor = await connect()
        await sensor.publish(COUNT, totals(1))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 1)
        assert hub_side.states[-1].health is Health.READY


async def test_a_last_will_shows_which_sensor_is_away(broker: Any, hub_side: Any, connect: Callable[..., Any]) -> None:
    sensor = await connect()
    await sensor.publish(STATUS, b"offline", retain=True)
    async with hub_side.driver(broker.port):
        await hub_side.wait_for(lambda: bool(hub_side.states) and hub_side.states[-1].reason == "sensors_offline")
        assert hub_side.states[-1].detail == "1 offline: door"
        await sensor.publish(STATUS, b"online", retain=True)
        await hub_side.ready()


async def test_a_flood_is_counted_whole_in_bounded_batches(
    broker: Any, hub_side: Any, connect: Callable[..., Any]
) -> None:
    count, devices, window = (
        (20_000 if broker.keeps else 4_000),
        50,
        400,
    )  # the embedded one takes a tenth as many a second
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect()
        for number in range(count):
            topic = f"store/hk01/counter/door/d{number % devices}/count"
            sensor.publish_soon(topic, totals(number // devices))
            if number >= window:
                await sensor.acknowledged(1)
        await sensor.acknowledged(window)
        await hub_side.wait_for(lambda: len(hub_side.taken) == count)
        assert hub_side.sums() == {f"door/d{n}": (count // devices - 1, 0) for n in range(devices)}
        assert max(hub_side.batches) <= INBOX_MAX


async def test_the_log_holds_no_password(broker: Any, hub_side: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with hub_side.driver(broker.port):
            await hub_side.ready()
    assert not any("hub-secret" in str(record.__dict__) for record in caplog.records)


async def test_a_probe_s_reports_are_recorded_and_its_addresses_are_in_no_log(
    broker: Any, connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    ctx = RecordingContext("probes")
    ctx.refuses_readings = True
    options = mqtt_probe.Options(
        store="hk01", address=f"127.0.0.1:{broker.port}", username="hub", password="hub-secret", places={"door": "Main"}
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(_until_cancelled(mqtt_probe.DRIVER.run(ctx, options)), name="driver")
        await ctx.wait_for(lambda: ctx.last_status is not None)
        probe = await connect()
        await probe.publish("store/hk01/probe/door/seen", b'{"seen":["a4:83:e7:12:34:56"]}')
        await probe.publish("store/hk01/probe/door/seen", b'{"seen":["a4:83:e7:12:34"]}')
        await ctx.wait_for(lambda: len(ctx.refused) > 0)
        ctx.refuses_readings = False
        await ctx.wait_for(lambda: len(ctx.readings) == 1)
        running.cancel()
    (report,) = ctx.readings
    assert (report.place, len(report.addresses)) == ("Main", 1)
    assert ctx.counters["refused_wrong_field"] == 1 and "a4:83" not in caplog.text


async def _until_cancelled(work: Any) -> None:
    with suppress(asyncio.CancelledError):
        await work


async def test_a_homie_device_appears_by_itself_and_counts_when_it_is_accepted(
    broker: Any, connect: Callable[..., Any]
) -> None:
    """On both brokers; its `$state` comes before or after its description, and all of it is retained."""
    description = {"homie": "5.0", "nodes": {"counter": {"properties": {"in": {"datatype": "integer"}}}}}
    device = await connect()
    await device.publish("homie/5/door/$description", json.dumps(description), retain=True)
    await device.publish("homie/5/door/$state", b"ready", retain=True)
    account: dict[str, Any] = {"address": f"127.0.0.1:{broker.port}", "username": "hub", "password": "hub-secret"}
    for entrances in ({}, {"door/counter": "North"}):
        ctx = RecordingContext("homie")
        async with asyncio.TaskGroup() as group:
            options = mqtt_homie.Options(entrances=entrances, **account)
            running = group.create_task(_until_cancelled(mqtt_homie.DRIVER.run(ctx, options)), name="driver")
            if not entrances:
                await ctx.wait_for(
                    lambda ctx=ctx: ctx.last_status is not None and ctx.last_status.reason == "to_accept"
                )
                assert "door/counter" in ctx.last_status.detail
            else:
                await ctx.wait_for(lambda ctx=ctx: ctx.last_status is not None)
                await device.publish("homie/5/door/counter/in", b"7", retain=True)
                await ctx.wait_for(lambda ctx=ctx: len(ctx.readings) == 1)
                assert (ctx.readings[0].entrance, ctx.readings[0].in_total) == ("North", 7)
            running.cancel()
