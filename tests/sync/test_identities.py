"""Identities: one form for all ways of writing, hashes that need the key, errors that name no value."""

import string
import unicodedata
from datetime import UTC, datetime

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.people.identities import (
    CARD,
    EMAIL,
    KINDS,
    LINE,
    PHONE,
    TEXT_MAX,
    DeclaredKind,
    canonical,
    is_region,
    keyed_hash,
    new_key,
    region_of,
)

MOBILES = {"TW": ("09", 8, "+886"), "HK": ("9", 7, "+852")}
STAFF = {"staff_no": DeclaredKind(pattern="[A-Z]{2}[0-9]{4}")}


def full_width(text: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) if each in string.digits + "+-" else each for each in text)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str, str]:
    """(region, E.164, a way of writing it)"""
    region = draw(st.sampled_from(sorted(MOBILES)))
    begin, count, country = MOBILES[region]
    rest = draw(st.text("23456", min_size=count, max_size=count))
    national = begin + rest
    e164 = country + national.removeprefix("0")
    gap = draw(st.sampled_from(["", " ", "-", ".", "  "]))
    ways = [
        national,
        f"{national[:4]}{gap}{national[4:]}",
        e164,
        f"{e164[:4]}{gap}{e164[4:]}",
        f"00{e164[1:]}",
        e164[1:],
    ]
    ways += [f"({e164[:4]}){gap}{e164[4:]}", f"{e164[:4]} (0){e164[4:]}" if region == "TW" else national]
    way = draw(st.sampled_from(ways))
    return region, e164, draw(st.sampled_from([way, full_width(way), f" {way}\u3000"]))


@settings(deadline=None)
@given(written())
def test_every_way_of_writing_a_mobile_number_is_one_number(case: tuple[str, str, str]) -> None:
    region, e164, way = case
    assert canonical(PHONE, way, region=region) == e164


BEGINNINGS = {
    "HK": "2569",
    "MO": ("28", "66"),
    "SG": "689",
    "DK": "246",
    "TW": ("02", "09"),
}  # most that follow are given out
DIGITS = {"TW": 10}  # eight elsewhere


@given(
    where=st.sampled_from([(region, begins) for region, known in BEGINNINGS.items() for begins in known]),
    rest=st.text("0123456789", min_size=9, max_size=9),
)
def test_digits_alone_are_the_number_that_the_library_reads(where: tuple[str, str], rest: str) -> None:
    region, begins = where
    digits = (begins + rest)[: DIGITS.get(region, 8)]
    number = phonenumbers.parse(digits, region)
    assume(phonenumbers.is_valid_number(number))
    form = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    assert canonical(PHONE, digits, region=region) == canonical(PHONE, form, region=region) == form


@settings(deadline=None)
@given(written())
def test_the_form_of_a_form_is_itself_in_any_region(case: tuple[str, str, str]) -> None:
    region, e164, way = case
    form = canonical(PHONE, way, region=region)
    assert {canonical(PHONE, form, region=other) for other in ("TW", "HK", "JP", None)} == {e164}


@pytest.mark.parametrize(
    ("kind", "ways", "form"),
    [
        (
            EMAIL,
            ("C.TM@Example.com", "c.tm@EXAMPLE.COM", "ｃ.tm@example.com", " c.tm@example.com "),
            "c.tm@example.com",
        ),
        (CARD, ("hk 0012-3456", "HK00123456", "ＨＫ００１２３４５６", "HK–0012 3456"), "HK00123456"),
        (LINE, ("U4AF4980629abc", "u4af4980629ABC"), "u4af4980629abc"),
        ("staff_no", ("ab 1234", "AB-1234"), "AB1234"),
    ],
)
def test_other_kinds_have_one_form(kind: str, ways: tuple[str, ...], form: str) -> None:
    assert {canonical(kind, way, region=None, declared=STAFF) for way in ways} == {form}


@pytest.mark.parametrize("kind", [PHONE, EMAIL, CARD, LINE, "staff_no"])
@settings(deadline=None)  # the first look into the numbering plans loads them
@given(text=st.text(max_size=300))
def test_what_is_none_is_refused_and_not_repeated_in_the_words(kind: str, text: str) -> None:
    try:
        form = canonical(kind, text, region="HK", declared=STAFF)
    except RuleError as err:
        assert err.code == "identity" and err.pointer.endswith(kind)
        plain = text.strip()
        assert len(plain) < 8 or plain not in str(err)
    else:
        assert form == canonical(kind, form, region="HK", declared=STAFF)
        assert form == unicodedata.normalize("NFKC", form)


