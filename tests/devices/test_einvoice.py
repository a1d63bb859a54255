"""Taiwan's invoice codes: the collected samples (the Ministry's own among them), the forms, and any text at all."""

import base64
import json
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.codecs.carriers import Carrier, read_carrier, read_donation_code
from devices.codecs.einvoice import (
    Invoice,
    is_business_number,
    looks_barcode,
    looks_left,
    looks_right,
    read_barcode,
    read_invoice,
)
from devices.errors import LabelError

SAMPLES = (
    Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
    / "einvoice"
    / "samples.json"
)
HEADER = "AB112233441020523999900000144000001540000000001234567ydXZt4LAN1UHN/j1juVcRA=="


def collected(kind: str) -> list[object]:
    if not SAMPLES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="shared material is absent"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(SAMPLES.read_text()) if case["kind"] == kind]


def shown(invoice: Invoice) -> dict[str, object]:
    fields = {name: getattr(invoice, name) for name in Invoice.__struct_fields__}
    roc = f"{int(invoice.date[:4]) - 1911:03}{invoice.date[5:7]}{invoice.date[8:]}"
    return fields | {
        "items": json.loads(msgspec.json.encode(invoice.items)),
        "barcode": invoice.barcode,
        "roc_date": roc,
    }


@pytest.mark.parametrize("case", collected("qr"))
def test_collected_qr_codes_are_read_as_expected(case: dict) -> None:
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises(LabelError) as refused:
            read_invoice(case["left"], case["right"])
        assert refused.value.reason == expected["error"]
        return
    invoice = shown(read_invoice(case["left"], case["right"]))
    assert {name: invoice[name] for name in expected} == expected


@pytest.mark.parametrize("case", collected("qr"))
def test_a_collected_code_is_known_for_what_it_is(case: dict) -> None:
    codes = [case["left"], case["right"]] if not case.get("swapped") else [case["right"], case["left"]]
    if "error" not in case["expected"]:
        assert looks_left(codes[0]) and not looks_right(codes[0])
    if codes[1] is not None and "**" in codes[1] and not looks_left(codes[1]):
        assert looks_right(codes[1])


@pytest.mark.parametrize("case", collected("code39"))
def test_collected_bar_codes_are_read_as_expected(case: dict) -> None:
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises(LabelError) as refused:
            read_barcode(case["raw"])
        assert refused.value.reason == expected["error"]
        return
    assert looks_barcode(case["raw"])
    assert msgspec.to_builtins(read_barcode(case["raw"])) == expected


@pytest.mark.parametrize("case", collected("ubn"))
def test_collected_business_numbers_are_judged_as_expected(case: dict) -> None:
    assert is_business_number(case["raw"]) == case["expected"]["valid"]


def test_the_left_code_alone_says_all_but_the_other_lines() -> None:
    invoice = read_invoice(f"{HEADER}:**********:1:2:1:茶:2:30:")
    assert (invoice.number, invoice.date, invoice.period) == ("AB11223344", "2013-05-23", "10206")
    assert (invoice.sales_amount, invoice.total_amount, invoice.tax_amount) == (324, 340, 16)
    assert [item.name for item in invoice.items] == ["茶"] and not invoice.complete
    both = read_invoice(f"{HEADER}:**********:1:2:1:茶:2:30:", "**杯:1:99")
    assert [item.name for item in both.items] == ["茶", "杯"] and both.complete


def test_big5_that_a_scanner_passed_on_byte_by_byte_is_repaired() -> None:
    mangled = "茶:2:30:".encode("cp950").decode("latin-1")
    assert read_invoice(f"{HEADER}:**********:1:1:0:{mangled}").items[0].name == "茶"


def test_amounts_are_hexadecimal_and_a_buyer_is_named_where_there_is_one() -> None:
    company = read_invoice(f"{HEADER[:21]}0000000A0000000B2209913104595257{HEADER[53:]}")
    assert (company.sales_amount, company.total_amount, company.tax_amount) == (10, 11, 1)
    assert (company.buyer_ubn, company.seller_ubn) == ("22099131", "04595257")
    consumer = read_invoice(f"{HEADER[:21]}000000000000000B{HEADER[37:]}")
    assert (consumer.sales_amount, consumer.tax_amount, consumer.buyer_ubn) == (0, None, None)


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        (HEADER[:76], None, "header_length"),
        (f"1{HEADER[1:]}", None, "number"),
        (f"{HEADER[:17]}99x9{HEADER[21:]}", None, "number"),
        (f"{HEADER[:21]}G{HEADER[22:]}", None, "amount"),
        (f"{HEADER[:10]}1021323{HEADER[17:]}", None, "date"),
        (f"{HEADER[:10]}10205²3{HEADER[17:]}", None, "date"),
        (f"{HEADER[:10]}１020523{HEADER[17:]}", None, "date"),
        (HEADER, f"CD{HEADER[2:]}", "two_invoices"),
    ],
)
def test_a_header_that_cannot_be_is_refused(left: str, right: str | None, reason: str) -> None:
    with pytest.raises(LabelError) as refused:
        read_invoice(left, right)
    assert refused.value.reason == reason


