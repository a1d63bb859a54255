"""A shop's morning on real processes, once for all tests here: a hub, a cloud end that is killed, a printer, their logs."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devices.testing.printer import SimulatedPrinter
from hub.api.selling.sales import SaleRequest
from hub.cli import main
from hub.client import HubClient, ProblemError, new_id
from sync.retail.selling.sales import SaleLine, Tender
from tests.faults.conftest import PRINTER, ServerProcess

WAIT_S = 60.0
CLOUD = """
[cloud]
port = {port}
[stores.hk01]
token = "hk01-token-0123456789"
[stores.hk02]
token = "hk02-token-0123456789"
[[tokens]]
name = "office"
token = "office-token-0123456789"
"""
HUB = """
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
[api]
host = "0.0.0.0"
port = {port}
[backup]
to = "{medium}"
recipients = ["age1{recipient}"]
[cloud]
url = "http://127.0.0.1:{cloud_port}"
token = "hk01-token-0123456789"
reconnect_max_s = 0.1
[devices.lane1]
kind = "serial_scanner"
port = "/dev/ttyNONE"
"""


@dataclass(frozen=True)
class Morning:
    """What was sold, what both said at a scrape, where their logs lie. `lonely` was sold while there was no cloud."""

    folder: Path
    sale_id: str
    receipt_no: str
    refused_id: str
    lonely_id: str
    hub_log: Path
    cloud_log: Path
    hub_metrics: str
    cloud_metrics: str
    till_token: str


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    """Live it once."""
    return asyncio.run(_live(tmp_path_factory.mktemp("morning")))


@pytest.fixture
def storehub(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command as typed; return its exit code and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        code = main(list(words))
        return code, capsys.readouterr().out

    return run


async def _live(folder: Path) -> Morning:
    held = [socket.socket() for _ in range(2)]
    for each in held:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    (folder / "medium").mkdir()
    cloud = ServerProcess(folder, ports[1], "cloud", "cloud")
    hub = ServerProcess(folder, ports[0])
    async with SimulatedPrinter() as printer:
        toml = HUB.format(port=ports[0], cloud_port=ports[1], medium=folder / "medium", recipient="q" * 58)
        (folder / "hub.toml").write_text(toml + PRINTER.format(address=printer.address), encoding="utf-8")
        (folder / "cloud.toml").write_text(CLOUD.replace("{port}", str(ports[1])), encoding="utf-8")
        try:
            await cloud.start()
            await hub.start()
            return await _sell(folder, hub, cloud)
        finally:
            for process in (hub, cloud):
                if process.process is not None:
                    await process.kill()
            for each in held:
                each.close()


async def _sell(folder: Path, hub: ServerProcess, cloud: ServerProcess) -> Morning:
    async with hub.control() as control, HubClient(hub.url) as till:
        paired = await till.pair(await control.make_code("till"), "Counter")
        first = _sale(till.till_id)
        answer = await till.sell(first)
        await till.sell(first)
        refused = _sale(till.till_id, sku="NO-SUCH-SKU", is_open=False)
        for wrong in (_sale(till.till_id, sale_id=first.sale_id, unit_price=2000), refused):
            with pytest.raises(ProblemError):
                await till.sell(wrong)
        job = f"sale~{first.sale_id}"
        await _until(lambda: till.print_job(job), lambda found: found.state == "printed")
        await _until(till.sync, lambda found: found.safe.upto >= 1)
        hub_metrics, cloud_metrics = [await _scrape(each) for each in (hub, cloud)]
        await cloud.kill()
        await _until(till.sync, lambda found: not found.up)
        lonely = _sale(till.till_id, print_=False)
        await till.sell(lonely)
        await _until(partial(_text_of, hub.log), lambda text: lonely.sale_id in text)
    return Morning(
        folder,
        first.sale_id,
        answer.receipt_no,
        refused.sale_id,
        lonely.sale_id,
        hub.log,
        cloud.log,
        hub_metrics,
        cloud_metrics,
        paired.token,
    )


async def _text_of(log: Path) -> str:
    """What is in the log by now: the trail of sales is written a little later."""
    return await asyncio.to_thread(log.read_text, encoding="utf-8")


def _sale(
    till_id: str,
    *,
    sale_id: str = "",
    sku: str = "UMBRELLA",
    unit_price: int = 1090,
    is_open: bool = True,
    print_: bool = True,
) -> SaleRequest:
    return SaleRequest(
        sale_id=sale_id or new_id(),
        till_id=till_id,
        currency="HKD",
        lines=(SaleLine(1, sku, 1, unit_price, open_item=is_open),),
        tenders=(Tender("cash", unit_price),),
        total=unit_price,
        print=print_,
    )


async def _scrape(server: ServerProcess) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/metrics") as response:
        assert response.status == 200
        return await response.text()


async def _until(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds(await ask()):  # noqa: ASYNC110 - an answer is no event
            await asyncio.sleep(0.01)
