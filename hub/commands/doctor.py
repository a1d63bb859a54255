"""`storehub doctor [--whole] [--json]`: everything that can be looked at here, with its remedy. Exit code 1: there is a fault."""

import asyncio
import os
import sys

import msgspec

from hub.client import now_ms
from hub.commands.asking import ask
from hub.config import Config
from hub.doctor.beside import look_at_other_hub
from hub.doctor.board import look_at_board
from hub.doctor.books import look_at_books
from hub.doctor.findings import Finding, fault, well
from hub.doctor.machine import look_at_machine
from hub.doctor.networks import look_at_networks
from hub.doctor.running import look_at_broker, look_at_certificate, look_at_devices, look_at_disk, look_at_line
from hub.doctor.wiring import look_at_cloud, look_at_wiring
from hub.machine_client import MachineClient
from sync.errors import SyncError

MARKS = {"well": "well", "warning": "WARNING", "fault": "FAULT"}


def run_doctor(config: Config, *, is_whole: bool, as_json: bool) -> int:
    """Look, and say."""
    found = look(config, is_whole=is_whole)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _print(found)
    return 1 if any(each.level == "fault" for each in found) else 0


def look(config: Config, *, is_whole: bool) -> list[Finding]:
    """Return all that was found; that it was not allowed to look, where it is not."""
    if _is_shut_out(config):
        return [_shut_out(config)]
    at_ms = now_ms()
    return [
        *look_at_machine(config, now_ms=at_ms),
        *look_at_networks(config),
        *look_at_board(),
        *look_at_books(config, now_ms=at_ms, is_whole=is_whole),
        *look_at_certificate(config, now_ms=at_ms),
        *_ask_hub(config),
    ]


def _is_shut_out(config: Config) -> bool:
    """Whether the data folder is not for whoever asks: all else would be said wrongly."""
    try:
        os.scandir(config.data_dir).close()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _shut_out(config: Config) -> Finding:
    said = f"this user may not look into {config.data_dir}"
    return fault("data folder", said, "as root, or `sudo -u storehub storehub doctor`")


def _ask_hub(config: Config) -> list[Finding]:
    if not config.is_running():
        return [
            fault(
                "hub",
                f"none runs on {config.data_dir}",
                "`systemctl start storehub`, and see `journalctl -u storehub`",
            ),
            *look_at_wiring(config),
            *look_at_cloud(config),
        ]

    async def all_of(client: MachineClient) -> list[Finding]:
        devices, view, disk, hubs = await asyncio.gather(
            client.machine_devices(), client.machine_sync(), client.machine_disk(), client.standby()
        )
        found = [*look_at_disk(disk), *look_at_devices(devices), *look_at_line(view)]
        return [*found, *look_at_other_hub(hubs, is_wanted=config.follows is not None)]

    found = [well("hub", "runs"), *look_at_broker(config)]
    try:
        return found + ask(config, all_of)
    except SyncError as err:
        return [*found, fault("hub", f"does not answer: {err}", "see `journalctl -u storehub`")]


def _print(found: list[Finding]) -> None:
    width = max(len(each.about) for each in found)
    for each in found:
        print(f"{MARKS[each.level]:8} {each.about:{width}}  {each.said}")
        if each.remedy:
            print(f"{'':8} {'':{width}}  → {each.remedy}")
    worst = [sum(each.level == level for each in found) for level in ("fault", "warning")]
    print(f"{len(found)} looked at, {worst[0]} faults, {worst[1]} warnings", file=sys.stderr)