def test_the_same_code_twice_is_one_code_and_the_other_way_round_is_the_same() -> None:
    left, right = f"{HEADER}:**********:1:2:1:茶:2:30:", "**杯:1:99"
    assert read_invoice(left, left) == read_invoice(left)
    assert read_invoice(right, left) == read_invoice(left, right)
    assert looks_left(left) and not looks_left(right) and looks_right(f" {right}") and not looks_right(left)


@pytest.mark.parametrize(
    ("body", "counted", "encoding", "items", "complete"),
    [
        (":**********:0:0:1", ("", 0, 0), "utf-8", [], True),
        (":POS01:0042:0:0:0", ("POS01:0042", 0, 0), "big5", [], True),
        (":SHORT:1:1:1:a:1:2", ("SHORT", 1, 1), "utf-8", [("a", "1", "2")], True),
        (":**********:::3:a:1:2", ("", 0, 0), "utf-8", [("a", "1", "2")], False),
        (":**********:2:5:7:a:1:1:b:2:2", ("", 2, 5), None, [("a", "1", "1"), ("b", "2", "2")], False),
        (":**********:1:1:1:筆電:1.5:29,900:", ("", 1, 1), "utf-8", [("筆電", "1.5", "29900")], True),
        (":**********:1:1:1:箱:一箱:n/a", ("", 1, 1), "utf-8", [("箱", None, None)], True),
        (":**********:2:2:1:箱:2:n/a:盒:一盒:5", ("", 2, 2), "utf-8", [("箱", "2", None), ("盒", None, "5")], True),
        (":**********:1:1:1:a:1:1:b:2", ("", 1, 1), "utf-8", [("a", "1", "1")], True),
        ("", ("", 0, 0), None, [], False),
        ("nonsense", ("", 0, 0), None, [], False),
    ],
)
def test_what_stands_behind_the_header(
    body: str, counted: tuple[str, int, int], encoding: str | None, items: list[tuple[object, ...]], complete: bool
) -> None:
    invoice = read_invoice(HEADER + body)
    assert (invoice.seller_area, invoice.items_in_qr, invoice.items_total) == counted
    assert (invoice.encoding, invoice.complete, invoice.cross_border) == (encoding, complete, ":3:" in body[11:])
    assert [(item.name, item.quantity, item.unit_price) for item in invoice.items] == items
    assert all(bool(item.raw) == (None in (item.quantity, item.unit_price)) for item in invoice.items)


@pytest.mark.parametrize("joint", ["茶:2:30|杯:1:99", "茶:2:30:|杯:1:99", "茶:2:30|:杯:1:99"])
def test_lines_of_two_codes_are_joined_with_one_colon(joint: str) -> None:
    left, right = joint.split("|")
    if right.startswith(":"):
        left, right = left + ":", right[1:]
    invoice = read_invoice(f"{HEADER}:**********:1:2:1:{left}", f"**{right}")
    assert [item.name for item in invoice.items] == ["茶", "杯"]


def test_a_left_code_without_lines_takes_those_of_the_right_one() -> None:
    invoice = read_invoice(f"{HEADER}:**********:0:1:1", "**杯:1:99")
    assert [item.name for item in invoice.items] == ["杯"] and invoice.complete


def test_mangled_text_of_an_unknown_encoding_stays_as_it_is() -> None:
    mangled = "茶".encode("cp950").decode("latin-1")
    assert read_invoice(f"{HEADER}:**********:1:1:7:{mangled}:1:2").items[0].name == mangled


TEXT = "乾電池:1:105:茶>>>:2:30"


@given(st.integers(0, len(TEXT.encode())), st.booleans(), st.booleans())
def test_base64_of_each_code_by_itself_is_read_wherever_it_was_cut(cut: int, padded: bool, url_safe: bool) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    left, right = (encode(part).decode() for part in (TEXT.encode()[:cut], TEXT.encode()[cut:]))
    left, right = (left, right) if padded else (left, right.rstrip("="))
    invoice = read_invoice(f"{HEADER}:**********:2:2:2:{left}", f"**{right}")
    assert [item.name for item in invoice.items] == ["乾電池", "茶>>>"]


@given(st.integers(0, len(base64.b64encode(TEXT.encode()))))
def test_base64_that_was_encoded_once_is_read_wherever_it_was_cut(cut: int) -> None:
    whole = base64.b64encode(TEXT.encode()).decode()
    invoice = read_invoice(f"{HEADER}:**********:2:2:2:{whole[:cut]}", f"**{whole[cut:]}")
    assert [item.name for item in invoice.items] == ["乾電池", "茶>>>"]


