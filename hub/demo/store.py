"""`storehub demo`: one parent with the simulated devices and shoppers, one child that is an ordinary hub.

The parent leads the process group; the child dies with it (PR_SET_PDEATHSIG). Devices stay while a killed hub is started
again, as they would in a shop.
"""

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import random
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from devices.testing.printer import Receipt, SimulatedPrinter
from devices.testing.serial_line import VirtualSerialLine
from hub.client import HubClient
from hub.config import load_config
from hub.demo.paper_page import PaperPage
from hub.demo.settings import CURRENCY, hub_toml
from hub.demo.shoppers import Shoppers
from hub.importing.command import write_all
from hub.importing.products import load_products
from hub.importing.report import render
from sync.errors import StartError, one_error
from sync.folder import own_folder

READY_TIMEOUT_S = 20.0  # a slow card and a first migration; a hub that needs longer is broken
STOP_TIMEOUT_S = 1.5  # Ctrl-C stops everything within two seconds
DEMO_LOCK = "demo.lock"
RESTART_PAUSE_S = 0.3
RESTARTS_MAX = 20  # a hub that dies this often in one demo is broken: stop and show its log
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Wires:
    """The simulated ends of the hub's wires."""

    printer: SimulatedPrinter
    lane1: VirtualSerialLine
    lane2: VirtualSerialLine
    paper: PaperPage


