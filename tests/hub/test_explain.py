"""What a hub and the cloud say of a key, on real files: who wrote it, which row stands and why, whether it is safe."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.store.model import SaleAnswer
from hub.store.selling.sales import find_sale
from hub.store.upkeep.explain import explain
from sync.clock import Stamp
from sync.cloud.explain import explain as explain_at_cloud
from sync.retail.people.members import MEMBER
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from sync.store.writing import write_cells
from tests.hub.days_world import Days
from tests.hub.lives_world import Cloud, Machine, meet

KEEP = 400
SMALLER, LARGER = "hk01:" + "0" * 16, "hk01:" + "f" * 16


@pytest.fixture
def days(store: Any) -> Days:
    return Days(store.db, store.replica, store.shop)


def said(days: Days, key: str) -> str:
    return "\n".join(explain(days.db.read, days.replica, key))


async def arrive(days: Days, rep: str, body: bytes) -> None:
    def job(tx: sqlite3.Connection) -> None:
        apply_rows(tx, "sales", [(1, body)], replica=replica_id(tx, rep, now_ms=1), rep=rep)

    await days.db.write(job)


async def test_a_sale_by_its_id_its_number_its_bar_code_and_its_dot(days: Days) -> None:
    sale = await days.sell(2, member_id="m-77")
    view = find_sale(days.db.read, sale.sale_id)
    assert view is not None
    dot = f"{view.dot.rep}/sales/{view.dot.seq}"

    for key in (sale.sale_id, view.fact.receipt_no, view.receipt_code, dot):
        text = said(days, key)
        assert dot in text and "stock: TEA-01 at shop -2" in text and "m-77" in text
        assert "on this machine only" in text
    await days.ack()
    assert "safe: the cloud has acknowledged sales up to 1" in said(days, sale.sale_id)


async def test_the_returns_of_a_sale_and_what_a_till_said_differently(days: Days) -> None:
    sale = await days.sell(2)
    await days.take_back(sale.sale_id)
    await days.repeat(msgspec.structs.replace(sale, till_id="t9"))

    text = said(days, sale.sale_id)

    assert "return that names it" in text and "refund 1090" in text
    assert "from till t9" in text and "booked nowhere" in text


@pytest.mark.parametrize(("rep", "stands"), [(LARGER, "hk01:0123456789abcdef"), (SMALLER, SMALLER)])
async def test_of_two_rows_the_smaller_name_stands_and_it_says_so(days: Days, rep: str, stands: str) -> None:
    sale = await days.sell(2)
    body = days.db.read.execute("SELECT body FROM sale").fetchone()[0].encode()

    await arrive(days, rep, body)

    text = said(days, sale.sale_id)
    assert f"sale {sale.sale_id}: {stands}/sales/1" in text
    assert "counts in no sum" in text and f"{stands}/1 stands before" in text
    assert "the one with the smaller name stands" in text and "the same content" in text


async def test_a_sealed_writer_stands_whatever_its_name(days: Days) -> None:
    sale = await days.sell(2)
    body = days.db.read.execute("SELECT body FROM sale").fetchone()[0].encode()

    def seal(tx: sqlite3.Connection) -> None:
        other = replica_id(tx, LARGER, now_ms=1)
        tx.execute(
            "INSERT INTO former_life (replica, why, ended_ms, seal_place) VALUES (?, 'restored', 5, 1)", (other,)
        )

    await days.db.write(seal)
    await arrive(days, LARGER, body)

    assert f"{LARGER} was sealed, and a sealed writer's rows stand" in said(days, sale.sale_id)
    assert "ended at 1970-01-01T00:00:00.005Z: restored; sealed as number 1" in said(days, LARGER)


async def test_a_pruned_sale_is_known_by_its_id_its_number_and_its_dot(days: Days) -> None:
    sale = await days.sell(2)
    answer = msgspec.json.decode((await days.repeat(sale)).answer, type=SaleAnswer)
    await days.fold()
    await days.ack()
    await days.night(KEEP + 1)

    for key in (sale.sale_id, answer.receipt_no, f"{answer.dot.rep}/sales/1"):
        assert "pruned" in said(days, key) and "opening balance" in said(days, key)


async def test_a_sku_shows_versions_stock_openings_and_levels(days: Days) -> None:
    await days.sell(2)
    await days.fold()

    text = said(days, "TEA-01")

    assert "product TEA-01: version 1 stands" in text and "price TEA-01: version 1 stands" in text
    assert "18 on hand" in text and "received 20, issued 2" in text and "the larger n stands" in text


async def test_a_member_is_shown_by_fields_and_writers_never_by_what_is_written(days: Days) -> None:
    for rep, at_ms, name in ((days.replica.rep, 2000, "Chan Tai Man"), (days.replica.rep, 3000, "Chan Siu Ming")):
        stamp = Stamp(at_ms, 0, rep)
        await days.db.write(
            lambda tx, name=name, stamp=stamp: write_cells(tx, days.replica, MEMBER, "m-1", {"name": name}, stamp=stamp)
        )

    text = said(days, "m-1")

    assert "name: written by" in text and "1970-01-01T00:00:03.000Z" in text and "Chan" not in text


async def test_what_nobody_knows_has_nothing_to_say(days: Days) -> None:
    assert explain(days.db.read, days.replica, "nobody") == []
    assert explain(days.db.read, days.replica, "hk01:ffff/sales/9") == []


@pytest.fixture
async def world(tmp_path: Path, shop: Any) -> AsyncIterator[tuple[Machine, Cloud]]:
    async with AsyncExitStack() as stack:
        machine, cloud = Machine(tmp_path / "hub.db", shop), Cloud(tmp_path / "cloud.db")
        await machine.start(stack)
        await cloud.start(stack)
        yield machine, cloud


async def test_the_cloud_says_what_came_and_when(world: tuple[Machine, Cloud], sale: Any) -> None:
    machine, cloud = world
    one = msgspec.structs.replace(sale(), offline=True)
    await machine.sell(one)
    await meet(machine, cloud)
    read = cloud.db.read

    text = "\n".join(explain_at_cloud(read, one.sale_id))
    receipt_no = machine.db.read.execute("SELECT receipt_no FROM sale").fetchone()[0]

    assert f"{machine.rep}/sales/1 came at" in text and "it is safe here" in text
    assert f"receipt {receipt_no} is that of this sale" in "\n".join(explain_at_cloud(read, receipt_no))
    assert f"{machine.rep}/sales/1 came at" in "\n".join(explain_at_cloud(read, f"{machine.rep}/sales/1"))
    assert "it has not come; sales is held here up to 1" in "\n".join(explain_at_cloud(read, f"{machine.rep}/sales/7"))
    assert f"life {machine.rep}: known here since" in "\n".join(explain_at_cloud(read, machine.rep))
    assert explain_at_cloud(read, "nobody") == []
