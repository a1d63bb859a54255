"""Rows packed by column come back byte for byte, whatever they are; damaged or lying packs are refused, not unfolded."""

import json
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.columns import UNPACKED_MAX, pack, unpack
from sync.errors import ProtocolError

UUIDS = st.uuids().map(str)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.from_regex(r"[a-z%]{0,3}[0-9]{0,6}-[0-9]{1,4}", fullmatch=True),
    UUIDS,
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["a", "b", "name", "zh-Hant"]), inner, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(["id", "at", "lines", "qty", "x"]), VALUES, max_size=5)
ROWS = st.one_of(
    OBJECTS.map(msgspec.json.encode),
    OBJECTS.map(lambda value: json.dumps(value).encode()),  # with spaces: not as msgspec writes it
    st.binary(max_size=40),
)


@given(st.lists(ROWS, max_size=12))
@settings(max_examples=400)
def test_rows_come_back_byte_for_byte(rows: list[bytes]) -> None:
    assert unpack(pack(rows), rows_max=1000) == rows


@given(st.lists(st.one_of(UUIDS, UUIDS.map(str.upper), st.just("0" * 36), st.just("-" * 36)), min_size=1, max_size=6))
def test_ids_that_only_look_like_uuids_come_back_as_they_were(ids: list[str]) -> None:
    rows = [msgspec.json.encode({"id": each}) for each in ids]

    assert unpack(pack(rows), rows_max=1000) == rows


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_numbers_of_every_width_come_back(numbers: list[int]) -> None:
    rows = [msgspec.json.encode({"n": n}) for n in numbers]

    assert unpack(pack(rows), rows_max=1000) == rows


@given(st.lists(OBJECTS.map(msgspec.json.encode), min_size=1, max_size=6), st.data())
@settings(max_examples=300)
def test_damage_is_refused_or_read_as_other_rows_and_never_breaks_the_reader(
    rows: list[bytes], data: st.DataObject
) -> None:
    packed = bytearray(pack(rows))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] = data.draw(st.integers(0, 255))

    try:
        read = unpack(bytes(packed[: data.draw(st.integers(0, len(packed)))]), rows_max=1000)
    except ProtocolError:
        return
    assert all(isinstance(row, bytes) for row in read)


@pytest.mark.parametrize(
    "bomb",
    [
        [10**9, [], ["c", {}]],
        [1000, [], ["o", [["a"]], ["c", 0], ["a"], [["c", "x" * 100_000]]]],
        [1, [], ["o", [["a"]], ["c", 0], ["a"], [["l", ["c", 10**8], ["c", "x"]]]]],
        [1000, [], ["o", [["a"]], ["c", 0], ["a"], [["w", ["x" * 100_000], ["c", 0]]]]],
        [1000, [], ["o", [["a"]], ["c", 0], ["a"], [["s", "x" * 100_000, [""], ["c", 0], [[]]]]]],
        [-1, [], ["c", {}]],
        [1, [], ["z", 1]],
        [1, [], []],
        [1, [], ["i", 0, 3, b"abc"]],
    ],
)
def test_a_few_bytes_do_not_unfold_into_gigabytes(bomb: object) -> None:
    with pytest.raises(ProtocolError):
        unpack(msgspec.msgpack.encode(bomb), rows_max=1000)
    assert UNPACKED_MAX < 32 * 1024 * 1024


def test_rows_that_look_alike_shrink() -> None:
    rng = random.Random(7)
    rows = [
        msgspec.json.encode({"sku": f"B{rng.randrange(10**6):06}", "qty": rng.randrange(1, 4), "currency": "HKD"})
        for _ in range(1000)
    ]

    assert len(pack(rows)) < sum(map(len, rows)) / 8
