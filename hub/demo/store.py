"""`storehub demo`: one parent with the simulated devices and shoppers, two children that are an ordinary hub and cloud.

Not here: the children as processes (hub.demo.processes), what is in the house (hub.demo.house), the scripted day (hub.demo.day).
"""

import argparse
import asyncio
import json
import random
import shlex
import signal
from pathlib import Path

from devices.testing.scanners import SimulatedScanner
from hub.client import HubClient, now_ms
from hub.demo.counter_top import DISPLAY, SCALE, CounterTop
from hub.demo.credentials import Credentials, counter_credentials
from hub.demo.house import House, Pace, fill_shelves, manager_of, open_house, until_down
from hub.demo.people import CASHIERS, COUPON, move_in
from hub.demo.processes import lead_process_group, refuse_busy_port
from hub.demo.radio import ADAPTERS, open_air
from hub.demo.settings import CURRENCY, ENTRANCES, counter_topic, write_private
from hub.demo.shoppers import Shoppers
from hub.demo.visitors import Visitors
from hub.demo.web_shop import WebShop
from hub.importing.command import write_all
from hub.importing.products import load_products
from hub.importing.report import render
from sync.errors import StartError, one_error
from sync.folder import own_folder

DEMO_LOCK = "demo.lock"
PORT, CLOUD_PORT, DATA = 8080, 8081, Path(".demo")
YOUR_COUNTER = "your-counter"  # a sensor that nobody plays: for whoever reads demo.json


