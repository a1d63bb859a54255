"""The feed on a second medium: what is there is safe, it is put back behind a backup, and no medium holds the selling
up.

Judged as in test_lives: what the tills were answered against facts, tallies and caches, by plain SQL.
"""

import asyncio
import os
import random
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from hub.backup.age import Identity
from hub.backup.noted import Made, Told, note
from hub.cli import main
from hub.config import parse_config
from hub.medium.copying import FeedCopy
from hub.medium.record import Head, read_records, write_record
from hub.medium.segments import disk_of
from hub.store.replica.lives import ended_lives
from sync.batch import Boundary
from sync.errors import ConfigError, StartError
from sync.store.streams import stream_heads
from tests.conftest import StartHub
from tests.hub.lives.conftest import World
from tests.hub.lives.copying_world import KEY, config, copy_all, copying, is_copied, put_back, segments
from tests.hub.lives_world import NOW_MS, Cloud, Machine, meet


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("PACE_S", "AGAIN_S", "LOOK_EVERY_S"):
        monkeypatch.setattr(f"hub.medium.copying.{what}", 0.02)


@pytest.mark.parametrize("has_cloud", [True, False])
async def test_a_backup_and_the_copy_bring_everything_back_once(
    world: World, hub: Machine, cloud: Cloud, small_disk: Path, has_cloud: bool
) -> None:
    settings = config(world.folder, small_disk)
    await world.sell(hub, 1)
    if has_cloud:
        await meet(hub, cloud)
    await world.sell(hub, 2)
    backup = hub.copy_to(world.folder / "backup.db")
    async with copying(hub, settings) as until:
        await world.sell(hub, 3)
        await until(lambda: is_copied(hub))
        if has_cloud:
            await meet(hub, cloud)
        await world.sell(hub, 4, 5)
        await until(lambda: is_copied(hub))
    done = put_back(backup, small_disk)
    assert done.rows == 3 and not done.lost and not done.unread

    again = await world.machine("again", backup, fingerprint="abc")
    assert again.rep != hub.rep
    assert again.sale_ids() == sorted(world.answered) and again.on_hand() == world.on_hand
    await world.sell(again, 6)
    for _ in range(4):
        await meet(again, cloud)
    world.check(cloud, again)


async def test_what_a_later_life_has_sold_comes_back_behind_a_backup_of_the_one_before(
    world: World, hub: Machine, cloud: Cloud, small_disk: Path
) -> None:
    settings = config(world.folder, small_disk)
    await world.sell(hub, 1)
    backup = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2)
    async with copying(hub, settings) as until:
        await until(lambda: is_copied(hub))
        first = hub.rep
        await hub.books.forked("two machines were on")
        await world.sell(hub, 3)
        await until(lambda: is_copied(hub))
    assert put_back(backup, small_disk).rows >= 2
    again = await world.machine("again", backup, fingerprint="abc")
    assert again.rep not in (first, hub.rep)
    assert again.sale_ids() == sorted(world.answered) and again.on_hand() == world.on_hand
    for _ in range(4):
        await meet(again, cloud)
    world.check(cloud, again)


async def test_a_copy_begins_where_the_newest_backup_ends_and_fits_no_older_one(
    world: World, hub: Machine, small_disk: Path
) -> None:
    settings = config(world.folder, small_disk)
    await world.sell(hub, 1)
    older = hub.copy_to(world.folder / "older.db")
    await world.sell(hub, 2)
    newer = hub.copy_to(world.folder / "newer.db")
    heads = {stream: last for stream, last in stream_heads(hub.db.read, hub.books.replica).items() if last}
    made = Made("newer", datetime(2026, 9, 22, tzinfo=UTC), 1, hub.rep, heads)
    note(world.folder, {"folder": Told(made.made_at, made)})
    await world.sell(hub, 3)
    await copy_all(hub, settings)

    with pytest.raises(StartError, match=r"has a hole: sales 2 to 2 .* choose a newer backup"):
        put_back(older, small_disk)
    assert put_back(older, small_disk, is_whole=False).lost
    assert put_back(newer, small_disk).rows == 1


