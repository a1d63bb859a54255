"""DELETE /v1/tills/{till_id}: a token that was taken is worth nothing, at once and after a restart."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from hub.store.staff.tills import all_tokens

PairTill = Callable[..., Awaitable[Any]]


async def test_a_lost_tablet_is_shut_out_at_once_and_its_number_is_given_to_nobody(
    hub: Any, till: Any, pair_till: PairTill
) -> None:
    manager, other = await pair_till(hub, scope="manager"), await pair_till(hub)
    first = await manager.request("DELETE", f"/v1/tills/{till.till_id}")
    hub.clock.now_ms += 1000
    again = await manager.request("DELETE", f"/v1/tills/{till.till_id}")

    assert (first.status, again.status) == (200, 200) and first.json == again.json
    assert (await till.get("/v1/shop")).status == 401 and (await other.get("/v1/shop")).status == 200
    assert till.till_id not in {paired.till_id for paired in all_tokens(hub.runtime.db.read).values()}
    assert (await pair_till(hub)).till_id not in {till.till_id, other.till_id}


async def test_the_events_of_a_till_that_was_revoked_end(hub: Any, till: Any, pair_till: PairTill) -> None:
    manager = await pair_till(hub, scope="manager")
    async with till.events() as ws, asyncio.timeout(30):
        await ws.receive_json()
        await manager.request("DELETE", f"/v1/tills/{till.till_id}")
        ended = await ws.receive()

    assert ended.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


async def test_it_is_a_managers_it_is_in_the_trail_and_in_the_list(hub: Any, till: Any, pair_till: PairTill) -> None:
    manager = await pair_till(hub, scope="manager")
    refused = await till.request("DELETE", f"/v1/tills/{manager.till_id}")
    unknown = await manager.request("DELETE", "/v1/tills/t99")
    await manager.request("DELETE", f"/v1/tills/{till.till_id}")
    listed = {each["till_id"]: each["revoked_at"] for each in (await manager.get("/v1/tills")).json["items"]}
    (line,) = (await manager.get("/v1/trail", action="till_revoked")).json["items"]

    assert (refused.status, unknown.status, unknown.json["code"]) == (403, 404, "till")
    assert listed[till.till_id] == "2026-09-21T14:13:20Z" and listed[manager.till_id] is None
    assert (line["subject"], line["actor"]) == (till.till_id, f"till:{manager.till_id}")


async def test_the_machine_lists_and_revokes_without_a_managers_token(hub: Any, till: Any, tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(
        '[store]\nid = "hk01"\nname_zh_hant = "店"\nname_en = "Shop"\ncurrency = "HKD"\n', encoding="utf-8"
    )

    async def command(*words: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "hub", "tills", *words, "--config", str(config)]
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    before = await command("list")
    revoked, unknown = await command("revoke", "t1"), await command("revoke", "t9")
    after = await command("list")

    assert before == (0, "t1\ttill\tCounter\tpaired 2026-09-21T14:13:20Z\tgood\n")
    assert (revoked[0], after[1].endswith("revoked 2026-09-21T14:13:20Z\n")) == (0, True)
    assert unknown[0] == 1 and "no till 't9'" in unknown[1] and "Traceback" not in unknown[1]
    assert (await till.get("/v1/shop")).status == 401
    assert till.token not in before[1] + after[1]
