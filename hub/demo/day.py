"""`storehub demo --once`: a day in a fresh store, played by a script, then audited by a program of its own.

    opening   goods on the shelves, two tills, two doors; a web   midday    the hub is killed while it sells
              order comes                                         later     the line is cut again; the order is fetched; a
    morning   the line is cut; prices change; the order is                  counter loses power
              packed; paper runs out                              closing   all that waits goes to the cloud and on paper
    noon      the line is back, the new prices come down

Here: the folder, the house, the audit. Not here: what happens when (hub.demo.script).
"""

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import aiohttp

from hub.client import HubClient, now_ms
from hub.demo.counters import Counters
from hub.demo.credentials import client_credentials, counter_credentials
from hub.demo.desk import Desk
from hub.demo.house import ENCODING, House, Pace, fill_shelves, manager_of, open_house, sample_entries
from hub.demo.journal import Journal
from hub.demo.processes import free_port, lead_process_group, refuse_busy_port
from hub.demo.script import Cast, Journals, Play
from hub.demo.settings import ENTRANCES, STORE_ID, write_private
from hub.demo.tills import Shelf, Till
from hub.demo.web_order import WebOrder
from hub.demo.web_shop import Office
from hub.demo.wires import PrinterWire, TillWire
from sync.errors import StartError, one_error
from sync.folder import own_folder

DEMO_LOCK = "demo.lock"
SECONDS_MIN = 8.0  # in less there is no time for two outages and a kill
TILL_PAUSE_S, DOOR_PAUSE_S = 0.7, 0.6
PACE = Pace(lines_per_s=200.0, poll_s=0.4, reconnect_max_s=1.0)
AUDIT_TIMEOUT_S = 120.0


def run_day(args: argparse.Namespace) -> int:
    """Play a day and audit it; return 0 when every promise holds."""
    if args.day_seconds < SECONDS_MIN:
        raise StartError(f"a day takes at least {SECONDS_MIN:g} s; choose more with --day-seconds")
    port, cloud_port = args.port or free_port(), args.cloud_port or free_port()
    refuse_busy_port(port, "--port")
    refuse_busy_port(cloud_port, "--cloud-port")
    if args.data is not None and args.data.exists() and any(args.data.iterdir()):
        raise StartError(f"{args.data} is not empty; a day begins in a fresh folder: choose another with --data")
    lead_process_group()
    data = Path(tempfile.mkdtemp(prefix="storehub-day-")) if args.data is None else args.data.resolve()
    seed = secrets.randbelow(10**9) if args.seed is None else args.seed
    fault = f" --break {args.fault}" if args.fault else ""
    print(
        f"a day of {args.day_seconds:g} s in {data}; play it again: storehub demo --once --seed {seed}{fault}",
        flush=True,
    )
    is_kept = True
    try:
        with own_folder(data, DEMO_LOCK), one_error():
            code = asyncio.run(
                _day(data, port, cloud_port, seed=seed, seconds=args.day_seconds, fault=args.fault or "")
            )
        is_kept = code != 0
    except KeyboardInterrupt:
        is_kept = False
        raise
    finally:
        if args.data is None and not is_kept:
            shutil.rmtree(data)
    if is_kept or args.data is not None:
        again = f"{Path(sys.executable)} -m hub.demo.auditor {data / 'evidence'} --saved"
        print(f"the evidence lies in {data / 'evidence'}; read it again: {again}")
    return code


async def _day(data: Path, port: int, cloud_port: int, *, seed: int, seconds: float, fault: str) -> int:
    evidence = data / "evidence"
    (evidence / "paper").mkdir(parents=True)
    printer_wire = PrinterWire(evidence / "paper", encoding=ENCODING)
    async with AsyncExitStack() as stack:
        stack.callback(printer_wire.close)
        house = await stack.enter_async_context(
            open_house(data, port=port, cloud_port=cloud_port, pace=PACE, printer_wire=printer_wire.connect)
        )
        journals = Journals(
            *(
                stack.enter_context(Journal(evidence / f"{name}.ndjson"))
                for name in ("script", "office", "tills", "mqtt")
            )
        )
        _write_facts(evidence, house, seed)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        keepers = [group.create_task(child.keep(), name=child.name) for child in (house.cloud, house.hub)]
        async with _cast(house, journals, printer_wire, rng=Random(seed), fault=fault) as cast:  # noqa: S311
            await Play(cast, journals, seconds=seconds, fault=fault).run()
        code = await _audit(evidence)
        for keeper in keepers:
            keeper.cancel()
    return code


