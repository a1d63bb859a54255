"""The house that the demo and the scripted day live in: simulated devices, the cloud, the hub, their files and keys.

Nobody in it knows that it is a demo: the hub and the cloud are ordinary processes with ordinary configuration files.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

from msgspec import Struct

from devices.testing.customer_display import SimulatedDisplay
from devices.testing.printer import Receipt, SimulatedPrinter
from devices.testing.scale import SimulatedScale
from devices.testing.scanners import SimulatedSerialScanner, VirtualHidScanner
from devices.testing.serial_line import VirtualSerialLine
from hub.client import CloudClient, HubClient, ProblemError, UnreachableError
from hub.config import Config, load_config
from hub.demo.credentials import client_credentials
from hub.demo.line_page import LinePage
from hub.demo.paper_page import PaperPage
from hub.demo.processes import Child, free_port, stop_all
from hub.demo.radio import SECTION as RADIO_SECTION
from hub.demo.settings import CURRENCY, Keys, Wiring, cloud_toml, hub_toml, load_keys, write_private
from hub.demo.till_client import TillClient
from hub.importing.authority import book_openings, send_products
from hub.importing.products import load_products
from hub.store.model import Entry
from sync.errors import StartError

ENCODING = "big5hkscs"
JOIN_TIMEOUT_S = 20.0  # the hub dials at once; a first hand-over of 200,000 products takes some seconds
ROWS_PER_S = 500  # that come down at least, on the slowest machine we serve
POLL_S = 0.05
FILLED = "filled"  # a file that says that the sample catalogue was put on the shelves

PrinterWire = Callable[[str], Awaitable[str]]


class Wires(Struct, frozen=True):
    """The simulated ends of the hub's wires."""

    printer: SimulatedPrinter
    lane1: SimulatedSerialScanner
    lane2: VirtualHidScanner
    scale: SimulatedScale
    display: SimulatedDisplay
    paper: PaperPage
    line_url: str


class House(Struct, frozen=True, kw_only=True):
    """An open house."""

    data: Path
    base_url: str
    cloud_url: str
    mqtt_port: int
    keys: Keys
    wires: Wires
    hub: Child
    cloud: Child
    config: Config


class Pace(Struct, frozen=True):
    """How quick things are in the house."""

    lines_per_s: float = 0.0  # of the printer; 0 prints at once
    poll_s: float = 3.0  # how often the hub asks a printer that is off line
    reconnect_max_s: float = 5.0


@asynccontextmanager
async def open_house(
    data: Path, *, port: int, cloud_port: int, pace: Pace, printer_wire: PrinterWire | None = None, radio_bus: str = ""
) -> AsyncIterator[House]:
    """Write the configuration, start the cloud and the hub; stop both at the end.

    `printer_wire` may lead to the printer; on `radio_bus` the hub hears beacons.
    """
    keys, mqtt_port = load_keys(data), free_port()
    cloud_url = f"http://127.0.0.1:{cloud_port}"
    cloud_file, hub_file = data / "cloud.toml", data / "hub.toml"
    async with _wires(data, cloud_url, keys, pace) as wires:
        address = await printer_wire(wires.printer.address) if printer_wire else wires.printer.address
        wiring = Wiring(
            port=port,
            cloud_port=cloud_port,
            mqtt_port=mqtt_port,
            printer=address,
            lane1=wires.lane1,
            lane2=wires.lane2,
            scale=wires.scale.line.device_path,
            display=wires.display.line.device_path,
            paper_url=wires.paper.url,
            line_url=wires.line_url,
            radio=RADIO_SECTION if radio_bus else "",
            reconnect_max_s=pace.reconnect_max_s,
            poll_s=pace.poll_s,
        )
        write_private(cloud_file, cloud_toml(cloud_port, keys))
        write_private(hub_file, hub_toml(wiring, keys))
        cloud = Child("cloud", ("cloud", "--config", str(cloud_file)), data / "cloud.log")
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": radio_bus} if radio_bus else {}
        hub = Child("hub", ("run", "--config", str(hub_file)), data / "hub.log", environment=bus)
        try:
            await cloud.start()
            await hub.start()
            yield House(
                data=data,
                base_url=f"http://127.0.0.1:{port}",
                cloud_url=cloud_url,
                mqtt_port=mqtt_port,
                keys=keys,
                wires=wires,
                hub=hub,
                cloud=cloud,
                config=load_config(hub_file),
            )
        finally:
            await stop_all(hub, cloud)


