"""The hub's clock in the shop: a start without line, jumps by years, contacts, tills, a person, kills. No clock is waited for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.api.replica.clock import ConfirmRequest
from hub.clock import SAVE_EVERY_MS, TILLS_MAX, HubClock, start_clock
from hub.errors import ConflictError, RefusedError
from hub.machine_clock import MachineClock, kernel_is_synchronous
from hub.store.model import utc
from hub.store.replica.clock import load_clock, save_clock, write_stamped
from sync.batch import START, Batch, Boundary, batch_of
from sync.clock import AHEAD_MAX_MS, STEP_MAX_MS, TIME_MAX_MS, TIME_MIN_MS, Contact, Stamp, Trust
from sync.line.state import LinkState
from sync.merge import Cell
from sync.model import Feed
from sync.retail.people.members import MEMBER, MemberRow
from tests.hub.clock_world import DAY, HOUR, MINUTE, NOW, YEAR, Machine, Shop, card_of, shop_on

BOOT_1970 = 3_000
UNSURE = ["clock_unsure"]


def ms_of(moment: Any) -> int:
    return round(moment.timestamp() * 1000)


def codes(answer: Any) -> list[str]:
    return [warning.code for warning in answer.warnings]


def line_opens(shop: Shop, true_ms: int) -> None:
    """The line has come up; the hello said how far the cloud is ahead of what this hub takes for the time."""
    offset_ms = true_ms - shop.hub.clock.corrected_ms()
    shop.hub.replication.on_link(LinkState(True, "", "", NOW, "cloud:c", offset_ms))


async def test_a_boot_in_1970_without_a_line_sells_on_from_the_last_commit_and_marks_every_sale(
    tmp_path: Path, catalogue: Any, sale: Callable[..., Any]
) -> None:
    machine = Machine(is_synchronous=True)
    async with shop_on(tmp_path / "hub.db", machine, catalogue) as shop:
        machine.passes(HOUR)
        before = await shop.sell(sale())
        assert codes(before) == [] and ms_of(before.committed_at) == NOW + HOUR

    machine.is_synchronous = False
    machine.boot(BOOT_1970)
    async with shop_on(tmp_path / "hub.db", machine) as shop:
        machine.passes(5 * MINUTE)
        sold = await shop.sell(sale())
        back = await shop.take_back(sold.sale_id)

        assert codes(sold) == codes(back) == UNSURE
        assert ms_of(sold.committed_at) == NOW + HOUR + 5 * MINUTE
        assert sold.business_date == "2026-09-21" and sold.receipt_no.endswith("000002")
        view = await shop.view()
        assert (view.sure, view.source, view.offset_ms) == (False, "saved", NOW + HOUR - BOOT_1970)
        assert "storehub_clock_sure 1.0" not in shop.hub.metrics.render().decode()


async def test_the_line_corrects_the_offset_and_what_was_stamped_stays(
    tmp_path: Path, catalogue: Any, sale: Callable[..., Any]
) -> None:
    machine = Machine()
    async with shop_on(tmp_path / "hub.db", machine, catalogue) as shop:
        first = await shop.sell(sale())
        assert shop.alarms() == []

        line_opens(shop, NOW + 3 * YEAR)
        second = await shop.sell(sale())

        assert codes(first) == UNSURE and codes(second) == []
        assert (ms_of(first.committed_at), ms_of(second.committed_at)) == (NOW, NOW + 3 * YEAR)
        assert shop.alarms() == ["clock_sure"]
        view = await shop.view()
        assert (view.sure, view.source, view.offset_ms) == (True, "cloud", 3 * YEAR)
        assert shop.hub.replication.view().clock_offset_ms == 3 * YEAR, "of the machine's clock, which is still wrong"
        assert not shop.hub.replication.view().clock_unsure
        line_opens(shop, NOW + 3 * YEAR)
        assert shop.hub.replication.view().clock_offset_ms == 3 * YEAR
        shop.hub.replication.on_link(LinkState(False, "hung_up", "", NOW, "cloud:c", 0))
        assert shop.hub.replication.view().clock_offset_ms == 3 * YEAR


@pytest.mark.parametrize("jump_ms", [40 * YEAR, -55 * YEAR, 400 * YEAR, -400 * YEAR, HOUR, -HOUR])
async def test_a_jump_of_the_wall_clock_moves_no_time_and_marks_sales_until_the_next_contact(
    tmp_path: Path, catalogue: Any, sale: Callable[..., Any], jump_ms: int
) -> None:
    machine = Machine()
    async with shop_on(tmp_path / "hub.db", machine, catalogue) as shop:
        line_opens(shop, NOW)
        machine.wall_ms += jump_ms
        machine.passes(MINUTE)
        sold = await shop.sell(sale())
        machine.passes(MINUTE)
        later = await shop.sell(sale())

        assert codes(sold) == codes(later) == UNSURE
        assert [ms_of(each.committed_at) for each in (sold, later)] == [NOW, NOW + MINUTE]
        assert shop.alarms() == ["clock_sure", "clock_unsure"]

        line_opens(shop, NOW + 2 * MINUTE)
        healed = await shop.sell(sale())
        assert codes(healed) == [] and ms_of(healed.committed_at) == NOW + 2 * MINUTE
        assert shop.alarms() == ["clock_sure"]


async def test_ntp_that_sets_a_wrong_clock_right_is_believed_at_once_and_before_the_cloud(tmp_path: Path) -> None:
    machine = Machine(wall_ms=NOW - 3 * YEAR)
    async with shop_on(tmp_path / "hub.db", machine) as shop:
        assert not (await shop.view()).sure
        machine.is_synchronous = True
        machine.wall_ms = NOW

        view = await shop.view()
        assert (view.sure, view.source, ms_of(view.now), view.offset_ms) == (True, "machine", NOW, 0)
        line_opens(shop, NOW + 30 * YEAR)
        assert ms_of((await shop.view()).now) == NOW, "a cloud whose clock has jumped is not heard"
        assert shop.hub.replication.view().clock_offset_ms == 30 * YEAR, "and named"


@pytest.mark.parametrize("year_ms", [0, 10**13, -(10**15), 10**17])
async def test_a_cloud_with_a_year_that_cannot_be_is_named_once_and_not_heard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, year_ms: int
) -> None:
    async with shop_on(tmp_path / "hub.db", Machine()) as shop:
        for _ in range(3):
            line_opens(shop, year_ms)

        assert not shop.hub.clock.is_sure and shop.hub.clock.now_ms() == NOW
    said = [record for record in caplog.records if "never set tells the time" in record.message]
    assert len(said) == 1


async def test_a_cloud_that_pulls_tells_the_time_with_its_hello(tmp_path: Path) -> None:
    async with shop_on(tmp_path / "hub.db", Machine()) as shop:
        shop.hub.replication.told_time("reader1", NOW + YEAR)
        assert not shop.hub.clock.is_sure, "a reader beside the store's cloud is not heard"

        shop.hub.replication.mode = "pull"
        shop.hub.replication.told_time("cloud1", NOW + YEAR)
        assert (shop.hub.clock.is_sure, shop.hub.clock.now_ms()) == (True, NOW + YEAR)


async def test_the_manager_confirms_the_date_once_and_a_contact_overrules_it(
    tmp_path: Path, catalogue: Any, sale: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with shop_on(tmp_path / "hub.db", Machine(), catalogue) as shop:
        with pytest.raises(RefusedError) as refused:
            await shop.confirm(ConfirmRequest(utc(5)))
        assert (refused.value.code, refused.value.pointer) == ("clock_range", "/now")

        view = await shop.confirm(ConfirmRequest(utc(NOW + 5 * YEAR)))
        wrong = await shop.sell(sale())
        assert (view.sure, view.source, codes(wrong)) == (True, "manager", [])

        line_opens(shop, NOW)
        right = await shop.sell(sale())
        assert ms_of(right.committed_at) == NOW, "a mistyped year is not on every sale until it comes"
        assert [record for record in caplog.records if "set back" in record.message]
        assert ms_of(wrong.committed_at) == NOW + 5 * YEAR
        with pytest.raises(ConflictError, match="cloud tells the time"):
            await shop.confirm()


async def test_what_is_shown_can_be_confirmed_as_it_is(tmp_path: Path) -> None:
    async with shop_on(tmp_path / "hub.db", Machine()) as shop:
        view = await shop.confirm()

        assert (view.sure, view.source, ms_of(view.now), shop.alarms()) == (True, "manager", NOW, ["clock_sure"])


async def test_three_tills_move_an_unsure_clock_forwards_by_the_sales_they_make(
    tmp_path: Path, catalogue: Any, sale: Callable[..., Any]
) -> None:
    machine = Machine()
    async with shop_on(tmp_path / "hub.db", machine, catalogue) as shop:
        clock = shop.hub.clock
        for till_id, shown_ms in (("t2", NOW + 2 * DAY), ("t3", NOW + 50 * YEAR), ("t4", BOOT_1970)):
            clock.till_shows(till_id, shown_ms)
        assert clock.now_ms() == NOW, "two that were ever set"

        await shop.sell(sale(sold_at=utc(NOW + 90 * DAY), offline=True))
        assert clock.now_ms() == NOW, "when a sale was made off line is no time of now"
        machine.passes(MINUTE)
        sold = await shop.sell(sale(sold_at=utc(NOW + 2 * DAY)))

        assert ms_of(sold.committed_at) == NOW + 2 * DAY + MINUTE, "the middle one of three, a minute later"
        assert codes(sold) == UNSURE
        view = await shop.view()
        assert (view.source, [each.till_id for each in view.tills]) == ("tills", ["t1", "t2", "t3", "t4"])
        line_opens(shop, NOW)
        clock.till_shows("t5", NOW + 3 * DAY)
        clock.till_shows("t6", NOW + 3 * DAY)
        assert clock.corrected_ms() == NOW, "a sure clock does not ask them"
        for n in range(2 * TILLS_MAX):
            clock.till_shows(f"x{n}", NOW)
        assert len(clock.view.tills) == TILLS_MAX


async def test_a_till_that_was_never_set_does_not_date_its_sales(
    tmp_path: Path, catalogue: Any, sale: Callable[..., Any]
) -> None:
    async with shop_on(tmp_path / "hub.db", Machine(is_synchronous=True), catalogue) as shop:
        sold = await shop.sell(sale(sold_at=utc(BOOT_1970)))
        late = await shop.sell(sale(sold_at=utc(NOW - 3 * DAY), offline=True))

        assert (sold.business_date, late.business_date) == ("2026-09-21", "2026-09-18")


async def test_a_restart_of_the_program_alone_changes_nothing_and_a_boot_is_unsure(tmp_path: Path) -> None:
    machine = Machine()
    async with shop_on(tmp_path / "hub.db", machine) as shop:
        line_opens(shop, NOW + YEAR)
        await shop.hub.clock.save(shop.hub.db)
    machine.passes(2 * HOUR)
    machine.wall_ms -= 20 * YEAR  # somebody set it while the hub was down
    async with shop_on(tmp_path / "hub.db", machine) as shop:
        view = await shop.view()
        assert (view.sure, view.source, ms_of(view.now)) == (True, "cloud", NOW + YEAR + 2 * HOUR)
        await shop.hub.clock.save(shop.hub.db)
    machine.boot(NOW + 60 * YEAR)
    async with shop_on(tmp_path / "hub.db", machine) as shop:
        view = await shop.view()
        assert (view.sure, view.source, ms_of(view.now)) == (False, "saved", NOW + YEAR + 2 * HOUR)


@pytest.mark.parametrize(("wall_ms", "is_believed"), [(NOW + DAY, True), (NOW - DAY, False), (BOOT_1970, False)])
async def test_a_battery_backed_clock_is_believed_at_the_start_unless_its_battery_is_empty(
    tmp_path: Path, wall_ms: int, is_believed: bool
) -> None:
    machine = Machine(has_rtc=True)
    async with shop_on(tmp_path / "hub.db", machine) as shop:
        assert shop.hub.clock.is_sure
        await shop.hub.clock.save(shop.hub.db)
    machine.boot(wall_ms)
    async with shop_on(tmp_path / "hub.db", machine) as shop:
        assert shop.hub.clock.is_sure == is_believed
        assert shop.hub.clock.now_ms() == max(wall_ms, NOW)


async def test_the_clock_is_saved_with_what_it_stamps_and_a_kill_between_loses_both_or_none(tmp_path: Path) -> None:
    machine, path = Machine(is_synchronous=True), tmp_path / "hub.db"
    cards = []
    async with shop_on(path, machine) as shop:
        hub = shop.hub
        for n in range(5):
            stamped = hub.clock.stamp()
            cards.append((stamped.stamp, False, card_of(path, tmp_path / f"before-{n}.db")))
            await hub.db.write(
                lambda tx, n=n, stamped=stamped: write_stamped(
                    tx, hub.replica, MEMBER, "m1", {"name": f"name {n}"}, stamped=stamped
                )
            )
            cards.append((stamped.stamp, True, card_of(path, tmp_path / f"after-{n}.db")))

    machine.is_synchronous = False
    for stamp, is_there, card in cards:
        machine.boot(BOOT_1970)
        async with shop_on(card, machine) as shop:
            saved = load_clock(shop.hub.db.read, rep=shop.hub.replica.rep)
            rows = shop.hub.db.read.execute("SELECT body FROM member").fetchall()
            assert (saved is not None and saved.clock.highest >= (stamp.physical_ms, stamp.logical)) == is_there
            assert (f"[{stamp.physical_ms},{stamp.logical}," in str(rows)) == is_there
            assert not is_there or shop.hub.clock.stamp().stamp > stamp


async def test_a_job_that_is_late_never_takes_a_newer_stamp_back(tmp_path: Path) -> None:
    async with shop_on(tmp_path / "hub.db", Machine(is_synchronous=True)) as shop:
        one, two = shop.hub.clock.stamp(), shop.hub.clock.stamp()
        for late in (two, one):
            await shop.hub.db.write(lambda tx, late=late: save_clock(tx, late.saved))

        saved = load_clock(shop.hub.db.read, rep="x")
        assert saved is not None and saved.clock.highest == (two.stamp.physical_ms, two.stamp.logical)


async def test_selling_writes_the_clock_not_once(tmp_path: Path, catalogue: Any, sale: Callable[..., Any]) -> None:
    """The card wears: a sale carries its own time, and a start looks at the last one."""
    async with shop_on(tmp_path / "hub.db", Machine(is_synchronous=True), catalogue) as shop:
        await shop.hub.clock.save(shop.hub.db)
        before = shop.hub.db.read.execute("SELECT time_ms, uptime_ms FROM clock").fetchall()
        for n in range(20):
            shop.machine.passes(20_000)
            await shop.sell(sale())
            assert shop.hub.db.read.execute("SELECT time_ms, uptime_ms FROM clock").fetchall() == before, n
    assert SAVE_EVERY_MS >= 5 * MINUTE


def peer_batch(stamp: Stamp, seq: int = 1, *, after: Boundary = START) -> Batch:
    row = MemberRow(key="m1", cells={"name": Cell("theirs", stamp)})
    return batch_of(stamp.rep, "members", Feed.STATE, after, [(seq, msgspec.json.encode(row))])


async def test_a_stamp_from_the_far_future_is_kept_named_once_and_moves_no_clock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop_on(tmp_path / "hub.db", Machine(is_synchronous=True)) as shop:
        hub, rep = shop.hub, "cloud:ffffffffffffffff"
        near, far = Stamp(NOW + AHEAD_MAX_MS[Trust.CONTACT], 7, rep), Stamp(NOW + 30 * YEAR, 0, rep)

        at = await hub.replication.books.apply(peer_batch(near))
        assert hub.clock.stamp().stamp > near, "what was seen is the past"
        for seq in (2, 3):
            assert isinstance(at, Boundary)
            at = await hub.replication.books.apply(peer_batch(replace_logical(far, seq), seq, after=at))

        assert hub.clock.stamp().stamp < far
        saved = load_clock(hub.db.read, rep="x")
        assert saved is not None and near.physical_ms <= saved.clock.physical_ms < far.physical_ms
        assert str(far.physical_ms) in str(hub.db.read.execute("SELECT body FROM member").fetchall())
        named = [record for record in caplog.records if "far future" in record.message]
        assert len(named) == 1 and getattr(named[0], "writer") == rep  # noqa: B009


def replace_logical(stamp: Stamp, logical: int) -> Stamp:
    return Stamp(stamp.physical_ms, logical, stamp.rep)


class _Sooner(HubClock):
    """The planted fault: an unsure clock that stamps with what it takes for the time."""

    def stamp(self) -> Any:
        self._clock = self._clock.contact(Contact(0, 0), self._clock.wall_ms)
        return super().stamp()


def edits_of_an_unsure_and_a_sure_shop(kind: type[HubClock]) -> tuple[Stamp, Stamp]:
    """A shop starts with a battery-less clock of 2055; then a shop in contact writes the same cell."""
    unsure = start_clock(Machine(wall_ms=NOW + 30 * YEAR).clock, None, rep="hk01:a", last_commit_ms=0)
    unsure.__class__ = kind
    sure = start_clock(Machine(is_synchronous=True).clock, None, rep="hk02:b", last_commit_ms=0)
    return unsure.stamp().stamp, sure.stamp().stamp


def test_an_unsure_stamp_does_not_beat_a_sure_one_that_is_later() -> None:
    unsure, sure = edits_of_an_unsure_and_a_sure_shop(HubClock)
    assert unsure < sure

    unsure, sure = edits_of_an_unsure_and_a_sure_shop(_Sooner)
    assert unsure > sure, "the planted fault is found"


def test_times_before_2020_and_after_2199_are_the_bounds() -> None:
    for wall_ms, known_ms in ((-(10**15), TIME_MIN_MS), (10**15, TIME_MIN_MS), (NOW, NOW)):
        machine = Machine(wall_ms=wall_ms)
        clock = start_clock(machine.clock, None, rep="hk01:a", last_commit_ms=0)
        assert clock.now_ms() == known_ms
        clock.cloud_said(TIME_MAX_MS - 1 - clock.corrected_ms())
        for _ in range(100):
            machine.passes(STEP_MAX_MS)
            assert clock.view.now == utc(clock.now_ms())
        assert clock.now_ms() == TIME_MAX_MS


def test_whoever_passes_a_clock_alone_vouches_for_it() -> None:
    now = [NOW]
    clock = start_clock(MachineClock(lambda: now[0]), None, rep="hk01:a", last_commit_ms=0)
    now[0] += YEAR

    assert (clock.is_sure, clock.now_ms()) == (True, NOW + YEAR)
    assert isinstance(kernel_is_synchronous(), bool)
