"""The demo as a newcomer meets it: started, plugged into from outside, stopped, killed, started again."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.api.sales import SaleRequest
from hub.client import HubClient, new_id
from sync.retail.sales import SaleLine, Tender

BUN = "4899990000406"
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 2.0  # the promise: Ctrl-C stops all of it within two seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Demo:
    """A running `storehub demo` in a process group of its own."""

    def __init__(self, process: asyncio.subprocess.Process, data: Path, port: int) -> None:
        self.process = process
        self.data = data
        self.port = port

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return facts

    async def read_until(self, word: str) -> str:
        assert self.process.stdout is not None
        said = ""
        async with asyncio.timeout(START_TIMEOUT_S):
            while word not in said:
                line = await self.process.stdout.readline()
                assert line, f"the demo ended: {said}"
                said += line.decode()
        return said

    async def signal_group(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)
        assert self.process.stdout is not None
        await self.process.stdout.read()
        await self.process.wait()


@asynccontextmanager
async def started(data: Path, port: int, *options: str) -> AsyncIterator[Demo]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "demo", "--port", str(port), "--data", str(data), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    demo = Demo(process, data, port)
    try:
        await demo.read_until("Ctrl-C stops it.")
        yield demo
    finally:
        if process.returncode is None:
            await demo.signal_group(signal.SIGKILL)


async def test_a_stranger_pairs_scans_sells_and_sees_the_paper(tmp_path: Path) -> None:
    async with started(tmp_path / "store", free_port(), "--no-shoppers") as demo:
        facts = demo.facts
        async with HubClient(facts["hub"]) as till, aiohttp.ClientSession() as browser:
            await till.pair(facts["pairing_code"], "stranger")
            await till.claim("lane1-scanner")
            async with till.events() as events:
                Path(facts["scanner_pty"]).write_bytes(BUN.encode() + b"\r")
                scan = await anext(event async for event in events if event["type"] == "scan")
                item = await till.product(scan["data"]["sku"])
                assert item.price is not None
                amount = item.price.amount
                answer = await till.sell(
                    SaleRequest(
                        sale_id=new_id(),
                        till_id=till.till_id,
                        currency="HKD",
                        lines=(SaleLine(1, item.sku, 1, amount),),
                        tenders=(Tender("octopus", amount),),
                        total=amount,
                        print=True,
                    )
                )
                await anext(e async for e in events if e["type"] == "print" and e["data"]["state"] == "printed")
            async with browser.get(facts["paper"] + "papers", params={"after": "0"}) as response:
                papers = await response.json()
            paper = re.sub("<[^>]*>", "", papers[-1]["html"])
            assert answer.receipt_no in paper
            assert item.name.zh_hant in paper
        assert {device["id"] for device in facts["devices"]} == {"lane1-scanner", "lane2-scanner", "lane1-printer"}


async def test_ctrl_c_stops_everything_in_two_seconds_and_the_same_data_goes_on(tmp_path: Path) -> None:
    port = free_port()
    async with started(tmp_path / "store", port, "--no-shoppers") as demo:
        async with HubClient(demo.facts["hub"]) as till:
            token = (await till.pair(demo.facts["pairing_code"], "stranger")).token
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await demo.signal_group(signal.SIGINT)
        assert demo.process.returncode == 0
        assert not (tmp_path / "store" / "demo.json").exists()
    async with started(tmp_path / "store", port, "--no-shoppers") as demo, HubClient(demo.facts["hub"], token) as till:
        assert (await till.product("BUN-1")).price is not None


async def test_killing_the_group_frees_the_port_and_a_stale_lock_is_taken_over(tmp_path: Path) -> None:
    port = free_port()
    for _ in range(2):
        async with started(tmp_path / "store", port, "--no-shoppers") as demo:
            await demo.signal_group(signal.SIGKILL)


async def test_killing_the_parent_alone_takes_the_hub_with_it(tmp_path: Path) -> None:
    port = free_port()
    async with started(tmp_path / "store", port, "--no-shoppers") as demo:
        demo.process.kill()
        assert demo.process.stdout is not None
        await demo.process.stdout.read()  # ends when the hub's end of the pipe is closed too
        await demo.process.wait()
    async with started(tmp_path / "store", port, "--no-shoppers"):
        pass


async def test_a_hub_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async with started(tmp_path / "store", free_port(), "--no-shoppers") as demo:
        os.kill(int((demo.data / "hub.lock").read_text()), signal.SIGKILL)
        await demo.read_until("starting it again")
        async with aiohttp.ClientSession() as browser, asyncio.timeout(START_TIMEOUT_S):
            while True:
                try:
                    async with browser.get(f"http://127.0.0.1:{demo.port}/readyz") as response:
                        assert response.status == 200
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0)


async def test_shoppers_keep_the_shop_alive(tmp_path: Path) -> None:
    async with started(tmp_path / "store", free_port()) as demo, HubClient(demo.facts["hub"]) as till:
        await till.pair(demo.facts["pairing_code"], "stranger")
        async with till.events() as events, asyncio.timeout(START_TIMEOUT_S):
            sale = await anext(event["data"] async for event in events if event["type"] == "sale")
        assert sale["total"] > 0


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--data", "/proc/nowhere"], "choose another data folder"),
        (["--port", "1"], "choose another with --port"),
        (["--import", "/nowhere.csv"], "/nowhere.csv"),
    ],
)
async def test_what_is_wrong_is_said_in_one_sentence_with_the_remedy(
    tmp_path: Path, options: list[str], remedy: str
) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    options = [str(taken.getsockname()[1]) if option == "1" else option for option in options]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "demo", "--port", str(free_port()), "--data", str(tmp_path / "store")),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    taken.close()
    assert process.returncode == 1
    assert said.decode().startswith("storehub: ")
    assert remedy in said.decode()
    assert len(said.decode().splitlines()) == 1


async def test_a_second_demo_on_a_folder_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    async with started(tmp_path / "store", free_port(), "--no-shoppers") as demo:
        before = {file: (demo.data / file).read_text() for file in ("hub.toml", "demo.json")}
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", "demo", "--port", str(free_port()), "--data", str(demo.data)),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await second.communicate()

        assert second.returncode == 1 and f"in use by process {demo.process.pid}" in said.decode()
        assert {file: (demo.data / file).read_text() for file in before} == before
        assert Path(demo.facts["scanner_pty"]).is_char_device()


async def test_who_waits_for_the_facts_never_finds_those_of_a_killed_demo(tmp_path: Path) -> None:
    port = free_port()
    async with started(tmp_path / "store", port, "--no-shoppers") as demo:
        old = demo.facts["pairing_code"]
        await demo.signal_group(signal.SIGKILL)
    async with started(tmp_path / "store", port, "--no-shoppers") as demo:
        assert demo.facts["pairing_code"] != old


async def test_a_hub_with_listening_tills_stops_by_itself(tmp_path: Path) -> None:
    async with started(tmp_path / "store", free_port(), "--no-shoppers") as demo, HubClient(demo.facts["hub"]) as till:
        await till.pair(demo.facts["pairing_code"], "stranger")
        async with till.events() as events:
            await anext(events)
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await demo.signal_group(signal.SIGINT)
        assert "hub stopped" in (demo.data / "hub.log").read_text()
