"""The demo as a newcomer meets it: started, plugged into from outside, stopped, killed, started again."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from devices.testing.mqtt_publisher import MqttPublisher
from devices.testing.private_bus import has_dbus_daemon
from hub.api.selling.sales import SaleRequest
from hub.client import CloudClient, HubClient, ProblemError, UnreachableError, new_id, now_ms
from hub.demo.till_client import TillClient
from sync.retail.orders.orders import OrderState
from sync.retail.selling.sales import SaleLine, Tender

BUN = "4899990000406"
WAIT_S = 60.0
STOP_TIMEOUT_S = 2.0  # the promise: Ctrl-C stops all of it within two seconds, on a machine that has the time
STORE = """
[store]
id = "demo-hk01"
name_zh_hant = ""
name_en = "Before there was a cloud"
currency = "HKD"
"""

Started = Callable[..., Any]  # the fixture of conftest.py


def bun_sale(till: HubClient, amount: int, *, is_printed: bool = False) -> SaleRequest:
    return SaleRequest(
        sale_id=new_id(),
        till_id=till.till_id,
        currency="HKD",
        lines=(SaleLine(1, "BUN-1", 1, amount),),
        tenders=(Tender("octopus", amount),),
        total=amount,
        print=is_printed,
    )


async def price_of_a_bun(till: HubClient) -> int:
    price = (await till.product("BUN-1")).price
    assert price is not None
    return price.amount


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Return what `holds` says as soon as it says something; who does not answer yet is asked again."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                if found := await holds():
                    return found
            except (UnreachableError, ProblemError, aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.02)


def cloud_of(facts: dict[str, Any]) -> CloudClient:
    return CloudClient(facts["cloud"], facts["cloud_token"])


async def test_a_stranger_pairs_scans_sells_and_sees_the_paper(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store", "--no-shoppers") as demo:
        facts = demo.facts
        async with HubClient(facts["hub"]) as till, aiohttp.ClientSession() as browser:
            await till.pair(facts["pairing_code"], "stranger")
            await till.claim("lane1-scanner")
            async with till.events() as events:
                Path(facts["scanner_pty"]).write_bytes(BUN.encode() + b"\r")
                scan = await anext(event async for event in events if event["type"] == "scan")
                item = await till.product(scan["data"]["sku"])
                answer = await till.sell(bun_sale(till, await price_of_a_bun(till), is_printed=True))
                await anext(e async for e in events if e["type"] == "print" and e["data"]["state"] == "printed")
            async with browser.get(facts["paper"] + "papers", params={"after": "0"}) as response:
                papers = await response.json()
            paper = re.sub("<[^>]*>", "", papers[-1]["html"])
            assert answer.receipt_no in paper
            assert item.name.zh_hant in paper
        assert {device["id"] for device in facts["devices"]} == {
            *("lane1-scanner", "lane2-scanner", "lane2-scale", "lane2-display", "lane1-printer", "counters"),
            *(("radio",) if has_dbus_daemon() else ()),
        }


def slowness() -> float:
    """How many times as long as alone this process takes now: others want the machine, too."""
    began_s, worked_s = time.perf_counter(), time.process_time()
    while time.process_time() - worked_s < 0.1:
        pass
    return max(1.0, (time.perf_counter() - began_s) / 0.1)


async def test_ctrl_c_stops_everything_in_two_seconds_and_the_same_data_goes_on(
    started: Started, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    async with started(tmp_path / "store", "--no-shoppers", port=port) as demo:
        async with HubClient(demo.facts["hub"]) as till:
            token = (await till.pair(demo.facts["pairing_code"], "stranger")).token
        async with asyncio.timeout(STOP_TIMEOUT_S * slowness()):
            await demo.signal_group(signal.SIGINT)
        assert demo.process.returncode == 0
        assert not (tmp_path / "store" / "demo.json").exists()
    async with (
        started(tmp_path / "store", "--no-shoppers", port=port) as demo,
        HubClient(demo.facts["hub"], token) as till,
    ):
        assert (await till.product("BUN-1")).price is not None


async def test_ctrl_c_stops_shoppers_and_visitors_in_two_seconds_too(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store") as demo:
        async with cloud_of(demo.facts) as cloud:
            await until(lambda: rows_of(cloud, "sales"))
        async with asyncio.timeout(STOP_TIMEOUT_S * slowness()):
            await demo.signal_group(signal.SIGINT)
        assert demo.process.returncode == 0


async def test_killing_the_group_frees_the_port_and_a_stale_lock_is_taken_over(
    started: Started, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    for _ in range(2):
        async with started(tmp_path / "store", "--no-shoppers", port=port) as demo:
            await demo.signal_group(signal.SIGKILL)


async def test_killing_the_parent_alone_takes_the_hub_with_it(
    started: Started, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    async with started(tmp_path / "store", "--no-shoppers", port=port) as demo:
        demo.process.kill()
        assert demo.process.stdout is not None
        await demo.process.stdout.read()  # ends when the hub's end of the pipe is closed too
        await demo.process.wait()
    async with started(tmp_path / "store", "--no-shoppers", port=port):
        pass


async def test_a_hub_that_is_killed_is_started_again_also_before_it_was_ready(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store", "--no-shoppers") as demo:
        killed = {""}
        for _ in range(7):  # more often than a hub may fail by itself
            while (pid := (demo.data / "hub.lock").read_text()) in killed:  # noqa: ASYNC110 - another process has no Event
                await asyncio.sleep(0.01)
            os.kill(int(pid), signal.SIGKILL)
            killed.add(pid)
            await demo.read_until("starting it again")
        async with aiohttp.ClientSession() as browser, asyncio.timeout(WAIT_S):
            while True:
                try:
                    async with browser.get(f"http://127.0.0.1:{demo.port}/readyz") as response:
                        assert response.status == 200
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0)


async def test_shoppers_keep_the_shop_alive(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store") as demo, HubClient(demo.facts["hub"]) as till:
        await till.pair(demo.facts["pairing_code"], "stranger")
        async with till.events() as events, asyncio.timeout(WAIT_S):
            sale = await anext(event["data"] async for event in events if event["type"] == "sale")
        assert sale["total"] > 0


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--data", "/proc/nowhere"], "choose another data folder"),
        (["--port", "1"], "choose another with --port"),
        (["--cloud-port", "1"], "choose another with --cloud-port"),
        (["--break", "lose"], "add --once"),
        (["--once", "--data", "/usr"], "is not empty"),
        (["--import", "/nowhere.csv"], "/nowhere.csv"),
    ],
)
async def test_what_is_wrong_is_said_in_one_sentence_with_the_remedy(
    tmp_path: Path, free_port: Callable[[], int], options: list[str], remedy: str
) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    options = [str(taken.getsockname()[1]) if option == "1" else option for option in options]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "demo", "--port", str(free_port()), "--cloud-port", str(free_port())),
        *("--data", str(tmp_path / "store"), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    taken.close()
    assert process.returncode == 1
    assert said.decode().startswith("storehub: ")
    assert remedy in said.decode()
    assert len(said.decode().splitlines()) == 1


async def test_a_second_demo_on_a_folder_is_refused_and_touches_nothing(
    started: Started, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    async with started(tmp_path / "store", "--no-shoppers") as demo:
        before = {file: (demo.data / file).read_text() for file in ("hub.toml", "demo.json")}
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", "demo", "--port", str(free_port()), "--cloud-port", str(free_port())),
            *("--data", str(demo.data)),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await second.communicate()

        assert second.returncode == 1 and f"in use by process {demo.process.pid}" in said.decode()
        assert {file: (demo.data / file).read_text() for file in before} == before
        assert Path(demo.facts["scanner_pty"]).is_char_device()


async def test_who_waits_for_the_facts_never_finds_those_of_a_killed_demo(
    started: Started, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    async with started(tmp_path / "store", "--no-shoppers", port=port) as demo:
        old = demo.facts["pairing_code"]
        await demo.signal_group(signal.SIGKILL)
    async with started(tmp_path / "store", "--no-shoppers", port=port) as demo:
        assert demo.facts["pairing_code"] != old


async def test_a_hub_with_listening_tills_stops_by_itself(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store", "--no-shoppers") as demo, HubClient(demo.facts["hub"]) as till:
        await till.pair(demo.facts["pairing_code"], "stranger")
        async with till.events() as events:
            await anext(events)
            async with asyncio.timeout(STOP_TIMEOUT_S * slowness()):
                await demo.signal_group(signal.SIGINT)
        assert "hub stopped" in (demo.data / "hub.log").read_text()


async def test_what_a_stranger_sells_and_counts_arrives_in_the_cloud(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store", "--no-shoppers") as demo, cloud_of(demo.facts) as cloud:
        facts, broker = demo.facts, urlsplit(demo.facts["mqtt"])
        account = {"username": facts["mqtt_username"], "password": facts["mqtt_password"]}
        async with MqttPublisher(broker.hostname, broker.port, client_id="a stranger's", **account) as counter:
            for people in (10, 13):
                payload = json.dumps({"in": people, "out": 10, "at": now_ms()}).encode()
                await counter.publish(facts["mqtt_topic"], payload)
        async with HubClient(facts["hub"]) as till:
            await till.pair(facts["pairing_code"], "stranger")
            sold = await till.sell(bun_sale(till, await price_of_a_bun(till)))

        arrived = await until(lambda: cloud.sales(sold.sale_id))
        windows = await until(lambda: rows_of(cloud, "footfall"))

        assert (arrived["store"], arrived["sale"]["receipt_no"]) == ("demo-hk01", sold.receipt_no)
        assert [(row["row"]["in"], row["row"]["out"]) for row in windows] == [(3, 0)]
        assert {counter["id"] for counter in facts["counters"]} == {"door-main", "door-mall"}
        async with aiohttp.ClientSession() as browser, browser.get(facts["line"]) as page:
            assert page.status == 200


async def rows_of(cloud: CloudClient, stream: str) -> list[dict[str, Any]]:
    return (await cloud.feed(stream)).rows


async def test_orders_of_the_web_shop_come_and_are_packed_and_some_are_left(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store") as demo, TillClient(demo.facts["hub"]) as till:
        await till.pair(demo.facts["pairing_code"], "stranger")
        ready = (await until(lambda: till.orders(OrderState.READY)))[0]
        assert ready.ours and [line.picked for line in ready.lines] == [line.qty for line in ready.lines]
        assert await till.orders(OrderState.ALLOCATED), "some are left for whoever looks at the page"


async def test_a_cloud_that_is_killed_is_started_again_and_gets_what_was_sold_meanwhile(
    started: Started, tmp_path: Path
) -> None:
    async with started(tmp_path / "store", "--no-shoppers") as demo, HubClient(demo.facts["hub"]) as till:
        await till.pair(demo.facts["pairing_code"], "stranger")
        os.kill(int((demo.data / "cloud" / "cloud.lock").read_text()), signal.SIGKILL)
        sold = await till.sell(bun_sale(till, await price_of_a_bun(till)))
        await demo.read_until("the cloud ended")

        async with cloud_of(demo.facts) as cloud:
            assert await until(lambda: cloud.sales(sold.sale_id))


async def test_visitors_come_with_the_shoppers_and_are_counted(started: Started, tmp_path: Path) -> None:
    async with started(tmp_path / "store") as demo, cloud_of(demo.facts) as cloud:
        windows = await until(lambda: rows_of(cloud, "footfall"))

    assert {row["row"]["entrance"] for row in windows} <= {"main-door", "mall-door"}


async def test_tokens_and_keys_are_kept_for_the_owner_only_and_survive_a_restart(
    started: Started, tmp_path: Path
) -> None:
    tokens = []
    for _ in range(2):
        async with started(tmp_path / "store", "--no-shoppers") as demo:
            tokens.append({key: demo.facts[key] for key in ("cloud_token", "mqtt_username", "mqtt_password")})
            secret = ("demo.json", "keys.json", "doors.json", "manager.json", "hub.toml", "cloud.toml")
            assert {(demo.data / name).stat().st_mode & 0o777 for name in secret} == {0o600}
            await demo.signal_group(signal.SIGINT)
    assert tokens[0] == tokens[1]


async def test_a_folder_from_before_there_was_a_cloud_hands_its_catalogue_over(
    started: Started, tmp_path: Path
) -> None:
    data = tmp_path / "store"
    data.mkdir()
    (data / "hub.toml").write_text(STORE)
    (data / "old.csv").write_text("sku,name,price,currency,stock\nOLD-1,Old thing,12.50,HKD,7\n")
    former = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "import", "products", str(data / "old.csv"), "--config", str(data / "hub.toml")),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await former.communicate()
    assert former.returncode == 0, said

    async with started(data, "--no-shoppers") as demo, HubClient(demo.facts["hub"]) as till:
        async with cloud_of(demo.facts) as cloud:
            skus = {row["row"]["sku"] for row in await rows_of(cloud, "catalogue")}
        await till.pair(demo.facts["pairing_code"], "stranger")
        old = await till.product("OLD-1")

    assert "OLD-1" in skus
    assert old.stock is not None and old.stock.on_hand == 7
