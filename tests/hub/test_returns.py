"""Taking goods back, without HTTP: one job, all rows or none; repeats, conflicts, what is left, the stream, stock."""

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.selling.returns import (
    ReturnAnswer,
    Taken,
    find_return,
    return_event,
    return_job,
    returned_by_line,
)
from hub.store.selling.sales import find_sale
from hub.store.stock.stock import on_hand
from hub.store.upkeep.audit import audit
from sync.model import Stream
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import Sale, SaleLine, StockEffect, Tender
from sync.store.reading import rows_after

MakeSale = Callable[..., Sale]
SOLD = {1: ("TEA-01", 3, 1090), 2: ("SHIRT-M", 2, 12_900), 3: ("BAG", 2, 100)}


async def take_back(store: Any, content: Return, *, now_ms: int = 5, has_happened: bool = False) -> Taken:
    taken: Taken = await store.db.write(
        return_job(store.replica, store.shop, content, now_ms=now_ms, has_happened=has_happened)
    )
    return taken


def told(taken: Taken) -> ReturnAnswer:
    return msgspec.json.decode(taken.answer, type=ReturnAnswer)


def content(sale_id: str, *lines: tuple[int, int], return_id: str = "r1", **fields: Any) -> Return:
    values = {"till_id": "t1", "reason": "no longer wanted", **fields}
    asked = tuple(ReturnLine(*line) for line in lines or ((1, 1),))
    return Return(return_id=return_id, sale_id=sale_id, lines=asked, **values)


@pytest.fixture
async def sold(store: Any, sale: MakeSale) -> str:
    """The id of a sale of teas, shirts, and bags that have no stock."""
    lines = tuple(SaleLine(n, sku, qty, price) for n, (sku, qty, price) in SOLD.items())
    total = sum(qty * price for _, qty, price in SOLD.values())
    one = sale(lines=lines, tenders=(Tender("card", total),), total=total)
    assert (await store.sell(one)).status == "created"
    return one.sale_id


async def test_a_return_is_one_row_of_everything(store: Any, sold: str) -> None:
    taken = await take_back(store, content(sold, (1, 2), (3, 1)))

    answer, view = told(taken), find_return(store.db.read, "r1")
    assert taken.status == "created" and view is not None
    assert (answer.sale_id, answer.refund, answer.currency) == (sold, 2280, "HKD")
    assert (answer.dot.stream, answer.dot.seq, view.dot) == (Stream.RETURNS, 1, answer.dot)
    assert view.fact.stock == (StockEffect("TEA-01", "shop", 2),), "a bag has no stock to come back to"
    assert answer.stock == {"TEA-01": 19}
    assert [(line.sku, line.qty, line.amount) for line in view.fact.lines] == [("TEA-01", 2, 2180), ("BAG", 1, 100)]


async def test_the_same_again_is_told_the_same_bytes_and_counted_once(store: Any, sold: str, sale: MakeSale) -> None:
    first = await take_back(store, content(sold))
    await store.sell(sale(5))

    again = await take_back(store, content(sold), now_ms=99)

    assert (first.status, again.status, again.answer, again.stock) == ("created", "repeated", first.answer, {})
    assert returned_by_line(store.db.read, sold) == {1: 1}
    assert on_hand(store.db.read, "TEA-01", "shop") == 13


async def test_a_repeat_in_the_same_group_is_told_the_same(store: Any, sold: str) -> None:
    results = await asyncio.gather(*(take_back(store, content(sold, (1, 3))) for _ in range(3)))

    assert [taken.status for taken in results] == ["created", "repeated", "repeated"]
    assert len({taken.answer for taken in results}) == 1


async def test_a_sale_is_named_by_id_receipt_number_or_bar_code_and_stored_by_id(store: Any, sold: str) -> None:
    view = find_sale(store.db.read, sold)
    assert view is not None
    names = [sold, view.fact.receipt_no, view.receipt_code]

    results = [await take_back(store, content(name, return_id="same")) for name in names]

    assert [taken.status for taken in results] == ["created", "repeated", "repeated"]
    assert {taken.fact.content.sale_id for taken in results} == {sold}


