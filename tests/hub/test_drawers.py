"""Drawer sessions in the books: what each deed writes and refuses, and that every sale of a drawer is in exactly one Z report."""

import asyncio
import random
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.holders import PEER
from hub.store.day import drawers
from hub.store.model import utc
from hub.store.replica.lives import begin_life
from hub.store.selling import sales
from hub.store.selling.sale_approvals import Authority
from hub.store.selling.voids import Void, void_job
from hub.store.staff.approvals import ApprovalRules, Given, give
from sync.retail.selling.drawers import Counting, Moving
from sync.retail.selling.sales import Sale, Tender
from sync.retail.selling.z_reports import Run, Suspended, ZReport
from sync.store.reading import rows_after
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from tests.hub.drawers_world import CASHIER, NOW_MS, SUPERVISOR, Desk, MakeSale, second_hub


@pytest.fixture
def desk(store: Any, sale: MakeSale) -> Desk:
    return Desk(store, sale)


async def test_a_session_from_float_to_signature(desk: Desk) -> None:
    view, is_new = await desk.open()
    one = await desk.sell(2)
    card = await desk.sell(1, tenders=(Tender("card", 1090),))
    await desk.take_back(one, tenders=(Tender("cash", 1090),))
    await desk.take_back(card)
    for moving in (
        Moving("m1", "pay_in", "change from the bank", 20_000),
        Moving("m2", "pay_out", "window cleaner", 8_000),
        Moving("m3", "cash_drop", "noon", 30_000),
        Moving("m4", "no_sale", "change for a customer"),
    ):
        assert (await desk.move(moving))[1]
    desk.now_ms += 3_600_000

    report = await desk.close("s1", (10_000, 3), (1000, 3), (10, 9), note="one coin short")

    figures = report.figures
    assert is_new and view.z_no == "" and report.z_no == "t1-Z04HM-0001" and report.previous == ""
    assert (figures.sales, figures.gross, figures.total, figures.returns, figures.refunds) == (2, 3270, 3270, 2, 2180)
    assert figures.unstated == 1090
    assert [tuple(getattr(each, f) for f in each.__struct_fields__) for each in figures.tenders] == [
        ("card", 1, 1090, 0),
        ("cash", 1, 2180, 1090),
    ]
    assert figures.expected_cash == 50_000 + 2180 - 1090 + 20_000 - 8_000 - 30_000 == 33_090
    assert (report.counted_cash, report.difference, report.note) == (33_090, 0, "one coin short")
    assert (report.opened_by, report.closed_by, report.business_date) == ("cashier:c7", "cashier:c7", "2026-09-21")
    assert (report.opened_at, report.closed_at) == (utc(NOW_MS), utc(NOW_MS + 3_600_000))
    assert [action for _, action, _ in desk.trail()] == [
        *("drawer_session_opened", "pay_in", "pay_out", "cash_drop", "no_sale"),
        "drawer_session_closed",
    ]
    assert drawers.session_view(desk.store.db.read, "s1").z_no == report.z_no


async def test_a_drawer_that_is_short_or_over_says_so(desk: Desk) -> None:
    await desk.open(float_amount=1000)
    await desk.sell()

    assert (await desk.close("s1", (1000, 1), (500, 1))).difference == 1500 - 2090
    await desk.open("s2", float_amount=0)
    over = await desk.close("s2", (10, 7))
    assert (over.difference, over.previous, over.z_no) == (70, "t1-Z04HM-0001", "t1-Z04HM-0002")


async def test_deeds_are_repeated_without_a_second_row_and_other_content_is_refused(desk: Desk) -> None:
    moving = Moving("m1", "pay_in", "change", 100)
    first = [await desk.open(), await desk.move(moving)]
    again = [await desk.open(), await desk.move(moving)]
    assert [one for one, _ in first] == [one for one, _ in again]
    assert [new for _, new in first] == [True] * 2 and [new for _, new in again] == [False] * 2
    for deed in (
        desk.open(float_amount=1),
        desk.open(till_id="t2"),
        desk.move(Moving("m1", "pay_in", "change", 101)),
        desk.move(Moving("m1", "pay_in", "other", 100)),
    ):
        with pytest.raises(ConflictError) as refused:
            await deed
        assert refused.value.code == "other_content"

    closed = await desk.close("s1", (10, 2), (100, 5))
    assert await desk.close("s1", (100, 5), (10, 2), (20, 0)) == closed, "the same count in another order"
    for counted, note in (([(10, 3), (100, 5)], ""), ([(10, 2), (100, 5)], "x")):
        with pytest.raises(ConflictError):
            await desk.close("s1", *counted, note=note)
    assert (await desk.move(moving))[1] is False, "a repeat is answered also after the session was closed"
    assert len(desk.trail()) == 3