@asynccontextmanager
async def _wires(data: Path, cloud_url: str, keys: Keys, pace: Pace) -> AsyncIterator[Wires]:
    links = data / "dev"
    try:
        links.mkdir(exist_ok=True)
        (links / ".writable").touch()
    except OSError as err:
        raise StartError(f"{links}: {err.strerror}; choose a folder of your own with --data") from err
    async with PaperPage() as paper, LinePage(cloud_url, keys.office_token) as line:

        def keep(receipt: Receipt) -> None:
            paper.add(receipt)
            printer.receipts.clear()

        async with (
            SimulatedPrinter(encoding=ENCODING, lines_per_s=pace.lines_per_s, on_receipt=keep) as printer,
            VirtualSerialLine(links / "lane1-scanner", links / "lane1-scanner-outside") as lane1,
            VirtualHidScanner(links / "lane2-scanner") as lane2,
            VirtualSerialLine(links / "lane2-scale", links / "lane2-scale-outside") as scale_line,
            VirtualSerialLine(links / "lane2-display", links / "lane2-display-outside") as display_line,
            SimulatedScale(scale_line) as scale,
            SimulatedDisplay(display_line, charset=ENCODING) as display,
        ):
            yield Wires(printer, SimulatedSerialScanner(lane1), lane2, scale, display, paper, line.url)


async def manager_of(house: House, control: HubClient) -> TillClient:
    """Return the demo's own view of the hub, to be entered."""
    known = await client_credentials(house.data / "manager.json", house.base_url, control, "manager", "demo")
    return TillClient(house.base_url, known.token)


def sample_entries() -> list[Entry]:
    """Return the sample catalogue."""
    with resources.as_file(resources.files("hub.demo").joinpath("sample_catalogue.json")) as sample:
        return load_products(sample, currency=CURRENCY).items


async def fill_shelves(house: House, manager: HubClient) -> None:
    """Wait until the hub has joined; on the first day put the sample catalogue on the shelves.

    A folder from before there was a cloud hands its catalogue over while it joins; then nothing is missing.
    """
    await until_joined(manager)
    if (house.data / FILLED).exists():
        return
    entries = sample_entries()
    async with CloudClient(house.cloud_url, house.keys.office_token) as cloud:
        known = {row["row"].get("sku") for row in (await cloud.feed("catalogue")).rows}
    if not known:
        await send_products(house.cloud_url, house.keys.office_token, entries, progress=lambda _: None)
        await until_down(manager, entries)
    await book_openings(house.config, [entry for entry in entries if not known or entry.product.sku in known])
    (house.data / FILLED).touch()


async def until_joined(manager: HubClient) -> None:
    """Return when the line is up and the catalogue was handed over; raise StartError when that takes too long."""
    try:
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            while not (view := await manager.sync()).up or view.waiting.get("catalogue"):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError as err:
        raise StartError(
            f"the hub did not join the cloud within {JOIN_TIMEOUT_S:g} s; see hub.log and cloud.log"
        ) from err


async def until_down(manager: HubClient, entries: list[Entry]) -> None:
    """Return when the last of these products and its price have come down from the cloud."""
    if not entries:
        return
    last = entries[-1]
    async with asyncio.timeout(JOIN_TIMEOUT_S + len(entries) / ROWS_PER_S):
        while not await _stands(manager, last):  # noqa: ASYNC110 - what comes down is not told by product
            await asyncio.sleep(POLL_S)


async def _stands(manager: HubClient, entry: Entry) -> bool:
    """Look into the list right before the SKU: to ask for one that is not there yet would be refused, and logged."""
    sku = entry.product.sku
    try:
        found = (await manager.products(after=f"{sku[:-1]}{chr(ord(sku[-1]) - 1)}\U0010ffff", limit="1")).items
    except (ProblemError, UnreachableError):
        return False
    return any(item.sku == sku and item.price and item.price.amount == entry.price.amount for item in found)
