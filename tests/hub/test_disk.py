"""The disk fills: marks, the reserve on a real small file system, what a hub in this process takes and refuses."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devices.errors import NotRecordedError
from devices.model import Addresses, CounterReading, Dwell, ProbeReport
from hub.attached.readings import Readings
from hub.client import HubClient, ProblemError
from hub.disk.levels import MIB, Marks, level_at, marks_of, step_of
from hub.disk.reserve import RESERVE, Reserve
from hub.disk.room import Room
from hub.settings.disk import DiskSection, checked_disk
from sync.errors import ConfigError

MARKS = Marks(thin=500, stop=300, refuse=200, reserve=50)
SECTION = {"thin_below_mib": 3, "stop_below_mib": 2, "refuse_below_mib": 1, "reserve_mib": 1}


def test_each_mark_begins_its_level_and_a_tenth_above_it_ends() -> None:
    falling, level = [], "well"
    for free in (501, 499, 299, 199, 49, 0):
        falling.append(level := level_at(free, MARKS, level))
    rising = []
    for free in (50, 54, 56, 219, 221, 329, 331, 549, 551):
        rising.append(level := level_at(free, MARKS, level))

    assert falling == ["well", "thin", "stop", "refuse", "reserve", "reserve"]
    assert rising == ["reserve", "reserve", "refuse", "refuse", "stop", "stop", "thin", "thin", "well"]


def test_a_mark_of_nothing_is_left_out() -> None:
    section = checked_disk(DiskSection(thin_below_mib=0, stop_below_mib=256, refuse_below_mib=0, reserve_mib=0))
    assert [level_at(n * MIB, marks_of(section), "well") for n in (300, 200, 0)] == ["well", "stop", "stop"]


def test_marks_that_are_not_in_their_order_stop_the_start() -> None:
    with pytest.raises(ConfigError, match="go downwards"):
        checked_disk(DiskSection(thin_below_mib=100, stop_below_mib=200))


def test_a_reserve_takes_real_blocks_gives_them_in_steps_and_is_found_again(small_disk: Path) -> None:
    step, before = 128 * 1024, _free(small_disk)
    reserve = Reserve(small_disk, whole=MIB, step=step)
    taken = reserve.fill(before, keep=0)
    assert (taken, reserve.held) == (MIB, MIB)
    assert before - _free(small_disk) >= MIB

    found = Reserve(small_disk, whole=MIB, step=step)
    given = []
    while found.give():
        given.append(found.held)

    assert given == [MIB - n * step for n in range(1, 9)]
    assert _free(small_disk) >= before - 4096


def test_a_reserve_leaves_what_is_to_be_kept_and_one_that_became_smaller_is_cut(small_disk: Path) -> None:
    free = _free(small_disk)
    reserve = Reserve(small_disk, whole=2 * MIB, step=MIB)
    assert reserve.fill(free, keep=free - MIB) == MIB
    assert Reserve(small_disk, whole=MIB // 2, step=MIB // 4).held == (small_disk / RESERVE).stat().st_size == MIB // 2
    assert step_of(DiskSection(reserve_mib=32)) == 4 * MIB


@pytest.fixture
async def room(small_disk: Path, start_hub: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hub whose books lie on a small file system, and who looks at it often."""
    monkeypatch.setattr("hub.disk.room.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("hub.disk.room.LOOK_AGAIN_S", 0.01)
    hub = await start_hub(data={"dir": str(small_disk)}, disk=SECTION)
    looking = asyncio.create_task(hub.runtime.room.run(), name="disk")
    yield hub
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


@pytest.mark.megabytes(8)
async def test_telemetry_thins_then_stops_then_imports_are_refused_and_all_comes_back(
    room: Any, small_disk: Path, pair_till: Any, until: Any
) -> None:
    hub, readings = room.runtime, Readings(room.runtime)
    till = await pair_till(room)

    async def state_is(state: str) -> None:
        await until(lambda: till.get("/v1/disk"), lambda answer: answer.json["state"] == state)

    async def taken() -> list[bool]:
        """A long stay, a short one, phones of the day, phones by the hour, a count, an import."""
        n = len(found)
        stays = [_stay(f"short{n}", 5_000), _stay(f"long{n}", 90_000)]
        before = _counts(hub)
        for batch in (stays, [ProbeReport("door", Addresses([bytes([4, 0, 0, 0, 0, n])]))], [_count(n)]):
            with suppress(NotRecordedError):
                await readings.on_readings("d", batch)
        imported = True
        async with HubClient("http://hub", unix_socket=room.config.control_socket) as control:
            try:
                await control.put_products([])
            except ProblemError as err:
                assert (err.problem.status, err.problem.code) == (507, "room_is_scarce")
                imported = False
        return [now > then for now, then in zip(_counts(hub), before, strict=True)] + [imported]

    await until(lambda: till.get("/v1/disk"), lambda answer: answer.json["reserve_bytes"] == MIB)
    found: dict[str, list[bool]] = {}
    for state, leave in (("thin", 2.5), ("stop", 1.6), ("refuse", 0.6)):
        with _ballast(small_disk, leave_mib=leave):
            await state_is(state)
            found[state] = await taken()
    await state_is("well")
    found["well"] = await taken()
    assert found == {
        "thin": [True, False, True, False, True, True],
        "stop": [False, False, False, False, False, True],
        "refuse": [False, False, False, False, False, False],
        "well": [True, True, True, True, True, True],
    }


@pytest.mark.megabytes(8)
async def test_sales_go_on_to_the_last_reserved_byte_then_are_refused_with_the_remedy_and_go_on_again(
    room: Any, small_disk: Path, pair_till: Any, until: Any
) -> None:
    till, answered, refused = await pair_till(room), [], None
    await until(lambda: till.get("/v1/disk"), lambda answer: answer.json["reserve_bytes"] == MIB)
    async with till.events() as ws:
        with _ballast(small_disk, leave_mib=0):
            for n in range(3000):
                sale = till.sale(sale_id=f"s{n}")
                answer = await till.post("/v1/sales", sale)
                if answer.status != 201:
                    refused = answer
                    break
                answered.append(sale["sale_id"])
            full = await until(lambda: till.get("/v1/disk"), lambda answer: answer.json["state"] == "full")
            looked_up = await till.get("/v1/products/TEA-01")
        again = await until(lambda: till.post("/v1/sales", sale), lambda answer: answer.status == 201)
        whole = await until(lambda: till.get("/v1/disk"), lambda answer: answer.json["reserve_bytes"] == MIB)
        told = [frame async for frame in _disk_events(ws)]

    assert refused is not None and (refused.status, refused.json["code"]) == (503, "no_space")
    assert set(refused.json["remedy"]) == {"en", "zh-Hant"}
    assert (full.json["reserve_bytes"], full.json["takes_sales"], looked_up.status) == (0, False, 200)
    assert whole.json["takes_sales"] and again.json["sale_id"] == sale["sale_id"]
    kept = {key for (key,) in room.runtime.db.read.execute("SELECT sale_id FROM sale")}
    assert kept == {*answered, sale["sale_id"]} and len(answered) > 100
    assert told[0] in ("refuse", "reserve") and {"reserve", "full"} <= set(told) and told[-1] == "well"


async def test_a_reserve_that_would_fall_to_root_alone_is_kept(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    block, for_root = 4096, 1000
    free = for_root + 600
    real = os.statvfs

    def ext4(path: Any) -> Any:
        said = real(path)
        return SimpleNamespace(f_frsize=block, f_bfree=free, f_bavail=max(0, free - for_root), f_flag=said.f_flag)

    monkeypatch.setattr("hub.disk.room.os.statvfs", ext4)
    section = DiskSection(thin_below_mib=0, stop_below_mib=0, refuse_below_mib=0, reserve_mib=1)
    Reserve(store.path.parent, whole=MIB, step=step_of(section)).fill(4 * MIB, keep=0)
    room = Room(store.db, store.path, section, now_ms=lambda: 0, on_change=lambda _: None)
    room.look()
    free = for_root - 256  # root's programs have eaten a mebibyte of what is kept for them
    kept = store.db.make_room(), room.view.reserve_bytes
    free = for_root - 200
    given = store.db.make_room(), room.view.reserve_bytes

    assert (kept, given) == ((False, MIB), (True, MIB - step_of(section)))


async def _disk_events(ws: Any) -> AsyncIterator[str]:
    """The states that were told, up to the one in which all is well."""
    async for message in ws:
        frame = message.json()
        if frame["type"] == "disk":
            yield frame["data"]["state"]
            if frame["data"]["state"] == "well":
                return


def _stay(dwell_id: str, lasted_ms: int) -> Dwell:
    return Dwell(dwell_id, "shelf", "beacon", "thing", lasted_ms, 0)


def _count(n: int) -> CounterReading:
    return CounterReading(f"c{n}", f"door{n}", in_delta=1, out_delta=0, delta_id="1")


def _counts(hub: Any) -> list[int]:
    asks = (
        "SELECT count(*) FROM dwell WHERE dwell_id LIKE 'long%'",
        "SELECT count(*) FROM dwell WHERE dwell_id LIKE 'short%'",
        "SELECT total(steady + randomised) FROM probe_day",
        "SELECT total(steady + randomised) FROM probe_hour",
        "SELECT total(entered) FROM footfall",
    )
    return [hub.db.read.execute(ask).fetchone()[0] for ask in asks]


def _free(folder: Path) -> int:
    said = os.statvfs(folder)
    return said.f_bavail * said.f_frsize


@contextmanager
def _ballast(folder: Path, *, leave_mib: float) -> Iterator[None]:
    """Take all the room but so much."""
    file = folder / "ballast"
    with file.open("wb", buffering=0) as written, suppress(OSError):
        while _free(folder) > leave_mib * MIB and written.write(bytes(4096)):
            pass
    yield
    file.unlink()
