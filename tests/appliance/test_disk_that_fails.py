"""The books on a real ext4 that fills, whose writes fail (dm-flakey), that is made read-only: under the hub's own unit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from hub.client import new_id
from hub.store.catalogue.products import Put
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from tests.appliance.guest_hub import DATA, PATIENCE_S, Ask, GuestHub, guest_hub
from tests.appliance.machine import Machine

pytestmark = pytest.mark.asyncio(loop_scope="session")
IMAGE, SECTORS = "/opt/flaky.img", 131_072  # 64 MiB
SECTION = """
[disk]
thin_below_mib = 12
stop_below_mib = 8
refuse_below_mib = 4
reserve_mib = 2
"""
GOOD, FAILING = (
    "1 0",
    "0 3600 1 error_writes",
)  # seconds up, seconds down, features: writes fail, what is there can be read
LINES = 60  # a sale is kilobytes: a few hundred of them fill what is left
TEA = Entry(Product(sku="TEA", name=Name(en="Tea")), Price(1000, "HKD"), 10_000)
PID = "systemctl show -P MainPID storehub"


@dataclass
class Disk:
    """A file system of the machine at the hub's data folder, above a device whose writes can fail."""

    machine: Machine

    async def becomes(self, how: str) -> None:
        table = f"0 {SECTORS} flakey $(losetup -nO NAME -j {IMAGE}) 0 {how}"
        await self.machine.run(
            f'dmsetup suspend --noflush --nolockfs flaky && dmsetup load flaky --table "{table}" && dmsetup resume flaky'
        )

    async def mounted_anew(self) -> None:
        """As somebody does it who does not stop the hub: what it holds open stays where it was."""
        await self.machine.run(f"umount --lazy {DATA}")
        await self.machine.run("dmsetup remove --force --deferred flaky; losetup -D; true")
        await self.machine.run(
            f"cp {IMAGE} {IMAGE}.new && mv {IMAGE}.new {IMAGE} && e2fsck -fy {IMAGE} >/dev/null; "
            f"mount -o loop,errors=remount-ro {IMAGE} {DATA}"
        )


@asynccontextmanager
async def disk(machine: Machine, *, has_journal: bool) -> AsyncIterator[Disk]:
    """With a journal one write that fails ends all writing; without one it is that write's matter."""
    features, errors = ("", "remount-ro") if has_journal else ("-O ^has_journal", "continue")
    await machine.run(
        f"modprobe dm-flakey; truncate -s {SECTORS * 512} {IMAGE} && mkfs.ext4 -q -F -m 0 {features} {IMAGE} && "
        f'dev=$(losetup --show -f {IMAGE}) && dmsetup create flaky --table "0 {SECTORS} flakey $dev 0 {GOOD}" && '
        f"mkdir -p {DATA} && mount -o errors={errors} /dev/mapper/flaky {DATA}"
    )
    try:
        yield Disk(machine)
    finally:
        await machine.run(
            f"umount --lazy {DATA}; dmsetup remove --force --deferred flaky; losetup -D; rm -f {IMAGE}*; rm -rf {DATA}; true"
        )


async def sell(hub: GuestHub, sale_id: str, ask: Ask | None = None) -> tuple[int, str]:
    body = {
        "sale_id": sale_id,
        "till_id": hub.till.till_id,
        "currency": "HKD",
        "lines": [{"line": 1 + each, "sku": "TEA", "qty": 1, "unit_price": 1000} for each in range(LINES)],
        "tenders": [{"type": "cash", "amount": 1000 * LINES}],
        "total": 1000 * LINES,
    }
    status, said = await (ask or hub.ask)("POST", "/v1/sales", body)
    return status, said.get("code", "")


async def sold(hub: GuestHub, n: int) -> list[str]:
    """Sell so many times; return the ids, all of them acknowledged."""
    assert isinstance(await hub.control.put_products([TEA]), Put)
    ids = [new_id() for _ in range(n)]
    assert [(await sell(hub, each))[0] for each in ids] == [201] * n
    return ids


async def until(hub: GuestHub, path: str, **wanted: Any) -> Any:
    said: Any = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _, said = await hub.ask("GET", path)
                except OSError as err:  # it is being started again
                    said = {"error": str(err)}
                if all(said.get(name) == value for name, value in wanted.items()):
                    return said
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{path} is not {wanted}: {said}") from None


async def stands(machine: Machine, hub: GuestHub, ids: list[str]) -> None:
    """All of them are there once, by the hub and by an independent reader."""
    async with hub.connected() as ask:
        assert {(await sell(hub, each, ask))[0] for each in ids} == {200}
    question = (
        f"import sqlite3; db = sqlite3.connect('file:{DATA}/hub.db?mode=ro', uri=True); "
        "print(db.execute('PRAGMA integrity_check').fetchone()[0], "
        "*db.execute('SELECT count(*), count(DISTINCT sale_id) FROM sale').fetchone())"
    )
    said = await machine.run(f'python3 -c "{question}"')
    assert said.split() == ["ok", str(len(ids)), str(len(ids))]


