"""What a hub forgets, on a real file and a clock that is passed in; every sum is recomputed in plain Python."""

import random
import sqlite3
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hub.books import HubBooks
from hub.errors import ConflictError, NotFoundError
from hub.store import dwells
from hub.store.model import SaleAnswer
from hub.store.selling.sales import SERIES_LENGTH as SERIES_OF_SALES
from hub.store.selling.sales import dots_of_sales, find_sale, is_known, series_of
from hub.store.upkeep.audit import audit
from sync.batch import START, Boundary, Head
from sync.errors import SyncError
from sync.model import Feed
from sync.retail.selling.left import SERIES_LENGTH, split_number
from sync.retail.selling.returns import ReturnLine
from sync.retail.visitors.dwells import DwellRow
from sync.store import retention
from sync.store.cursors import note_acked
from sync.store.replicas import replica_id
from sync.store.retention import KEYS_KEPT_DAYS, PRUNE_MAX, RECOVERY_DAYS, floor_of
from sync.store.rows import apply_rows
from tests.hub.days_world import Days, by_hand

KEEP = 400  # of a sale
KEYS = "pruned_key WHERE entity LIKE 'sale%'"


@pytest.fixture
def days(store: Any) -> Days:
    return Days(store.db, store.replica, store.shop)


def books_of(days: Days) -> HubBooks:
    return HubBooks(days.db, days.replica, currency="HKD", now_ms=lambda: days.now_ms, new_incarnation=lambda: "f" * 16)


async def shop_for(days: Days, *, long: int, rng: random.Random) -> None:
    """Sell, take back and receive over `long` days with the cloud a few days behind; then let the line catch up."""
    sold: list[str] = []
    for day in range(long):
        for _ in range(rng.randrange(3)):
            sold.append((await days.sell(rng.randrange(1, 4))).sale_id)
        if sold and rng.random() < 0.3:
            sale_id = sold.pop(rng.randrange(len(sold)))
            if find_sale(days.db.read, sale_id) is not None:
                await days.take_back(sale_id)
        if rng.random() < 0.2:
            await days.receive(rng.randrange(1, 20))
        await days.fold()
        if rng.random() < 0.5 or day == long - 1:
            await days.ack()
        await days.night()


async def test_sums_over_what_is_left_and_the_opening_balances_are_the_cached_stock(days: Days) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}: put it into random.Random(...) here")

    await shop_for(days, long=440, rng=random.Random(seed))

    assert days.count("sale") < days.n and days.count("pruned_key") > 100, "something was forgotten"
    assert days.recomputed() == days.cached()
    assert days.net_levels() == days.cached(), "levels are folded once, and pruning does not touch them"


