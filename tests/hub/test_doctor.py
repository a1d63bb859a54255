"""`storehub doctor` beside a hub that runs, one that does not, and machines with something wrong."""

import asyncio
import json
import os
import sqlite3
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devices.model import Health
from hub.api.attached.devices import DeviceList, DeviceView
from hub.backup.noted import Made, Told, note
from hub.commands.doctor import run_doctor
from hub.config import Config, parse_config
from hub.disk.room import DiskView
from hub.doctor import machine
from hub.doctor.board import look_at_board
from hub.doctor.books import look_at_books
from hub.doctor.findings import Finding
from hub.doctor.machine import look_at_machine
from hub.doctor.running import (
    DAY_MS,
    look_at_broker,
    look_at_certificate,
    look_at_devices,
    look_at_disk,
    look_at_line,
)
from hub.doctor.wiring import look_at_cloud
from hub.medium.view import MediumView
from hub.tls.files import LEAF
from sync.line.state import REMEDIES
from tests.cloud.test_tls import self_signed

STORE = {"id": "hk01", "name_zh_hant": "示範店", "name_en": "Demo shop", "currency": "HKD"}
RECIPIENT = "age1" + "q" * 58
NOW_MS = 1_790_000_000_000
ON_LAN = {"host": "0.0.0.0"}


def config(folder: Path, **sections: Any) -> Config:
    return parse_config({"store": STORE, "data": {"dir": str(folder)}, **sections}, base=folder)


def by_name(found: Any) -> dict[str, Finding]:
    return {each.about: each for each in found}


def set_rtc(system: Path, says: object) -> None:
    """Let the kernel say what the battery-backed clock says."""
    rtc = system / "class/rtc/rtc0"
    rtc.mkdir(parents=True, exist_ok=True)
    (rtc / "since_epoch").write_text(f"{says}\n")


