"""A printer that does not work is stood in for: on a real ledger, with the spoolers of two printers and a clock by hand."""

import asyncio
from typing import Any

import pytest

from devices.document import Document, DrawerPulse, Text
from devices.drivers.escpos_printer import DRIVER, Options
from devices.errors import JobTakenError
from devices.model import Health
from devices.supervision.outside import DeviceSpec, DeviceState
from hub.config import parse_config
from hub.printing.failover import FailOver
from hub.printing.spooler import Spooler
from hub.store.selling import printing
from hub.store.selling.printing import PrintJobView
from sync.errors import ConfigError

NOTE = Document((Text("note"), DrawerPulse()))
WAIT_S = 60.0


class Lane:
    """Two printers, each the other's stand-in unless told otherwise; `tick` moves the clock."""

    def __init__(self, store: Any, *, both: bool = True) -> None:
        self.store, self.now_s, self.told = store, 1_000.0, []
        self.spoolers = {
            name: Spooler(
                store.db,
                lambda: store.replica,
                name,
                now_ms=lambda: 7,
                monotonic_s=lambda: self.now_s,
                render=lambda job, _sale: job.document or NOTE,
                announce=self._announce,
            )
            for name in ("p1", "p2")
        }
        options = {
            "p1": Options(address="10.0.0.1", instead="p2", instead_after_s=10),
            "p2": Options(address="10.0.0.2", instead="p1" if both else "", instead_after_s=10),
        }
        specs = [DeviceSpec(name, "escpos_printer", DRIVER, given) for name, given in options.items()]
        self.fail_over = FailOver(
            store.db,
            self.spoolers,
            specs,
            now_ms=lambda: 7,
            monotonic_s=lambda: self.now_s,
            announce=self._announce,
        )

    def _announce(self, job: PrintJobView) -> None:
        self.told.append((job.job_id, job.printer_id, job.instead_of, job.state))

    def status(self, name: str, health: Health, reason: str = "") -> None:
        self.fail_over.on_status(DeviceState(name, "escpos_printer", "POSPrinter", health, reason, "", 7, {}))

    def tick(self, seconds: float, name: str = "p1") -> None:
        """Let time pass, and the timer of a printer come due if it would have."""
        self.now_s += seconds
        timer = self.fail_over._timers.get(name)
        if timer is not None:
            timer.cancel()
            self.fail_over._due(name)

    async def queue(self, job_id: str, printer_id: str = "p1") -> None:
        await self.store.db.write(lambda tx: printing.queue_document(tx, job_id, NOTE, printer_id=printer_id, now_ms=1))
        self.spoolers[printer_id].poke()

    async def commit(self) -> None:
        """Have what was to be written soon, and what follows from it, in the ledger."""
        for _ in range(3):
            await self.store.db.write(lambda tx: None)

    async def waits(self, name: str) -> "asyncio.Task[Any]":
        """A driver that works and waits for its next job."""
        self.status(name, Health.READY)
        task = asyncio.ensure_future(self.spoolers[name].next_job())
        await asyncio.sleep(0)
        return task

    def where(self, job_id: str) -> tuple[str, str, str | None]:
        job = printing.job_view(self.store.db.read, job_id)
        return job.state, job.printer_id, job.instead_of


@pytest.fixture
def lane(store: Any) -> Lane:
    return Lane(store)


async def test_what_is_queued_goes_to_the_other_printer_after_a_while_and_not_before(lane: Lane) -> None:
    other = await lane.waits("p2")
    lane.status("p1", Health.DEGRADED, "paper_out")
    await lane.queue("a")
    lane.tick(9.9)
    await lane.commit()
    early = lane.where("a")
    lane.tick(0.2)

    async with asyncio.timeout(WAIT_S):
        job = await other
    assert (early, job.job_id, lane.where("a")) == (("queued", "p1", None), "a", ("queued", "p2", "p1"))
    assert lane.told[-1] == ("a", "p2", "p1", "queued")


async def test_what_comes_while_it_is_out_moves_at_once_and_what_comes_after_does_not(lane: Lane) -> None:
    other = await lane.waits("p2")
    lane.status("p1", Health.OFFLINE, "not_attached")
    lane.tick(11)
    await lane.queue("a")
    async with asyncio.timeout(WAIT_S):
        job = await other
    await job.begin()
    await job.printed()
    own = await lane.waits("p1")
    await lane.queue("b")
    async with asyncio.timeout(WAIT_S):
        back = await own

    assert (back.job_id, lane.where("b")) == ("b", ("queued", "p1", None))


