"""Taiwan's invoice codes: the collected samples (the Ministry's own among them), the forms, and any text at all."""

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