@pytest.mark.parametrize("other", [{"reason": "broken"}, {"lines": (ReturnLine(2, 1),)}, {"sale_id": "nothing"}])
async def test_other_content_under_a_known_id_is_a_conflict_and_changes_nothing(
    store: Any, sold: str, other: dict[str, Any]
) -> None:
    first = content(sold)
    await take_back(store, first)

    with pytest.raises(ConflictError) as conflict:
        await take_back(store, msgspec.structs.replace(first, **other))

    assert conflict.value.code == "other_content"
    assert returned_by_line(store.db.read, sold) == {1: 1}


async def test_a_return_of_no_sale_is_not_found(store: Any) -> None:
    with pytest.raises(NotFoundError) as refused:
        await take_back(store, content("nothing"))

    assert (refused.value.code, refused.value.pointer) == ("sale", "/sale_id")


async def test_a_return_that_has_happened_is_booked_beyond_what_was_sold_and_says_so(store: Any, sold: str) -> None:
    """A hub had answered it and was restored; meanwhile the same goods were taken back once more."""
    await take_back(store, content(sold, (1, 2), return_id="r1"))
    happened = content(sold, (1, 2), (2, 1), return_id="r2", tenders=(Tender("cash", 7),))
    taken = await take_back(store, happened, has_happened=True)
    again = await take_back(store, happened)

    assert taken.status == "created" and again.answer == taken.answer
    assert [(each.code, each.line, each.detail) for each in told(taken).warnings] == [
        ("more_than_sold", 1, "4 of 3 are back"),
        ("refund_tenders", None, "tenders add up to 7, the refund is 15080"),
    ]
    assert returned_by_line(store.db.read, sold) == {1: 4, 2: 1}
    assert [(each.check, each.key) for each in audit(store.db.read, store.replica)] == [("returned", (sold, "1"))]


