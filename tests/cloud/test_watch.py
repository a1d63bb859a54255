"""The fleet as head office watches it: what hubs say of themselves on the line, what becomes of it, who may read it."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from sync.cloud.watch.fleet import HEARD_MS, Facts, watched
from sync.cloud.watch.statuses import Said
from sync.line.telling import AGAIN_EVERY_MS, CHANGED_EVERY_MS, Telling
from sync.protocol import FEATURES, STATUS, Exposure, Status, decode, encode
from sync.schedule import Schedule

NOW_MS = 1_790_000_000_000
SAID = Status(
    software="0.1.0",
    copies=1,
    waiting=7,
    oldest_ms=NOW_MS - 60_000,
    clock_offset_ms=-1500,
    exposure=Exposure(coupons=2, amount=1500, currency="HKD", points=40),
)


def facts(**more: Any) -> Facts:
    empty = {"said": {}, "received_ms": {}, "lives_open": Counter(), "disputes": Counter(), "overdraws": Counter()}
    return Facts(**empty | {"differences": Counter(), "pieces_owed": Counter()} | more)


async def until(cloud: Any, holds: Any) -> Any:
    async with asyncio.timeout(30):
        while True:
            items = {each["store"]: each for each in (await cloud.get("/cloud/v1/fleet")).json["items"]}
            if holds(items):
                return items
            await asyncio.sleep(0.01)


async def test_what_a_hub_says_of_itself_is_on_the_page_of_the_fleet(
    cloud: Any, writer: Any, tokens: Any, talking: Any
) -> None:
    hub = talking.hub(writer)
    writer.sell("s1")
    async with talking(cloud, hub, tokens["hk01"], Telling(lambda: SAID)):
        await hub.until(lambda: hub.safe.get("sales") == 1)
        items = await until(cloud, lambda items: items["hk01"]["software"])

    shown = (await cloud.get("/metrics", token="")).body.decode()
    assert 'storehub_cloud_behind_rows{store="hk01"} 7.0' in shown
    assert 'storehub_cloud_store_clock_offset_seconds{store="hk01"} 1.5' in shown
    told = items["hk01"]
    assert (told["state"], told["rows_behind"], told["copies"], told["clock_offset_ms"]) == ("up", 7, 1, 1500)
    assert told["exposure"] == {"coupons": 2, "amount": 1500, "currency": "HKD", "points": 40}
    assert (told["behind_since_ms"], told["rep"], told["hubs"]) == (SAID.oldest_ms, writer.rep, 1)
    assert (items["hk02"]["state"], items["hk02"]["last_contact_ms"], items["hk02"]["copies"]) == ("never", None, None)


async def test_an_older_hub_stays_welcome_and_is_asked_for_nothing(
    cloud: Any, writer: Any, tokens: Any, talking: Any
) -> None:
    hub = talking.hub(writer)
    writer.sell("s1")
    async with talking(cloud, hub, tokens["hk01"]):
        await hub.until(lambda: hub.safe.get("sales") == 1)
        items = await until(cloud, lambda items: items["hk01"]["state"] == "up")

    assert (items["hk01"]["software"], items["hk01"]["rows_behind"], items["hk01"]["exposure"]) == ("", None, None)
    assert Telling(lambda: SAID).due(set(FEATURES) - {STATUS}, NOW_MS) == []


def test_it_is_said_at_once_when_changed_and_every_so_often() -> None:
    now = [SAID]
    telling = Telling(lambda: now[0])

    assert [len(telling.due(FEATURES, at)) for at in (1, 2, CHANGED_EVERY_MS + 1)] == [1, 0, 0]
    now[0] = Status(software="0.1.0", copies=2)
    assert len(telling.due(FEATURES, CHANGED_EVERY_MS + 2)) == 1
    assert telling.due(FEATURES, AGAIN_EVERY_MS) == []
    assert len(telling.due(FEATURES, CHANGED_EVERY_MS + AGAIN_EVERY_MS + 2)) == 1
    assert Telling().due(FEATURES, 1) == [] and decode(encode(SAID)) == SAID


@pytest.mark.parametrize(
    ("ago_ms", "schedule", "state"),
    [
        (None, None, "never"),
        (HEARD_MS, None, "up"),
        (HEARD_MS + 1, None, "down"),
        (1_300_000, Schedule("scheduled", 900.0), "resting"),
        (1_400_000, Schedule("scheduled", 900.0), "down"),
        (0, Schedule("realtime"), "up"),
    ],
)
def test_a_store_is_up_rests_or_is_down(ago_ms: int | None, schedule: Schedule | None, state: str) -> None:
    received = {} if ago_ms is None else {"hk01": NOW_MS - ago_ms}

    found = watched("hk01", facts(received_ms=received), (), schedule, seen_ms=None, now_ms=NOW_MS)

    assert found.state == state


def test_of_two_lives_the_last_word_counts() -> None:
    words = [Said("hk01:b", SAID, NOW_MS), Said("hk01:a", Status(software="0.0.9"), NOW_MS - 5)]
    known = facts(said={"hk01": words}, disputes=Counter(hk01=2), overdraws=Counter(hk01=1), lives_open=Counter(hk01=1))

    found = watched("hk01", known, (), None, seen_ms=None, now_ms=NOW_MS)

    assert (found.rep, found.software, found.disputes, found.overdraws, found.lives_open) == (
        "hk01:b",
        "0.1.0",
        2,
        1,
        1,
    )


async def test_the_page_is_open_and_what_it_shows_is_not(cloud: Any, tokens: Any) -> None:
    page = await cloud.get("/", token="")
    assert page.status == 200 and "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert (await cloud.get("/fleet/fleet.js", token="")).headers["Content-Type"].startswith("text/javascript")
    assert (await cloud.get("/fleet/cloud.toml", token="")).status == 404
    assert (await cloud.get("/cloud/v1/fleet", token="")).status == 401
    assert (await cloud.get("/cloud/v1/fleet", token=tokens["hk01"])).status == 403