async def test_one_session_a_till_and_none_that_is_not_there(desk: Desk) -> None:
    await desk.open()
    with pytest.raises(ConflictError) as still_open:
        await desk.open("s2")
    await desk.open("s3", till_id="t2")
    await desk.close()
    with pytest.raises(ConflictError) as closed:
        await desk.move(Moving("m1", "pay_in", "x", 1))
    with pytest.raises(NotFoundError):
        await desk.move(Moving("m1", "pay_in", "x", 1), "s9")
    with pytest.raises(NotFoundError):
        await desk.close("s9")
    with pytest.raises(ConflictError):
        drawers.x_report(desk.store.db.read, desk.store.shop, "s1", now_ms=NOW_MS)

    assert (still_open.value.code, still_open.value.holder) == ("session_open", "s1")
    assert (closed.value.code, closed.value.holder) == ("session_closed", "t1-Z04HM-0001")
    await desk.open("s2")


async def test_what_needs_an_approval_takes_it_or_is_refused(desk: Desk) -> None:
    await desk.open()
    moving = Moving("m1", "pay_out", "taxi", 5000)
    with pytest.raises(RefusedError) as refused:
        await desk.move(moving, by=CASHIER)
    assert refused.value.code == "approval_needed"

    given = Given("a1", "pay_out", "m1", "t1", "c2", "supervisor", utc(NOW_MS + 1000))
    await desk.store.db.write(lambda tx: give(tx, given, reason="taxi", now_ms=NOW_MS))
    approved = replace(moving, approval_id="a1")
    movement, _ = await desk.move(approved, by=CASHIER)

    assert (movement.approved_by, movement.approval_id, movement.by) == ("c2", "a1", "cashier:c7")
    assert (await desk.move(approved, by=CASHIER))[1] is False
    with pytest.raises(RefusedError) as spent:
        await desk.move(replace(approved, movement_id="m2"), by=CASHIER)
    assert spent.value.code == "approval"
    assert (await desk.close()).figures.expected_cash == 45_000


async def test_a_count_that_cannot_be_closes_nothing_and_takes_no_number(desk: Desk) -> None:
    await desk.open()
    for counted in ([(7, 1)], [(10, 1), (10, 1)]):
        with pytest.raises(RefusedError):
            await desk.close("s1", *counted)

    assert (await desk.close()).z_no == "t1-Z04HM-0001"


async def test_of_counts_that_come_at_once_one_closes_the_session(desk: Desk) -> None:
    await desk.open()
    closing = [desk.close("s1", (10, n % 2)) for n in range(6)]

    done = await asyncio.gather(*closing, return_exceptions=True)

    reports = [each for each in done if isinstance(each, ZReport)]
    assert reports == [reports[0]] * 3 and sum(isinstance(each, ConflictError) for each in done) == 3
    assert desk.store.db.read.execute("SELECT count(*) FROM z_report").fetchone() == (1,)


async def test_numbers_of_z_reports_have_no_gaps_by_till(desk: Desk) -> None:
    found = []
    for n in range(3):
        for till_id in ("t1", "t2"):
            await desk.open(f"{till_id}-{n}", till_id)
            found.append((await desk.close(f"{till_id}-{n}")).z_no)

    assert found == [f"{till}-Z04HM-{n:04}" for n in (1, 2, 3) for till in ("t1", "t2")]


