"""`storehub import` on a joined store: products to the cloud, opening stock to the hub, and what is said when one is missing."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.client import CloudClient, HubClient, ProblemError

FILE = "sku,name,price,currency,stock\nNEW-1,New thing,12.50,HKD,7\nNEW-2,Newer thing,8.00,HKD,\n"
WAIT_S = 60.0
Started = Callable[..., Any]  # the fixture of conftest.py


async def storehub(*arguments: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "import", "products", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def product_of(till: HubClient, sku: str) -> Any:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return await till.product(sku)
            except ProblemError:
                await asyncio.sleep(0.02)


async def test_products_go_to_the_cloud_and_opening_stock_to_the_hub(started: Started, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text(FILE)
    async with started(tmp_path / "store", "--no-shoppers") as demo, HubClient(demo.facts["hub"]) as till:
        code, said, _ = await storehub(file, "--config", demo.data / "hub.toml")
        _, said_again, _ = await storehub(file, "--config", demo.data / "hub.toml")
        await till.pair(demo.facts["pairing_code"], "stranger")
        first, second = await product_of(till, "NEW-1"), await product_of(till, "NEW-2")
        async with CloudClient(demo.facts["cloud"], demo.facts["cloud_token"]) as cloud:
            rows = (await cloud.feed("catalogue", limit=1000)).rows

    assert code == 0
    assert "2 products went to the cloud" in said and "opening stock of 1 products was booked" in said
    assert "2 created" in said and "0 created, 0 updated, 2 unchanged" in said_again
    assert "opening stock of 0 products was booked here; 1 had moved before" in said_again
    assert (first.price.amount, first.stock.on_hand) == (1250, 7)
    assert second.stock is None or second.stock.on_hand == 0
    assert {"NEW-1", "NEW-2"} <= {row["row"]["sku"] for row in rows}


async def test_what_a_joined_import_needs_is_named_and_nothing_is_written(started: Started, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text(FILE)
    async with started(tmp_path / "store", "--no-shoppers") as demo:
        config = demo.data / "hub.toml"
        keyless = demo.data / "keyless.toml"
        lines = [line for line in config.read_text().splitlines() if not line.startswith("import_token")]
        keyless.write_text("\n".join(lines))
        no_key = await storehub(file, "--config", keyless)
        async with CloudClient(demo.facts["cloud"], demo.facts["cloud_token"]) as cloud:
            rows = (await cloud.feed("catalogue", limit=1000)).rows
        await demo.signal_group(signal.SIGINT)
    no_hub = await storehub(file, "--config", config)
    stockless = tmp_path / "stockless.csv"
    stockless.write_text("sku,name,price,currency\nNEW-3,Thing,1.00,HKD\n")
    no_line = await storehub(stockless, "--config", config)

    assert no_key[0] == 1 and "import_token" in no_key[2] and "nothing was written" in no_key[2]
    assert not [row for row in rows if row["row"]["sku"] == "NEW-1"]
    assert no_hub[0] == 1 and "start it with `storehub run`" in no_hub[2] and "nothing was written" in no_hub[2]
    assert no_line[0] == 1 and "does not answer" in no_line[2] and "nothing was written" in no_line[2]
    assert "run the command again" in no_line[2]


async def test_head_office_imports_without_a_store_of_its_own(started: Started, tmp_path: Path) -> None:
    file, token = tmp_path / "new.csv", tmp_path / "token"
    file.write_text(FILE)
    async with started(tmp_path / "store", "--no-shoppers") as demo:
        token.write_text(json.loads((demo.data / "keys.json").read_text())["office_token"])
        code, said, complained = await storehub(file, "--cloud", demo.facts["cloud"], "--cloud-token-file", token)
        token.write_text("not-a-token-of-anybody")
        refused = await storehub(file, "--cloud", demo.facts["cloud"], "--cloud-token-file", token)
        tokenless = await storehub(file, "--cloud", demo.facts["cloud"])

    assert code == 0, complained
    assert "opening stock of 1 products was not booked" in said
    assert refused[0] == 1 and "No valid token" in refused[2] and "nothing was written" in refused[2]
    assert tokenless[0] == 78 and "--cloud-token-file" in tokenless[2]
