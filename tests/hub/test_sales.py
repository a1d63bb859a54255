"""Recording a sale, without HTTP: one job, all rows or none; repeats, conflicts, numbers, digests, finding it again."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
import pytest

from hub.errors import ConflictError, RefusedError
from hub.store.model import SaleAnswer
from hub.store.selling.printing import PrintTo
from hub.store.selling.receipt_codes import receipt_code
from hub.store.selling.sales import dots_of_sales, find_sale, sale_event, series_of
from hub.store.staff.tills import CODE_LIFE_S, add_code, all_tokens, pair, secret_hash
from sync.retail.selling.sales import Sale, StockEffect

MakeSale = Callable[..., Sale]


def told(recorded: Any) -> SaleAnswer:
    return msgspec.json.decode(recorded.answer, type=SaleAnswer)


async def test_a_sale_is_one_row_of_everything(store: Any, sale: MakeSale) -> None:
    recorded = await store.sell(sale(2), print_to=PrintTo("p1"))

    answer = told(recorded)
    view = find_sale(store.db.read, answer.sale_id)
    assert recorded.status == "created" and view is not None
    assert (view.fact.receipt_no, view.dot) == (answer.receipt_no, answer.dot)
    assert view.fact.stock == (StockEffect("TEA-01", "shop", -2),)
    assert view.fact.sale.lines[0].per == 1, "what the price is for is written down"
    assert store.db.read.execute("SELECT sale_id, state, mark FROM print_job").fetchall() == [
        (answer.sale_id, "queued", "")
    ]


async def test_a_repeat_in_the_same_group_is_told_the_same(store: Any, sale: MakeSale) -> None:
    one = sale()

    first, second = await asyncio.gather(store.sell(one), store.sell(one))

    assert (first.status, second.status, first.answer) == ("created", "repeated", second.answer)


async def test_a_repeat_after_a_price_change_is_told_what_it_was_told_first(
    store: Any, sale: MakeSale, catalogue: Any
) -> None:
    one = sale()
    first = await store.sell(one)
    tea = catalogue[0]
    await store.put(msgspec.structs.replace(tea, price=msgspec.structs.replace(tea.price, amount=1)))

    assert (await store.sell(one)).answer == first.answer


async def test_other_content_is_suspended_once_and_never_booked(store: Any, sale: MakeSale) -> None:
    one = sale()
    await store.sell(one)
    other = msgspec.structs.replace(one, cashier_id="c2")

    results = [await store.sell(other) for _ in range(2)]

    assert [(r.status, r.answer) for r in results] == [("suspended", None)] * 2
    (row,) = store.db.read.execute("SELECT sale_id, till_id, body FROM suspended_sale").fetchall()
    assert (row[0], row[1], json.loads(row[2])["cashier_id"]) == (one.sale_id, "t1", "c2")
    assert (await store.sell(one)).status == "repeated"


async def test_a_refused_sale_takes_no_number_no_dot_and_no_stock(store: Any, sale: MakeSale) -> None:
    results = await asyncio.gather(
        store.sell(sale(total=1)), store.sell(sale(currency="TWD")), store.sell(sale()), return_exceptions=True
    )

    assert [type(r) for r in results[:2]] == [RefusedError] * 2
    assert (told(results[2]).dot.seq, told(results[2]).receipt_no[-6:], told(results[2]).stock) == (
        1,
        "000001",
        {"TEA-01": 19},
    )


async def test_numbers_count_by_till_and_by_life_of_the_database(store: Any, sale: MakeSale) -> None:
    mine = [told(await store.sell(sale())).receipt_no for _ in range(2)]
    other = told(await store.sell(sale(till_id="t2"))).receipt_no
    series = series_of(store.replica.incarnation)

    assert mine == [f"t1-{series}-000001", f"t1-{series}-000002"]
    assert other == f"t2-{series}-000001"


@pytest.mark.parametrize(
    ("incarnation", "series"),
    [
        ("0000000000000000", "0000"),
        ("ffffffffffffffff", "ZZZZ"),
        ("0123456789abcdef", "04HM"),
        ("8000000000000000", "G000"),
    ],
)
def test_a_series_is_twenty_bits_of_the_incarnation(incarnation: str, series: str) -> None:
    assert series_of(incarnation) == series


async def test_a_taken_receipt_number_is_a_conflict_even_in_one_group(store: Any, sale: MakeSale) -> None:
    results = await asyncio.gather(
        *(store.sell(sale(receipt_no="K1")) for _ in range(3)), store.sell(sale()), return_exceptions=True
    )

    assert [type(r).__name__ for r in results] == ["Recorded", "ConflictError", "ConflictError", "Recorded"]
    assert isinstance(results[1], ConflictError) and results[1].holder == told(results[0]).sale_id


async def test_a_number_of_the_hubs_own_series_is_refused(store: Any, sale: MakeSale) -> None:
    with pytest.raises(RefusedError) as refused:
        await store.sell(sale(receipt_no=f"x-{series_of(store.replica.incarnation)}-000009"))

    assert refused.value.code == "receipt_no_form"


@pytest.mark.parametrize("number", ["T1-2026-000123", "x-ZZZZ-1", "K7-000001"])
async def test_a_number_that_only_looks_like_the_hubs_is_the_tills(store: Any, sale: MakeSale, number: str) -> None:
    assert told(await store.sell(sale(receipt_no=number))).receipt_no == number


async def test_the_stream_is_dense_and_its_digest_is_that_of_the_bodies(store: Any, sale: MakeSale) -> None:
    await asyncio.gather(*(store.sell(sale(n)) for n in range(1, 20)))
    rolled = bytes(8)
    rows = store.db.read.execute("SELECT seq, body FROM sale ORDER BY seq").fetchall()
    for _, body in rows:
        rolled = blake2b(rolled + body.encode(), digest_size=8).digest()

    assert [seq for seq, _ in rows] == list(range(1, 20))
    assert store.db.read.execute("SELECT seq, digest FROM stream WHERE name = 'sales'").fetchone() == (19, rolled)


async def test_a_sale_is_found_by_its_own_id_before_anybody_elses_number(store: Any, sale: MakeSale) -> None:
    """An id is made by a client: it may look like the receipt number or the bar code of another sale."""
    first = told(await store.sell(sale()))
    code = receipt_code(store.replica.incarnation, first.dot.seq)
    for name in (first.receipt_no, code):
        await store.sell(sale(3, sale_id=name))

        view = find_sale(store.db.read, name)

        assert view is not None and view.fact.sale.sale_id == name


async def test_a_mistyped_receipt_code_finds_no_sale(store: Any, sale: MakeSale) -> None:
    answer = told(await store.sell(sale()))
    code = receipt_code(store.replica.incarnation, answer.dot.seq)
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)

    assert find_sale(store.db.read, code) is not None
    assert find_sale(store.db.read, wrong) is None


@pytest.mark.parametrize("name", ["", "29", "2900000000000", "29010000000119", "٢٩٠١٠٠٠٠٠٠٠١١", "x" * 500])
async def test_a_name_that_is_no_sale_finds_none(store: Any, sale: MakeSale, name: str) -> None:
    await store.sell(sale())

    assert find_sale(store.db.read, name) is None


async def test_the_event_of_a_sale_says_what_other_screens_show(store: Any, sale: MakeSale) -> None:
    one = sale(2)
    recorded = await store.sell(one)

    event = msgspec.to_builtins(sale_event(recorded.view))

    assert (event["sale_id"], event["total"], event["lines"], event["till_id"]) == (one.sale_id, 2180, 1, "t1")


async def test_durable_means_on_this_disk(store: Any, sale: MakeSale) -> None:
    one = sale()
    await store.sell(one)

    assert dots_of_sales(store.db.read, [one.sale_id, "other", one.sale_id]) == {one.sale_id: (store.replica.rep, 1)}


@pytest.mark.parametrize(
    ("sold_at", "business_date"),
    [
        ("2026-03-01T03:59:59+08:00", "2026-02-28"),
        ("2026-03-01T04:00:00+08:00", "2026-03-01"),
        ("2026-02-28T20:00:00Z", "2026-03-01"),
    ],
)
async def test_the_business_date_is_fixed_by_the_shops_zone_and_cut_over(
    store: Any, sale: MakeSale, sold_at: str, business_date: str
) -> None:
    answer = told(await store.sell(sale(sold_at=datetime.fromisoformat(sold_at))))

    assert answer.business_date == business_date


async def test_a_code_is_spent_once_and_dies_with_its_hour(store: Any) -> None:
    late_ms = 1000 + CODE_LIFE_S * 1000
    for code in ("FRESH", "STALE"):
        await store.db.write(lambda tx, code=code: add_code(tx, code, "till", now_ms=1000))

    paired = await store.db.write(lambda tx: pair(tx, "FRESH", "Counter", token="secret", now_ms=late_ms))
    for code, now_ms in (("FRESH", late_ms), ("STALE", late_ms + 1), ("NEVER", 1000)):
        again = await store.db.write(lambda tx, code=code, at=now_ms: pair(tx, code, "x", token="y", now_ms=at))
        assert again is None, code

    assert all_tokens(store.db.read) == {secret_hash("secret"): paired}