async def test_suspended_late_and_void_sales_and_receipts_stand_on_it(desk: Desk) -> None:
    await desk.open()
    one = await desk.sell()
    await desk.store.sell(replace(one, cashier_id="c9"), now_ms=NOW_MS)
    voided = await desk.sell(3)
    anybody = Authority(ApprovalRules(void="none"))
    void = Void(void_id="v1", till_id="t1", reason="x")
    store = desk.store
    job = void_job(store.replica, store.shop, voided.sale_id, void, now_ms=NOW_MS, actor="till:t1", authority=anybody)
    await desk.store.db.write(job)
    await desk.sell(receipt_no="pad-000007", offline=True, sold_at=datetime(2026, 9, 21, 3, tzinfo=UTC))

    figures = (await desk.close()).figures

    assert [each.sale_id for each in figures.suspended] == [one.sale_id] and isinstance(figures.suspended[0], Suspended)
    assert (figures.voids, figures.voided, figures.returns, figures.offline) == (1, 3270, 0, 1)
    assert figures.expected_cash == 50_000 + 1090 + 1090
    assert figures.receipts == (Run("pad", 7, 7), Run("t1-04HM", 1, 2))
    assert figures.missing == tuple(f"pad-{n:06}" for n in range(1, 7))


async def test_a_handheld_sells_into_the_drawer_that_its_sale_names(desk: Desk) -> None:
    """Its receipts are split over two drawers, and none of them is missing."""
    await desk.open("s1", "t1")
    await desk.open("s2", "t2")
    for session_id in ("s1", "s2", "s1", None, "s9"):
        await desk.sell(till_id="t3", session_id=session_id)
    await desk.open("s3", "t3")
    reports = [await desk.close(session_id) for session_id in ("s1", "s2")]
    await desk.sell(till_id="t3", session_id="s1")
    await desk.open("s4", "t1")
    late = await desk.close("s4")

    assert [report.figures.sales for report in reports] == [2, 1]
    assert [report.figures.missing for report in reports] == [(), ()]
    assert late.figures.sales == 1, "its session was closed before it came: it is in the next one of the drawer"
    assert (await desk.close("s3")).figures.sales == 0, (
        "its first session begins here; what was sold before is in no drawer"
    )


async def test_sales_of_before_the_first_session_are_in_no_z_report(desk: Desk) -> None:
    await desk.sell()
    await desk.open()
    await desk.sell()

    assert (await desk.close()).figures.sales == 1


async def test_an_x_report_says_what_the_z_report_is_going_to_say_and_changes_nothing(desk: Desk) -> None:
    await desk.open()
    await desk.sell(2)
    read, shop = desk.store.db.read, desk.store.shop

    told = [drawers.x_report(read, shop, "s1", now_ms=NOW_MS).figures for _ in range(2)]

    assert told[0] == told[1] == (await desk.close()).figures


