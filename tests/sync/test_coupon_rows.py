"""Batches of serials: a serial is of a batch or it is not, and its batch is found by its prefix alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.retail.names import Name
from sync.retail.people.coupon_rows import DIGITS_MAX, CouponBatchRow, CouponRow, prefixes

TEN = CouponRow(
    coupon_id="TEN",
    name=Name(en="Ten off"),
    currency="HKD",
    valid_from="2026-01-01",
    valid_until="2026-12-31",
    amount_max=1000,
)


@st.composite
def batches(draw: st.DrawFn) -> CouponBatchRow:
    digits = draw(st.integers(0, DIGITS_MAX))
    first = draw(st.integers(0, 10**digits - 1)) if digits else 0
    count = draw(st.integers(1, min(1000, 10**digits - first))) if digits else 1
    prefix = draw(st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,9}", fullmatch=True))
    return CouponBatchRow(batch_id="b", coupon_id="c", prefix=prefix, digits=digits, first=first, count=count)


@given(batches(), st.data())
def test_every_serial_of_a_batch_is_its_own_and_leads_to_it(batch: CouponBatchRow, data: st.DataObject) -> None:
    number = data.draw(st.integers(batch.first, batch.first + batch.count - 1))
    serial = batch.serial(number)

    assert batch.has(serial)
    assert batch.prefix in prefixes(serial)
    assert len({batch.serial(batch.first + n) for n in range(min(batch.count, 50))}) == min(batch.count, 50)


@pytest.mark.parametrize(
    "serial",
    [
        "TEN099",
        "TEN110",
        "TEN1",
        "TEN0100",
        "TEN10٣",
        "TEN+10",
        "ten100",
        "XTEN100",
        "TEN",
        "",
        "TEN10 ",
        "100",
        "TEN1A0",
    ],
)
def test_what_is_beside_a_batch_is_none_of_it(serial: str) -> None:
    batch = CouponBatchRow(batch_id="b", coupon_id="c", prefix="TEN", digits=3, first=100, count=10)
    assert batch.has("TEN100") and batch.has("TEN109")
    assert not batch.has(serial)


def test_a_prefix_leaves_as_many_characters_as_a_batch_has_digits_at_most() -> None:
    assert list(prefixes("ABC")) == ["ABC", "AB", "A"]
    long = "P" * 8 + "1" * 12
    assert list(prefixes(long)) == [long[:size] for size in range(20, 7, -1)]


def test_hours_that_say_nothing_are_the_whole_day() -> None:
    assert TEN.definition.hours is None
    night = CouponRow(
        **{name: getattr(TEN, name) for name in TEN.__struct_fields__} | {"hour_from": 22, "hour_until": 2}
    )
    assert night.definition.hours == (22, 2)


@pytest.mark.parametrize("wrong", [{"valid_from": ""}, {"valid_until": "2026-13-01"}, {"hour_until": 0}])
def test_what_means_nothing_has_no_definition(wrong: dict[str, object]) -> None:
    row = CouponRow(**{name: getattr(TEN, name) for name in TEN.__struct_fields__} | wrong)
    with pytest.raises(ValueError):
        _ = row.definition