@pytest.mark.parametrize("kind", [*KINDS, "note"])
def test_an_identity_is_a_text_of_a_length_that_is_said(kind: str) -> None:
    declared = {"note": DeclaredKind(pattern=".*")}

    for text in ("", " \u3000 ", "1" * (TEXT_MAX + 1)):
        with pytest.raises(RuleError, match="empty, or longer than 200 characters") as refused:
            canonical(kind, text, region="HK", declared=declared)
        assert (refused.value.code, refused.value.pointer) == ("identity", f"/{kind}")
    assert canonical("note", "1" * TEXT_MAX, region=None, declared=declared) == "1" * TEXT_MAX


def test_what_is_not_of_its_form_is_refused_at_its_place() -> None:
    for kind, pointer in ((CARD, "/card"), ("staff_no", "/identities/staff_no")):
        with pytest.raises(RuleError, match=f"{kind}: not of the form") as refused:
            canonical(kind, "?", region=None, declared=STAFF)
        assert refused.value.pointer == pointer


def test_a_number_that_is_none_is_told_how_to_be_written_by_the_region_that_reads_it() -> None:
    with pytest.raises(RuleError, match="read in HK; write others with"):
        canonical(PHONE, "12", region="HK")
    with pytest.raises(RuleError, match=r"\(write it with \+ and country\)"):
        canonical(PHONE, "12", region=None)


def test_a_prefix_that_the_region_itself_dials_is_found_among_signs_of_any_kind() -> None:
    """Hong Kong dials 001 as well as the ITU's 00."""
    assert canonical(PHONE, "001:886~912345678", region="HK") == "+886912345678"


def test_a_region_is_that_of_the_currency_where_it_is_of_one_country() -> None:
    assert [(region_of(each), is_region(region_of(each))) for each in ("HKD", "TWD", "EUR")] == [
        ("HK", True),
        ("TW", True),
        ("EU", False),
    ]


def test_a_new_key_is_named_by_its_hash_and_is_the_first_of_its_name() -> None:
    at = datetime(2026, 9, 21, tzinfo=UTC)
    key = new_key("ab" * 32, is_chains=True, begun_at=at)

    assert (key.n, key.secret, key.is_chains, key.begun_at, key.gone) == (1, "ab" * 32, True, at, False)
    assert key.key_id == keyed_hash(b"\xab" * 32, "key", "") and key.secret not in key.key_id


def test_an_undeclared_kind_names_those_there_are() -> None:
    with pytest.raises(RuleError, match="phone, card, email, line_id, staff_no") as caught:
        canonical("student", "1", region=None, declared=STAFF)
    assert (caught.value.code, caught.value.pointer) == ("identity_kind", "/identities/student")


def test_a_hash_is_that_of_rfc_2104_under_the_key() -> None:
    import hashlib

    secret, message = bytes(range(32)), b"phone\0+85291234567"
    inner = bytes(each ^ 0x36 for each in secret.ljust(64, b"\0"))
    outer = bytes(each ^ 0x5C for each in secret.ljust(64, b"\0"))
    expected = hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).hexdigest()[:32]
    assert keyed_hash(secret, "phone", "+85291234567") == expected
    assert keyed_hash(b"another" * 4, "phone", "+85291234567") != expected
    assert keyed_hash(secret, "card", "+85291234567") != expected


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_in_every_region_a_number_is_one_number_by_itself_and_with_its_country(region: str) -> None:
    """The library's own examples; one region has no mobile numbers, others none but these."""
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    examples = [each for kind in kinds if (each := phonenumbers.example_number_for_type(region, kind)) is not None]
    assert examples
    for number in examples:
        digits = phonenumbers.national_significant_number(number)
        form = f"+{number.country_code}{digits}"
        national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        assert {canonical(PHONE, way, region=region) for way in (digits, national, form)} == {form}


@pytest.mark.parametrize("text", ["11111111", "20000000", "+85220000000", "91234567890", "9123456"])
def test_digits_that_nobody_was_given_are_no_number_in_hong_kong(text: str) -> None:
    """As long as a mobile number, of a range that is not given out, too long, too short."""
    with pytest.raises(RuleError, match="no number that is given out"):
        canonical(PHONE, text, region="HK")


@pytest.mark.parametrize("text", ["9123 4567", "٩١٢٣٤٥٦٧", "9123٤٥٦٧", "+852 9123٤٥٦٧", "９１２３４５６７"])
def test_digits_of_any_script_are_one_number(text: str) -> None:
    assert canonical(PHONE, text, region="HK") == "+85291234567"


def test_where_no_region_is_known_a_number_says_its_country() -> None:
    for region in (None, "EU"):
        assert canonical(PHONE, "+852 9123 4567", region=region) == "+85291234567"
