"""`kill -9` under eight tills, then a judge that shares no code with the store: plain sqlite3, json and hashlib.

Every till sells, takes back, takes goods in and enrols with ids of its own making and repeats each under the same id
until it is answered (tills.py). Kills come at drawn moments and at every named failpoint, also while the hub recovers
from the kill before. Replay a run by seed:

    STOREHUB_SEED=12345 .venv/bin/pytest tests/faults -q -s
"""

import asyncio
import os
import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devices.testing.printer import SimulatedPrinter
from tests.faults.figures import Run, head, note
from tests.faults.tills import OPENING, QUIET_S, SKUS, TILLS, Tills, open_shop, printed_twice_unmarked, settle_prints

DRAWN_KILLS = 200 if os.environ.get("STOREHUB_FULL") else 20  # ./test --full draws the larger number
WORKING = (
    *("commit.before", "commit.after", "job.done"),
    *("sale.dot_taken", "sale.written", "return.dot_taken", "return.written"),
)
STARTING = ("recovery.identified", "recovery.prints_settled")
MIGRATING = ("migrate.before_commit",)
PRINTING = ("print.ended",)  # also hit by a start that settles what was printing: in a test of its own
LOADING = ("link.loaded",)  # test_line.py
PROMISING = ("promise.ended",)  # tests/sync/test_rights_stored.py
COUPONS = ("coupon.redeemed", "coupon.released")  # the simulator
COMMITS_OF_A_START = 4  # who we are and where; what could not be read before; what was printing when we died
PRINTER_LINES_PER_S = 400.0  # a receipt takes a twentieth of a second: most kills find one on its way
KILL_AFTER_S = (0.0, 0.5)  # from ready to the kill; a sale takes a few milliseconds

MakeHub = Callable[..., Any]


@pytest.fixture
def seed() -> int:
    """The seed of this run, printed; STOREHUB_SEED repeats one."""
    seed = int(os.environ.get("STOREHUB_SEED") or random.SystemRandom().randrange(10**9))
    print(f"replay: STOREHUB_SEED={seed} .venv/bin/pytest tests/faults -q -s")
    return seed


async def opened(hub: Any) -> list[tuple[str, str]]:
    """Open the shop at a hub that runs; return tokens and names of its tills."""
    async with hub.control() as control:
        return await open_shop(control, hub.url)


async def start_after(hub: Any, failpoint: str = "") -> bool:
    """Start the hub; say whether it got ready."""
    try:
        await hub.start(failpoint=failpoint)
    except Exception as err:
        if type(err).__name__ != "DiedError":  # conftest's error: tests cannot import each other's files
            raise
        return False
    return True


async def storm(hub: Any, tills: Tills, rng: random.Random) -> None:
    """Kill and start the hub at drawn moments and at each failpoint, in drawn order."""
    moments = ["" for _ in range(DRAWN_KILLS)] + [
        f"{name}:{COMMITS_OF_A_START + rng.randint(1, 25)}" for name in WORKING
    ]
    rng.shuffle(moments)
    kills = 0
    for moment in moments:
        tills.hub_is(False)
        if rng.random() < 0.15:
            assert not await start_after(hub, rng.choice(STARTING))  # killed while it recovers, and once more below
        assert await start_after(hub, moment)
        tills.hub_is(True)
        if moment:
            assert await hub.died(QUIET_S), f"{moment} was never reached"
        elif not await hub.died(rng.uniform(*KILL_AFTER_S)):
            kills += 1
            await tills.are_ahead_of(kills)
            await hub.kill()
    for name in STARTING:
        assert not await start_after(hub, name)


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
async def test_no_answered_sale_is_lost_or_doubled_by_any_kill(hub_process: MakeHub, judge: Any, seed: int) -> None:
    rng = random.Random(seed)
    async with SimulatedPrinter(lines_per_s=PRINTER_LINES_PER_S) as printer:
        hub = hub_process(printer_address=printer.address)
        await hub.start()
        paired = await opened(hub)
        await hub.kill()
        tills = Tills(rng, hub.url)
        async with asyncio.TaskGroup() as group:
            for token, till_id in paired:
                group.create_task(tills.shift(token, till_id), name=till_id)
            await storm(hub, tills, rng)
            await hub.start()
            tills.stop()
            tills.hub_is(True)
        printer.lines_per_s = 0
        await settle_prints(hub.url, paired[0][0])
        await hub.kill()
        paper = [line for receipt in printer.receipts for line in receipt.lines()] + printer.uncut.lines()

    verdict = judge(hub.folder)
    note(run_of(seed, tills, verdict))
    assert len(tills.answers) > DRAWN_KILLS * TILLS
    assert verdict.integrity == "ok"
    assert verdict.answers == tills.answers, "each answered sale is there once, as it was answered"
    assert verdict.return_answers == tills.returns, "and each answered return"
    assert len(tills.returns) > DRAWN_KILLS
    assert verdict.gaps() == []
    assert verdict.streams_that_differ() == []
    moved = (tills.posted.values(), tills.returns.values(), tills.deliveries.values())
    assert verdict.wrong_stock(dict.fromkeys(SKUS, OPENING), *moved) == {}
    assert {name: dot for name, dot in verdict.documents.items() if name in tills.deliveries} == tills.delivered
    assert dict(verdict.members) == dict.fromkeys(tills.enrolled, 1) and len(verdict.members) == len(tills.enrolled)
    assert len(verdict.prints) > DRAWN_KILLS, "the printer had work at every kill"
    assert verdict.prints == {sale_id for sale_id, sale in tills.posted.items() if sale["print"]}
    assert verdict.results_that_differ() == []
    assert printed_twice_unmarked(paper) == []
    assert "Traceback" not in hub.log.read_text(encoding="utf-8")