async def test_mutant_no_opening_balance_is_found_out(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_open_with", lambda *_: None)

    await shop_for(days, long=450, rng=random.Random(1))

    assert days.recomputed() != days.cached()


async def test_nothing_goes_that_the_cloud_does_not_hold(days: Days) -> None:
    await days.sell()
    await days.fold()
    await days.night(KEEP + 100)

    assert (days.count("sale"), days.count(KEYS)) == (1, 0)

    await days.ack()
    await days.night(RECOVERY_DAYS)
    assert days.count("sale") == 1, "a cloud that is restored to a copy of yesterday must find it here"
    await days.night(2)
    assert (days.count("sale"), days.count(KEYS)) == (0, 2)


async def test_mutant_prune_before_ack_is_found_out(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "held_since", lambda *_: 2**53)
    monkeypatch.setattr("hub.store.upkeep.retention.acked", lambda *_, **__: {"sales": 2**53})
    await days.sell()
    await days.fold()

    await days.night(KEEP + 2)

    assert days.count("sale") == 0, "the promise of the test above does not hold without the ack"


async def test_a_cloud_that_was_restored_has_not_held_the_rest_for_long(days: Days) -> None:
    await days.sell()
    await days.sell()
    await days.fold()
    await days.ack()
    await days.night(KEEP - 2)
    digest = books_of(days).digest_at("sales", 1)
    assert digest is not None

    await days.db.write(lambda tx: note_acked(tx, days.replica, "sales", Boundary(1, digest), peer="cloud"))
    await days.ack()  # and it is told the rest again
    await days.night(5)

    assert days.count("sale") == 1, "the second sale it holds for five days only"
    await days.night(RECOVERY_DAYS)
    assert days.count("sale") == 0


async def test_a_hub_without_a_cloud_forgets_no_fact(days: Days) -> None:
    days.peer = None
    await days.sell()
    await days.fold()
    await days.db.write(
        lambda tx: tx.execute(
            """
            INSERT INTO print_job (job_id, printer_id, sale_id, document, mark, state, reason, attempts, created_ms, changed_ms)
            VALUES ('j', 'p', 's000001', NULL, '', 'printed', '', 1, ?1, ?1)
            """,
            (days.now_ms,),
        )
    )

    await days.night(KEEP + 500)

    assert (days.count("sale"), days.count("print_job")) == (1, 0), "its print ledger is its own"


async def test_stays_are_telemetry_and_go_without_a_cloud_too(days: Days) -> None:
    days.peer = None
    stays = [
        DwellRow(dwell_id=f"d{n}", zone="desk", visitor="v", begun=days.at(), ended=days.at() + timedelta(days=n))
        for n in (0, 40)
    ]
    for stay in (*stays, msgspec.structs.replace(stays[0], dwell_id="wrong", ended=days.at() + timedelta(days=9_000))):
        await days.db.write(lambda tx, stay=stay: dwells.record(tx, days.replica, [stay]))
    await days.sell()
    await days.fold()

    await days.night(89)
    assert days.count("dwell") == 3
    await days.night(2)
    assert days.count("dwell") == 2
    await days.night(40)
    assert days.count("dwell") == 0, "one that a wrong clock dates into the future is as old as its mark"
    assert days.count("sale") == 1
    assert audit(days.db.read, days.replica) == []


async def test_a_repeat_of_a_pruned_sale_is_known_and_never_booked_again(days: Days) -> None:
    sale = await days.sell(2)
    first = msgspec.json.decode((await days.repeat(sale)).answer, type=SaleAnswer)
    await days.fold()
    await days.ack()
    await days.night(KEEP + 1)
    cached = days.cached()

    again = await days.repeat(sale)
    other = await days.repeat(replace(sale, cashier_id="c9"))

    told = msgspec.json.decode(again.answer, type=SaleAnswer)
    assert (again.status, other.status) == ("repeated", "suspended")
    assert (told.receipt_no, told.dot, told.committed_at) == (first.receipt_no, first.dot, first.committed_at)
    assert (days.count("sale"), days.cached()) == (0, cached)
    assert dots_of_sales(days.db.read, [sale.sale_id]) == {sale.sale_id: (first.dot.rep, first.dot.seq)}
    assert is_known(days.db.read, sale.sale_id)


async def test_weighed_goods_repeated_without_their_per_are_known_by_what_the_hub_had_filled_in(days: Days) -> None:
    sale = await days.sell(
        sale_id="w1",
        lines=(msgspec.convert({"line": 1, "sku": "PLUM", "qty": 600, "unit": "g", "unit_price": 2500}, _line()),),
        tenders=(_cash(2500),),
        total=2500,
    )
    await days.fold()
    await days.ack()
    await days.night(KEEP + 1)

    assert days.count("sale") == 0 and (await days.repeat(sale)).status == "repeated"


async def test_repeats_of_pruned_returns_and_movements_are_known(days: Days) -> None:
    sale = await days.sell(2)
    taken = await days.take_back(sale.sale_id)
    moved = await days.receive(5, movement_id="m-old")
    await days.fold()
    await days.ack()
    await days.night(KEEP + 2)
    cached = days.cached()
    assert days.count("sale_return") == days.count("stock_movement") == 0

    again = await days.take_back(sale.sale_id)
    movement = await days.receive(5, movement_id="m-old")

    assert (again.status, again.fact.refund) == ("repeated", taken.fact.refund)
    assert movement.repeated and movement.dot == moved.dot
    with pytest.raises(ConflictError):
        await days.take_back(sale.sale_id, 2, lines=(ReturnLine(line=1, qty=2),))
    with pytest.raises(ConflictError):
        await days.receive(6, movement_id="m-old")
    with pytest.raises(NotFoundError):
        await days.take_back(sale.sale_id, return_id="another")
    assert days.cached() == cached


async def test_a_return_that_named_its_sale_by_the_receipt_is_known_by_it_too(days: Days) -> None:
    sale = await days.sell(2)
    number = msgspec.json.decode((await days.repeat(sale)).answer, type=SaleAnswer).receipt_no
    await days.take_back(number, return_id="r1")
    await days.fold()
    await days.ack()
    await days.night(KEEP + 2)

    assert (await days.take_back(number, return_id="r1")).status == "repeated"


async def test_a_return_stays_while_its_sale_is_here(days: Days) -> None:
    """Returned must stay at most what was sold: the sale waits for its cloud, the return does not."""
    sale = await days.sell(2)
    await days.take_back(sale.sale_id)
    await days.fold()
    await days.ack(only="returns")

    await days.night(KEEP + 100)

    assert (days.count("sale"), days.count("sale_return")) == (1, 1)
    await days.ack()
    await days.night(RECOVERY_DAYS + 2)
    assert (days.count("sale"), days.count("sale_return")) == (0, 0)


async def test_a_sale_whose_receipt_waits_for_its_printer_stays(days: Days) -> None:
    sale = await days.sell()
    await days.db.write(
        lambda tx: tx.execute(
            """
            INSERT INTO print_job (job_id, printer_id, sale_id, document, mark, state, reason, attempts, created_ms, changed_ms)
            VALUES ('j', 'p', ?, NULL, '', 'queued', '', 0, 1, 1)
            """,
            (sale.sale_id,),
        )
    )
    await days.fold()
    await days.ack()

    await days.night(KEEP + 1)

    assert days.count("sale") == 1


async def test_a_row_of_the_future_is_as_old_as_its_ack(days: Days) -> None:
    """A clock that was years ahead for an hour must not keep a log for ever."""
    began_ms = days.now_ms
    days.now_ms += 3000 * retention.DAY_MS
    await days.sell()
    days.now_ms = began_ms
    await days.fold()
    await days.ack()

    await days.night(KEEP + 2 * retention.MARK_STEP_DAYS)

    assert days.count("sale") == 0


async def test_jobs_are_small_and_a_log_is_pruned_from_its_beginning(days: Days) -> None:
    for _ in range(PRUNE_MAX + 20):
        await days.sell()
    await days.fold()
    await days.ack()
    books = books_of(days)
    whole = books.digest_at("sales", PRUNE_MAX + 20)

    steps = await days.night(KEEP + 1)

    assert [step.forgotten.get("sales") for step in steps if "sales" in step.forgotten] == [PRUNE_MAX, 20]
    assert floor_of(days.db.read, days.replica.local_id, "sales") == Boundary(PRUNE_MAX + 20, whole or b"")


async def test_below_its_floor_a_log_offers_nothing_and_knows_no_digest(days: Days) -> None:
    for _ in range(3):
        await days.sell()
    await days.fold()
    await days.ack()
    await days.night(KEEP + 1)
    await days.sell()
    books = books_of(days)
    head = Head(books.rep, "sales", Feed.LOG, 4)

    floor = books.floor(head)
    [batch] = await books.load(head, floor, 100)

    assert floor.last == 3 and [seq for seq, _ in batch.rows] == [4]
    assert books.digest_at("sales", 2) is None and books.digest_at("sales", 3) == floor.digest
    assert books.is_offered(books.rep, "sales", Boundary(2, b"unknown!")), "it may have been: who holds it has to jump"
    assert not books.is_offered(books.rep, "sales", Boundary(3, b"unknown!"))
    with pytest.raises(SyncError, match="no more here"):
        await books.load(head, START, 100)


async def test_a_log_with_a_changed_row_is_not_pruned(days: Days, store: Any) -> None:
    await days.sell()
    await days.fold()
    await days.ack()
    by_hand(store.path, "UPDATE sale SET body = json_set(body, '$.receipt_no', 'x')")

    (*_, last) = await days.night(KEEP + 1)

    assert days.count("sale") == 1 and "not those that were sent" in last.stopped[0]


async def test_a_fact_of_another_life_under_a_pruned_key_is_kept_aside_and_counts_nothing(days: Days) -> None:
    sale = await days.sell(2)
    body = days.db.read.execute("SELECT body FROM sale").fetchone()[0].encode()
    await days.fold()
    await days.ack()
    await days.night(KEEP + 1)
    cached = days.cached()

    def arrive(tx: sqlite3.Connection) -> Any:
        other = replica_id(tx, "hk01:" + "a" * 16, now_ms=1)
        return apply_rows(tx, "sales", [(1, body)], replica=other, rep="hk01:" + "a" * 16)

    taken = await days.db.write(arrive)

    assert (taken.counted, taken.fallen, days.count("sale"), days.count("second_row")) == ((), (), 0, 1)
    assert [each.stands.rep for each in taken.duplicates] == [days.replica.rep] and days.cached() == cached
    assert (await days.repeat(sale)).status == "repeated"


async def test_keys_go_in_their_time_and_so_do_marks_and_boundaries(days: Days) -> None:
    for _ in range(30):
        await days.sell()
        await days.fold()
        await days.ack()
        await days.night()
    await days.night(KEEP + 40)
    assert (days.count("sale"), days.count(KEYS)) == (0, 60)
    assert days.count("offered") < 20 and days.count("ack_mark") < 200

    await days.night(KEYS_KEPT_DAYS + 1)

    assert days.count("pruned_key") == 0


async def test_footfall_goes_by_its_quarter_hour_once_the_cloud_holds_it(days: Days) -> None:
    def visit(tx: sqlite3.Connection) -> None:
        tx.execute("UPDATE stream SET seq = 1 WHERE name = 'footfall'")
        tx.execute("INSERT INTO footfall VALUES ('door', ?, 1, 5, 4, 1)", (days.now_ms,))

    await days.db.write(visit)
    await days.night(1101)
    assert days.count("footfall") == 1

    await days.ack()
    await days.night(RECOVERY_DAYS + 1)
    assert days.count("footfall") == 0


def test_the_hubs_receipt_numbers_are_told_from_others() -> None:
    series = series_of("0123456789abcdef")

    assert SERIES_LENGTH == SERIES_OF_SALES
    assert split_number(f"till-2-{series}-000123") == ("till-2", series, 123)
    assert split_number("A-1") is None and split_number("t1-ABCD-12x") is None


def _line() -> Any:
    from sync.retail.selling.sales import SaleLine

    return SaleLine


def _cash(amount: int) -> Any:
    from sync.retail.selling.sales import Tender

    return Tender("cash", amount)