def run_demo(args: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C or SIGTERM; return 0."""
    _refuse_busy_port(args.port)
    if args.import_file is not None and not args.import_file.is_file():
        raise StartError(f"{args.import_file}: no such file; name a catalogue with --import")
    _lead_process_group()
    data: Path = args.data.resolve()
    with own_folder(data, DEMO_LOCK), one_error():
        (data / "demo.json").unlink(
            missing_ok=True
        )  # of a demo that was killed: who waits for it shall not find the old one
        asyncio.run(_demo(args, data))
    return 0


async def _demo(args: argparse.Namespace, data: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    config_file = data / "hub.toml"
    async with _wires(data) as wires:
        _write(config_file, hub_toml(args.port, wires.printer.address, wires.lane1, wires.lane2, wires.paper.url))
        try:
            async with asyncio.TaskGroup() as group:
                hub = HubProcess(config_file)
                await hub.start()
                keeper = group.create_task(hub.keep(), name="hub process")
                shoppers = group.create_task(_open_shop(args, data, wires), name="shop")
                await stop.wait()
                keeper.cancel()
                shoppers.cancel()
        finally:
            await hub.stop()
            (data / "demo.json").unlink(missing_ok=True)
    print("\nstopped; the same command continues with the same data")


@asynccontextmanager
async def _wires(data: Path) -> AsyncIterator[Wires]:
    links = data / "dev"
    try:
        links.mkdir(exist_ok=True)
        (links / ".writable").touch()
    except OSError as err:
        raise StartError(f"{links}: {err.strerror}; choose a folder of your own with --data") from err
    async with PaperPage() as paper:

        def keep(receipt: Receipt) -> None:
            paper.add(receipt)
            printer.receipts.clear()

        async with (
            SimulatedPrinter(encoding="big5hkscs", on_receipt=keep) as printer,
            VirtualSerialLine(links / "lane1-scanner", links / "lane1-scanner-outside") as lane1,
            VirtualSerialLine(links / "lane2-scanner", links / "lane2-scanner-outside") as lane2,
        ):
            yield Wires(printer, lane1, lane2, paper)


async def _open_shop(args: argparse.Namespace, data: Path, wires: Wires) -> None:
    """Fill the catalogue, tell how to plug in, and let the shoppers in."""
    config = load_config(data / "hub.toml")
    base_url = f"http://127.0.0.1:{args.port}"
    async with HubClient("http://hub", unix_socket=config.control_socket) as control:
        with resources.as_file(resources.files("hub.demo").joinpath("sample_catalogue.json")) as sample:
            await write_all(config, load_products(sample, currency=CURRENCY).items)
        if args.import_file is not None:
            result = load_products(args.import_file, currency=CURRENCY)
            print(render(result.report, "en"))
            await write_all(config, result.items)
        till_code, console_code = await control.make_code("till"), await control.make_code("manager")
        _write(data / "demo.json", json.dumps(_facts(base_url, till_code, wires), indent=2, ensure_ascii=False))
        _greet(base_url, console_code, till_code, data)
        if not args.no_shoppers:
            shoppers = Shoppers(base_url, data / "shoppers.json", control, wires.lane2, rng=random.Random())  # noqa: S311
            await shoppers.run()


def _facts(base_url: str, till_code: str, wires: Wires) -> dict[str, object]:
    scanners = {"lane1-scanner": wires.lane1, "lane2-scanner": wires.lane2}
    return {
        "hub": base_url,
        "pairing_code": till_code,
        "scanner_pty": wires.lane1.outside_path,
        "printer_tcp": wires.printer.address,
        "paper": wires.paper.url,
        "devices": [
            {"id": name, "kind": "serial_scanner", "category": "Scanner", "at": line.device_path}
            for name, line in scanners.items()
        ]
        + [{"id": "lane1-printer", "kind": "escpos_printer", "category": "POSPrinter", "at": wires.printer.address}],
    }


def _greet(base_url: str, console_code: str, till_code: str, data: Path) -> None:
    config, scanner = shlex.quote(str(data / "hub.toml")), shlex.quote(str(data / "dev" / "lane1-scanner-outside"))
    print(
        f"store hub demo is open\n"
        f"  API       {base_url}/v1   ({base_url}/docs)\n"
        f"  console   {base_url}/#pair={console_code}\n"
        f"  a till    pairs with the code {till_code} (another: .venv/bin/storehub pair --config {config})\n"
        f"  scanner   printf '4899990000406\\r' > {scanner}\n"
        f"  facts     {data / 'demo.json'}\n"
        f"  hub log   {data / 'hub.log'}\n"
        f"Ctrl-C stops it.",
        flush=True,
    )


class HubProcess:
    """The hub as a child: started, waited for, started again when it dies, stopped."""

    def __init__(self, config_file: Path) -> None:
        self._config_file = config_file
        self._log = config_file.parent / "hub.log"
        self._process: asyncio.subprocess.Process | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Start the hub and return when it says it is ready; raise StartError with its last words when it ends first."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self._log.open("ab") as log:
            name = f"storehub-demo-{secrets.token_hex(6)}"
            notify.bind(f"\0{name}")
            notify.setblocking(False)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hub",
                "run",
                "--config",
                str(self._config_file),
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "NOTIFY_SOCKET": f"@{name}"},
                preexec_fn=_die_with_parent,
            )
            await self._wait_ready(notify, self._process)

    async def keep(self) -> None:
        """Start the hub again whenever it dies."""
        for _ in range(RESTARTS_MAX):
            assert self._process is not None
            code = await self._process.wait()
            print(f"the hub ended ({code}); starting it again", flush=True)
            await asyncio.sleep(RESTART_PAUSE_S)
            await self.start()
        raise StartError(f"the hub died {RESTARTS_MAX} times; see {self._log}")

    async def stop(self) -> None:
        """Ask the hub to stop, and end it when it takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _wait_ready(self, notify: socket.socket, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            ready = group.create_task(loop.sock_recv(notify, 64), name="hub ready")
            ended = group.create_task(process.wait(), name="hub ended")
            done, _ = await asyncio.wait({ready, ended}, timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            ended.cancel()
        if ready not in done:
            raise StartError(f"the hub did not start: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("storehub: ") if lines else f"see {self._log}"


def _refuse_busy_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as err:
            raise StartError(f"port {port} cannot be used ({err}); choose another with --port") from err


def _lead_process_group() -> None:
    """Own a process group, so that Ctrl-C and `kill -- -PGID` reach all of the demo and nothing else."""
    if os.getpgrp() == os.getpid():
        return
    on_terminal = sys.stdin is not None and sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    os.setpgid(0, 0)
    if on_terminal:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only: pairing codes are in it."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)
