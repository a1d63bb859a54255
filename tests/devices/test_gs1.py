"""What a label says: the collected scans of the field, in-store templates, and what must not be refused."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from biip import ParseConfig, ParseError
from biip.checksums import gs1_price_weight_check_digit
from biip.gtin import Gtin
from biip.rcn import Rcn
from biip.upc import Upc
from hypothesis import example, given
from hypothesis import strategies as st

from devices.codecs.gs1 import parse_label
from devices.codecs.gtin import check_digit, measure_check_digit, upc_a
from devices.codecs.variable_measure import REGIONS, variable_measures
from devices.errors import OptionError
from devices.model import Measure, Scan

SCANS = (
    Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
    / "barcodes"
    / "scans.json"
)

# Where we differ from the collection on purpose: ids, and what we answer instead (None: a plain label, no error).
DIFFERENT: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("b024", "b025", "b026", "b031"), ("no trade item: a member card, an order number, a text", None)),
    **dict.fromkeys(("b132", "b133", "b134"), ("an ordinary web address is no broken Digital Link", None)),
    "b064": ("without a symbology only a right check digit makes 20 digits an SSCC", None),
    "b038": ("]J0 is DotCode (ISO/IEC 15424), which biip does not know; nothing stands behind it", "empty"),
    **dict.fromkeys(("b138", "b139", "b140"), ("one word for whatever is wrong in a Digital Link", "digital_link")),
}


def collected() -> list[object]:
    if not SCANS.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"{SCANS} is not there"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(SCANS.read_text())]


def parsed(case: dict) -> Scan:
    """Parse a collected scan with the options that its scanner and its shop would have."""
    given = case.get("options", {})
    region = (given.get("rcn_region") or "").lower()
    unverified = "" if given.get("rcn_verify_variable_measure", True) else "-unverified"
    return parse_label(
        case["raw"],
        variable_measures=variable_measures([region + unverified] if region else []),
        sends_upc_e=given.get("symbology_hint") == "UPC-E",
        gs1_separator=given.get("separators", ["\x1d"])[0],
    )


def measure_of(rcn: dict) -> Measure | None:
    if "weight_kg" in rcn:
        return Measure("weight_g", int(Decimal(rcn["weight_kg"]) * 1000))
    if "price" in rcn:
        return Measure("price_minor", int(Decimal(rcn["price"]) * 100))
    return Measure("count", rcn["count"]) if "count" in rcn else None


@pytest.mark.parametrize("case", collected())
def test_collected_scans_are_read_as_expected(case: dict) -> None:
    expected = case["expected"]
    error = DIFFERENT[case["id"]][1] if case["id"] in DIFFERENT else expected.get("error")
    scan = parsed(case)
    assert scan.error == error
    if error is not None or "error" in expected:
        assert (scan.gtin, scan.ais, scan.measure) == (None, None, None)
        return
    rcn = expected.get("rcn") or {}
    assert (scan.symbology, scan.ais) == (expected["symbology"], expected.get("ai"))
    if rcn:
        assert scan.measure == measure_of(rcn)
    assert scan.gtin == (item_by_biip(case) if scan.measure and rcn else expected.get("gtin"))


def item_by_biip(case: dict) -> str:
    config = ParseConfig(
        rcn_region=case["options"]["rcn_region"].lower(),
        rcn_verify_variable_measure=case["options"].get("rcn_verify_variable_measure", True),
    )
    rcn = Gtin.parse(case["expected"]["gtin"], config=config)
    assert isinstance(rcn, Rcn)
    return rcn.without_variable_measure().as_gtin_14()


@pytest.mark.parametrize("region", REGIONS)
@given(st.from_regex(r"2[0-9]{11}", fullmatch=True))
def test_a_country_s_rule_reads_what_biip_reads(region: str, body: str) -> None:
    label = f"{body}{check_digit(body)}"
    scan = parse_label(label, variable_measures=variable_measures([region]))
    try:
        rcn = Gtin.parse(label, config=ParseConfig(rcn_region=region))
    except ParseError:
        assert scan.error == "measure_check_digit"
        return
    assert isinstance(rcn, Rcn) and scan.error is None
    said = (
        *((Measure("weight_g", int(rcn.weight * 1000)),) if rcn.weight is not None else ()),
        *((Measure("price_minor", int(rcn.price * 100)),) if rcn.price is not None else ()),
        *((Measure("count", rcn.count),) if rcn.count is not None else ()),
    )
    assert scan.measure == (said[0] if said else None)
    assert scan.gtin == (rcn.without_variable_measure() if said else rcn).as_gtin_14()


@pytest.mark.parametrize("length", [4, 5])
def test_the_check_digit_of_a_price_is_what_biip_computes(length: int) -> None:
    for number in range(0, 10**length, 7):
        digits = f"{number:0{length}}"
        assert measure_check_digit(digits) == gs1_price_weight_check_digit(digits), digits


@given(st.from_regex(r"[01]?[0-9]{6}", fullmatch=True))
def test_upc_e_is_expanded_as_biip_does(digits: str) -> None:
    try:
        expected = Upc.parse(digits).as_upc_a()
    except ParseError:
        return
    assert upc_a(digits) == expected
    assert upc_a(f"{'0' if len(digits) == 6 else ''}{digits}{expected[-1]}") == expected


def test_a_scanner_that_sends_upc_e_still_reads_gtin_8() -> None:
    assert parse_label("96385074", sends_upc_e=True).gtin == "00000096385074"
    assert parse_label("14710018", sends_upc_e=True).gtin == "00147100001008"
    assert parse_label("14710018").gtin == "00000014710018"


def test_a_separator_of_the_scanner_s_own_counts_in_gs1_data_only() -> None:
    assert parse_label("0107032069804988100329|15210526", gs1_separator="|").ais is not None
    assert parse_label("A|B", gs1_separator="|") == Scan(label="A|B")


@pytest.mark.parametrize(
    "text",
    ["M-000123", "12345678901234567890", "123456", "王小明", "https://shop.example/2024/01/17", "(02) 2345-6789"],
)
def test_what_is_not_gs1_is_just_a_label(text: str) -> None:
    assert parse_label(text) == Scan(label=text)


def test_digits_in_another_symbology_are_nobodys_gtin() -> None:
    assert parse_label("]C05901234123458") == Scan(label="5901234123458", symbology="Code 128")
    assert parse_label("]A05901234123457") == Scan(label="5901234123457", symbology="Code 39")


def test_an_add_on_is_not_part_of_the_gtin() -> None:
    assert parse_label("]E3977147396801212345").gtin == "09771473968012"


def test_a_group_separator_without_a_symbology_is_still_gs1() -> None:
    scan = parse_label("\x1d010703206980498810L1\x1d17261231")
    assert (scan.gtin, scan.ais) == ("07032069804988", {"01": "07032069804988", "10": "L1", "17": "261231"})


def test_a_label_typed_with_parentheses_is_read() -> None:
    assert parse_label("(01)07032069804988(10)L1").ais == {"01": "07032069804988", "10": "L1"}


def test_a_digital_link_of_any_domain_and_case_is_read() -> None:
    assert parse_label("HTTPS://ID.GS1.ORG/01/07032069804988").gtin == "07032069804988"
    assert parse_label("]Q1https://brand.example/p/01/07032069804988?utm=x").gtin == "07032069804988"


def test_the_same_identifier_twice_with_two_values_is_refused() -> None:
    assert parse_label("]C1010703206980498810A\x1d10B").error == "repeated"
    assert parse_label("]C1010703206980498810A\x1d10A").error is None


@pytest.mark.parametrize(("ai", "weight_g"), [("3103001250", 1250), ("3100000002", 2000), ("3105123456", 1235)])
def test_the_net_weight_of_a_gtin_is_given_in_grams(ai: str, weight_g: int) -> None:
    assert parse_label(f"]d20107032069804988{ai}").measure == Measure("weight_g", weight_g)


@pytest.mark.parametrize(
    ("template", "label", "gtin", "measure"),
    [
        ("23IIIIIIWWWWC", "2302148210869", "02302148200006", Measure("weight_g", 1086)),
        ("20IIIIIIPPPPC", "2088060112343", "02088060100005", Measure("price_minor", 1234)),
        ("02IIIIIPPPPPC", "212345006788", "00212345000007", Measure("price_minor", 678)),
    ],
)
def test_a_template_gives_the_item_and_its_measure(template: str, label: str, gtin: str, measure: Measure) -> None:
    scan = parse_label(label, variable_measures=variable_measures([template]))
    assert (scan.gtin, scan.measure, scan.error) == (gtin, measure, None)


def test_a_measure_s_check_digit_is_verified_unless_its_place_is_used_otherwise() -> None:
    right, wrong = (f"{body}{check_digit(body)}" for body in ("200123491234", "200123451234"))  # 9 is 1234's own digit
    verified, unverified = (variable_measures([region]) for region in ("gb", "gb-unverified"))
    item = parse_label(right, variable_measures=verified)
    assert (item.measure, item.error) == (Measure("price_minor", 1234), None)
    assert parse_label(wrong, variable_measures=verified).error == "measure_check_digit"
    assert parse_label(wrong, variable_measures=unverified).measure == Measure("price_minor", 1234)
    assert parse_label(wrong, variable_measures=unverified).gtin == item.gtin
    own = variable_measures(["20IIIIIXPPPPC"])
    assert parse_label(wrong, variable_measures=own).gtin == item.gtin


def test_a_case_of_measured_goods_is_no_measured_label() -> None:
    body = "1210123456789"
    scan = parse_label(f"{body}{check_digit(body)}", variable_measures=variable_measures(["21IIIIIWWWWWC"]))
    assert (scan.measure, scan.error) == (None, None)


def test_a_net_weight_beside_the_gtin_counts_before_one_inside_it() -> None:
    body = "21012345678" + "9"
    gtin = f"0{body}{check_digit(body)}"
    scan = parse_label(f"]C101{gtin}3103001250", variable_measures=variable_measures(["21IIIIIWWWWWC"]))
    assert (scan.gtin, scan.measure) == (gtin, Measure("weight_g", 1250))


def test_a_template_never_rescues_a_wrong_check_digit() -> None:
    scan = parse_label("2302148210868", variable_measures=variable_measures(["23IIIIIIWWWWC"]))
    assert (scan.error, scan.gtin, scan.measure) == ("check_digit", None, None)


@given(st.integers(0, 99999), st.integers(0, 99999))
def test_every_weight_of_an_item_gives_the_same_gtin(item: int, weight_g: int) -> None:
    body, zeros = f"21{item:05}{weight_g:05}", f"21{item:05}00000"
    scan = parse_label(f"{body}{check_digit(body)}", variable_measures=variable_measures(["21IIIIIWWWWWC"]))
    assert scan.gtin == f"0{zeros}{check_digit(zeros)}"
    assert scan.measure == Measure("weight_g", weight_g)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "21IIIIIWWWWW",
        "21IIIIIWWWWWCC",
        "59IIIIIWWWWWC",
        "21IIIIIWWPPPC",
        "IIIIIIIWWWWWC",
        "21IIWIIWWWWWC",
        "21iiiiiwwwwwc",
        "21IIIIIWWWWWCx5",
        "21IIIIWWWWWC",
        "211IIIIIWWWWWC",
        "xx",
    ],
)
def test_a_wrong_template_is_refused_with_the_remedy(template: str) -> None:
    with pytest.raises(OptionError, match="21IIIIIWWWWWC"):
        variable_measures([template])


def test_a_measure_s_own_check_digit_needs_four_or_five_digits() -> None:
    with pytest.raises(OptionError, match="a measure of 4 or 5 digits"):
        variable_measures(["21IIIVWWWWWWC"])


def test_a_country_that_is_nearly_written_right_is_named() -> None:
    with pytest.raises(OptionError, match="did you mean 'de-unverified'"):
        variable_measures(["de-unverifed"])


def test_two_templates_for_the_same_labels_are_refused() -> None:
    with pytest.raises(OptionError, match="take the same labels"):
        variable_measures(["21IIIIIWWWWWC", "2IIIIIIPPPPPC"])


@given(st.text(max_size=80))
@example("http://[/01/1")
@example("]C13910978")
@example("]Q3https://id.gs1.org/01/٠٠٠٠٠٠٠٠٠٠٠٠٠٠")
@example("(01)(10)")
@example("]C1")
def test_no_label_raises(label: str) -> None:
    scan = parse_label(label)
    assert scan.error is None or (scan.gtin, scan.ais, scan.measure) == (None, None, None)


@given(
    st.sampled_from(["]C1", "]d2", "]Q3https://id.gs1.org/01/07032069804988/", "", "(01)"]),
    st.text("0123456789?=/&%()AZ\x1d-", max_size=60),
)
def test_damaged_gs1_data_never_raises(prefix: str, rest: str) -> None:
    scan = parse_label(prefix + rest)
    assert scan.error is None or (scan.gtin, scan.ais, scan.measure) == (None, None, None)


def test_biip_is_not_imported_for_plain_gtins_and_texts() -> None:
    """Goal: 15 MiB less in a shop without structured labels; method: a new interpreter."""
    code = (
        "import sys\n"
        "from devices.codecs.gs1 import parse_label\n"
        "for label in ('5901234123457', ']E05901234123457', 'M-0001', 'https://shop.example/'): parse_label(label)\n"
        "assert 'biip' not in sys.modules\n"
        "assert parse_label(']d20107032069804988').gtin and 'biip' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
