"""What a trace gives away: nothing of a card or a telephone number; and what it keeps: lengths, cuts, classes, check digits."""

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.gs1 import parse_label
from devices.codecs.hid_keys import INPUT_EVENT
from devices.plug.masking import masked_keys, masked_labels

SALT = b"s" * 32
chunks = st.lists(st.binary(max_size=40), max_size=8)


def one(label: str, salt: bytes = SALT) -> str:
    (masked,) = masked_labels([label.encode() + b"\r"], salt)
    return masked.decode().removesuffix("\r")


def kind(character: str) -> str:
    return (
        "9" if character in "0123456789" else "a" if character.islower() else "A" if character.isupper() else character
    )


@pytest.mark.parametrize(
    "label",
    [
        "M-100042",
        "0912345678",
        "91234567",
        "2899123456785",
        "/ABC+123",
        "https://shop.example/m/Xy7Kq2",
        "王小明;0987654321",
    ],
)
def test_no_card_and_no_telephone_number_is_left_and_lengths_are(label: str) -> None:
    masked = one(label)
    assert len(masked.encode()) == len(label.encode())
    assert not any(run in masked for run in re.findall(r"\w{6,}", label))
    if label.isascii():
        assert [kind(each) for each in masked] == [kind(each) for each in label]


@pytest.mark.parametrize("gtin", ["96385074", "5901234123457", "04890000000010", "2112345000008"])
def test_a_good_gtin_stays_good_and_a_bad_one_bad(gtin: str) -> None:
    masked, bad = one(gtin), gtin[:-1] + str((int(gtin[-1]) + 1) % 10)
    assert parse_label(masked).error is None and masked != gtin
    assert parse_label(one(bad)).error == parse_label(bad).error
    assert len(gtin) == 8 or masked[:2] == gtin[:2]


def test_gs1_data_keeps_what_is_read_from_it() -> None:
    scan = parse_label(one("]d2010489000000001017271231" + "10LOT7\x1d21CUSTOMER42"))
    assert scan.error is None and scan.ais is not None and set(scan.ais) == {"01", "17", "10", "21"}
    assert scan.ais["17"] == "271231" and scan.ais["21"] != "CUSTOMER42" and scan.ais["10"] != "LOT7"


def test_the_same_label_is_masked_alike_in_one_trace_and_otherwise_in_another() -> None:
    first, again = masked_labels([b"M-100042\r", b"M-100042\r"], SALT)
    assert first == again != masked_labels([b"M-100042\r"], b"t" * 32)[0]


@given(chunks)
def test_every_chunk_keeps_its_length_and_its_control_characters(cut: list[bytes]) -> None:
    masked = masked_labels(cut, SALT)
    assert [len(each) for each in masked] == [len(each) for each in cut]
    pairs = zip(b"".join(cut), b"".join(masked), strict=True)
    assert all(was == now for was, now in pairs if was < 0x20 or was == 0x7F)


@given(st.binary(max_size=200), st.integers(1, 7))
def test_where_it_was_cut_makes_no_difference(wire: bytes, size: int) -> None:
    cut = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert b"".join(masked_labels(cut, SALT)) == b"".join(masked_labels([wire], SALT))


def press(*codes: int) -> bytes:
    events = [(1, code, value) for code in codes for value in (1, 0)]
    return b"".join(
        INPUT_EVENT.pack(1, 2, 4, 4, code) + INPUT_EVENT.pack(1, 3, kind, code, value) for kind, code, value in events
    )


def codes_of(wire: bytes) -> list[int]:
    return [code for _, _, kind, code, value in INPUT_EVENT.iter_unpack(wire) if kind == 1 and value == 1]


def test_keys_are_masked_label_by_label_and_enter_and_shift_stay() -> None:
    typed = (42, 30, 2, 3, 4, 5, 6, 7, 8, 28)
    (first, second) = masked_keys([press(*typed), press(*typed)], SALT)
    for wire in (first, second):
        codes = codes_of(wire)
        assert (codes[0], codes[-1]) == (42, 28) and set(codes[2:-1]) <= set(range(2, 12))
        assert len(set(codes[2:-1])) == 7 and codes != list(typed)
    assert codes_of(first) != codes_of(second)
    assert not [value for _, _, kind, _, value in INPUT_EVENT.iter_unpack(first) if kind == 4 and value]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_of_events_keep_their_length(cut: list[bytes]) -> None:
    assert [len(each) for each in masked_keys(cut, SALT)] == [len(each) for each in cut]


def test_events_are_of_this_machines_size() -> None:
    assert INPUT_EVENT.size == struct.calcsize("llHHi")