async def test_a_full_ext4_refuses_with_the_remedy_and_goes_on_without_a_restart(machine: Machine) -> None:
    async with disk(machine, has_journal=True), guest_hub(machine, SECTION) as hub:
        ids, pid = await sold(hub, 5), await machine.run(PID)
        await until(hub, "/v1/disk", state="well", reserve_bytes=2 << 20)
        await machine.run(f"dd if=/dev/zero of={DATA}/ballast bs=64k 2>/dev/null; true")
        await until(hub, "/v1/disk", state="reserve")
        async with hub.connected() as ask:
            for _ in range(2000):
                status, code = await sell(hub, last := new_id(), ask)
                if status != 201:
                    break
                ids.append(last)
        assert (status, code) == (503, "no_space") and len(ids) > 20
        assert (await hub.ask("GET", "/v1/products/TEA"))[0] == 200
        await machine.run(f"rm {DATA}/ballast")
        await until(hub, "/v1/disk", state="well", reserve_bytes=2 << 20)
        assert (await sell(hub, last))[0] == 201
        await stands(machine, hub, [*ids, last])
        assert await machine.run(PID) == pid


async def test_writes_that_fail_are_refused_and_go_on_without_a_restart_when_the_disk_is_well(machine: Machine) -> None:
    async with disk(machine, has_journal=False) as flaky, guest_hub(machine, SECTION) as hub:
        ids, pid = await sold(hub, 20), await machine.run(PID)
        await flaky.becomes(FAILING)
        refused = [await sell(hub, each) for each in ("f1", "f2", "f3")]
        shown = await hub.ask("GET", "/v1/products/TEA")
        failing = await until(hub, "/v1/disk", takes_sales=False)
        await flaky.becomes(GOOD)
        await until(hub, "/v1/disk", takes_sales=True)
        again = [(await sell(hub, each))[0] for each in ("f1", "f2", "f3")]
        ids += [*("f1", "f2", "f3"), *await sold(hub, 20)]
        await stands(machine, hub, ids)
        assert await machine.run(PID) == pid
    assert {status for status, _ in refused} == {503} and shown[0] == 200
    assert failing["state"] in ("failing", "read_only") and again == [201] * 3


async def test_an_ext4_that_gave_up_is_mounted_anew_and_the_unit_restarted_has_everything(machine: Machine) -> None:
    """The unit has a view of the mounts of its own: only a restart shows it another one at its folder."""
    async with disk(machine, has_journal=True) as flaky, guest_hub(machine, SECTION) as hub:
        ids = await sold(hub, 20)
        await machine.run(f"sync -f {DATA}")
        await flaky.becomes(FAILING)
        refused = [await sell(hub, each) for each in ("f1", "f2")]
        shown = await hub.ask("GET", "/v1/products/TEA")
        await until(hub, "/v1/disk", state="read_only", takes_sales=False)
        await flaky.becomes(GOOD)
        await flaky.mounted_anew()
        await machine.run("systemctl restart storehub")
        assert "Traceback" not in await machine.run("journalctl -u storehub --no-pager -o cat -n 300")
        await until(hub, "/readyz", status="ready")
        assert {(await sell(hub, each))[0] for each in ("f1", "f2")} <= {200, 201}
        await stands(machine, hub, [*ids, "f1", "f2"])
    assert {status for status, _ in refused} == {503} and shown[0] == 200


async def test_a_file_system_made_read_only_refuses_shows_prices_and_goes_on_when_it_is_writable(
    machine: Machine,
) -> None:
    async with disk(machine, has_journal=True), guest_hub(machine, SECTION) as hub:
        ids, pid = await sold(hub, 20), await machine.run(PID)
        await machine.run(
            f"echo u > /proc/sysrq-trigger; until grep -q ' {DATA} ext4 ro' /proc/mounts; do sleep 0.1; done"
        )
        try:
            refused = [await sell(hub, each) for each in ("r1", "r2")]
            shown = await hub.ask("GET", "/v1/products/TEA")
            await until(hub, "/v1/disk", state="read_only", takes_sales=False)
        finally:
            await machine.run(f"mount -o remount,rw / && mount -o remount,rw {DATA}")
        await until(hub, "/v1/disk", takes_sales=True)
        assert {(await sell(hub, each))[0] for each in ("r1", "r2")} <= {200, 201}, (
            "it may stand there and was no promise"
        )
        await stands(machine, hub, [*ids, "r1", "r2"])
        assert await machine.run(PID) == pid
    assert set(refused) == {(503, "read_only")} and shown[0] == 200