async def test_a_database_of_yesterday_learns_from_the_medium_that_it_is_one(
    world: World, hub: Machine, small_disk: Path
) -> None:
    settings = config(world.folder, small_disk)
    await world.sell(hub, 1)
    yesterday = hub.copy_to(world.folder / "yesterday.db")
    await world.sell(hub, 2)
    await copy_all(hub, settings)
    again = await world.machine("again", yesterday)
    assert again.rep == hub.rep, "an old card in the same machine"
    async with copying(again, settings) as until:
        await until(lambda: again.rep != hub.rep and is_copied(again))
        await world.sell(again, 4)
        await until(lambda: is_copied(again))
    assert put_back(yesterday, small_disk).rows, "what both lives have sold is in the copy"
    whole = await world.machine("whole", yesterday, fingerprint="abc")
    assert whole.sale_ids() == sorted(world.answered) and whole.on_hand() == world.on_hand

    books = again.copy_to(world.folder / "books.db")
    copytree(small_disk, world.folder / "before")
    segments(world.folder / "before")[-1].unlink()
    with pytest.raises(StartError, match="nothing in it is of"):
        put_back(books, world.folder / "before")


async def test_damage_is_found_wherever_it_is_and_what_stands_before_it_can_be_had(
    world: World, hub: Machine, small_disk: Path
) -> None:
    settings = config(world.folder, small_disk)
    backup = hub.copy_to(world.folder / "backup.db")
    async with copying(hub, settings) as until:
        for qty in (1, 2, 3):
            await world.sell(hub, qty)
            await until(lambda: is_copied(hub))
    [segment] = segments(small_disk)
    whole = segment.read_bytes()
    records = list(read_records(whole))
    assert len(records) >= 3 and whole.count(b"TEA-01") == 0, "no row is in clear"

    middle = records[-2]
    for at in (middle.begin + 1, middle.begin + 40, (middle.begin + middle.end) // 2, middle.end - 1):
        segment.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        database = Machine(backup, world.shop).copy_to(world.folder / f"at{at}.db")
        with pytest.raises(StartError, match="has a hole"):
            put_back(database, small_disk)
        done = put_back(database, small_disk, is_whole=False)
        assert done.lost and done.unread == middle.end - middle.begin

    segment.write_bytes(whole[: records[-1].end - 5])
    done = put_back(Machine(backup, world.shop).copy_to(world.folder / "cut.db"), small_disk)
    assert done.unread and not done.lost, "a power cut in the last record: the till still has that sale"

    segment.write_bytes(whole)
    database = Machine(backup, world.shop).copy_to(world.folder / "key.db")
    with pytest.raises(StartError, match="made for another key"):
        put_back(database, small_disk, key=Identity.new())
    with pytest.raises(StartError, match="there is no feed copy of store hk01"):
        put_back(database, world.folder)


async def test_a_copy_of_another_past_is_refused_and_changes_nothing(
    world: World, hub: Machine, small_disk: Path
) -> None:
    backup = hub.copy_to(world.folder / "backup.db")
    other = await world.machine("other", hub.copy_to(world.folder / "other-copy.db"))
    await world.sell(other, 1)
    other_backup = other.copy_to(world.folder / "other-backup.db")
    await world.sell(hub, 2, 3)
    await copy_all(hub, config(world.folder, small_disk))
    before = other_backup.read_bytes()
    with pytest.raises(StartError, match="does not follow on this backup"):
        put_back(other_backup, small_disk)
    assert other_backup.read_bytes() == before
    assert put_back(backup, small_disk).rows == 2


async def test_a_medium_that_is_pulled_out_full_or_worn_is_named_and_caught_up(
    world: World, hub: Machine, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.medium.segments.SEGMENT_BYTES", 1)  # the last page of a file has room on a full medium
    settings = config(world.folder, small_disk)
    async with copying(hub, settings) as until:
        await world.sell(hub, 1)
        copy = await until(lambda: is_copied(hub))
        assert copy.view.up and copy.view.upto == 1

        await asyncio.to_thread(run, "umount", str(small_disk))
        await until(lambda: not copy.view.up)
        assert copy.view.reason in ("away", "same_disk") and copy.view.remedy
        await world.sell(hub, 2)
        assert not list(small_disk.iterdir()), "nothing goes to the card instead"

        await asyncio.to_thread(run, "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small_disk))
        await until(lambda: copy.view.up and is_copied(hub))
        assert [
            record.head.upto["sales"].last
            for each in segments(small_disk)
            for record in read_records(each.read_bytes())
        ][-1] == 2, "another medium gets all of it"

        filled = small_disk / "photos"
        with filled.open("wb") as file:
            file.write(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))
        await world.sell(hub, 3)
        await until(lambda: copy.view.reason == "full")
        filled.unlink()
        await until(lambda: copy.view.up and is_copied(hub))

        await asyncio.to_thread(run, "mount", "-o", "remount,ro", str(small_disk))
        await world.sell(hub, 4)
        await until(lambda: copy.view.reason == "read_only")
        await asyncio.to_thread(run, "mount", "-o", "remount,rw", str(small_disk))
        await until(lambda: copy.view.up and is_copied(hub))
        assert copy.view.upto == 4


async def test_the_oldest_segments_go_when_a_backup_has_them_and_not_before(
    world: World, hub: Machine, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.medium.segments.SEGMENT_BYTES", 1)
    settings = config(world.folder, small_disk)
    async with copying(hub, settings) as until:
        await world.sell(hub, 1)
        copy = await until(lambda: is_copied(hub))
        copy._segments._bytes_max = copy.view.bytes + 10  # no test writes eight megabytes
        await world.sell(hub, 2)
        await until(lambda: copy.view.reason == "needs_backup")
        heads = {stream: last for stream, last in stream_heads(hub.db.read, hub.books.replica).items() if last}
        made = Made("now", datetime(2026, 9, 22, tzinfo=UTC), 1, hub.rep, heads)
        note(world.folder, {"folder": Told(made.made_at, made)})
        backup = hub.copy_to(world.folder / "backup.db")
        await world.sell(hub, 3)
        copy._segments._bytes_max = 3000
        await until(lambda: copy.view.up and is_copied(hub))
    assert put_back(backup, small_disk).rows == 1


async def test_a_copy_ends_whenever_it_is_told_to(
    world: World, hub: Machine, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told in the very turn in which it has something to do: asyncio.wait_for of Python 3.11 forgets such a cancel."""
    monkeypatch.setattr("hub.medium.copying.LOOK_EVERY_S", 60)
    await copy_all(hub, config(world.folder, small_disk))
    for turns in range(8):
        changed = asyncio.Event()
        copy = FeedCopy(
            config(world.folder, small_disk), hub.db, hub.books, now_ms=lambda: NOW_MS, on_change=changed.set
        )
        task = asyncio.create_task(copy.run())
        await changed.wait()
        copy.grown()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=5)
        assert ended, f"it runs on, told {turns} turns after it was woken"


def test_a_folder_on_the_hubs_own_disk_is_no_second_medium(tmp_path: Path, small_disk: Path) -> None:
    card = tmp_path / "sys"
    (card / "devices" / "mmcblk0" / "p2").mkdir(parents=True)
    (card / "devices" / "mmcblk0" / "p2" / "partition").touch()
    device = tmp_path.stat().st_dev
    (card / f"{os.major(device)}:{os.minor(device)}").symlink_to(card / "devices" / "mmcblk0" / "p2")
    assert disk_of(tmp_path, sys=card) == "mmcblk0", "two partitions of a card are one card"
    assert disk_of(tmp_path) != disk_of(small_disk)
    with pytest.raises(ConfigError, match="storehub backup new-key"):
        parse_config(
            {
                "store": {"id": "hk01", "name_zh_hant": "x", "name_en": "x", "currency": "HKD"},
                "backup": {"feed_to": "/media/stick"},
            },
            base=tmp_path,
        )


def test_a_record_is_read_wherever_it_begins() -> None:
    record = write_record(Head("hk01:0", "2026", {"sales": Boundary(3, bytes(8))}), b"sealed SHF1 within")
    found = list(read_records(b"torn SHF1" + record[:-1] + record + b"SHF1\x00\x00\x00\x02{}SHF1" + record))
    assert [each.sealed for each in found] == [b"sealed SHF1 within"] * 2


async def test_a_sale_is_safe_once_it_is_on_the_medium_and_members_come_back_with_it(
    start_hub: StartHub, pair_till: Any, small_disk: Path, until: Callable[..., Any]
) -> None:
    hub = await start_hub(backup={"feed_to": str(small_disk), "recipients": [KEY.recipient]})
    till = await pair_till(hub, "manager")
    folder = small_disk.parent
    backup = Machine(hub.config.database, hub.config.shop).copy_to(folder / "backup.db")
    enrolled = await till.post("/v1/members", {"member_id": "m-1", "name": "Chan Tai Man", "phone": "+85261234567"})
    assert enrolled.status == 201, enrolled.body
    assert (await till.request("PUT", "/v1/stock/TEA-01/safety-stock", {"qty": 3})).status == 200
    sale = till.sale(member_id="m-1")
    assert (await till.post("/v1/sales", sale)).status == 201
    answer = await until(
        lambda: till.post("/v1/sales/status", {"ids": [sale["sale_id"]]}), lambda said: said.json["sales"][0]["safe"]
    )
    assert answer.json["safe"]["upto"] == 1
    medium = (await till.get("/v1/sync")).json["medium"]
    assert medium["up"] and medium["upto"] == 1 and medium["to"] == str(small_disk)
    assert (await till.get("/readyz")).json["copies"] == "two copies"

    asked = (
        "SELECT member_id FROM member",
        "SELECT qty FROM safety_stock",
        "SELECT member_id, hash FROM identity",
        "SELECT key_id, secret FROM identity_key",
    )
    there = [hub.runtime.db.read.execute(sql).fetchall() for sql in asked]
    async with asyncio.timeout(60):
        while True:
            done = put_back(Machine(backup, hub.config.shop).copy_to(folder / "again.db"), small_disk)
            with closing(sqlite3.connect(folder / "again.db")) as books:
                if [books.execute(sql).fetchall() for sql in asked] == there:
                    break
            await asyncio.sleep(0.02)
    assert done.rows and there[0] == [("m-1",)] and there[1] == [(3,)]


def run(*command: str) -> None:
    subprocess.run(command, check=True)


PLANS = range(40) if os.environ.get("STOREHUB_FULL") else range(3)


@pytest.mark.parametrize("seed", PLANS)
async def test_whatever_came_before_the_loss_nothing_safe_is_lost_and_nothing_counts_twice(
    world: World, hub: Machine, cloud: Cloud, small_disk: Path, seed: int
) -> None:
    """The law of a restore, for drawn histories: sales, contacts, forks and backups in any order, a copy that is
    caught up."""
    rng = random.Random(seed)
    settings = config(world.folder, small_disk)
    backup = hub.copy_to(world.folder / "backup0.db")
    async with copying(hub, settings) as until:
        for n in range(12):
            match rng.choice(("sell", "sell", "sell", "meet", "backup", "fork", "copy")):
                case "sell":
                    await world.sell(hub, rng.randint(1, 3))
                case "meet":
                    await meet(hub, cloud)
                case "backup":
                    backup = hub.copy_to(world.folder / f"backup{n + 1}.db")
                case "fork" if len(ended_lives(hub.db.read)) < 3:
                    await until(lambda: is_copied(hub))
                    await hub.books.forked("drawn")
                case _:
                    await until(lambda: is_copied(hub))
        await until(lambda: is_copied(hub))
    put_back(backup, small_disk)

    again = await world.machine("again", backup, fingerprint="abc")
    assert set(again.sale_ids()) == set(world.answered) and again.on_hand() == world.on_hand, f"seed {seed}"
    await world.sell(again, 1)
    for _ in range(6):
        await meet(again, cloud)
    world.check(cloud, again)


async def test_an_old_card_gets_what_only_the_medium_has_and_is_told_where_there_is_nothing(
    world: World, hub: Machine, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.sell(hub, 1)
    old = world.folder / "old"
    old.mkdir()
    hub.copy_to(old / "hub.db")
    await world.sell(hub, 2)
    await copy_all(hub, config(world.folder, small_disk))
    (world.folder / "key").write_text(KEY.secret)
    (world.folder / "hub.toml").write_text(
        f'[store]\nid = "hk01"\nname_zh_hant = "x"\nname_en = "x"\ncurrency = "HKD"\n[data]\ndir = "{old}"\n'
    )
    at = ["--identity", str(world.folder / "key"), "--config", str(world.folder / "hub.toml")]
    assert main(["restore", "--feed", str(small_disk), *at]) == 0
    assert "the feed copy brought 1 rows" in capsys.readouterr().out
    again = await world.machine("again", old / "hub.db", fingerprint="abc")
    assert again.rep != hub.rep and again.sale_ids() == sorted(world.answered)

    assert main(["restore", "--feed", str(small_disk), *at]) == 1
    assert "there is nothing in it that is not here" in capsys.readouterr().err
    assert main(["restore", *at]) == 1
    assert "say what: a backup's FILE" in capsys.readouterr().err
    assert len(list(old.glob("hub.db.before-*"))) == 1
