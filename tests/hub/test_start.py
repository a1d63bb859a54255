"""A hub that cannot start, and a command that cannot write, say so in one sentence with the remedy: no traceback."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from devices.document import Cut, Document, DrawerPulse, Text
from hub.config import parse_config
from hub.runtime import DRAWER_FRESH_MS
from hub.store.selling.printing import OpenJob

CONFIG = '[store]\nid = "{store}"\nname_zh_hant = "店"\nname_en = "Shop"\ncurrency = "HKD"\n[api]\nport = 0\n'
CATALOGUE = "sku,name_en,price\nTEA-1,Tea,10.90\n"


async def storehub(folder: Path, *words: str, store: str = "hk01") -> tuple[int | None, str]:
    """Run a command that ends by itself; return its exit code and what it said of errors."""
    config = folder / "hub.toml"
    config.write_text(CONFIG.format(store=store), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", *words, "--config", str(config)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    return process.returncode, said.decode()


def make_junk(database: Path) -> None:
    database.write_bytes(b"this is no database" * 100)


def make_folder(database: Path) -> None:
    database.mkdir()


def make_newer(database: Path) -> None:
    with closing(sqlite3.connect(database)) as file:
        file.execute("PRAGMA user_version = 9999")


@pytest.mark.parametrize(
    ("damage", "remedy"),
    [(make_junk, "restore a backup"), (make_folder, "restore a backup"), (make_newer, "install a newer store-hub")],
)
async def test_a_database_that_does_not_open_is_one_sentence(
    tmp_path: Path, damage: Callable[[Path], None], remedy: str
) -> None:
    damage(tmp_path / "hub.db")

    code, said = await storehub(tmp_path, "run")

    assert code == 1
    assert [line for line in said.splitlines() if line.startswith("storehub: ") and remedy in line]
    assert "Traceback" not in said and "Exception in thread" not in said


async def test_an_import_into_another_stores_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text(CATALOGUE)
    assert (await storehub(tmp_path, "import", "products", str(tmp_path / "goods.csv")))[0] == 0

    code, said = await storehub(tmp_path, "import", "products", str(tmp_path / "goods.csv"), store="tw01")

    assert code == 78 and said.startswith("storehub: this database belongs to 'hk01'") and "Traceback" not in said


async def test_a_receipt_that_waited_opens_no_drawer(start_hub: Callable[..., object]) -> None:
    """A printer that was away for hours must not kick the drawer once for each receipt that it catches up with."""
    hub = (await start_hub()).runtime  # type: ignore[misc]
    content = Document((DrawerPulse(), Text("paid"), Cut()))
    now_ms = hub.now_ms()

    fresh, late = [
        hub.render(OpenJob("job", "", None, content, now_ms - age_ms)) for age_ms in (0, DRAWER_FRESH_MS + 1)
    ]

    assert (fresh, late) == (content, Document((Text("paid"), Cut())))


def test_a_misspelt_kind_names_the_device(tmp_path: Path) -> None:
    raw = {
        "store": {"id": "a", "name_zh_hant": "", "name_en": "", "currency": "HKD"},
        "devices": {"s1": {"kind": "seriel"}},
    }
    with pytest.raises(Exception, match="s1: unknown kind 'seriel'"):
        parse_config(raw, base=tmp_path)
