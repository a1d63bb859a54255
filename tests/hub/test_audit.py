"""The audit of the books: every check on a real file with one cell changed by hand, and what --repair makes of it."""

import argparse
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.commands.audit import look, repair, run_audit
from hub.config import parse_config
from hub.errors import ConflictError
from hub.store.upkeep import mending
from hub.store.upkeep.audit import Finding, audit
from hub.store.upkeep.mending import mend, repairs_done
from sync.errors import StartError
from sync.store.retention import note_hole
from tests.hub.days_world import Days, by_hand

KEEP = 400


@pytest.fixture
async def days(store: Any) -> Days:
    """A shop with sales, a return and movements of two ages, of which the older ones are forgotten."""
    shop = Days(store.db, store.replica, store.shop)
    for _ in range(4):
        await shop.sell(2)
    await shop.take_back("s000001")
    await shop.receive(7)
    await shop.fold()
    await shop.ack()
    await shop.night(KEEP + 2)
    assert shop.count("sale") == 0
    for _ in range(3):
        await shop.sell(1)
    await shop.take_back("s000007")
    await shop.receive(5)
    await shop.fold()
    return shop


def found(days: Days) -> list[Finding]:
    return audit(days.db.read, days.replica)


def checks(days: Days) -> set[str]:
    return {finding.check for finding in found(days)}


async def mended(days: Days) -> list[Finding]:
    """Repair all that can be, as the hub does; return what is left."""
    findings, seen = found(days), repairs_done(days.db.read)
    await days.db.write(lambda tx: mend(tx, days.replica, findings, seen=seen, now_ms=days.now_ms))
    return found(days)


async def test_right_books_have_nothing_to_say(days: Days) -> None:
    assert found(days) == []


async def test_a_wrong_figure_on_the_shelf_is_named_with_both_figures_and_mended(days: Days, store: Any) -> None:
    right = days.cached()
    by_hand(store.path, "UPDATE stock SET on_hand = on_hand + 3 WHERE sku = 'TEA-01'")

    (finding,) = found(days)

    assert finding.check == "stock" and "TEA-01" in finding.said
    assert f"says {right['TEA-01'] + 3}, the facts add up to {right['TEA-01']}" in finding.said
    assert await mended(days) == [] and days.cached() == right == days.recomputed()


