"""The hub inside the machine, as a shop has it: its unit, its user, its configuration; and its clients outside."""

import asyncio
import compileall
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from zipfile import ZipFile

import aiohttp

from devices.model import Health
from hub.api.attached.devices import DeviceView
from hub.client import HubClient
from hub.machine_client import MachineClient
from tests.appliance.machine import PROJECT, Machine, packed, said

FOLDER = "/opt/store-hub"
COMMAND_PATH = "/usr/local/bin/storehub"
CONFIG = "/etc/store-hub/hub.toml"
DATA = "/var/lib/store-hub"
DROP_IN = "/run/systemd/system/storehub.service.d/test.conf"
COMMAND = f"""#!/bin/sh
PYTHONPATH={FOLDER}/lib:/opt/packages exec python3 -m hub "$@"
"""
# as docs/operating/service.md says it
INSTALL = """
install -D -m 644 storehub.sysusers /usr/lib/sysusers.d/storehub.conf && systemd-sysusers &&
install -D -m 644 storehub.tmpfiles /usr/lib/tmpfiles.d/storehub.conf && systemd-tmpfiles --create storehub.conf &&
install -D -m 644 70-storehub.rules -t /usr/lib/udev/rules.d && udevadm control --reload &&
udevadm trigger --settle --subsystem-match=input --subsystem-match=tty --subsystem-match=usbmisc &&
install -D -m 644 storehub*.service *.timer *.slice -t /etc/systemd/system &&
install -D -m 644 storehub-.service.d/sandbox.conf -t /etc/systemd/system/storehub-.service.d &&
systemctl daemon-reload
""".strip()
SLOWLY = "[Service]\nTimeoutStartSec=300\n"  # emulated, and beside other work
PORT = 8080
PATIENCE_S = 120
STORE = f"""
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo"
currency = "HKD"
zone = "Asia/Hong_Kong"

[api]
port = {PORT}

[data]
dir = "{DATA}"
"""
ON_LAN = STORE.replace("[api]\n", '[api]\nhost = "0.0.0.0"\n')


Ask: TypeAlias = Callable[..., Awaitable[tuple[int, Any]]]


class GuestHub:
    """A hub that runs; `till` is a paired client of a manager, who sees everything, `control` is its socket for commands."""

    def __init__(self, url: str, token: str, till: HubClient, control: MachineClient) -> None:
        self.till, self.control = till, control
        self.url, self._token = url, token

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON of a request of the manager's. Any: JSON."""
        async with self.connected() as ask:
            return await ask(method, path, body)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Ask]:
        """Yield what asks on one connection: who opens dozens in a second is no till, and is closed out."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with aiohttp.ClientSession(self.url, headers=headers) as session:

            async def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
                async with session.request(method, path, json=body) as response:
                    return response.status, await response.json(content_type=None)

            yield ask

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


@asynccontextmanager
async def guest_hub(
    machine: Machine, devices: str, *, drop_in: str = "", on_lan: bool = False
) -> AsyncIterator[GuestHub]:
    """Run the unit with these sections until the block ends, its log goes with what fails; `drop_in` changes its [Service]."""
    await installed(machine)
    await machine.run(
        f"rm -rf {DATA}; install -m 640 -g storehub /dev/stdin {CONFIG}",
        given=((ON_LAN if on_lan else STORE) + devices).encode(),
    )
    await machine.run(f"install -D -m 644 /dev/stdin {DROP_IN}", given=(SLOWLY + drop_in).encode())
    try:
        await machine.run("systemctl daemon-reload && systemctl start storehub")
        url = f"http://127.0.0.1:{await machine.forward(PORT)}"
        socket = f"http://127.0.0.1:{await machine.forward(f'{DATA}/hub.sock')}"
        async with MachineClient(socket) as control, HubClient(url) as till:
            paired = await till.pair(await control.make_code("manager"), "Office")
            yield GuestHub(url, paired.token, till, control)
    except BaseException:
        print(await machine.run("journalctl -u storehub --no-pager -n 80 -o cat"))
        raise
    finally:
        await machine.run("systemctl stop storehub; systemctl reset-failed storehub 2>/dev/null || true")


async def heard(
    events: AsyncIterator[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:  # Any: JSON
    """Return the first event that is wanted."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if wanted(event):
                return event
    raise AssertionError("the hub closed the socket")


def is_scan(device: str, label: str) -> Callable[[dict[str, Any]], bool]:
    """Whether an event is this scan."""
    return lambda event: event["type"] == "scan" and event.get("device") == device and event["data"]["label"] == label


async def installed(machine: Machine) -> None:
    """Unpack the project's wheel on the machine, once; what a wheel leaves out is missing there too. Unit and user as shipped.

    The command comes last: what was cut short is done again.
    """
    if "there" in await machine.run(f"test -e {COMMAND_PATH} && echo there || true"):
        return
    with TemporaryDirectory() as folder:
        await said(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(PROJECT))
        (wheel,) = Path(folder).glob("*.whl")
        with ZipFile(wheel) as archive:
            archive.extractall(Path(folder) / "lib")
        compileall.compile_dir(Path(folder) / "lib", quiet=1)  # here: there it would take a minute
        await machine.run(f"mkdir -p {FOLDER} && tar -C {FOLDER} -xf -", given=await packed(Path(folder), "lib"))
    await machine.run(f"install -D -m 755 /dev/stdin {FOLDER}/bin/storehub", given=COMMAND.encode())
    await machine.copy("systemd", to="/opt/store-hub")
    await machine.run(f"cd {FOLDER}/systemd && {INSTALL} && ln -s {FOLDER}/bin/storehub {COMMAND_PATH}")
