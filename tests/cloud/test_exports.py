"""The night's files, read by Python's own csv reader and hashlib: what is in them, late rows, a kill, Excel."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.batch import START
from sync.cloud.config import parse_cloud_config
from sync.cloud.exports import days, files, states
from sync.cloud.exports.by_hand import export_by_hand
from sync.cloud.exports.nightly import next_night_ms
from sync.cloud.handing.settings import Exports
from sync.cloud.handing.tables import KEYS, TABLES, day_of
from sync.errors import StartError
from tests.cloud_engines import Engine

DAY = "2026-09-21"  # what the writer of these tests sells on
NEXT_DAY_MS = int(datetime(2026, 9, 22, 4, tzinfo=ZoneInfo("Asia/Taipei")).timestamp() * 1000)


@pytest.fixture
async def cloud(start_cloud: Any) -> Any:
    end = await start_cloud(exports={"dir": "exports", "personal": True})
    end.clock.now_ms = NEXT_DAY_MS
    return end


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def proved(folder: Path) -> Any:
    """Return the manifest, every file held against it."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for each in manifest["files"]:
        data = (folder / each["file"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (each["sha256"], each["bytes"])
        with (folder / each["file"]).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert (rows[0], len(rows) - 1) == (each["columns"], each["rows"])
    assert {each["file"] for each in manifest["files"]} | {"manifest.json"} == {each.name for each in folder.iterdir()}
    return manifest


async def trade(cloud: Any, writer: Any, count: int = 3) -> None:
    """Sales, a return, a coupon, a member, stock."""
    if not count:
        writer.logs["sales"] = []
        return
    for n in range(count):
        writer.sell(f"s{n}", 1090 + n, points=[["m1", 10]])
    content = {"return_id": "r1", "till_id": "t1", "sale_id": "s0", "lines": [{"line": 1, "qty": 1}], "reason": "size"}
    lines = [{"line": 1, "sku": "TEA-01", "qty": 1, "amount": 500}]
    back = {"return": content, "currency": "HKD", "lines": lines, "refund": 500, "business_date": DAY}
    writer.write("returns", back)
    redemption = {"v": 1, "redemption_id": "c1", "serial": "A1", "sale_id": "s0", "store": "hk01", "rep": writer.rep}
    writer.write("redemptions", redemption | {"amount": 100, "currency": "HKD", "business_date": DAY})
    for stream in ("sales", "returns", "redemptions"):
        await cloud.books().apply(writer.batch(stream))
    level = {"v": 1, "sku": "TEA-01", "location": "shop", "received": 50, "issued": 3}
    await cloud.books().apply(writer.state("levels", (1, level)))
    stamp = [1, 0, writer.rep]
    cells = {"name": ["陳大文", stamp], "phone": ["+85291234567", stamp], "tier": ["gold", stamp]}
    await cloud.books().apply(writer.state("members", (1, {"v": 1, "key": "m1", "cells": cells})))


async def test_a_day_is_in_its_files_to_the_last_cent(cloud: Any, writer: Any, tmp_path: Path) -> None:
    await trade(cloud, writer)

    (made,) = await cloud.cloud.nightly.make_due()
    folder = tmp_path / "exports" / DAY / "r1"
    manifest = proved(folder)

    assert made.place == folder
    sales = read(folder, "sales")
    assert [(each["sale_id"], each["total"], each["seq"]) for each in sales] == [
        ("s0", "1090", "1"),
        ("s1", "1091", "2"),
        ("s2", "1092", "3"),
    ]
    for table in ("sale_lines", "sale_tenders"):
        assert sum(int(each["amount"]) for each in read(folder, table)) == sum(int(each["total"]) for each in sales)
    assert [(each["return_id"], each["sale_id"], each["refund"]) for each in read(folder, "returns")] == [
        ("r1", "s0", "500")
    ]
    assert [each["serial"] for each in read(folder, "coupons_redeemed")] == ["A1"]
    assert read(folder, "stock") == [
        {"store": "hk01", "location": "shop", "sku": "TEA-01", "on_hand": "47", "received": "50", "issued": "3"}
    ]
    assert read(folder, "points") == [{"store": "hk01", "member_id": "m1", "points": "30"}]
    (member,) = read(folder, "members")
    assert (member["name"], member["phone"], member["tier"], member["erased"]) == (
        "陳大文",
        "+85291234567",
        "gold",
        "0",
    )
    assert manifest["streams"]["sales"] == {
        "rows": 3,
        "first_n": 1,
        "last_n": 3,
        "writers": [{"rep": writer.rep, "first": 1, "last": 3, "rows": 3}],
    }
    assert await cloud.cloud.nightly.make_due() == []


async def test_late_rows_make_a_new_revision_beside_the_old(cloud: Any, writer: Any, tmp_path: Path) -> None:
    await trade(cloud, writer)
    await cloud.cloud.nightly.make_due()
    day = tmp_path / "exports" / DAY
    before = {each.name: each.read_bytes() for each in (day / "r1").iterdir()}

    writer.sell("late", 5, late=True)
    await cloud.books().apply(writer.batch(after=3))
    (made,) = await cloud.cloud.nightly.make_due()

    assert (made.manifest.revision, made.manifest.states_at) == (2, None)
    assert {each.name: each.read_bytes() for each in (day / "r1").iterdir()} == before
    assert [each["sale_id"] for each in read(day / "r2", "sales")] == ["s0", "s1", "s2", "late"]
    assert {each["file"] for each in proved(day / "r2")["files"]} == {f"{name}.csv" for name in TABLES}


@pytest.mark.parametrize("noted", [0, 2, 5])
async def test_small_pages_join_without_gap_or_overlap_whatever_was_noted_before(
    cloud: Any, writer: Any, monkeypatch: pytest.MonkeyPatch, noted: int
) -> None:
    await trade(cloud, writer, noted)
    monkeypatch.setattr(days, "ROWS_MAX", 2)
    monkeypatch.setattr(states, "PAGE_MAX", 1)
    await cloud.cloud.nightly._note()
    for n in range(noted, 7):
        writer.sell(f"s{n}", 1000, business_date=DAY if n % 3 else "2026-09-20", points=[[f"m{n}", 1]])
    level = {"v": 1, "location": "shop", "received": 1, "issued": 0}
    held = cloud.books().vector(writer.rep).get((writer.rep, "levels"), START)
    await cloud.books().apply(writer.state("levels", *((n, level | {"sku": f"B{n}"}) for n in range(2, 7)), after=held))
    await cloud.books().apply(writer.batch(after=noted))

    made = await cloud.cloud.nightly.make(DAY)

    wanted = [f"s{n}" for n in range(7) if n < noted or n % 3]
    assert [each["sale_id"] for each in read(made.place, "sales")] == wanted
    assert len({each["sku"] for each in read(made.place, "stock")}) == len(read(made.place, "stock")) == 5 + (noted > 0)
    assert len(read(made.place, "points")) == (noted > 0) + 7 - noted
    proved(made.place)


async def test_a_fact_that_came_twice_is_in_the_files_once(
    cloud: Any, writer: Any, new_writer: Any, tmp_path: Path
) -> None:
    await trade(cloud, writer)
    again = new_writer("hk01:bb")
    again.sell("s0", 1090)
    await cloud.books().apply(again.batch())

    (made,) = await cloud.cloud.nightly.make_due()

    assert [each["sale_id"] for each in read(made.place, "sales")] == ["s0", "s1", "s2"]


async def test_the_day_that_is_not_over_waits_and_old_days_are_removed(cloud: Any, writer: Any, tmp_path: Path) -> None:
    await trade(cloud, writer)
    cloud.clock.now_ms = NEXT_DAY_MS - 5 * 3_600_000
    assert await cloud.cloud.nightly.make_due() == []

    cloud.clock.now_ms = NEXT_DAY_MS
    await cloud.cloud.nightly.make_due()
    cloud.clock.now_ms += 400 * 86_400_000
    await cloud.cloud.nightly.make_due()

    assert files.days(tmp_path / "exports") == []


async def test_what_nobody_can_read_is_counted_and_the_rest_is_there(cloud: Any, writer: Any) -> None:
    await trade(cloud, writer, 1)
    writer.write("sales", {"sale": {"sale_id": "odd"}, "receipt_no": "r-odd", "business_date": DAY})
    writer.write("sales", b'{"sale":{"sale_id":"none"},"business_date":"../../etc"}')
    writer.sell("new", 7, of_a_later_version=1)
    await cloud.books().apply(writer.batch(after=1))

    (made,) = await cloud.cloud.nightly.make_due()

    assert [each["sale_id"] for each in read(made.place, "sales")] == ["s0", "new"]
    assert (made.manifest.unreadable, made.manifest.undated) == (1, 1)


async def test_erased_members_are_in_the_files_without_a_word(cloud: Any, writer: Any) -> None:
    await trade(cloud, writer, 1)
    row = {"v": 1, "key": "m1", "cells": {"erased": [True, [2, 0, writer.rep]]}}
    held = cloud.books().vector(writer.rep)[writer.rep, "members"]
    await cloud.books().apply(writer.state("members", (2, row), after=held))

    (made,) = await cloud.cloud.nightly.make_due()

    (member,) = read(made.place, "members")
    assert member == dict.fromkeys(member, "") | {"member_id": "m1", "erased": "1"}


async def test_orders_are_there_as_they_stand(cloud: Any, writer: Any) -> None:
    await trade(cloud, writer, 1)
    order = {"order_id": "o1", "kind": "click_and_collect", "lines": [{"line": 1, "sku": "TEA-01", "qty": 2}]}
    assert (await cloud.post("/cloud/v1/orders", order | {"name": "陳"})).status == 201

    (made,) = await cloud.cloud.nightly.make_due()

    ((order_id, state, qty),) = ((each["order_id"], each["state"], each["qty"]) for each in read(made.place, "orders"))
    assert (order_id, state, qty) == ("o1", "created", "2")
    assert "陳" not in (made.place / "orders.csv").read_text()


async def test_the_command_makes_a_day_beside_a_running_cloud_also_after_it_was_killed(
    cloud: Any, engine: Engine, writer: Any, tmp_path: Path, tokens: Any
) -> None:
    await trade(cloud, writer)
    config = tmp_path / "cloud.toml"
    settings = "".join(f'{key} = "{value}"\n' for key, value in engine.settings(tmp_path).items())
    config.write_text(f'[cloud]\nport = 0\n{settings}[stores.hk01]\ntoken = "{tokens["hk01"]}"\n')
    program = "import sys; from hub.cli import main; sys.exit(main())"
    command = (sys.executable, "-c", program, "cloud", "export", "--config", config, "--dir", tmp_path / "by-hand")

    def run(*options: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run(
            [*command, *options],
            check=False,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | environment,
        )
        return done.returncode, done.stdout + done.stderr

    code, _ = run("--day", DAY, "--bom", STOREHUB_FAILPOINT="export.written")
    assert (code, files.days(tmp_path / "by-hand")) == (-signal.SIGKILL, [])
    code, said = run("--day", DAY, "--bom")

    place = tmp_path / "by-hand" / DAY / "r1"
    assert [each.name for each in (tmp_path / "by-hand").iterdir()] == [DAY]
    assert (code, said) == (0, f"{place}: 3 sales, 1 returns, 1 redemptions\n")
    assert (place / "sales.csv").read_bytes().startswith(b"\xef\xbb\xbfstore,rep,seq,sale_id,")
    assert proved(place)["bom"] is True


@pytest.mark.parametrize(
    ("day", "folder", "said"),
    [
        ("yesterday", "by-hand", "write it as 2026-11-22"),
        (DAY, None, r"\[exports\] dir in cloud.toml, or say --dir"),
        (DAY, "by-hand", "is not there; name the cloud's configuration"),
    ],
)
def test_an_export_that_cannot_be_made_by_hand_says_what_to_do(
    day: str, folder: str | None, said: str, tmp_path: Path
) -> None:
    config = parse_cloud_config({}, base=tmp_path)

    with pytest.raises(StartError, match=said):
        export_by_hand(config, day, folder=tmp_path / folder if folder else None, bom=False, clock_ns=lambda: 0)


async def test_the_files_are_listed_made_and_fetched_over_http(cloud: Any, writer: Any, start_cloud: Any) -> None:
    await trade(cloud, writer)
    made = [await cloud.post("/cloud/v1/exports", {"day": DAY}) for _ in range(2)]
    (item,) = (await cloud.get("/cloud/v1/exports")).json["items"]
    file = await cloud.get(f"/cloud/v1/exports/{DAY}/r1/sales.csv")
    refused = [
        await cloud.get(f"/cloud/v1/exports/{DAY}/r1/{name}")
        for name in ("none.csv", "..%2Fr1%2Fsales.csv", "cloud.db")
    ]

    assert [each.status for each in made] == [201, 200]
    assert item == made[0].json == made[1].json
    assert hashlib.sha256(file.body).hexdigest() == item["files"][0]["sha256"]
    assert [(each.status, each.json["code"]) for each in refused] == [(404, "export_file")] * 3
    assert (await cloud.post("/cloud/v1/exports", {"day": "2026-02-30"})).status == 422


async def test_a_cloud_without_a_folder_says_so(start_cloud: Any) -> None:
    answer = await (await start_cloud()).get("/cloud/v1/exports")

    assert (answer.status, answer.json["code"]) == (404, "no_exports")


def test_text_that_excel_would_run_is_only_text(tmp_path: Path) -> None:
    columns = TABLES["sale_lines"]
    for bom in (False, True):
        file = files.CsvFile(tmp_path, f"lines_{bom:d}", columns, bom=bom)
        file.write([("=1+1", 1, "-A", 2, "each", 100, 1, 0, 200, "HKD", '@x,"y"\n')])
        file.close()

    plain, guarded = read(tmp_path, "lines_0")[0], read(tmp_path, "lines_1")[0]
    assert (plain["sale_id"], plain["sku"], plain["description"]) == ("=1+1", "-A", '@x,"y"\n')
    assert (guarded["sale_id"], guarded["sku"], guarded["description"]) == ("'=1+1", "'-A", '\'@x,"y"\n')
    assert (guarded["line"], guarded["amount"]) == ("1", "200")


@settings(max_examples=50)
@given(st.integers(0, 4_102_444_800_000), st.sampled_from(["Asia/Taipei", "Asia/Hong_Kong", "Europe/Berlin"]))
def test_the_next_night_is_ahead_within_a_day_and_at_its_hour(now_ms: int, zone: str) -> None:
    config = Exports(Path("/"), ZoneInfo(zone))

    at_ms = next_night_ms(config, now_ms)

    assert 0 < at_ms - now_ms <= 25 * 3_600_000
    assert datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(config.zone).hour == 4


@settings(max_examples=30)
@given(st.text("0123456789-/.W", max_size=11))
def test_a_day_is_a_date_or_none(said: str) -> None:
    day = day_of(json.dumps({"business_date": said}).encode())

    assert day == "" or (day == said and datetime.fromisoformat(day))


def test_every_table_has_a_key() -> None:
    assert set(KEYS) == set(TABLES) and all(0 < KEYS[name] < len(TABLES[name]) for name in TABLES)