class Walk:
    """Two tills, another hub whose rows come late, lives that begin anew, and what was sold and given back by till."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.store, self.rng, self.other = desk, desk.store, random.Random(seed), second_hub()
        self.sold: dict[str, list[int]] = {"t1": [], "t2": []}
        self.back = {"t1": 0, "t2": 0}
        self.returnable: dict[str, list[Sale]] = {"t1": [], "t2": []}
        self.opened: dict[str, str] = {}
        self.reports: list[ZReport] = []
        self.ids, self.lives = count(), count()

    async def open(self, till_id: str) -> None:
        self.opened[till_id] = f"session-{next(self.ids)}"
        await self.desk.open(self.opened[till_id], till_id, 0)

    async def sell(self, till_id: str) -> None:
        one = await self.desk.sell(self.rng.randint(1, 3), till_id=till_id)
        self.sold[till_id].append(one.total)
        self.returnable[till_id].append(one)

    async def sell_there(self, till_id: str) -> None:
        one = self.desk.make(self.rng.randint(1, 3), till_id=till_id)
        one = replace(one, lines=tuple(replace(line, open_item=True) for line in one.lines))
        now_ms = self.desk.now_ms
        sales.sale_job(self.other.replica, self.store.shop, one, print_to=None, now_ms=now_ms)(self.other.tx)
        self.sold[till_id].append(one.total)

    async def take_back(self, till_id: str) -> None:
        if self.returnable[till_id]:
            one = self.returnable[till_id].pop(self.rng.randrange(len(self.returnable[till_id])))
            await self.desk.take_back(one, 1, return_id=f"r{next(self.ids)}", tenders=(Tender("cash", 1090),))
            self.back[till_id] += 1090

    async def close(self, till_id: str) -> None:
        self.reports.append(await self.desk.close(self.opened[till_id]))
        await self.open(till_id)

    async def begin_life(self, _till_id: str) -> None:
        if next(self.lives) >= 8:  # ten in a day are refused
            return
        own, incarnation, now_ms = self.store.replica, f"{self.rng.getrandbits(64):016x}", self.desk.now_ms
        reborn = await self.store.db.write(
            lambda tx: begin_life(tx, own, peer=PEER, incarnation=incarnation, why="test", now_ms=now_ms)
        )
        assert reborn is not None
        self.store.replica = reborn.replica

    async def relay(self, _till_id: str) -> None:
        """Let the rows of the other hub that have not come yet come."""
        rep, stream = self.other.replica.rep, "sales"
        rows = rows_after(self.other.tx, self.other.replica.local_id, stream, 0, 1000)

        def job(tx: Any) -> None:
            peer = replica_id(tx, rep, now_ms=NOW_MS)
            held = tx.execute("SELECT coalesce(max(seq), 0) FROM sale WHERE replica = ?", (peer,)).fetchone()[0]
            apply_rows(tx, stream, [row for row in rows if row[0] > held], replica=peer, rep=rep)

        await self.store.db.write(job)


@pytest.mark.parametrize("seed", range(12))
async def test_every_sale_of_a_drawer_is_in_exactly_one_z_report(desk: Desk, seed: int) -> None:
    """Judged by plain sums: all Z reports come to what a till sold and gave back. Replay: the seed is in the test's name."""
    walk = Walk(desk, seed)
    rng, tills = walk.rng, list(walk.sold)
    steps = (
        walk.sell,
        walk.sell,
        walk.sell_there,
        walk.relay,
        walk.take_back,
        walk.close,
        walk.begin_life,
    )
    for till_id in tills:
        await walk.open(till_id)
    for _ in range(40):
        desk.now_ms += rng.choice((0, 0, 1000))
        await rng.choice(steps)(rng.choice(tills))
    await walk.relay("")
    for till_id in tills:
        await walk.close(till_id)
    walk.other.close()

    for till_id, totals in walk.sold.items():
        mine = [report for report in walk.reports if report.till_id == till_id]
        assert sum(report.figures.sales for report in mine) == len(totals), (seed, till_id)
        assert sum(report.figures.total for report in mine) == sum(totals)
        assert sum(report.figures.refunds for report in mine) == walk.back[till_id]
        cash = sum(report.figures.expected_cash for report in mine)
        assert cash == sum(totals) - walk.back[till_id], (seed, till_id)
        assert mine[-1].figures.missing == (), "nothing is missing when all has come"


async def test_a_sale_that_was_counted_is_not_again_when_another_hubs_row_of_it_stands(desk: Desk) -> None:
    """A till has posted it to both; the row of the smaller name stands, whenever it comes."""
    await desk.open()
    one = await desk.sell(2)
    assert (await desk.close()).figures.sales == 1
    other = second_hub("00000000000000aa")
    there = replace(one, lines=tuple(replace(line, open_item=True) for line in one.lines))
    sales.sale_job(other.replica, desk.store.shop, there, print_to=None, now_ms=NOW_MS)(other.tx)
    rep, rows = other.replica.rep, rows_after(other.tx, other.replica.local_id, "sales", 0, 10)

    def job(tx: Any) -> None:
        apply_rows(tx, "sales", rows, replica=replica_id(tx, rep, now_ms=NOW_MS), rep=rep)

    await desk.store.db.write(job)
    await desk.open("s2")
    other.close()

    assert desk.store.db.read.execute("SELECT seq, receipt_no FROM sale").fetchall() == [(1, "t1-0000-000001")]
    assert (await desk.close("s2")).figures.sales == 0


async def test_another_hub_goes_on_with_the_drawer_from_the_log_alone(desk: Desk) -> None:
    await desk.open()
    await desk.sell()
    first = await desk.close()
    await desk.open("s2")
    await desk.sell(2)
    other = second_hub()
    for stream in ("sales", "drawers"):
        other.take(
            stream, desk.store.replica.rep, rows_after(desk.store.db.read, desk.store.replica.local_id, stream, 0, 100)
        )

    report, _ = drawers.close_session(
        other.tx, other.replica, desk.store.shop, "s2", Counting(()), by=SUPERVISOR, now_ms=NOW_MS
    )

    assert (report.previous, report.figures.sales, report.figures.total) == (first.z_no, 1, 2180)
    assert report.z_no != "t1-Z04HM-0002" and report.z_no.endswith("-0001"), "a series of its own"
    other.close()