async def test_a_hub_that_runs_is_well_but_for_what_a_test_leaves_out(
    start_hub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = await start_hub(devices={"lane1": {"kind": "serial_scanner", "port": "/dev/ttyNONE"}})
    code = await asyncio.to_thread(run_doctor, hub.config, is_whole=True, as_json=True)
    found = {each["about"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["hub"]["level"] == "well" and found["database"]["said"].endswith("every page is well")
    assert found["device lane1"]["level"] == "warning"
    assert found["cloud"]["level"] == "warning" and found["backup"]["level"] == "warning"
    assert code == int(any(each["level"] == "fault" for each in found.values()))
    assert all(each["remedy"] for each in found.values() if each["level"] != "well")


async def test_a_hub_that_does_not_run_is_a_fault_in_plain_words(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_doctor(config(tmp_path), is_whole=False, as_json=False) == 1
    said = capsys.readouterr()
    assert "FAULT    hub" in said.out and "→ `systemctl start storehub`" in said.out
    assert "faults" in said.err


@pytest.mark.parametrize(
    ("mounts", "level", "words"),
    [
        ("/dev/root / ext4 rw,noatime 0 0\n", "well", "ext4 at /"),
        ("/dev/root / ext4 rw 0 0\n/dev/sda1 {folder} vfat rw 0 0\n", "fault", "is vfat"),
        ("/dev/root / ext4 rw 0 0\nnas:/x {folder} nfs4 rw 0 0\n", "fault", "is nfs4"),
        ("/dev/root / ext4 ro,noatime 0 0\n", "fault", "read-only"),
    ],
)
def test_a_file_system_that_harms_the_books_is_named(tmp_path: Path, mounts: str, level: str, words: str) -> None:
    file = tmp_path / "mounts"
    file.write_text(mounts.format(folder=tmp_path))
    found = by_name(look_at_machine(config(tmp_path), now_ms=NOW_MS, mounts=file))["file system"]
    assert (found.level, words in found.said) == (level, True)


@pytest.mark.parametrize(
    ("free", "level"), [(2 << 30, "well"), ((512 << 20) - 1, "warning"), ((128 << 20) - 1, "fault")]
)
def test_room_on_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert by_name(look_at_machine(config(tmp_path), now_ms=NOW_MS))["disk"].level == level


def test_a_data_folder_that_others_can_read_and_one_that_is_not_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert by_name(look_at_machine(config(tmp_path), now_ms=NOW_MS))["data folder"].level == "warning"
    tmp_path.chmod(0o700)
    assert by_name(look_at_machine(config(tmp_path), now_ms=NOW_MS))["data folder"].level == "well"
    missing = by_name(look_at_machine(config(tmp_path / "none"), now_ms=NOW_MS))
    assert missing["disk"].level == missing["data folder"].level == "fault"


@pytest.mark.parametrize(
    ("is_synchronous", "has_rtc", "says_rtc", "level"),
    [
        (True, True, True, "well"),
        (True, False, False, "well"),
        (True, True, False, "warning"),
        (False, True, True, "warning"),
        (True, False, True, "fault"),
    ],
)
def test_clocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_synchronous: bool, has_rtc: bool, says_rtc: bool, level: str
) -> None:
    monkeypatch.setattr(machine, "kernel_is_synchronous", lambda: is_synchronous)
    if has_rtc:
        set_rtc(tmp_path, NOW_MS // 1000)
    said = config(tmp_path, clock={"rtc": says_rtc})
    assert by_name(look_at_machine(said, now_ms=NOW_MS, system=tmp_path))["clock"].level == level


@pytest.mark.parametrize(("says", "level"), [(NOW_MS // 1000 + 60, "well"), (0, "warning"), ("", "warning")])
def test_a_battery_clock_is_held_against_one_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: object, level: str
) -> None:
    monkeypatch.setattr(machine, "kernel_is_synchronous", lambda: True)
    set_rtc(tmp_path, says)

    found = by_name(look_at_machine(config(tmp_path), now_ms=NOW_MS, system=tmp_path))["battery clock"]

    assert found.level == level and (level == "well" or "hwclock --systohc" in found.remedy)


@pytest.mark.parametrize(("count", "level"), [("0", None), ("3", "fault")])
def test_a_card_whose_file_system_met_errors_is_a_fault(tmp_path: Path, count: str, level: str | None) -> None:
    mounts, card = tmp_path / "mounts", tmp_path / "fs/ext4/mmcblk0p2"
    mounts.write_text("/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n")
    card.mkdir(parents=True)
    (card / "errors_count").write_text(count)

    found = by_name(look_at_machine(config(tmp_path), now_ms=NOW_MS, mounts=mounts, system=tmp_path))

    assert (found["card"].level if "card" in found else None) == level


@pytest.mark.parametrize(
    ("alarm", "milli_c", "levels"),
    [
        ("0", "48312", {"power": "well", "heat": "well"}),
        ("1", "80000", {"power": "fault", "heat": "warning"}),
        (None, None, {}),
    ],
)
def test_a_board_without_enough_power_or_air(
    tmp_path: Path, alarm: str | None, milli_c: str | None, levels: dict[str, str]
) -> None:
    for file, said in (("hwmon/hwmon1/in0_lcrit_alarm", alarm), ("thermal/thermal_zone0/temp", milli_c)):
        if said is not None:
            there = tmp_path / "class" / file
            there.parent.mkdir(parents=True)
            there.write_text(f"{said}\n")
            (there.parent / "name").write_text("rpi_volt\n" if "hwmon" in file else "cpu\n")

    found = by_name(look_at_board(system=tmp_path))

    assert {name: each.level for name, each in found.items()} == levels
    assert all(each.remedy for each in found.values() if each.level != "well")


def test_who_may_not_look_is_told_so_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As another user: to that one the database is not there, nor a hub."""
    if os.geteuid():
        pytest.skip("only root becomes another user")
    said = config(tmp_path)
    os.seteuid(65_534)
    try:
        code = run_doctor(said, is_whole=False, as_json=True)
    finally:
        os.seteuid(0)

    found = json.loads(capsys.readouterr().out)
    assert code == 1 and [each["about"] for each in found] == ["data folder"] and "as root" in found[0]["remedy"]


def test_a_small_disk_and_one_that_became_read_only_are_faults_for_real(small_disk: Path) -> None:
    """By the kernel's own words of a file system of four megabytes."""
    found = by_name(look_at_machine(config(small_disk), now_ms=NOW_MS))
    assert found["disk"].level == "fault" and found["file system"].said == f"tmpfs at {small_disk}"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "read-only" in by_name(look_at_machine(config(small_disk), now_ms=NOW_MS))["file system"].said


async def test_certificates_that_end_are_damaged_or_of_tomorrow(start_hub: Any, capsys: Any) -> None:
    hub = await start_hub(api=ON_LAN | {"port": 0})
    leaf, authority = hub.runtime.tls.leaf, hub.runtime.tls.authority

    def found(now_ms: int) -> dict[str, Finding]:
        return by_name(look_at_certificate(hub.config, now_ms=now_ms))

    assert {name: each.level for name, each in found(hub.clock.now_ms).items()} == {"certificate": "well"}
    assert found(leaf.not_after_ms - 50 * DAY_MS)["certificate"].level == "warning"
    assert found(leaf.not_after_ms + 1)["certificate"].level == "fault"
    assert "timedatectl" in found(leaf.not_before_ms - DAY_MS)["certificate"].remedy
    assert found(authority.not_after_ms - 300 * DAY_MS)["store CA"].level == "warning"
    (hub.config.tls_folder / LEAF).write_text("rust")
    damaged = found(hub.clock.now_ms)["certificate"]
    assert damaged.level == "fault" and "is damaged" in damaged.said


async def test_a_hub_that_is_stopped_is_looked_at_by_what_it_would_find(
    tmp_path: Path, printer: Any, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    master, slave = os.openpty()
    devices = {
        "lane1": {"kind": "serial_scanner", "port": os.ttyname(slave)},
        "lane2": {"kind": "serial_scanner", "port": "/dev/ttyNONE"},
        "p1": {"kind": "escpos_printer", "address": printer.address},
        "p2": {"kind": "escpos_printer", "address": f"127.0.0.1:{unused_tcp_port}"},
        "doors": {"kind": "mqtt_counter", "store": "hk01", "address": f"[::1]:{unused_tcp_port}"},
    }
    said = config(tmp_path, devices=devices)
    code = await asyncio.to_thread(run_doctor, said, is_whole=False, as_json=True)
    found = {each["about"]: each for each in json.loads(capsys.readouterr().out)}
    os.close(master)
    os.close(slave)

    levels = {name: found[f"device {name}"]["level"] for name in devices}
    assert code == 1 and found["hub"]["level"] == "fault"
    assert levels == {"lane1": "well", "lane2": "warning", "p1": "well", "p2": "warning", "doors": "warning"}
    assert found["device lane2"]["remedy"] == "plug it in, or correct it in [devices.lane2]"


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}', "well", "answers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>log in</", "warning", "is no cloud end"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "warning", "does not answer"),
        (b"SSH-2.0-OpenSSH\r\n", "warning", "does not answer"),
        (b"", "warning", "does not answer"),
    ],
)
async def test_what_answers_at_the_clouds_address(tmp_path: Path, answer: bytes, level: str, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        cloud = {"url": f"http://127.0.0.1:{port}", "token": "a-token-of-this-store"}
        found = await asyncio.to_thread(lambda: list(look_at_cloud(config(tmp_path, cloud=cloud))))

    assert [each.level for each in found] == [level] and words in found[0].said
    assert level == "well" or found[0].remedy


async def test_the_doctor_trusts_at_the_cloud_whom_the_hub_trusts(tmp_path: Path) -> None:
    """The authority that came with the enrolment; without it, and with a damaged one, it says what the hub would meet."""
    certificate, key = self_signed(tmp_path)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served) as server:
        cloud = {"url": f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"}

        async def found() -> Finding:
            (only,) = await asyncio.to_thread(lambda: list(look_at_cloud(config(tmp_path, cloud=cloud))))
            return only

        stranger = await found()
        assert (stranger.level, stranger.remedy) == ("warning", REMEDIES["tls"])
        (tmp_path / "cloud").mkdir()
        (tmp_path / "cloud" / "ca.pem").write_bytes(certificate.read_bytes())
        assert (await found()).level == "well"
        (tmp_path / "cloud" / "ca.pem").write_text("damaged")
        damaged = await found()
        assert damaged.level == "fault" and "enrol this hub again" in damaged.said and damaged.remedy


async def test_a_damaged_database_and_late_backups_are_faults(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.db.empty_log()
    medium = tmp_path / "medium"
    medium.mkdir()
    said = config(tmp_path, backup={"to": str(medium), "recipients": [RECIPIENT]})
    now_ms = int(datetime(2026, 9, 22, 12, tzinfo=UTC).timestamp() * 1000)

    def found(*, is_whole: bool = False) -> dict[str, Finding]:
        return by_name(look_at_books(said, now_ms=now_ms, is_whole=is_whole))

    assert found()["backup folder"].level == "fault" and "none was ever made" in found()["backup folder"].said
    for made_at, error, level in (
        (datetime(2026, 9, 21, 2, 30, tzinfo=UTC), "", "fault"),
        (datetime(2026, 9, 22, 2, 30, tzinfo=UTC), "the stick is not there", "warning"),
        (datetime(2026, 9, 22, 2, 30, tzinfo=UTC), "", "well"),
    ):
        note(tmp_path, {"folder": Told(made_at, Made("one", made_at, 1, "hk01:0", {}), error)})
        assert found()["backup folder"].level == level and error in found()["backup folder"].said
    note(tmp_path, {"folder": Told(datetime(2026, 9, 23, tzinfo=UTC), error="the stick is not there")})
    assert "hours old" in found()["backup folder"].said, "what is there stays known"

    assert found(is_whole=True)["database"].level == "well"
    with store.path.open("r+b") as file:
        middle = store.path.stat().st_size // 2048 * 1024
        file.seek(middle)
        file.write(b"\xff" * 1024 * 20)
    assert found(is_whole=True)["database"].level == "fault"
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    assert found()["SQLite"].level == "fault"


def test_devices_line_broker_and_certificate(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> None:
    views = [
        DeviceView("lane1", "serial_scanner", "Scanner", Health.READY, "", "", 0, {}, None),
        DeviceView("scale", "line_scale", "Scale", Health.DEGRADED, "noise", "shield the cable", 0, {}, None),
    ]
    found = by_name(look_at_devices(DeviceList(views)))
    assert found["device lane1"].level == "well" and found["device scale"].remedy == "shield the cable"
    port = unused_tcp_port_factory()
    assert by_name(look_at_broker(config(tmp_path, mqtt={"port": port})))["MQTT broker"].level == "fault"
    assert not list(look_at_broker(config(tmp_path)))
    assert not list(look_at_certificate(config(tmp_path), now_ms=0)), "nobody beyond this machine is shown one"
    on_lan = config(tmp_path, api=ON_LAN)
    assert by_name(look_at_certificate(on_lan, now_ms=0))["store CA"].level == "fault"


def test_lines(tmp_path: Path) -> None:
    def view(**fields: Any) -> Any:
        usual = {"mode": "realtime", "up": True, "rows_waiting": 0, "clock_unsure": False, "reason": "", "detail": ""}
        since = datetime(2026, 9, 22, tzinfo=UTC)
        return SimpleNamespace(**(usual | {"remedy": "", "since": since, "medium": None} | fields))

    assert by_name(look_at_line(view()))["cloud"].level == "well"
    down = by_name(look_at_line(view(up=False, reason="unreachable", rows_waiting=7, remedy="see the router")))["cloud"]
    assert down.remedy == "see the router" and "7 rows wait" in down.said
    assert by_name(look_at_line(view(mode="alone")))["cloud"].level == "warning"
    assert by_name(look_at_line(view(clock_unsure=True)))["shop's time"].level == "warning"
    medium = MediumView("/media/stick", True, datetime(2026, 9, 22, tzinfo=UTC), upto=7)
    found = by_name(look_at_line(view(mode="alone", medium=medium)))
    assert found["cloud"].level == found["feed copy"].level == "well" and "7 sales" in found["feed copy"].said
    full = MediumView("/media/stick", False, medium.since, 7, 1, "full", "", "make room on it")
    assert by_name(look_at_line(view(medium=full)))["feed copy"].remedy == "make room on it"


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("well", "well"),
        ("stop", "well"),
        ("refuse", "fault"),
        ("reserve", "fault"),
        ("full", "fault"),
        ("read_only", "fault"),
    ],
)
def test_a_hub_that_cannot_write_or_soon_will_not_says_what_to_do(state: Any, level: str) -> None:
    view = DiskView(
        state=state,
        since=datetime(2026, 9, 22, tzinfo=UTC),
        free_bytes=0,
        reserve_bytes=0,
        reserve_whole_bytes=32 << 20,
        takes_telemetry=state == "well",
        takes_imports=state in ("well", "stop"),
        takes_sales=state not in ("full", "read_only"),
    )
    (found,) = look_at_disk(view)
    assert (found.level, bool(found.remedy)) == (level, level == "fault")