def run_demo(args: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C or SIGTERM and return 0; with --once play and audit a day and return what the audit says."""
    if args.once:
        from hub.demo.day import run_day

        return run_day(args)
    _refuse_options_of_a_day(args)
    port, cloud_port = _port(args.port, PORT), _port(args.cloud_port, CLOUD_PORT)
    refuse_busy_port(port, "--port")
    refuse_busy_port(cloud_port, "--cloud-port")
    if port == cloud_port:
        raise StartError(f"hub and cloud cannot both listen on {port}; choose another with --cloud-port")
    if args.import_file is not None and not args.import_file.is_file():
        raise StartError(f"{args.import_file}: no such file; name a catalogue with --import")
    lead_process_group()
    data: Path = (args.data or DATA).resolve()
    with own_folder(data, DEMO_LOCK), one_error():
        # of a demo that was killed: who waits for it shall not find the old one
        (data / "demo.json").unlink(missing_ok=True)
        asyncio.run(_demo(args, data, port, cloud_port))
    return 0


async def _demo(args: argparse.Namespace, data: Path, port: int, cloud_port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            shop = group.create_task(_open(args, data, port, cloud_port), name="shop")
            await stop.wait()
            shop.cancel()
    finally:
        (data / "demo.json").unlink(missing_ok=True)
    print("\nstopped; the same command continues with the same data")


async def _open(args: argparse.Namespace, data: Path, port: int, cloud_port: int) -> None:
    async with (
        open_air(random.Random(), is_peopled=not args.no_shoppers) as radio_bus,  # noqa: S311 - no secret
        open_house(data, port=port, cloud_port=cloud_port, pace=Pace(), radio_bus=radio_bus) as house,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(house.cloud.keep(), name="cloud process")
        group.create_task(house.hub.keep(), name="hub process")
        group.create_task(_open_shop(args, house), name="shoppers")


async def _open_shop(args: argparse.Namespace, house: House) -> None:
    """Fill the catalogue, tell how to plug in, and let the shoppers in."""
    rng = random.Random()  # noqa: S311 - shoppers are no secret
    async with (
        HubClient("http://hub", unix_socket=house.config.control_socket) as control,
        await manager_of(house, control) as manager,
    ):
        await fill_shelves(house, manager)
        if args.import_file is not None:
            result = load_products(args.import_file, currency=CURRENCY)
            print(render(result.report, "en"))
            await write_all(house.config, result.items)
            await until_down(manager, result.items)
        await move_in(house, control, manager)
        counters = await counter_credentials(house.data / "doors.json", house.base_url, control, house.mqtt_port)
        till_code, console_code = await control.make_code("till"), await control.make_code("manager")
        facts = json.dumps(_facts(house, till_code, counters), indent=2, ensure_ascii=False)
        write_private(house.data / "demo.json", facts)
        _greet(house, console_code, till_code)
        if not args.no_shoppers:
            visitors = Visitors(house.mqtt_port, counters, rng=rng, now_ms=now_ms)
            token_file = house.data / "shoppers.json"
            counter_top = CounterTop(house.wires.scale, house.wires.display, rng=rng)
            shoppers = Shoppers(
                house.base_url, token_file, control, house.wires.lane2, visitors, counter_top=counter_top, rng=rng
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(visitors.run(), name="visitors")
                group.create_task(shoppers.run(), name="lane 2")
                group.create_task(WebShop(house, control, rng=rng).run(), name="web shop")


def _facts(house: House, till_code: str, counters: Credentials) -> dict[str, object]:
    wires, mqtt = house.wires, f"mqtt://127.0.0.1:{house.mqtt_port}"
    scanners: dict[str, tuple[str, SimulatedScanner]] = {
        "lane1-scanner": ("serial_scanner", wires.lane1),
        "lane2-scanner": ("hid_scanner", wires.lane2),
    }
    return {
        "hub": house.base_url,
        "pairing_code": till_code,
        "scanner_pty": wires.lane1.line.outside_path,
        "printer_tcp": wires.printer.address,
        "paper": wires.paper.url,
        "cloud": house.cloud_url,
        "cloud_token": house.keys.office_token,
        "line": wires.line_url,
        "cashiers": [{"number": each.number, "role": each.role, "pin": each.pin} for each in CASHIERS],
        "coupon": COUPON,
        "mqtt": mqtt,
        "mqtt_username": counters.till_id,
        "mqtt_password": counters.token,
        "mqtt_topic": counter_topic(YOUR_COUNTER),
        "counters": [
            {"id": sensor, "entrance": entrance, "topic": counter_topic(sensor)}
            for sensor, entrance in ENTRANCES.items()
        ],
        "devices": [
            {"id": name, "kind": kind, "category": "Scanner", "at": scanner.device_path}
            for name, (kind, scanner) in scanners.items()
        ]
        + [
            {"id": SCALE, "kind": "toledo_scale", "category": "Scale", "at": wires.scale.line.device_path},
            {"id": DISPLAY, "kind": "pole_display", "category": "LineDisplay", "at": wires.display.line.device_path},
            {"id": "lane1-printer", "kind": "escpos_printer", "category": "POSPrinter", "at": wires.printer.address},
            {"id": "counters", "kind": "mqtt_counter", "category": "PeopleCounter", "at": mqtt},
        ]
        + [
            {"id": spec.device_id, "kind": spec.kind, "category": spec.driver.category, "at": ", ".join(ADAPTERS)}
            for spec in house.config.devices
            if spec.driver.category == "Beacon"
        ],
    }


def _greet(house: House, console_code: str, till_code: str) -> None:
    data = house.data
    config, scanner = shlex.quote(str(data / "hub.toml")), shlex.quote(str(data / "dev" / "lane1-scanner-outside"))
    print(
        f"store hub demo is open\n"
        f"  API       {house.base_url}/v1   ({house.base_url}/docs)\n"
        f"  console   {house.base_url}/#pair={console_code}\n"
        f"  a till    pairs with the code {till_code} (another: .venv/bin/storehub pair --config {config})\n"
        f"  scanner   printf '4899990000406\\r' > {scanner}\n"
        f"  the line  {house.wires.line_url} cuts it; the shop goes on selling\n"
        f"  the cloud {house.cloud_url}/cloud/v1/stores (token in demo.json)\n"
        f"  facts     {data / 'demo.json'}\n"
        f"  logs      {data / 'hub.log'}, {data / 'cloud.log'}\n"
        f"Ctrl-C stops it.",
        flush=True,
    )


def _port(asked: int | None, default: int) -> int:
    return default if asked is None else asked


def _refuse_options_of_a_day(args: argparse.Namespace) -> None:
    if args.fault is not None or args.seed is not None:
        raise StartError("--break and --seed belong to a scripted day; add --once")
