"""mDNS at a real seam: hubs announce themselves on the loopback interface, a browser of another library instance finds them.

Each test has a store of its own: all share one interface.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from zeroconf import IPVersion, ServiceInfo, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from hub import announcer
from hub.announcer import SERVICE, reachable_at, run_announcer
from hub.client import HubClient
from hub.config import parse_config
from hub.runtime import Runtime

WAIT_S = 60.0
NAMES = {"name_zh_hant": "店", "name_en": "Shop", "currency": "HKD"}
STORE = {"store": {"id": "hk01", **NAMES}}
CONFIG = """
[store]
id = "{store}"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
[api]
port = 0
[mdns]
announce = {announce}
"""


class Browser:
    """What a tablet sees."""

    def __init__(self, socket: AsyncZeroconf) -> None:
        self.socket, self.names, self.changed = socket, set[str](), asyncio.Event()

    def on_change(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            self.names.discard(name)
        else:
            self.names.add(name)
        self.changed.set()

    async def until(self, holds: Callable[[set[str]], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds(self.names):
                self.changed.clear()
                await self.changed.wait()

    async def read(self, name: str) -> ServiceInfo:
        found = await self.socket.async_get_service_info(SERVICE, name, timeout=WAIT_S * 1000)
        assert found is not None
        return found


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser on the loopback interface."""
    async with AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only) as socket:
        browser = Browser(socket)
        listening = AsyncServiceBrowser(socket.zeroconf, SERVICE, handlers=[browser.on_change])
        yield browser
        await listening.async_cancel()


@asynccontextmanager
async def hub_process(
    folder: Path, store: str, *, announce: str = "true", under: tuple[str, ...] = ()
) -> AsyncIterator[Any]:
    """Run a hub until the end of the block; yield its process once it is ready, with its port."""
    folder.mkdir(exist_ok=True)
    (folder / "hub.toml").write_text(CONFIG.format(store=store, announce=announce), encoding="utf-8")
    command = (*under, sys.executable, "-m", "hub", "run", "--config", str(folder / "hub.toml"))
    process: Any = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(WAIT_S):
            while '"hub ready"' not in (line := (await process.stderr.readline()).decode()):
                assert line, "the hub did not start"
        process.port = json.loads(line)["port"]
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        process.said = (await process.communicate())[1].decode()


async def test_a_hub_appears_with_what_a_tablet_needs_and_goes_with_the_hub(tmp_path: Path, browser: Browser) -> None:
    name = f"Store hub mdns-a.{SERVICE}"
    async with hub_process(tmp_path / "a", "mdns-a") as process:
        await browser.until(lambda names: name in names)
        found = await browser.read(name)
    await browser.until(lambda names: name not in names)

    assert (found.port, found.parsed_addresses(), found.server) == (process.port, ["127.0.0.1"], "mdns-a.local.")
    said = found.decoded_properties
    rep = said.pop("rep") or ""
    assert said == {"txtvers": "1", "store": "mdns-a", "api": "v1", "scheme": "http"} and rep.startswith("mdns-a:")
    assert process.returncode == 0 and "Traceback" not in process.said


async def test_the_second_hub_of_a_store_gets_another_name_and_host(tmp_path: Path, browser: Browser) -> None:
    first, second = f"Store hub mdns-b.{SERVICE}", f"Store hub mdns-b (2).{SERVICE}"
    async with hub_process(tmp_path / "a", "mdns-b") as one:
        await browser.until(lambda names: first in names)
        async with hub_process(tmp_path / "b", "mdns-b") as two:
            await browser.until(lambda names: {first, second} <= names)
            found = [await browser.read(name) for name in (first, second)]

    assert [(info.port, info.server) for info in found] == [(one.port, "mdns-b.local."), (two.port, "mdns-b-2.local.")]


async def test_two_that_took_one_name_at_once_part(
    start_hub: Callable[..., Awaitable[Any]], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one takes the name without asking, as two do that are switched on in the same moment."""
    monkeypatch.setattr(announcer, "LOOK_EVERY_S", 0.1)
    hub = await start_hub(mdns={"announce": True}, store={"id": "mdns-d", **NAMES})
    name = f"Store hub mdns-d.{SERVICE}"
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        task = group.create_task(run_announcer(hub.runtime, hub.port))
        await browser.until(lambda names: name in names)
        async with AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only) as other:
            rival = ServiceInfo(SERVICE, name, port=1, server="rival.local.", properties={"rep": "mdns-d:0"})
            rival.addresses = [b"\x7f\0\0\1"]
            await (await other.async_register_service(rival, cooperating_responders=True))
            await browser.until(lambda names: f"Store hub mdns-d (2).{SERVICE}" in names)
        task.cancel()


async def test_a_new_life_and_a_certificate_are_announced_anew(
    start_hub: Callable[..., Awaitable[Any]], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "LOOK_EVERY_S", 0.1)
    hub = await start_hub(mdns={"announce": True}, store={"id": "mdns-e", **NAMES})
    name = f"Store hub mdns-e.{SERVICE}"
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        task = group.create_task(run_announcer(hub.runtime, hub.port))
        await browser.until(lambda names: name in names)
        monkeypatch.setattr(Runtime, "ca_fingerprint", lambda _: "ab" * 32)
        await browser.until(lambda names: name not in names)
        await browser.until(lambda names: name in names)
        said = (await browser.read(name)).decoded_properties
        task.cancel()

    assert (said["scheme"], said["ca"]) == ("https", "ab" * 32)


async def test_a_hub_is_silent_where_the_file_says_so_or_it_listens_on_this_machine_alone(
    start_hub: Callable[..., Awaitable[Any]],
) -> None:
    for sections in ({"mdns": {"announce": False}}, {}):
        hub = await start_hub(**sections)
        async with asyncio.timeout(WAIT_S):
            await run_announcer(hub.runtime, hub.port)  # comes back: there is nothing to do

    assert not parse_config(STORE, base=Path("/")).is_announced
    assert parse_config(STORE | {"mdns": {"announce": True}}, base=Path("/")).is_announced


async def test_a_machine_without_a_network_sells(tmp_path: Path) -> None:
    """In a network namespace of its own, whose only interface is down."""
    allowed = await asyncio.create_subprocess_exec("unshare", "-n", "true", stderr=asyncio.subprocess.DEVNULL)
    if await allowed.wait():
        pytest.skip("no right to make a network namespace")
    async with hub_process(tmp_path / "alone", "mdns-c", under=("unshare", "-n")) as process:
        async with HubClient("http://hub", unix_socket=tmp_path / "alone" / "hub.sock") as control:
            assert len(await control.make_code("till")) == 8
        async with asyncio.timeout(WAIT_S):
            while "not announced on the local network" not in (line := (await process.stderr.readline()).decode()):
                assert line
        assert process.returncode is None

    assert process.returncode == 0 and "Traceback" not in process.said


def test_the_addresses_are_those_at_which_it_is_reached() -> None:
    assert reachable_at("127.0.0.1") == reachable_at("localhost") == ("127.0.0.1",)
    assert reachable_at("203.0.113.9") == (), "not an address of this machine"
    everywhere = reachable_at("0.0.0.0")
    assert set(everywhere) <= set(reachable_at("::")) and "127.0.0.1" not in everywhere
