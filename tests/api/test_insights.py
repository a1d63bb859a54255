"""Visitors through the API: from a counter's message over the embedded broker to the day's figures and the event."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devices.model import CounterReading, Dwell, ZoneChange
from hub.attached.events import Events
from hub.attached.readings import Readings
from hub.store.staff.tills import Paired
from hub.tokens import Tokens
from hub.visitors import Visitors

AT = 1_790_000_000_000  # 2026-09-21T22:13:20 in Hong Kong


def totals(came: int, left: int, entrance: str = "door") -> CounterReading:
    return CounterReading(entrance, entrance, in_total=came, out_total=left)


async def test_a_day_has_its_sums_its_entrances_and_all_its_hours(hub: Any, till: Any) -> None:
    visitors = Visitors(hub.runtime)
    await visitors.on_readings("doors", [totals(0, 0), totals(0, 0, "back"), totals(7, 2), totals(1, 1, "back")])
    answer = await till.get("/v1/insights/footfall")
    assert answer.status == 200
    found = answer.json
    assert {key: found[key] for key in ("date", "time_zone", "in", "out")} == {
        "date": "2026-09-21",
        "time_zone": "Asia/Hong_Kong",
        "in": 8,
        "out": 3,
    }
    assert found["entrances"] == [
        {"entrance": "back", "in": 1, "out": 1},
        {"entrance": "door", "in": 7, "out": 2},
    ]
    assert len(found["hours"]) == 24
    assert found["hours"][0]["hour"] == "2026-09-21T00:00:00+08:00"
    assert [hour for hour in found["hours"] if hour["in"]] == [{"hour": "2026-09-21T22:00:00+08:00", "in": 8, "out": 3}]


async def test_another_day_is_asked_for_by_its_date(hub: Any, till: Any) -> None:
    answer = await till.get("/v1/insights/footfall", date="2026-02-28")
    assert (answer.status, answer.json["date"], answer.json["in"]) == (200, "2026-02-28", 0)


@pytest.mark.parametrize("wrong", ["2026-02-30", "today", "0001-01-01", "9999-12-31", ""])
async def test_a_date_that_is_none_is_refused(till: Any, wrong: str) -> None:
    answer = await till.get("/v1/insights/footfall", date=wrong)
    assert (answer.status, answer.json["code"]) == (422, "invalid_field")


@pytest.mark.parametrize(
    ("scope", "status"), [("till", 200), ("manager", 200), ("ops", 403), ("device", 403), (None, 401)]
)
async def test_visitors_are_for_staff(hub: Any, pair_till: Any, scope: Any, status: int) -> None:
    client = await pair_till(hub, scope=scope)
    assert (await client.get("/v1/insights/footfall")).status == status


async def test_windows_are_told_after_the_commit_and_not_each_batch(hub: Any, till: Any) -> None:
    visitors = Visitors(hub.runtime)
    async with till.events() as ws:
        assert json.loads((await ws.receive()).data)["type"] == "hello"
        await visitors.on_readings("doors", [totals(0, 0), totals(1, 0)])
        first = json.loads((await ws.receive()).data)
        for came in range(2, 50):
            await visitors.on_readings("doors", [totals(came, 0)])
        second = json.loads((await ws.receive()).data)
    assert first["type"] == "footfall"
    assert first["data"] == {
        "date": "2026-09-21",
        "windows": [{"entrance": "door", "quarter": "2026-09-21T14:00:00Z", "in": 1, "out": 0}],
    }
    assert second["data"]["windows"][0]["in"] == 49


async def test_verdicts_are_in_the_metrics(hub: Any, till: Any) -> None:
    await Visitors(hub.runtime).on_readings("doors", [totals(1, 0), totals(2, 0), totals(2, 0)])
    text = (await till.get("/metrics")).body.decode()
    for verdict in ("baseline", "counted", "repeated"):
        assert f'storehub_visitor_readings_total{{verdict="{verdict}"}} 1.0' in text


async def test_a_counter_on_the_embedded_broker_reaches_the_day(
    start_hub: Callable[..., Awaitable[Any]],
    pair_till: Callable[..., Awaitable[Any]],
    until: Callable[..., Awaitable[Any]],
) -> None:
    """The hub's own wiring: device credentials by pairing, the broker beside it, the driver, the books, the API."""
    from hub.broker.embedded import embedded_broker
    from hub.settings.file import MqttSection

    tokens = Tokens()
    section = MqttSection(0, "hub", "hub-secret")
    async with embedded_broker(section, store_id="hk01", tokens=tokens) as (port, _):
        doors = {
            "kind": "mqtt_counter",
            "store": "hk01",
            "address": f"127.0.0.1:{port}",
            "username": "hub",
            "password": "hub-secret",
        }
        hub = await start_hub(devices={"doors": doors})
        till, device = await pair_till(hub), await pair_till(hub, scope="device")
        tokens.admit(device.token, Paired(device.till_id, "Door", "device"))
        await until(lambda: till.get("/v1/devices"), lambda answer: answer.json["items"][0]["health"] == "ready")
        process = await asyncio.create_subprocess_exec(
            *("python3", "bench/reference/mqtt_flood.py", "127.0.0.1", str(port), device.till_id, device.token),
            *("store/hk01/counter/Door/{device}/count", '{"in":{n},"out":0}', "1000", "10", "50"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        sale = await till.post("/v1/sales", till.sale())
        assert sale.status == 201, "a sale is answered while counters flood"
        assert await process.wait() == 0
        found = await until(lambda: till.get("/v1/insights/footfall"), lambda answer: answer.json["in"] == 10 * 99)
        assert len(found.json["entrances"]) == 10


BEACON = "ibeacon:5b8e2d7a-91c4-4f0e-a3d6-127c9e50f4b8:1:1"


async def test_dwell_is_told_by_zone_and_hour_and_names_nobody(hub: Any, till: Any) -> None:
    readings = Readings(hub.runtime)
    stays = [
        Dwell("a-1", "entrance", BEACON, "visitor", 60_000, 0),
        Dwell("a-2", "desk", BEACON, "visitor", 30_000, 90_000),
        Dwell("a-3", "desk", "eddystone:01:02", "thing", 10_000, 0),
    ]
    await readings.on_readings("radio", stays)
    await readings.on_readings("radio", stays[:1])
    answer = await till.get("/v1/insights/dwells")
    assert answer.status == 200
    assert answer.json == {
        "date": "2026-09-21",
        "time_zone": "Asia/Hong_Kong",
        "zones": [
            {"zone": "desk", "visits": 1, "visitors": 1, "dwell_s": 30, "mean_s": 30, "median_s": 30, "things_s": 10},
            {
                "zone": "entrance",
                "visits": 1,
                "visitors": 1,
                "dwell_s": 60,
                "mean_s": 60,
                "median_s": 60,
                "things_s": 0,
            },
        ],
        "hours": [
            {
                "hour": "2026-09-21T22:00:00+08:00",
                "zone": "desk",
                "visits": 1,
                "visitors": 1,
                "dwell_s": 30,
                "median_s": 30,
            },
            {
                "hour": "2026-09-21T22:00:00+08:00",
                "zone": "entrance",
                "visits": 1,
                "visitors": 1,
                "dwell_s": 60,
                "median_s": 60,
            },
        ],
    }
    bodies = [body for (body,) in hub.runtime.db.read.execute("SELECT body FROM dwell ORDER BY id").fetchall()]
    visitors = [json.loads(body).get("visitor") for body in bodies]
    assert visitors[0] == visitors[1] and visitors[2] is None
    assert BEACON not in "".join(bodies) and "5b8e2d7a" not in "".join(bodies)


async def test_a_change_of_zone_is_for_the_console_and_has_the_name_of_its_stay(
    hub: Any, till: Any, pair_till: Callable[..., Awaitable[Any]]
) -> None:
    manager = await pair_till(hub, scope="manager")
    async with manager.events() as ws, till.events() as other:
        for each in (ws, other):
            assert json.loads((await each.receive()).data)["type"] == "hello"
        hears = Events(hub.runtime).hear
        await hears("radio", ZoneChange(BEACON, "visitor", None, "entrance"))
        await hears("radio", ZoneChange("eddystone:01:02", "thing", "desk", None))
        told = [json.loads((await ws.receive()).data) for _ in range(2)]
        hub.runtime.tell("order", {})
        assert json.loads((await other.receive()).data)["type"] == "order", "tills are told of no beacons"
    assert [event["type"] for event in told] == ["zone", "zone"]
    name = hub.runtime.pseudonyms.of(BEACON, day=hub.runtime.today)
    assert told[0]["data"] == {"left": None, "entered": "entrance", "visitor": name}
    assert told[1]["data"] == {"left": "desk", "entered": None, "thing": "eddystone:01:02"}
