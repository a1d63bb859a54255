"""Documents of stock: what their lines do to the shelf, what is noted, what can mean nothing. Judged by sums done here."""

from collections import Counter
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.selling.sales import StockEffect
from sync.retail.stock import documents
from sync.retail.stock.movements import Flag, Movement, MovementLine, content_hash
from sync.retail.stock.transfers import (
    ArrivalFact,
    TransferFact,
    TransferLine,
    came_of,
    lines_of,
    sender_of,
    state_of,
    transfer_id,
)

AT = datetime(2026, 9, 21, tzinfo=UTC)
SKUS = ("A", "B", "C", "D")
QTYS = st.dictionaries(st.sampled_from(SKUS), st.integers(0, 30))


def document(reason: str, *lines: MovementLine, **fields: Any) -> Movement:
    return Movement("d1", reason=reason, lines=lines, **fields)  # type: ignore[arg-type]


def missing(flags: tuple[Flag, ...], expected: dict[str, int], came: dict[str, int]) -> int:
    """Add up what the flags say that is missing, from the numbers in their words."""
    total = 0
    for flag in flags:
        found = int(flag.detail.split()[0])
        wanted = 0 if flag.code == "not_expected" else int(flag.detail.split()[2])
        assert (found, wanted) == (came.get(flag.sku, 0), expected.get(flag.sku, 0))
        assert {"more_than_expected": found > wanted, "fewer_than_expected": found < wanted}.get(flag.code, True)
        total += wanted - found
    return total


@given(expected=QTYS, came=QTYS)
def test_the_flags_say_all_that_is_between_what_was_expected_and_what_came(
    expected: dict[str, int], came: dict[str, int]
) -> None:
    flags = documents.differences(expected, came)

    assert missing(flags, expected, came) == sum(expected.values()) - sum(came.values())
    assert {flag.sku for flag in flags} == {sku for sku in {*expected, *came} if expected.get(sku) != came.get(sku, 0)}


@given(
    reason=st.sampled_from(["receive", "transfer_in", "transfer_out", "adjust"]),
    qtys=st.dictionaries(st.sampled_from(SKUS), st.integers(1, 30), min_size=1),
    unstocked=st.sets(st.sampled_from(SKUS)),
)
def test_a_document_moves_what_its_lines_say_in_one_direction(
    reason: str, qtys: dict[str, int], unstocked: set[str]
) -> None:
    said = document(reason, *(MovementLine(sku, qty) for sku, qty in qtys.items()))

    moved = Counter({effect.sku: effect.qty for effect in documents.effects_of(said, "shop", unstocked=unstocked)})

    sign = -1 if reason == "transfer_out" else 1
    assert moved == {sku: sign * qty for sku, qty in qtys.items() if sku not in unstocked}