def test_a_code_that_reads_both_ways_was_encoded_once() -> None:
    """Cut within a group of four, both halves may happen to be text by themselves: the lines are those of the whole."""
    whole = base64.b64encode(b"DADV:4:39").decode()
    left, right = whole[:10], whole[10:]
    assert base64.b64decode(left + "==") + base64.b64decode(right + "==") == b"DADV:4:3"
    (item,) = read_invoice(f"{HEADER}:**********:1:1:2:{left}", f"**{right}").items
    assert (item.name, item.quantity, item.unit_price) == ("DADV", "4", "39")


def test_base64_that_is_none_gives_no_lines_and_no_error() -> None:
    noisy = base64.b64encode(TEXT.encode()).decode().replace("g", "g!", 1)
    for junk in ("A", "!!!!", "/w==", noisy):
        assert read_invoice(f"{HEADER}:**********:1:1:2:{junk}").items == ()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("10404UZ176908720122", None),
        ("*10402uz176908720122*", None),
        ("10412UZ176908720122", None),
        ("10410UZ176908720122", None),
        ("10404UZ17690872012", "length"),
        ("10405UZ176908720122", "period"),
        ("10414UZ176908720122", "period"),
        ("10400UZ176908720122", "period"),
        ("1040４UZ176908720122", "period"),
        ("10404U1176908720122", "number"),
        ("10404UZ17690872012x", "number"),
    ],
)
def test_the_bar_code_has_a_period_a_number_and_a_random_code(code: str, reason: str | None) -> None:
    try:
        said = read_barcode(code)
    except LabelError as err:
        assert err.reason == reason
        return
    assert reason is None and looks_barcode(code)
    assert (said.period, said.number, said.random_code) == (code.strip("*")[:5], "UZ17690872", "0122")


def by_hand(digits: str) -> bool:
    """The Ministry's own description: products' digits added, a 7 in the seventh place may count 1 or 0."""
    sums = [0]
    for place, (digit, weight) in enumerate(zip(digits, "12121241", strict=True)):
        product = int(digit) * int(weight)
        ways = {1, 0} if place == 6 and digit == "7" else {sum(map(int, str(product)))}
        sums = [before + way for before in sums for way in ways]
    return any(total % 5 == 0 for total in sums)


@given(st.from_regex(r"[0-9]{6}[07][0-9]|[0-9]{8}", fullmatch=True))
def test_a_business_number_is_judged_by_the_rule_of_2023(digits: str) -> None:
    assert is_business_number(digits) == (digits != "00000000" and by_hand(digits))


@pytest.mark.parametrize("text", ["", "0459525", "045952570", "0459525A", "0459525²"])
def test_what_has_not_eight_digits_is_no_business_number(text: str) -> None:
    assert not is_business_number(text)


@pytest.mark.parametrize(
    ("label", "carrier"),
    [
        ("/ABC+123", Carrier("3J0002", "/ABC+123")),
        ("*/A.C-12Z*", Carrier("3J0002", "/A.C-12Z")),
        ("/abc+123", Carrier("3J0002", "/ABC+123")),
        ("AB12345678901234", Carrier("CQ0001", "AB12345678901234")),
        ("ABC+1234", None),
        ("/ABC+12", None),
        ("/ABC+1234", None),
        ("/ABC$123", None),
        ("AB1234567890123", None),
        ("AB1234567890123４", None),
    ],
)
def test_a_carrier_is_known_by_its_form(label: str, carrier: Carrier | None) -> None:
    assert read_carrier(label) == carrier


@pytest.mark.parametrize(("label", "code"), [("168001", "168001"), ("*919*", "919"), ("12", None), ("12345678", None)])
def test_a_donation_code_is_three_to_seven_digits(label: str, code: str | None) -> None:
    assert read_donation_code(label) == code


ANY = st.text(max_size=60) | st.text("0123456789ABab*:=+/-_ \ufeff茶é", max_size=60)


@given(st.sampled_from([HEADER, f"{HEADER}:**********:1:1:", "**", ""]), ANY, st.none() | ANY)
@example(f"{HEADER}:**********:1:1:2:", "A", None)
@example("", "", "**")
def test_any_text_gives_an_invoice_or_a_refusal(begin: str, left: str, right: str | None) -> None:
    looks_left(left), looks_right(left), looks_barcode(left), is_business_number(left)
    for read in (lambda: read_invoice(begin + left, right), lambda: read_barcode(left)):
        try:
            read()
        except LabelError as err:
            assert err.reason in ("header_length", "number", "date", "amount", "two_invoices", "length", "period")
    carrier = read_carrier(left)
    assert carrier is None or len(carrier.id) in (8, 16)


@given(st.integers(0, 7), st.characters())
def test_a_header_with_one_wrong_character_never_raises_another_error(part: int, character: str) -> None:
    place = (0, 5, 12, 19, 25, 33, 40, 60)[part]
    try:
        invoice = read_invoice(HEADER[:place] + character + HEADER[place + 1 :])
    except LabelError:
        return
    assert len(invoice.barcode) == 19