async def test_both_out_leaves_the_job_queued_until_one_works(lane: Lane) -> None:
    for name in ("p1", "p2"):
        lane.status(name, Health.OFFLINE)
    await lane.queue("a")
    lane.tick(11, "p1")
    lane.tick(0, "p2")
    await lane.commit()
    while_both_out = lane.where("a")
    other = await lane.waits("p2")
    async with asyncio.timeout(WAIT_S):
        await other

    assert while_both_out == ("queued", "p1", None)
    assert lane.where("a") == ("queued", "p2", "p1")


async def test_a_job_that_has_begun_stays_and_those_begun_behind_it_move(lane: Lane) -> None:
    for job_id in "abc":
        await lane.queue(job_id)
    lane.status("p1", Health.READY)
    first = await lane.spoolers["p1"].next_job()
    await first.begin()
    assert [lane.where(each)[0] for each in "abc"] == ["printing"] * 3
    other = await lane.waits("p2")

    lane.status("p1", Health.DEGRADED, "paper_out")
    lane.tick(11)
    await lane.commit()

    async with asyncio.timeout(WAIT_S):
        assert (await other).job_id == "b"
    assert [lane.where(each) for each in "abc"] == [
        ("printing", "p1", None),
        ("queued", "p2", "p1"),
        ("queued", "p2", "p1"),
    ]
    await first.printed()
    await lane.commit()
    assert lane.where("a") == ("printed", "p1", None)


async def test_a_job_that_moved_while_a_driver_held_it_is_begun_by_one_printer_only(lane: Lane) -> None:
    """The first printer took the job in hand, then its paper ended; it comes back just when the job is gone."""
    await lane.queue("a")
    lane.status("p1", Health.READY)
    held = await lane.spoolers["p1"].next_job()
    other = await lane.waits("p2")
    lane.status("p1", Health.DEGRADED, "paper_out")
    lane.tick(11)
    await lane.commit()
    async with asyncio.timeout(WAIT_S):
        job = await other
    await job.begin()

    with pytest.raises(JobTakenError):
        await held.begin()
    waiting = asyncio.ensure_future(lane.spoolers["p1"].next_job())
    await lane.commit()

    assert lane.where("a") == ("printing", "p2", "p1"), "the first printer's return does not put it in doubt"
    waiting.cancel()


async def test_a_retry_of_a_moved_job_goes_to_its_own_printer_again(lane: Lane) -> None:
    other = await lane.waits("p2")
    lane.status("p1", Health.OFFLINE)
    lane.tick(11)
    await lane.queue("a")
    async with asyncio.timeout(WAIT_S):
        job = await other
    await job.begin()
    await job.unknown("connection_lost")
    lane.status("p1", Health.READY)

    again = await lane.store.db.write(lambda tx: printing.retry(tx, "a", now_ms=9))

    assert (again.printer_id, again.instead_of, again.mark) == ("p1", None, "repeat")


async def test_a_job_that_moves_back_is_nobodys_stand_in(lane: Lane) -> None:
    await lane.queue("a")
    for printer, to in (("p1", "p2"), ("p2", "p1")):
        await lane.store.db.write(lambda tx, printer=printer, to=to: printing.move(tx, printer, to=to, now_ms=9))

    assert lane.where("a") == ("queued", "p1", None)


async def test_a_moved_job_says_so_when_it_is_handed_out(lane: Lane) -> None:
    await lane.queue("a")
    await lane.store.db.write(lambda tx: printing.move(tx, "p1", to="p2", now_ms=9))

    found = printing.next_job(lane.store.db.read, "p2")

    assert found is not None and found.is_moved


def _file(**printers: dict[str, Any]) -> dict[str, Any]:
    return {
        "store": {"id": "hk01", "name_zh_hant": "店", "name_en": "Shop", "currency": "HKD"},
        "devices": {name: {"kind": "escpos_printer", **options} for name, options in printers.items()},
    }


def test_a_stand_in_must_be_another_printer_of_the_file(tmp_path: Any) -> None:
    good = {"address": "10.0.0.2"}
    parse_config(_file(one={"address": "10.0.0.1", "instead": "two"}, two=good), base=tmp_path)

    with pytest.raises(ConfigError, match="did you mean 'lane2'"):
        parse_config(_file(one={"address": "10.0.0.1", "instead": "lane-2"}, lane2=good), base=tmp_path)
    with pytest.raises(ConfigError, match="no other POSPrinter"):
        parse_config(_file(one={"address": "10.0.0.1", "instead": "one"}), base=tmp_path)