async def test_sales_between_the_audit_and_the_repair_count(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE stock SET on_hand = on_hand - 9 WHERE sku = 'TEA-01'")
    findings, seen = found(days), repairs_done(days.db.read)
    await days.sell(2)

    await days.db.write(lambda tx: mend(tx, days.replica, findings, seen=seen, now_ms=1))

    assert days.cached() == days.recomputed()


async def test_a_repair_is_never_done_twice(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE stock SET on_hand = on_hand - 9 WHERE sku = 'TEA-01'")
    findings, seen = found(days), repairs_done(days.db.read)
    await days.db.write(lambda tx: mend(tx, days.replica, findings, seen=seen, now_ms=1))

    with pytest.raises(ConflictError, match="again"):
        await days.db.write(lambda tx: mend(tx, days.replica, findings, seen=seen, now_ms=1))
    assert days.cached() == days.recomputed()


@pytest.mark.parametrize(
    "change",
    [
        "received = received + 4",
        "issued = issued + 4",
        "received = received - 1",
        "issued = issued - 1",
        "issued = issued - 1, received = received + 2",
        "picked = picked - 0, issued = issued + 1",
    ],
)
async def test_a_wrong_level_is_compensated(days: Days, store: Any, change: str) -> None:
    before = days.db.read.execute("SELECT received, issued, seq FROM level WHERE sku = 'TEA-01'").fetchone()
    by_hand(store.path, f"UPDATE level SET {change} WHERE sku = 'TEA-01'")
    wrong = days.db.read.execute("SELECT received, issued FROM level WHERE sku = 'TEA-01'").fetchone()

    assert checks(days) == {"level"}
    assert await mended(days) == []

    after = days.db.read.execute("SELECT received, issued, seq FROM level WHERE sku = 'TEA-01'").fetchone()
    assert after[0] - after[1] == before[0] - before[1], "other branches are told the right figure"
    assert after[0] >= wrong[0] and after[1] >= wrong[1] and after[2] > before[2], (
        "a tally only grows, and is sent again"
    )
    await days.sell(1)
    await days.fold()
    assert found(days) == []


async def test_a_level_that_was_picked_too_often_is_no_repair(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE level SET picked = picked + 1 WHERE sku = 'TEA-01'")

    (finding,) = found(days)

    assert (finding.check, finding.can_repair) == ("level", False)


async def test_a_changed_fact_is_found_by_the_digest_and_stays_as_it_is(days: Days, store: Any) -> None:
    by_hand(
        store.path, "UPDATE sale SET body = json_set(body, '$.business_date', '1999-01-01') WHERE sale_id = 's000008'"
    )

    (finding,) = found(days)

    assert finding.check == "log" and "sales" in finding.said and "digest differs" in finding.said
    assert await mended(days) == [finding], "facts are never repaired"


async def test_a_missing_fact_is_named_by_its_seq(days: Days, store: Any) -> None:
    seq = days.db.read.execute("SELECT seq FROM sale WHERE sale_id = 's000006'").fetchone()[0]
    by_hand(store.path, "DELETE FROM sale WHERE sale_id = 's000006'")

    findings = {finding.check: finding.said for finding in found(days)}

    assert f"row {seq} is missing" in findings["log"]
    assert findings["receipt"].endswith("is on no sale") and {"stock", "level"} <= set(findings)


async def test_a_row_beyond_the_head_is_named(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE stream SET seq = seq - 1 WHERE name = 'sales'")

    assert checks(days) == {"log"}


async def test_effects_of_a_fact_that_were_changed_are_found_twice(days: Days, store: Any) -> None:
    body = json.loads(days.db.read.execute("SELECT body FROM sale WHERE sale_id = 's000008'").fetchone()[0])
    body["stock"][0][2] -= 1
    by_hand(store.path, "UPDATE sale SET body = ? WHERE sale_id = 's000008'", json.dumps(body, separators=(",", ":")))

    assert checks(days) == {"log", "stock", "level"}


async def test_a_broken_body_does_not_end_the_audit(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE sale SET body = '{' WHERE sale_id = 's000008'")
    by_hand(store.path, "DELETE FROM product_gtin")

    assert {"log", "stock", "gtin"} <= checks(days)


async def test_an_opening_balance_that_was_changed_is_found(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE opening SET on_hand = on_hand + 1 WHERE sku = 'TEA-01'")

    assert checks(days) == {"stock"}


async def test_a_receipt_number_that_would_be_given_twice_is_mended(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE receipt_series SET last_n = last_n - 2")

    assert checks(days) == {"receipt"}
    assert await mended(days) == []
    await days.sell()


async def test_a_number_that_was_given_to_nobody_is_named_and_stays(days: Days, store: Any) -> None:
    by_hand(store.path, "UPDATE receipt_series SET last_n = last_n + 1")

    (finding,) = await mended(days)

    assert finding.check == "receipt" and finding.said.endswith("number 000008 is on no sale")


@pytest.mark.parametrize(
    ("sql", "check"),
    [
        ("DELETE FROM product_gtin WHERE sku = 'TEA-01'", "gtin"),
        ("UPDATE product_gtin SET sku = 'PLUM' WHERE sku = 'TEA-01'", "gtin"),
        ("INSERT INTO product_gtin (gtin, sku) VALUES ('00000000000017', 'TEA-01')", "gtin"),
        ("UPDATE product_text SET words = 'coffee' WHERE words LIKE '%oolong%'", "text"),
        ("DELETE FROM product_text WHERE words LIKE '%oolong%'", "text"),
        ("INSERT INTO product_text (rowid, words) VALUES (9999, 'ghost')", "text"),
    ],
)
async def test_what_products_are_found_by_is_written_again(days: Days, store: Any, sql: str, check: str) -> None:
    by_hand(store.path, sql)

    assert checks(days) == {check}
    assert await mended(days) == []


async def test_lost_rows_of_another_machine_are_said_for_ever(days: Days) -> None:
    await days.db.write(lambda tx: note_hole(tx, days.replica.local_id, "sales", after=3, last=9, now_ms=1))

    (finding,) = await mended(days)

    assert (finding.check, "rows 4 to 9 are lost" in finding.said) == ("hole", True)


async def test_the_named_differences_of_a_check_have_a_bound(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.store.upkeep.audit.NAMED_MAX", 2)
    await days.db.write(lambda tx: tx.execute("UPDATE stock SET on_hand = on_hand + 1"))

    said = [finding.said for finding in found(days)]

    assert len(said) == 3 and "more than 2" in said[-1]


def config_of(folder: Path) -> Any:
    store = {"id": "hk01", "name_zh_hant": "店", "name_en": "Shop", "currency": "HKD"}
    return parse_config({"store": store, "data": {"dir": str(folder)}}, base=folder)


def command(**fields: bool) -> argparse.Namespace:
    return argparse.Namespace(**({"repair": False, "peer": False} | fields))


async def closed_book(days: Days, store: Any, folder: Path, sql: str) -> Any:
    """A hub's folder as a copy of the shop's file, with a cell changed; nobody runs there."""
    folder.mkdir()
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(folder / "hub.db")) as target:
        source.backup(target)
    if sql:
        by_hand(folder / "hub.db", sql)
    del days
    return config_of(folder)


async def test_the_command_names_what_differs_and_its_exit_code_says_so(
    days: Days, store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = await closed_book(days, store, tmp_path / "wrong", "UPDATE stock SET on_hand = 99 WHERE sku = 'TEA-01'")

    assert run_audit(command(), config) == 1
    out = capsys.readouterr().out
    assert "stock of TEA-01 at shop: the shelf's figure says 99" in out and "--repair can correct 1 of them" in out


async def test_the_command_repairs_with_the_folders_lock_where_no_hub_runs(
    days: Days, store: Any, tmp_path: Path
) -> None:
    config = await closed_book(days, store, tmp_path / "wrong", "UPDATE stock SET on_hand = 99 WHERE sku = 'TEA-01'")
    findings, seen = look(config)

    assert await repair(config, findings, seen=seen) == 1
    assert look(config) == ([], 1)
    assert run_audit(command(), config) == 0


async def test_the_command_repairs_a_running_hub_through_its_socket(start_hub: Any) -> None:
    hub = await start_hub()
    by_hand(hub.config.database, "INSERT INTO stock (sku, location, on_hand) VALUES ('GHOST', 'shop', 4)")
    findings, seen = look(hub.config)

    assert [finding.key for finding in findings] == [("GHOST", "shop")]
    assert await repair(hub.config, findings, seen=seen) == 1
    assert look(hub.config)[0] == []


async def test_a_folder_without_a_book_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="does not exist"):
        look(config_of(tmp_path))


def test_every_repair_is_of_a_check() -> None:
    assert set(mending._MENDERS) == {"stock", "level", "receipt", "gtin", "text", "peer"}