@pytest.mark.parametrize(
    ("said", "code", "pointer"),
    [
        (document("receive"), "document_empty", "/lines"),
        (document("receive", MovementLine("A", 1), MovementLine("A", 2)), "sku_twice", "/lines/1/sku"),
        (document("receive", MovementLine("A", 0)), "quantity_zero", "/lines/0/qty"),
        (document("transfer_out", MovementLine("A", 0)), "quantity_zero", "/lines/0/qty"),
        (document("transfer_out", MovementLine("A", 0, expected=1)), "quantity_zero", "/lines/0/qty"),
        (document("transfer_out", MovementLine("A", -1)), "quantity_negative", "/lines/0/qty"),
        (document("adjust", MovementLine("A", 1), cause="theft"), "cause_sign", "/lines/0/qty"),
        (document("adjust", MovementLine("A", -1), cause="found"), "cause_sign", "/lines/0/qty"),
    ],
)
def test_what_can_mean_nothing_is_refused_where_it_stands(said: Movement, code: str, pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        documents.check_document(said)

    assert (refused.value.code, refused.value.pointer) == (code, pointer)


@pytest.mark.parametrize(
    "said",
    [
        document("receive", MovementLine("A", 0, expected=4)),
        document("transfer_in", MovementLine("A", 0)),
        document("adjust", MovementLine("A", -2), MovementLine("B", 2), cause="correction"),
        document("adjust", MovementLine("A", -2), cause="damage"),
        document("adjust", MovementLine("A", 2), cause="found"),
    ],
)
def test_what_people_write_is_taken(said: Movement) -> None:
    documents.check_document(said)


def test_a_line_of_which_nothing_came_moves_nothing_and_travels() -> None:
    said = document("transfer_in", MovementLine("A", 0), MovementLine("B", 2))

    assert documents.effects_of(said, "shop") == (StockEffect("B", "shop", 2),)
    assert lines_of(said) == (TransferLine("A", 0), TransferLine("B", 2))


def test_without_a_delivery_note_nothing_is_compared_and_with_one_all_lines_are() -> None:
    plain = document("receive", MovementLine("A", 1), MovementLine("B", 2))
    noted = document("receive", MovementLine("A", 1, expected=1), MovementLine("B", 2))

    assert documents.note_differences(plain) == ()
    assert [(flag.code, flag.sku) for flag in documents.note_differences(noted)] == [("not_expected", "B")]


def test_the_order_of_the_lines_is_no_other_content_and_any_word_is() -> None:
    lines = (MovementLine("A", 1), MovementLine("B", 2, seen={"s:1": {"stock": 1, "sales": 2}}))
    said = document("receive", *lines)
    other_order = MovementLine("B", 2, seen={"s:1": {"sales": 2, "stock": 1}})

    assert content_hash(said) == content_hash(document("receive", other_order, lines[0]))
    for other in (
        document("receive", lines[0]),
        document("receive", *lines, reference="N1"),
        document("adjust", *lines),
    ):
        assert content_hash(said) != content_hash(other)


def test_the_hash_of_a_movement_of_one_sku_is_what_it_was_before_documents() -> None:
    """Known movements are compared with it: computed here by the bytes that were hashed then."""
    before = b'{"movement_id":"m1","sku":"TEA-01","qty":5,"reason":"receive","note":"box 3"}'
    plain = b'{"movement_id":"m1","sku":"TEA-01","qty":-5,"reason":"adjust"}'

    assert content_hash(Movement("m1", "TEA-01", 5, "receive", "box 3")) == blake2b(before, digest_size=16).digest()
    assert content_hash(Movement("m1", "TEA-01", -5, "adjust")) == blake2b(plain, digest_size=16).digest()


# transfers


def transfer(qtys: dict[str, int]) -> TransferFact:
    lines = tuple(TransferLine(*line) for line in sorted(qtys.items()))
    return TransferFact(transfer_id="hk01:d1", sender="hk01", receiver="hk02", lines=lines, sent_at=AT)


def arrival(qtys: dict[str, int], *, is_partial: bool = False, name: str = "hk02:a1") -> ArrivalFact:
    lines = tuple(TransferLine(*line) for line in sorted(qtys.items()))
    return ArrivalFact(
        arrival_id=name,
        transfer_id="hk01:d1",
        sender="hk01",
        receiver="hk02",
        lines=lines,
        arrived_at=AT,
        is_partial=is_partial,
    )


def test_the_name_of_a_transfer_says_who_sent_it() -> None:
    assert (transfer_id("hk01", "d:1"), sender_of("hk01:d:1")) == ("hk01:d:1", "hk01")


@given(sent=QTYS, boxes=st.lists(QTYS, max_size=4))
def test_a_transfer_is_judged_when_its_last_box_has_come_and_by_all_boxes(
    sent: dict[str, int], boxes: list[dict[str, int]]
) -> None:
    known = [arrival(box, is_partial=n + 1 < len(boxes), name=f"hk02:a{n}") for n, box in enumerate(boxes)]
    came = Counter[str]()
    for box in boxes:
        came.update(box)

    assert +came_of(known) == +came
    assert state_of(transfer(sent), known[:-1]) == ("partly_here" if len(known) > 1 else "on_the_road", ())
    if not known:
        return
    state, flags = state_of(transfer(sent), known)
    is_same = all(sent.get(sku) == came.get(sku) or (sku not in came and not sent[sku]) for sku in {*sent, *came})
    assert (state == "arrived") is is_same is (not flags)


def test_what_came_before_its_document_is_not_judged() -> None:
    assert state_of(None, [arrival({"A": 1})]) == ("partly_here", ())
