"""The power of the machine is cut while a shop sells, and its disk loses what was not flushed.

Fast: the machine wakes from one frozen moment, works for seconds, loses its power, and this host reads its disk. Cold: it
boots again by itself and sells on. The same with a hub that does not wait for its disk must lose something, or nothing is
shown.

    export STOREHUB_FULL=1 STOREHUB_SEED=12345 STOREHUB_POWER_CUTS=5
    .venv/bin/python -m pytest -n 0 -s tests/appliance/test_power_is_cut.py
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from devices.testing.printer import SimulatedPrinter
from tests.appliance.disk_auditor import read_disk
from tests.appliance.guest_hub import DATA
from tests.appliance.machine import Machine
from tests.appliance.power import (
    PRINTER_LINES_PER_S,
    Frozen,
    at_another_hub,
    awake,
    copied,
    drawn,
    found_shop,
    paper_of,
    ready,
    switched_on,
)
from tests.appliance.shift import BASELINE, Outside, Shift, lost, wrong
from tests.appliance.volatile_disk import Cut, VolatileDisk
from tests.faults.figures import Run, head, note
from tests.faults.tills import settle_prints
from tests.faults.verdict import Verdict

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
]
FAST_CUTS = int(os.environ.get("STOREHUB_POWER_CUTS") or 30)
COLD_CUTS = 3
FORGETFUL_CUTS = 4
COPYING_CUTS = 10
SALES_FIRST = 4  # answered before the moment is drawn: the shop is at work
WRITES_TO_THE_CUT = (1, 40)  # of the disk: most cuts come in the middle of a commit
SECONDS_TO_THE_CUT = (0.5, 4.0)  # where the disk writes less than that
COLD_SALES = 12
PATIENCE_S = 120


@dataclass
class Tally:
    """What all cuts of a test come to."""

    answered: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, shift: Shift, found: Verdict) -> None:
        """Count what a shift was answered."""
        tills = shift.tills
        kinds = {"sales": tills.answers, "returns": tills.returns, "deliveries": tills.delivered}
        self.answered.update({kind: len(answered) for kind, answered in kinds.items()})
        self.answered.update(
            members=len(tills.enrolled),
            visitors=sum(shift.told.values()) - BASELINE,
            prints=sum(state != "queued" for _, _, state, _ in found.jobs),
        )

    def take(self, shift: Shift, found: Verdict, paper: list[str]) -> list[str]:
        """Count what a cut did; return what it lost."""
        gone = lost(shift, found, paper)
        self.lost += len(gone)
        self.doubled += found.doubled
        self.wrong += wrong(shift, found, paper)
        return gone

    def run(self, what: str, seed: int, cuts: int) -> Run:
        """Return what is written down of it."""
        return Run(what, seed, cuts, self.answered.total(), self.lost, self.doubled, head())


@pytest.fixture(scope="module")
def seed() -> int:
    """The seed of this run, printed; STOREHUB_SEED repeats one."""
    seed = int(os.environ.get("STOREHUB_SEED") or random.SystemRandom().randrange(10**9))
    print(f"replay: STOREHUB_SEED={seed}")
    return seed


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Frozen]:
    """A shop that is open, frozen; its gigabytes are gone afterwards."""
    folder = tmp_path_factory.mktemp("shop")
    yield await found_shop(folder)
    for file in folder.glob("*.r[a][wm]"):
        file.unlink()


async def test_no_answered_write_is_lost_or_doubled_by_a_power_cut(shop: Frozen, tmp_path: Path, seed: int) -> None:
    tally = Tally()
    for number in range(FAST_CUTS):
        await one_cut(shop, tmp_path, drawn(seed, number), tally)
    note(tally.run("power cut, disk read", seed, FAST_CUTS))
    print(dict(tally.answered))
    assert (tally.lost, tally.wrong) == (0, [])
    assert all(tally.answered[kind] for kind in ("sales", "returns", "deliveries", "members", "visitors", "prints"))


async def test_nothing_is_lost_by_a_power_cut_while_the_log_is_copied_beside_the_writer(
    shop: Frozen, tmp_path: Path, seed: int
) -> None:
    tally, copies = Tally(), await at_another_hub(shop, tmp_path, "copies_always")
    for number in range(COPYING_CUTS):
        await one_cut(copies, tmp_path, drawn(seed, FAST_CUTS + number), tally)
    note(tally.run("power cut while the log is copied, disk read", seed, COPYING_CUTS))
    assert (tally.lost, tally.wrong) == (0, [])


async def test_a_hub_that_does_not_wait_for_its_disk_is_found_out(shop: Frozen, tmp_path: Path, seed: int) -> None:
    """synchronous=NORMAL (guest/forgetful.py): answers are lost, what is left is intact."""
    tally, forgets = Tally(), await at_another_hub(shop, tmp_path, "forgetful")
    for number in range(FORGETFUL_CUTS):
        await one_cut(forgets, tmp_path, drawn(seed, -1 - number), tally)
    note(tally.run("power cut, synchronous=NORMAL, disk read", seed, FORGETFUL_CUTS))
    assert tally.lost > 0, "the harness does not tell a durable hub from one that is not"
    assert tally.wrong == []


async def test_after_a_power_cut_one_boot_sells_again(shop: Frozen, tmp_path: Path, seed: int) -> None:
    rng, image = drawn(seed, FAST_CUTS), await shop.copy_of_disk(tmp_path / "cold.raw")
    shift = Shift(rng, shop.outside)
    tally, tills = Tally(), shift.tills
    async with SimulatedPrinter(lines_per_s=PRINTER_LINES_PER_S) as printer, shift.at_work():
        for number in range(COLD_CUTS + 1):
            disk, begun_s = VolatileDisk(image), time.monotonic()
            async with switched_on(shop.image, tmp_path, disk, printer, shop.ports) as machine:
                await ready(shop.outside.url)
                ready_s, sold = time.monotonic() - begun_s, len(tills.answers)
                tills.hub_is(True)
                async with asyncio.timeout(PATIENCE_S):
                    await tills.have_sold(sold + 1)
                    print(f"boot {number}: ready {ready_s:.1f} s, sold {time.monotonic() - begun_s:.1f} s after power")
                    await tills.have_sold(sold + COLD_SALES)
                if number < COLD_CUTS:
                    await moment_to_cut(disk, rng)
                else:
                    await all_is_done(shift, printer, shop.outside)
                    await machine.run("systemctl stop storehub")  # what is on paper is written
                cut = cut_the_power(machine, disk, rng, shift)
            found = await audited(await copied(image, tmp_path / "read.raw"), tmp_path)  # it boots from what is left
            print(f"cut {number}: {cut}; {tally.take(shift, found, paper_of(printer)) or 'nothing lost'}")
            printer.lines_per_s = PRINTER_LINES_PER_S
            assert (tally.lost, tally.wrong) == (0, [])
            assert len(found.replicas) == 1, "the same hub goes on"
    tally.count(shift, found)
    note(tally.run("power cut, booted again", seed, COLD_CUTS))
    assert (found.answers, found.return_answers) == (tills.answers, tills.returns), "each that was ever sent is there"
    assert found.entered["door"] == shift.entered
    assert {state for _, _, state, _ in found.jobs} == {"printed"}


async def one_cut(shop: Frozen, folder: Path, rng: random.Random, tally: Tally) -> None:
    """Wake the shop, let it work, cut the power at a drawn moment, and read the disk."""
    image = await shop.copy_of_disk(folder / "cut.raw")
    disk, shift = VolatileDisk(image), Shift(rng, shop.outside)
    async with (
        SimulatedPrinter(lines_per_s=PRINTER_LINES_PER_S) as printer,
        awake(shop, folder, disk, printer) as machine,
    ):
        async with shift.at_work():
            shift.tills.hub_is(True)
            async with asyncio.timeout(PATIENCE_S):
                await shift.tills.have_sold(SALES_FIRST)
            await moment_to_cut(disk, rng)
            cut = cut_the_power(machine, disk, rng, shift)
        paper = paper_of(printer)
    found = await audited(image, folder)
    tally.count(shift, found)
    gone = tally.take(shift, found, paper)
    print(f"{shift.tills.answered} answered; {cut}; {f'lost {len(gone)}' if gone else 'nothing lost'}", flush=True)
    if tally.lost + len(tally.wrong):
        print(gone[:5], tally.wrong)


async def moment_to_cut(disk: VolatileDisk, rng: random.Random) -> None:
    """Return at a drawn moment of the disk's work."""
    disk.stop_after(rng.randint(*WRITES_TO_THE_CUT))
    with suppress(TimeoutError):
        async with asyncio.timeout(rng.uniform(*SECONDS_TO_THE_CUT)):
            await disk.stopped.wait()


def cut_the_power(machine: Machine, disk: VolatileDisk, rng: random.Random, shift: Shift) -> Cut:
    """All at one moment: the processor stops, the disk forgets, and nobody is answered any more."""
    machine.lose_power()
    shift.tills.hub_is(False)
    return disk.cut(rng)


async def all_is_done(shift: Shift, printer: SimulatedPrinter, outside: Outside) -> None:
    """Let everybody end what is at hand, and somebody settle what the printer does not know."""
    printer.lines_per_s = 0
    async with asyncio.timeout(PATIENCE_S):
        await shift.ends()
    await settle_prints(outside.url, outside.office)


async def audited(image: Path, folder: Path) -> Verdict:
    """Read a disk that no machine boots from any more."""
    return await asyncio.to_thread(read_disk, image, folder=DATA, to=folder / "read")
