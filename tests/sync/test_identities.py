"""Identities: one form for all ways of writing, hashes that need the key, errors that name no value."""

import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.identities import CARD, EMAIL, LINE, PHONE, DeclaredKind, canonical, keyed_hash

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