def run_of(seed: int, tills: Tills, found: Any) -> Run:
    """Return what is written down of the storm."""
    kills = DRAWN_KILLS + len(WORKING)
    sold, returned = found.answers, found.return_answers
    lost = sum(sold.get(name) != answer for name, answer in tills.answers.items())
    lost += sum(returned.get(name) != answer for name, answer in tills.returns.items())
    lost += len(set(tills.delivered) - set(found.documents)) + len(tills.enrolled - set(dict(found.members)))
    return Run("kills", seed, kills, tills.answered, lost, found.doubled, head())


async def test_a_first_start_killed_in_the_migration_starts_again(hub_process: MakeHub, judge: Any) -> None:
    hub = hub_process()
    assert not await start_after(hub, *MIGRATING)

    await hub.start()
    paired = await opened(hub)
    await hub.kill()

    assert (judge(hub.folder).integrity, len(paired)) == ("ok", TILLS)


async def test_recovery_killed_at_each_step_again_and_again_ends_well(hub_process: MakeHub, judge: Any) -> None:
    hub = hub_process()
    await hub.start()
    await opened(hub)
    await hub.kill()

    for name in STARTING * 2:
        assert not await start_after(hub, name)
    await hub.start()
    await hub.kill()

    assert judge(hub.folder).wrong_stock(dict.fromkeys(SKUS, OPENING), []) == {}


async def test_an_answer_lost_by_a_kill_after_the_commit_is_given_again(hub_process: MakeHub, judge: Any) -> None:
    """The commit is on disk, the till never heard: the same id gets the first sale's answer, not a second sale."""
    hub = hub_process()
    await hub.start()
    ((token, till_id), *_) = await opened(hub)
    await hub.kill()
    await hub.start(failpoint=f"commit.after:{COMMITS_OF_A_START + 1}")
    sale = Tills(random.Random(0), hub.url).draw_sale(till_id) | {"print": False}

    async with aiohttp.ClientSession(hub.url, headers={"Authorization": f"Bearer {token}"}) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post("/v1/sales", json=sale)
        await hub.died(QUIET_S)
        await hub.start()
        async with session.post("/v1/sales", json=sale) as response:
            status, body = response.status, await response.json()
    await hub.kill()

    assert status == 200
    assert judge(hub.folder).answers[sale["sale_id"]] == body


async def test_a_print_killed_as_it_ends_is_unknown_with_one_result(hub_process: MakeHub, judge: Any) -> None:
    """The ledger is changed, the fact is not written yet: neither is there after the kill, also when the start is killed so."""
    async with SimulatedPrinter() as printer:
        hub = hub_process(printer_address=printer.address)
        await hub.start(failpoint=PRINTING[0])
        ((token, till_id), *_) = await opened(hub)
        tills, prints = Tills(random.Random(0), hub.url), True
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(hub.url, headers=headers) as session, asyncio.timeout(QUIET_S):
            with suppress(aiohttp.ClientError):
                while True:  # what is on paper is written with the next sale
                    await session.post("/v1/sales", json=tills.draw_sale(till_id) | {"print": prints})
                    prints = False
        assert await hub.died(QUIET_S)
        before = judge(hub.folder)

        assert not await start_after(hub, PRINTING[0]), "killed while it settles what was printing"
        await hub.start()
        await hub.kill()
    after = judge(hub.folder)

    assert [(state, before.results) for _, _, state, _ in before.jobs] == [("printing", [])]
    assert [state for _, _, state, _ in after.jobs] == ["unknown"]
    assert len(after.results) == 1 and after.results_that_differ() == [] and after.streams_that_differ() == []


def test_every_failpoint_of_the_code_is_killed_at() -> None:
    """A failpoint that no test uses protects nothing; those of the cloud end have theirs in tests/cloud."""
    root = Path(__file__).parents[2]
    paths = [path for room in ("hub", "sync") for path in (root / room).rglob("*.py") if "cloud" not in path.parts]
    code = "\n".join(path.read_text(encoding="utf-8") for path in paths)

    used = {*WORKING, *STARTING, *MIGRATING, *PRINTING, *PROMISING, *LOADING, *COUPONS}
    assert set(re.findall(r'failpoints\.hit\("([a-z_.]+)"\)', code)) == used


async def test_a_second_start_of_a_killed_hub_waits_for_no_lock(hub_process: MakeHub) -> None:
    hub = hub_process()
    holders: list[str] = []
    for _ in range(2):
        await hub.start()
        holders.append((hub.folder / "hub.lock").read_text())
        await hub.kill()

    assert len(set(holders)) == 2, "each start has the lock in its own name"


async def test_the_tills_get_problems_not_silence_when_the_id_is_reused(hub_process: MakeHub) -> None:
    """After all kills the API still knows its rules: other content under a known id is a conflict."""
    hub = hub_process()
    await hub.start()
    ((token, till_id), *_) = await opened(hub)
    tills = Tills(random.Random(1), hub.url)
    first = tills.draw_sale(till_id) | {"print": False}
    async with aiohttp.ClientSession(hub.url, headers={"Authorization": f"Bearer {token}"}) as session:
        await session.post("/v1/sales", json=first)
        await hub.kill()
        await hub.start()
        other = tills.draw_sale(till_id) | {"print": False, "sale_id": first["sale_id"], "cashier_id": "c1"}
        async with session.post("/v1/sales", json=other) as response:
            assert (response.status, (await response.json())["code"]) == (409, "other_content")
