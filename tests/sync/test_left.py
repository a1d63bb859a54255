"""What is left of a pruned fact: what a till is told again, and how far receipt numbers go."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.entities import REGISTRY
from sync.retail.selling.left import SaidOfReturn, SaidOfSale, last_numbers, said_of, split_number
from sync.retail.selling.returns import Return, ReturnedLine, ReturnFact, ReturnLine
from sync.retail.selling.sales import Sale, SaleFact, SaleLine

AT = datetime(2026, 9, 21, 3, tzinfo=UTC)
LINES = (SaleLine(1, "A", 1, 100, per=1), SaleLine(2, "B", 300, 100, unit="g", per=600), SaleLine(3, "C", 1, 100))
SOLD = SaleFact(
    sale=Sale(sale_id="s", till_id="t", currency="HKD", lines=LINES, tenders=(), total=100),
    receipt_no="t-0TR5-000007",
    business_date="2026-09-21",
    committed_at=AT,
)
BACK = ReturnFact(
    content=Return(return_id="r", till_id="t", sale_id="s", lines=(ReturnLine(1, 1),), reason="x"),
    currency="HKD",
    lines=(ReturnedLine(1, "A", 1, 100),),
    refund=100,
    business_date="2026-09-21",
    committed_at=AT,
    stock=(),
)


def test_of_a_sale_its_answer_is_left_and_what_the_hub_had_filled_in() -> None:
    told = msgspec.json.decode(said_of(REGISTRY.by_name["sale"], msgspec.json.encode(SOLD)), type=SaidOfSale)

    assert told == SaidOfSale("t-0TR5-000007", AT, "2026-09-21", {2: 600})


def test_of_a_return_its_answer_is_left() -> None:
    told = msgspec.json.decode(said_of(REGISTRY.by_name["return"], msgspec.json.encode(BACK)), type=SaidOfReturn)

    assert told == SaidOfReturn(100, "HKD", AT, "2026-09-21")


def test_of_other_facts_nothing_is_left_but_their_key() -> None:
    for body in map(msgspec.json.encode, (SOLD, BACK)):
        assert said_of(REGISTRY.by_name["movement"], body) == "{}"


@pytest.mark.parametrize("entity", ["sale", "return", "movement"])
@pytest.mark.parametrize("body", [b"{}", b"\xff", b'{"v":9,"sale":7}'])
def test_of_what_cannot_be_read_nothing_is_left_but_its_key(entity: str, body: bytes) -> None:
    assert json.loads(said_of(REGISTRY.by_name[entity], body)) == {}


@given(
    st.from_regex(r"[a-z-]{1,9}", fullmatch=True), st.from_regex(r"[0-9A-Z]{4}", fullmatch=True), st.integers(0, 10**9)
)
def test_a_number_that_a_hub_gave_is_split_and_no_other(till: str, series: str, n: int) -> None:
    assert split_number(f"{till}-{series}-{n:06}") == (till, series, n)
    assert split_number(f"{till}-{series}X-{n:06}") is None and split_number(f"{till}-{series[1:]}-{n:06}") is None


@pytest.mark.parametrize("receipt_no", ["", "7", "0TR5-7", "t-0TR5-", "t-0TR5-x", "t-0TR5-٣", "t-0TR5-1.5", "t-0TR5-²"])
def test_a_number_of_another_form_has_no_series(receipt_no: str) -> None:
    assert split_number(receipt_no) is None


def test_the_last_number_of_each_series_is_the_largest_in_any_order() -> None:
    numbers = ["t-0TR5-000002", "t-0TR5-000009", "u-0TR5-000001", "till7-5000", "t-8QST-000004", "t-0TR5-000003"]
    bodies = [json.dumps({"receipt_no": each, "later": 1}).encode() for each in numbers]

    last = last_numbers([b"\xff", *bodies, b'{"receipt_no":7}', b"{}"])

    assert last == {("t", "0TR5"): 9, ("u", "0TR5"): 1, ("t", "8QST"): 4}
    assert last_numbers([b'{"receipt_no":"t-0TR5-000000"}']) == {("t", "0TR5"): 0}