def _write_facts(evidence: Path, house: House, seed: int) -> None:
    facts = {
        "cloud": house.cloud_url,
        "token": house.keys.office_token,
        "store": STORE_ID,
        "entrances": ENTRANCES,
        "encoding": ENCODING,
        "seed": seed,
        "begun": now_ms(),
    }
    write_private(evidence / "facts.json", json.dumps(facts, indent=1))


@asynccontextmanager
async def _cast(
    house: House, journals: Journals, printer_wire: PrinterWire, *, rng: Random, fault: str
) -> AsyncIterator[Cast]:
    """Put the goods on the shelves and everybody in their places."""
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(HubClient("http://hub", unix_socket=house.config.control_socket))
        manager = await stack.enter_async_context(await manager_of(house, control))
        cloud = await stack.enter_async_context(Office(house.cloud_url, house.keys.office_token))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await fill_shelves(house, manager)
        entries = sample_entries()
        shelf = Shelf(entries)
        journals.office.note(at=now_ms(), ask="opening", sent=dict(shelf.there), status=200)
        till_wire: TillWire | None = None
        if fault in ("lose", "double"):
            till_wire = await stack.enter_async_context(TillWire(house.base_url, fault))  # type: ignore[arg-type]
        tills: list[Till] = []
        for lane, scanner in (("lane1", house.wires.lane1), ("lane2", house.wires.lane2)):
            known = await client_credentials(house.data / f"{lane}.json", house.base_url, control, "till", lane)
            sales_url = till_wire.url if till_wire and lane == "lane2" else ""
            desk = Desk(lane, known.token, session, journals.tills, hub_url=house.base_url, sales_url=sales_url)
            till_rng = Random(rng.getrandbits(32))  # noqa: S311 - shoppers are no secret
            tills.append(Till(desk, known.till_id, scanner, shelf, rng=till_rng, pause_s=TILL_PAUSE_S))
        boss = await client_credentials(house.data / "boss.json", house.base_url, control, "manager", "manager")
        packer = await client_credentials(house.data / "packing.json", house.base_url, control, "till", "packing")
        table = Desk("packing table", packer.token, session, journals.tills, hub_url=house.base_url)
        web_order = WebOrder(cloud, manager, table, journals.office)
        web_order.choose(shelf, entry_of := {entry.product.sku: entry for entry in entries}, rng)
        doors = await counter_credentials(house.data / "doors.json", house.base_url, control, house.mqtt_port)
        door_rng = Random(rng.getrandbits(32))  # noqa: S311
        yield Cast(
            house=house,
            manager=manager,
            cloud=cloud,
            shelf=shelf,
            tills=tills,
            boss=Desk("manager", boss.token, session, journals.tills, hub_url=house.base_url),
            counters=Counters(house.mqtt_port, doors, journals.mqtt, rng=door_rng, pause_s=DOOR_PAUSE_S),
            printer_wire=printer_wire,
            till_wire=till_wire,
            entries=entry_of,
            web_order=web_order,
            rng=rng,
        )


async def _audit(evidence: Path) -> int:
    """Let the auditor judge; it knows the folder and nothing else."""
    auditor = await asyncio.create_subprocess_exec(sys.executable, "-m", "hub.demo.auditor", str(evidence))
    try:
        async with asyncio.timeout(AUDIT_TIMEOUT_S):
            return await auditor.wait()
    except TimeoutError as err:
        raise StartError(f"the audit took more than {AUDIT_TIMEOUT_S:g} s; the evidence lies in {evidence}") from err
    finally:
        if auditor.returncode is None:
            auditor.kill()
            await auditor.wait()
