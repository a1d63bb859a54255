"""The hub inside the machine: its configuration, its process, and a client of its API from outside."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from devices.model import Health
from hub.api.attached.devices import DeviceView
from hub.client import HubClient
from tests.appliance.machine import PROJECT, Machine, said

FOLDER = "/opt/hub"
CONFIG = "/etc/store-hub/hub.toml"
PYTHON = f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={FOLDER}:/opt/packages python3"
PORT = 8080
PATIENCE_S = 120
STORE = """
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo"
currency = "HKD"
zone = "Asia/Hong_Kong"

[api]
port = 8080

[data]
dir = "/var/lib/store-hub"
"""


class GuestHub:
    """A hub that runs, and a paired client of a manager, who sees everything."""

    def __init__(self, machine: Machine, till: HubClient) -> None:
        self.machine, self.till = machine, till

    async def reaches(self, device_id: str, health: Health, why: str = "") -> DeviceView:
        """Return a device's view once it is so; fail with what it was last."""
        last: list[DeviceView] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    last = [each for each in await self.till.devices() if each.device_id == device_id]
                    if last and last[0].health is health and why in last[0].reason:
                        return last[0]
                    await asyncio.sleep(0.2)  # asked over HTTP: nothing wakes us
        except TimeoutError:
            raise AssertionError(f"{device_id} is not {health}: {last}") from None

    async def resident_kib(self) -> int:
        """Return the memory of the hub's process."""
        return int((await self.machine.run("ps -o rss= -p $(systemctl show -P MainPID hub)")).strip())


@asynccontextmanager
async def guest_hub(machine: Machine, devices: str) -> AsyncIterator[GuestHub]:
    """Run a hub with these device sections until the block ends; its log goes with what fails."""
    await _install(machine)
    await machine.run(
        f"mkdir -p /etc/store-hub && rm -rf /var/lib/store-hub && cat > {CONFIG}", given=(STORE + devices).encode()
    )
    run = f"systemd-run --quiet --unit=hub --collect sh -c 'exec env {PYTHON} -m hub run --config {CONFIG}'"
    await machine.run(run)
    try:
        code = await _code(machine)
        async with HubClient(f"http://127.0.0.1:{await machine.forward(PORT)}") as till:
            await till.pair(code, "Office")
            yield GuestHub(machine, till)
    except BaseException:
        print(await machine.run("journalctl -u hub --no-pager -n 80 -o cat"))
        raise
    finally:
        await machine.run("systemctl stop hub 2>/dev/null || true")


async def heard(
    events: AsyncIterator[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:  # Any: JSON
    """Return the first event that is wanted."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if wanted(event):
                return event
    raise AssertionError("the hub closed the socket")


async def _code(machine: Machine) -> str:
    """Return a pairing code, once the hub answers."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said = await machine.run(f"{PYTHON} -m hub pair --scope manager --config {CONFIG} 2>&1 || true")
            if found := re.search(r"\b[0-9A-Z]{4,}(?:-[0-9A-Z]+)*\b", said):
                return found[0]
            await asyncio.sleep(0.5)  # it has not opened its socket yet


async def _install(machine: Machine) -> None:
    """Unpack the project's wheel on the machine, once; what a wheel leaves out is missing there too."""
    if "there" in await machine.run(f"test -d {FOLDER} && echo there || true"):
        return
    with TemporaryDirectory() as folder:
        await said(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(PROJECT))
        (wheel,) = Path(folder).glob("*.whl")
        await machine.run("cat > /tmp/hub.whl", given=wheel.read_bytes())
    await machine.run(f"python3 -m zipfile -e /tmp/hub.whl {FOLDER}")
