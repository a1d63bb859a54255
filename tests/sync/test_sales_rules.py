"""The sale's pure rules: sums to the last minor unit, and a hash of what was meant, not of how it was written."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.money import cash_rounding, line_amount
from sync.retail.selling.sales import (
    LINES_MAX,
    QTY_MAX,
    Approval,
    Coupon,
    Discount,
    Override,
    Sale,
    SaleLine,
    Tender,
    amount_of,
    check_sums,
    content_hash,
    filled_like,
)

SALE = Sale(
    sale_id="s1",
    till_id="t1",
    currency="HKD",
    lines=(SaleLine(1, "A", 2, 1000, discount=100, price_version=3), SaleLine(2, "B", 250, 2500, "g", per=600)),
    tenders=(Tender("cash", 2000), Tender("card", 940, provider="visa", reference="x1")),
    total=2940,
    rounding=-2,
    sold_at=datetime(2026, 9, 21, 12, tzinfo=UTC),
    receipt_no="R1",
    offline=True,
    cashier_id="c1",
    member_id="m1",
)
LINES = st.builds(
    SaleLine,
    line=st.just(1),
    sku=st.just("A"),
    qty=st.integers(1, QTY_MAX),
    unit_price=st.integers(0, 10**7),
    per=st.sampled_from([1, 100, 500, 600, 1000]),
)


def replaced(**changes: Any) -> Sale:
    return msgspec.structs.replace(SALE, **changes)


def sale_of(lines: tuple[SaleLine, ...], *, off: int = 0, tendered: int | None = None) -> Sale:
    numbered = tuple(msgspec.structs.replace(line, line=n) for n, line in enumerate(lines, 1))
    total = sum(amount_of(line) for line in numbered) + off
    tenders = (Tender("card", total if tendered is None else tendered),)
    return replaced(lines=numbered, tenders=tenders, total=total, rounding=0)


@given(lines=st.lists(LINES, min_size=1, max_size=8).map(tuple))
def test_a_sale_whose_sums_agree_passes(lines: tuple[SaleLine, ...]) -> None:
    check_sums(sale_of(lines))


@given(lines=st.lists(LINES, min_size=1, max_size=8).map(tuple), off=st.integers(-1000, 1000))
def test_a_total_that_is_off_is_refused(lines: tuple[SaleLine, ...], off: int) -> None:
    assume(off != 0)

    with pytest.raises(RuleError) as refused:
        check_sums(sale_of(lines, off=off))

    assert (refused.value.code, refused.value.pointer) == ("total", "/total")


@given(lines=st.lists(LINES, min_size=1, max_size=8).map(tuple), off=st.integers(-1000, 1000))
def test_tenders_that_are_off_are_refused(lines: tuple[SaleLine, ...], off: int) -> None:
    assume(off != 0)
    sale = sale_of(lines)

    with pytest.raises(RuleError) as refused:
        check_sums(sale_of(lines, tendered=sale.total + off))

    assert (refused.value.code, refused.value.pointer) == ("tenders", "/tenders")


@given(line=LINES, rounding=st.integers(-100, 100))
def test_only_the_rounding_that_cash_needs_is_taken(line: SaleLine, rounding: int) -> None:
    goods = amount_of(line)
    assume(goods + rounding >= 0)
    sale = replaced(
        lines=(line,), rounding=rounding, total=goods + rounding, tenders=(Tender("cash", goods + rounding),)
    )

    if rounding in (0, cash_rounding(goods, "HKD")):
        check_sums(sale)
    else:
        with pytest.raises(RuleError, match="round") as refused:
            check_sums(sale)
        assert refused.value.code == "rounding"


@given(line=LINES, discount=st.integers(0, 10**9))
def test_a_discount_is_at_most_the_line(line: SaleLine, discount: int) -> None:
    assert line.per is not None
    whole = line_amount(line.unit_price, line.qty, line.per)
    reduced = msgspec.structs.replace(line, discount=discount)

    if discount <= whole:
        check_sums(sale_of((reduced,)))
        assert amount_of(reduced) == whole - discount
    else:
        with pytest.raises(RuleError) as refused:
            check_sums(sale_of((reduced,)))
        assert (refused.value.code, refused.value.pointer) == ("discount_above_amount", "/lines/0/discount")


def test_a_line_number_stands_once() -> None:
    line = SaleLine(1, "A", 1, 100, per=1)

    with pytest.raises(RuleError) as refused:
        check_sums(replaced(lines=(line, line)))

    assert (refused.value.code, refused.value.pointer) == ("line_number_twice", "/lines/1/line")


def decoded(text: bytes) -> Sale:
    return msgspec.json.decode(text, type=Sale)


def rewritten(value: Any, rng: Any) -> Any:
    """Return the same JSON value with every object's fields in another order."""
    if isinstance(value, dict):
        items = [(key, rewritten(item, rng)) for key, item in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [rewritten(item, rng) for item in value] if isinstance(value, list) else value


@given(rng=st.randoms(use_true_random=False), indent=st.sampled_from([None, 0, 2]))
def test_the_order_of_fields_and_the_spaces_mean_nothing(rng: Any, indent: int | None) -> None:
    value = rewritten(json.loads(msgspec.json.encode(SALE)), rng)

    again = decoded(json.dumps(value, indent=indent, ensure_ascii=rng.random() < 0.5).encode())

    assert content_hash(again) == content_hash(SALE)


@pytest.mark.parametrize(
    "explicit",
    [
        {"offline": False},
        {"coupons": []},
        {"member_id": None},
        {"rounding": 0},
        {"points_burned": 0},
        {"session_id": None},
        {"approvals": []},
        {"training": False},
    ],
)
def test_a_default_that_is_written_down_means_what_its_absence_means(explicit: dict[str, Any]) -> None:
    absent = {"sale_id": "s", "till_id": "t", "currency": "HKD", "lines": [], "tenders": [], "total": 0}
    absent["lines"] = [{"line": 1, "sku": "A", "qty": 1, "unit_price": 0}]

    one, other = (decoded(json.dumps(value).encode()) for value in (absent, absent | explicit))

    assert content_hash(one) == content_hash(other)


@given(minutes=st.integers(-14 * 60, 14 * 60))
def test_the_same_moment_in_another_zone_is_the_same_sale(minutes: int) -> None:
    assert SALE.sold_at is not None
    elsewhere = SALE.sold_at.astimezone(timezone(timedelta(minutes=minutes)))

    assert content_hash(replaced(sold_at=elsewhere)) == content_hash(SALE)


CHANGES: list[dict[str, Any]] = [
    {"sale_id": "s2"},
    {"till_id": "t2"},
    {"currency": "TWD"},
    {"total": 2941},
    {"rounding": 0},
    {"sold_at": datetime(2026, 9, 21, 12, 0, 1, tzinfo=UTC)},
    {"sold_at": None},
    {"receipt_no": "R2"},
    {"receipt_no": None},
    {"offline": False},
    {"cashier_id": None},
    {"member_id": "m2"},
    {"coupons": (Coupon("c1", 5),)},
    {"points_burned": 5},
    {"session_id": "d1"},
    {"approvals": (Approval("price_override", "c2", "a1"),)},
    {"training": True},
    {"lines": SALE.lines[:1]},
    {"lines": SALE.lines[::-1]},
    {"tenders": SALE.tenders[::-1]},
    *(
        {"lines": (msgspec.structs.replace(SALE.lines[0], **change), SALE.lines[1])}
        for change in (
            {"line": 3},
            {"sku": "C"},
            {"qty": 3},
            {"unit_price": 1001},
            {"unit": "g"},
            {"discount": 99},
            {"per": 1},
            {"price_version": None},
            {"open_item": True},
            {"description": "x"},
            {"discounts": (Discount(100, "promotion"),)},
            {"discounts": (Discount(100, "promotion", "p1"),)},
            {"discounts": (Discount(100, "promotion", reason="two for less"),)},
            {"override": Override("shelf label")},
        )
    ),
    *(
        {"tenders": (SALE.tenders[0], msgspec.structs.replace(SALE.tenders[1], **change))}
        for change in (
            {"type": "fps"},
            {"amount": 941},
            {"provider": None},
            {"reference": "x2"},
            {"tendered": 1000},
        )
    ),
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_any_changed_field_is_another_content(change: dict[str, Any]) -> None:
    assert content_hash(replaced(**change)) != content_hash(SALE)


def test_every_field_is_among_the_changes() -> None:
    """A field added to the sale without a line above would be hashed untested."""
    assert not set(Sale.__struct_fields__) - {name for change in CHANGES for name in change}


def test_the_hash_names_its_version() -> None:
    assert content_hash(SALE)[0] == 1 and len(content_hash(SALE)) == 16


@pytest.mark.parametrize("year", [1, 1969, 2200, 9999])
def test_a_year_that_no_clock_in_a_shop_shows_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match=f"year {year}"):
        replaced(sold_at=datetime(year, 6, 1, tzinfo=UTC))


def test_bounds_of_a_sale_are_those_of_the_wire() -> None:
    line = json.loads(msgspec.json.encode(SALE.lines[0]))
    whole = json.loads(msgspec.json.encode(SALE))

    for change in ({"lines": [line] * (LINES_MAX + 1)}, {"lines": []}, {"total": -1}, {"total": 10**12 + 1}, {"x": 1}):
        with pytest.raises(msgspec.ValidationError):
            decoded(json.dumps(whole | change).encode())


def test_a_repeat_gets_the_quantity_that_was_filled_in_the_first_time_and_only_where_it_says_none() -> None:
    stored = replaced(lines=(SaleLine(1, "A", 2, 1000, per=1), SaleLine(2, "B", 250, 2500, "g", per=600)))
    again = replaced(
        lines=(SaleLine(1, "A", 2, 1000), SaleLine(2, "B", 250, 2500, "g", per=500), SaleLine(3, "C", 1, 1))
    )

    assert [line.per for line in filled_like(again, stored).lines] == [1, 500, None]
    assert filled_like(replaced(lines=again.lines[:1]), stored) == replaced(lines=stored.lines[:1])


def test_fields_that_were_added_leave_the_hash_of_a_known_sale_as_it_was() -> None:
    """Taken from the program before discounts, coupons, points, approvals and training were fields of a sale."""
    assert content_hash(SALE).hex() == "01347325e5171cef9bf87b596d364eec"


@given(line=LINES, parts=st.lists(st.integers(0, 1000), min_size=1, max_size=5), off=st.integers(-3, 3))
def test_discounts_add_up_to_the_lines_discount(line: SaleLine, parts: list[int], off: int) -> None:
    discounts = tuple(Discount(part, "manual") for part in parts)
    whole = line_amount(line.unit_price, line.qty, line.per or 1)
    assume(0 <= sum(parts) + off <= whole)
    said = sale_of((msgspec.structs.replace(line, discount=sum(parts) + off, discounts=discounts),))

    if off == 0:
        check_sums(said)
    else:
        with pytest.raises(RuleError) as refused:
            check_sums(said)
        assert (refused.value.code, refused.value.pointer) == ("discounts", "/lines/0/discounts")


def test_a_coupon_takes_off_what_the_discounts_that_name_it_do() -> None:
    first = SaleLine(1, "A", 1, 1000, per=1, discount=30, discounts=(Discount(30, "coupon", "c1"),))
    second = SaleLine(
        2, "B", 1, 1000, per=1, discount=25, discounts=(Discount(20, "coupon", "c1"), Discount(5, "sale"))
    )
    sale = sale_of((first, second))

    check_sums(msgspec.structs.replace(sale, coupons=(Coupon("c1", 50),)))
    third = SaleLine(3, "C", 1, 1000, per=1, discount=7, discounts=(Discount(7, "coupon", "c2"),))
    check_sums(msgspec.structs.replace(sale_of((first, second, third)), coupons=(Coupon("c1", 50), Coupon("c2", 7))))

    for coupons, code in (
        ((Coupon("c1", 49),), "coupon_amount"),
        ((Coupon("c1", 50), Coupon("c1", 50)), "coupon_twice"),
        ((Coupon("c1", 50), Coupon("c2", 1)), "coupon_amount"),
        ((), "coupon_amount"),
    ):
        with pytest.raises(RuleError) as refused:
            check_sums(msgspec.structs.replace(sale, coupons=coupons))
        assert refused.value.code == code


def test_nothing_goes_back_of_a_tender_of_which_it_is_not_said_what_was_handed_over() -> None:
    assert Tender("card", 5).change == 0


@given(amount=st.integers(0, 10**6), tendered=st.integers(0, 10**6))
@example(amount=5, tendered=4)
@example(amount=5, tendered=5)
def test_change_is_what_was_handed_over_beyond_the_amount(amount: int, tendered: int) -> None:
    line = SaleLine(1, "A", 1, amount, per=1)
    sale = replaced(lines=(line,), rounding=0, total=amount, tenders=(Tender("card", amount, tendered=tendered),))

    if tendered >= amount:
        check_sums(sale)
        assert amount + sale.tenders[0].change == tendered
    else:
        with pytest.raises(RuleError) as refused:
            check_sums(sale)
        assert (refused.value.code, refused.value.pointer) == ("tendered", "/tenders/0/tendered")


def test_points_are_burned_by_a_member() -> None:
    sale = msgspec.structs.replace(sale_of((SaleLine(1, "A", 1, 1000, per=1),)), points_burned=5)

    check_sums(sale)
    with pytest.raises(RuleError) as refused:
        check_sums(msgspec.structs.replace(sale, member_id=None))

    assert refused.value.code == "points_member"
    check_sums(msgspec.structs.replace(sale, points_burned=0, member_id=None))


def test_what_is_taken_off_for_points_is_taken_off_for_some() -> None:
    """Else a word would do instead of an approval: points are none of the discounts that need one."""
    line = SaleLine(1, "A", 1, 1000, per=1, discount=900, discounts=(Discount(900, "points"),))
    sale = msgspec.structs.replace(sale_of((line,)), points_burned=9)

    check_sums(sale)
    with pytest.raises(RuleError) as refused:
        check_sums(msgspec.structs.replace(sale, points_burned=0))

    assert (refused.value.code, refused.value.pointer) == ("points_discount", "/points_burned")


@pytest.mark.parametrize(("exchanged", "rounding"), [(700, -1), (700, 1), (701, 1), (703, -2), (703, 3)])
def test_what_goods_that_came_back_have_paid_for_is_not_rounded(exchanged: int, rounding: int) -> None:
    """Nothing is left to pay: there are no coins to be short of, whatever the value that went over ends in."""
    sale = replaced(
        lines=(SaleLine(1, "A", 1, 700, per=1),),
        rounding=rounding,
        total=700 + rounding,
        tenders=(Tender("exchange", exchanged),),
    )

    with pytest.raises(RuleError, match=f"{rounding} does not round 0 HKD for cash") as refused:
        check_sums(sale)
    assert (refused.value.code, refused.value.pointer) == ("rounding", "/rounding")