async def test_what_has_happened_names_lines_of_the_sale_all_the_same(store: Any, sold: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await take_back(store, content(sold, (9, 1)), has_happened=True)

    assert refused.value.code == "sale_line"


async def test_no_two_tills_take_the_same_goods_back(store: Any, sold: str) -> None:
    """Three were sold; six ask in one group, each under an id of its own."""
    asked = [take_back(store, content(sold, (1, 1), return_id=f"r{n}", till_id=f"t{n}")) for n in range(6)]

    results = await asyncio.gather(*asked, return_exceptions=True)

    assert [isinstance(one, Taken) for one in results] == [True] * 3 + [False] * 3
    assert {one.code for one in results if isinstance(one, RefusedError)} == {"more_than_sold"}
    assert returned_by_line(store.db.read, sold) == {1: 3}


async def test_a_refused_return_takes_no_dot_and_moves_no_stock(store: Any, sold: str) -> None:
    wrong = [
        content(sold, (1, 1), (9, 1)),
        content(sold, (1, 4)),
        content(sold, (1, 1), tenders=(Tender("cash", 1),)),
    ]
    for one in wrong:
        with pytest.raises(RefusedError):
            await take_back(store, one)

    assert store.db.read.execute("SELECT seq FROM stream WHERE name = 'returns'").fetchone() == (0,)
    assert on_hand(store.db.read, "TEA-01", "shop") == 17
    assert told(await take_back(store, content(sold))).dot.seq == 1


async def test_open_items_that_the_catalogue_has_learnt_of_since_bring_no_stock_back(
    store: Any, sale: MakeSale, catalogue: Any
) -> None:
    """The sale took none out: the figure would say more than was ever there."""
    one = sale(lines=(SaleLine(1, "NEW", 2, 500, open_item=True),), tenders=(Tender("card", 1000),), total=1000)
    await store.sell(one)
    known = msgspec.structs.replace(catalogue[0], product=msgspec.structs.replace(catalogue[0].product, sku="NEW"))
    await store.put(msgspec.structs.replace(known, product=msgspec.structs.replace(known.product, gtins=[])))

    taken = await take_back(store, content(one.sale_id, (1, 2)))

    assert (told(taken).refund, taken.fact.stock, on_hand(store.db.read, "NEW", "shop")) == (1000, (), 20)


async def test_goods_that_left_before_the_catalogue_knew_them_come_back_as_any_others(
    store: Any, sale: MakeSale
) -> None:
    one = sale(lines=(SaleLine(1, "NEW", 2, 500),), tenders=(Tender("card", 1000),), total=1000, offline=True)
    await store.sell(one)
    assert on_hand(store.db.read, "NEW", "shop") == -2, "it is off the shelf, whoever knows it"

    taken = await take_back(store, content(one.sale_id, (1, 2)))

    assert taken.fact.stock == (StockEffect("NEW", "shop", 2),)
    assert on_hand(store.db.read, "NEW", "shop") == 0


async def test_stock_that_is_still_below_zero_is_a_warning(store: Any, sale: MakeSale) -> None:
    one = sale(25)
    await store.sell(one)

    answer = told(await take_back(store, content(one.sale_id, (1, 2))))

    assert [(warning.code, warning.detail) for warning in answer.warnings] == [("stock_below_zero", "TEA-01: -3")]


async def test_the_business_date_is_of_the_return_not_of_the_sale(store: Any, sold: str) -> None:
    late = msgspec.convert("2026-10-02T03:30:00+08:00", Return.__annotations__["returned_at"])

    answer = told(await take_back(store, content(sold, returned_at=late), now_ms=1_800_000_000_000))

    assert answer.business_date == "2026-10-01"


async def test_the_stream_is_dense_and_its_digest_is_that_of_the_rows_it_hands_out(
    store: Any, sold: str, sale: MakeSale
) -> None:
    await asyncio.gather(*(take_back(store, content(sold, (n, 1), return_id=f"r{n}")) for n in SOLD))
    await take_back(store, content(sold, (1, 1), return_id="r4", reason="太小"))
    rolled = bytes(8)
    rows = rows_after(store.db.read, store.replica.local_id, "returns", 0, 100)
    for _, body in rows:
        rolled = blake2b(rolled + body, digest_size=8).digest()

    assert [seq for seq, _ in rows] == [1, 2, 3, 4]
    assert store.db.read.execute("SELECT seq, digest FROM stream WHERE name = 'returns'").fetchone() == (4, rolled)


async def test_rows_are_handed_out_after_a_seq_and_up_to_a_limit(store: Any, sold: str) -> None:
    for n in SOLD:
        await take_back(store, content(sold, (n, 1), return_id=f"r{n}"))

    assert [seq for seq, _ in rows_after(store.db.read, store.replica.local_id, "returns", 1, 1)] == [2]
    assert [seq for seq, _ in rows_after(store.db.read, store.replica.local_id, "returns", 1, 9)] == [2, 3]
    assert rows_after(store.db.read, store.replica.local_id, "returns", 3, 9) == []
    assert rows_after(store.db.read, 99, "returns", 0, 9) == []


async def test_the_event_of_a_return_says_what_other_screens_show(store: Any, sold: str) -> None:
    taken = await take_back(store, content(sold, (2, 1)))

    assert return_event(taken.fact) == {
        "return_id": "r1",
        "sale_id": sold,
        "till_id": "t1",
        "refund": 12_900,
        "currency": "HKD",
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(SOLD)), st.integers(1, 3)), max_size=12))
async def test_stock_and_refund_are_the_sums_of_what_came_back(
    store: Any, sale: MakeSale, steps: list[tuple[int, int]]
) -> None:
    """Each example sells once, and takes back until nothing is left; judged by the answers and by the figures on hand."""
    before = {sku: on_hand(store.db.read, sku, "shop") for sku, _, _ in SOLD.values()}
    lines = tuple(SaleLine(n, sku, qty, price) for n, (sku, qty, price) in SOLD.items())
    total = sum(qty * price for _, qty, price in SOLD.values())
    one = sale(lines=lines, tenders=(Tender("card", total),), total=total)
    await store.sell(one)
    back: Counter[int] = Counter()
    refunded = 0
    for n, (line, qty) in enumerate(steps):
        asked = content(one.sale_id, (line, qty), return_id=f"{one.sale_id}-{n}")
        if back[line] + qty > SOLD[line][1]:
            with pytest.raises(RefusedError):
                await take_back(store, asked)
            continue
        refunded += told(await take_back(store, asked)).refund
        back[line] += qty

    assert returned_by_line(store.db.read, one.sale_id) == dict(back)
    assert refunded == sum(SOLD[line][2] * qty for line, qty in back.items())
    for line, (sku, qty, _) in SOLD.items():
        expected = 0 if sku == "BAG" else before[sku] - qty + back[line]
        assert on_hand(store.db.read, sku, "shop") == expected
