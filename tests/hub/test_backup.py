"""Backups made beside a writer, read by age, tar and SQLite without us, and put back; what is refused changes nothing."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.app import on_this_machine
from hub.backup.age import Identity
from hub.backup.archive import Manifest, Part, pack, unpack
from hub.backup.kept import Kept
from hub.backup.making import make_backup
from hub.backup.restoring import restore
from hub.backup.targets.folder import Folder
from hub.cli import main
from hub.config import HUB_LOCK, Config, load_config
from hub.erasures import Erasures
from hub.migrations import MIGRATIONS
from hub.store.selling.sales import find_sale
from sync.db import open_database
from sync.errors import StartError
from sync.folder import own_folder
from sync.store.replicas import own_replica

NOW = datetime(2026, 9, 22, 2, 30, tzinfo=UTC)
needs_age = pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")
CONFIG = """
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
zone = "Asia/Hong_Kong"

[data]
dir = "{folder}"

[backup]
to = "{medium}"
recipients = ["{recipient}"]
keep = 2
"""


class Shop:
    """A configuration on disk, its medium and the key that the head office keeps."""

    def __init__(self, folder: Path, data: Path, *, key: Identity | None = None, store: str = "hk01") -> None:
        self.key = key or Identity.new()
        self.medium = folder / "medium"
        self.medium.mkdir(parents=True, exist_ok=True)
        self.identity = folder / "key.txt"
        self.identity.write_text(f"# kept elsewhere\n{self.key.secret}\n")
        self.file = folder / f"{data.name}.toml"
        said = CONFIG.format(folder=data, medium=self.medium, recipient=self.key.recipient)
        self.file.write_text(said.replace('"hk01"', f'"{store}"'))
        self.config: Config = load_config(self.file)

    def make(self, now: datetime = NOW) -> Path:
        kept, _, [brought] = make_backup(self.config, [Folder(self.medium)], configuration=self.file, now=now)
        if brought.error:
            raise StartError(brought.error)
        return self.medium / kept.name

    def kept(self) -> list[Path]:
        found: list[Kept] = Folder(self.medium).kept("hk01")
        return [self.medium / each.name for each in found]


@pytest.fixture
def shop_at(tmp_path: Path) -> Callable[..., Shop]:
    return lambda data, **more: Shop(tmp_path / "etc", data, **more)


async def sold(store: Any, sale: Callable[..., Any], count: int) -> list[str]:
    sales = [sale() for _ in range(count)]
    for each in sales:
        await store.sell(each)
    return [each.sale_id for each in sales]


@needs_age
async def test_tools_of_others_read_a_backup_made_beside_the_writer(
    store: Any, sale: Any, shop_at: Any, tmp_path: Path
) -> None:
    ids = await sold(store, sale, 3)
    shop = shop_at(tmp_path)
    sealed = shop.make()
    later = await sold(store, sale, 1)

    opened = tmp_path / "opened"
    opened.mkdir()
    age = ["age", "-d", "-i", str(shop.identity), "-o", str(opened / "packed"), str(sealed)]
    await asyncio.to_thread(subprocess.run, age, check=True, timeout=60)
    with zstd.open(opened / "packed") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        tar.extractall(opened)
    with closing(sqlite3.connect(opened / "hub.db")) as books:
        assert books.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        held = {row[0] for row in books.execute("SELECT sale_id FROM sale")}
    assert held == set(ids) and later[0] not in held
    assert (opened / "hub.toml").read_bytes() == shop.file.read_bytes()
    assert not [each for each in shop.medium.iterdir() if each != sealed], "nothing half made is left on the medium"
    assert not list((tmp_path / "backup").glob("new*")), "nor a copy in plain on the hub"
    assert sealed.stat().st_mode & 0o077 == 0 and b"SQLite format 3" not in sealed.read_bytes()


async def test_what_is_put_back_sells_as_somebody_new_and_knows_who_was_erased_since(
    store: Any, sale: Any, shop_at: Any, tmp_path: Path
) -> None:
    Erasures(tmp_path).add(["m1"])
    ids = await sold(store, sale, 2)
    shop = shop_at(tmp_path)
    sealed = shop.make()
    lost = await sold(store, sale, 1)

    new = tmp_path / "new"
    other = shop_at(new, key=shop.key)
    Erasures(new_folder(new)).add(["m2"])
    done = restore(other.config, sealed, other.key, is_over=False, now=NOW)
    assert done.manifest.rep == store.replica.rep and not done.aside
    assert set(Erasures(new).all()) == {"m1", "m2"}
    async with open_database(other.config.database, migrations=MIGRATIONS) as db:
        before = own_replica(db.read)
        assert before is not None
        now = await on_this_machine(db, before, machine="", now_ms=1, draw=lambda: "f" * 16)
        assert now.rep != before.rep == store.replica.rep
        assert await on_this_machine(db, now, machine="", now_ms=2, draw=str) == now, "once"
        assert all(find_sale(db.read, each) for each in ids) and not find_sale(db.read, lost[0])


def new_folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


async def test_only_the_newest_are_kept_and_other_files_of_the_medium_stay(
    store: Any, shop_at: Any, tmp_path: Path
) -> None:
    shop = shop_at(tmp_path)
    photo, others = shop.medium / "photo.jpg", shop.medium / "hk010-20200101T000000Z.backup.tar.zst.age"
    for each in (photo, others):
        each.write_bytes(b"x")
    made = [shop.make(NOW + timedelta(days=day)) for day in range(4)]
    assert shop.kept() == [made[3], made[2]]
    assert photo.exists() and others.exists()


async def test_a_damaged_database_gives_no_backup_and_the_older_ones_stay(
    store: Any, sale: Any, shop_at: Any, tmp_path: Path
) -> None:
    await sold(store, sale, 5)
    shop = shop_at(tmp_path)
    old = shop.make()
    await store.db.empty_log()
    with store.path.open("r+b") as file:
        pages = store.path.stat().st_size // 1024
        for page in range(pages // 2, pages // 2 + 20):
            file.seek(page * 1024)
            file.write(b"\xff" * 1024)
    for day in (1, 2, 3):
        with pytest.raises(StartError, match=r"damaged|malformed|cannot be read back"):
            shop.make(NOW + timedelta(days=day))
    assert shop.kept() == [old]
    assert list(shop.medium.iterdir()) == [old]


async def test_refusals_name_the_remedy_and_change_nothing(
    store: Any, shop_at: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = shop_at(tmp_path)
    sealed = shop.make()
    before = store.path.read_bytes()
    with pytest.raises(StartError, match="--over moves it aside"):
        restore(shop.config, sealed, shop.key, is_over=False, now=NOW)
    with pytest.raises(StartError, match="made for another key"):
        restore(shop.config, sealed, Identity.new(), is_over=True, now=NOW)
    with pytest.raises(StartError, match="of store hk01, the configuration says tw01"):
        restore(shop_at(tmp_path / "tw", store="tw01").config, sealed, shop.key, is_over=True, now=NOW)
    with own_folder(tmp_path, HUB_LOCK), pytest.raises(StartError, match="in use by process"):
        restore(shop.config, sealed, shop.key, is_over=True, now=NOW)
    assert store.path.read_bytes() == before and not (tmp_path / "restored").exists()

    assert main(["backup", "make", "--config", str(shop.file), "--to", str(tmp_path / "no-stick")]) == 1
    assert "is the medium plugged in and mounted?" in capsys.readouterr().err
    bare = tmp_path / "bare.toml"
    bare.write_text(shop.file.read_text().replace(f'recipients = ["{shop.key.recipient}"]', ""))
    assert main(["backup", "make", "--config", str(bare)]) == 1
    assert "storehub backup new-key" in capsys.readouterr().err
    bare.write_text(shop.file.read_text().replace(shop.key.recipient, shop.key.recipient[:-1]))
    assert main(["backup", "make", "--config", str(bare)]) == 78
    bare.write_text(
        shop.file.read_text().replace(shop.key.recipient, shop.key.recipient[:-1] + "qp"[shop.key.recipient[-1] == "q"])
    )
    assert main(["backup", "make", "--config", str(bare)]) == 1
    assert "one is mistyped" in capsys.readouterr().err


async def test_the_commands_make_list_check_and_put_back(
    store: Any, shop_at: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "new.key"
    assert main(["backup", "new-key", str(key)]) == 0
    recipient = capsys.readouterr().out.split('"')[1]
    assert key.stat().st_mode & 0o777 == 0o600 and Identity.of_file(key).recipient == recipient
    assert main(["backup", "new-key", str(key)]) == 1, "a key is never overwritten"

    shop = shop_at(tmp_path, key=Identity.of_file(key))
    at = ["--config", str(shop.file)]
    assert main(["backup", "list", *at]) == 1
    assert main(["backup", "make", *at]) == 0
    assert main(["backup", "list", *at]) == 0
    said = capsys.readouterr().out
    [kept] = shop.kept()
    assert kept.name in said and store.replica.rep in said
    assert main(["backup", "check", str(kept), "--identity", str(key)]) == 0
    os.utime(kept)
    old = kept.rename(shop.medium / kept.name.replace("-2", "-1"))
    assert main(["backup", "list", *at]) == 1
    assert "days old" in capsys.readouterr().err
    assert main(["restore", str(old), "--identity", str(key), "--over", *at]) == 0
    said = capsys.readouterr().out
    assert "moved aside" in said and "begins a new life" in said
    assert len(list(tmp_path.glob("hub.db.before-*"))) == 1


async def test_a_backup_that_is_cut_or_changed_anywhere_is_refused_and_the_books_stay(
    store: Any, shop_at: Any, tmp_path: Path
) -> None:
    shop = shop_at(tmp_path)
    whole = shop.make().read_bytes()
    empty = Shop(tmp_path / "etc", new_folder(tmp_path / "empty"), key=shop.key)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(at=st.integers(0, len(whole) - 1), flip=st.integers(0, 255))
    def refused(at: int, flip: int) -> None:
        torn = whole[:at] if flip == 0 else whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
        damaged = tmp_path / "damaged"
        damaged.write_bytes(torn)
        try:
            restore(empty.config, damaged, shop.key, is_over=False, now=NOW)
        except StartError:
            pass
        else:  # what the key does not cover: the stanza of another recipient
            empty.config.database.unlink()
            assert at < 600 and flip
        assert not empty.config.database.exists()

    refused()


def test_an_archive_that_names_files_elsewhere_writes_none(tmp_path: Path) -> None:
    plain = tmp_path / "evil"
    plain.write_bytes(b"x")
    for name in ("../evil2", "/tmp/evil2"):
        part = Part(name, 1, "0" * 64)
        pack(Manifest("hk01", "hk01:0", "2026", "0", 1, {}, [part]), {name: plain}, tmp_path / "packed")
        with pytest.raises(StartError, match="not in its manifest"):
            unpack(tmp_path / "packed", new_folder(tmp_path / "into"))
    assert not (tmp_path / "evil2").exists()
    with tarfile.open(tmp_path / "plain.tar", "w") as tar:
        tar.add(plain, "evil")
    with pytest.raises(StartError, match="damaged"):
        unpack(tmp_path / "plain.tar", tmp_path / "into")
