"""`storehub cloud import-orders`: the command as typed, against a cloud that runs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from tests.cloud.channels.conftest import MAPPING
from tests.cloud.conftest import OFFICE

ROWS = "訂單編號,商品編號,數量,小計,收件人\nM1,TEA-01,2,2560,王\nM2,TEA-01,?,10,林\n"


@pytest.fixture
def config(office: Any, tmp_path: Path) -> Path:
    """The running cloud's file."""
    path = tmp_path / "cloud.toml"
    path.write_text(
        f'[cloud]\nport = {office.end.port}\n[[tokens]]\nname = "office"\ntoken = "{OFFICE}"\n'
        '[channels.momo]\nkind = "file"\ncurrency = "TWD"\n'
    )
    (tmp_path / "orders.csv").write_bytes(ROWS.encode("cp950"))
    return path


async def run(config: Path, *more: str) -> int:
    file, mapping = config.parent / "orders.csv", config.parent / "momo.toml"
    argv = ["cloud", "import-orders", str(file), "--config", str(config), "--mapping", str(mapping), *more]
    return await asyncio.to_thread(main, argv)


async def test_a_file_is_tried_then_taken_and_the_report_is_in_both_languages(
    office: Any, config: Path, capsys: Any
) -> None:
    codes = [await run(config, "--dry-run"), await run(config, "--language", "zh-Hant"), await run(config, "--json")]
    tried, _, rest = capsys.readouterr().out.partition("Dry run: nothing was written.\n")
    chinese, _, whole = rest.partition("{")

    assert codes == [1, 1, 1]
    assert "2 rows read as cp950: 1 orders, 1 rows refused" in tried
    assert "row 3, 數量: Not a quantity (?). Write a whole number above zero." in tried
    assert "第 3 列，數量：數量不正確（?）" in chinese
    assert "已寫入：taken 1" in chinese
    assert json.loads("{" + whole)["results"] == {"repeated": 1}
    assert [each["order_id"] for each in await office.orders()] == ["momo.M1"]


async def test_what_is_wrong_is_one_sentence_with_the_remedy(office: Any, config: Path, capsys: Any) -> None:
    wrong = MAPPING.replace("數量", "件數")
    codes = [await run(config, "--channel", "none")]
    (config.parent / "momo.toml").write_text(wrong, encoding="utf-8")
    codes.append(await run(config))
    config.write_text(config.read_text().replace(str(office.end.port), "1"))
    codes.append(await run(config))
    config.write_text(config.read_text().replace(OFFICE, "x"))
    codes.append(await run(config))
    said = capsys.readouterr().err.splitlines()

    assert codes == [78, 1, 1, 78]
    assert "known: momo" in said[0]
    assert "件數" in said[1]
    assert "Correct [columns]" in said[1]
    assert "start it with `storehub cloud`" in said[2]
