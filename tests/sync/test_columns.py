"""Rows packed by column come back byte for byte, whatever they are; damaged or lying packs are refused, not unfolded."""

import json
import random
from hashlib import blake2b
from uuid import UUID

import msgspec
import pytest
from hypothesis import assume, given, settings
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


CANONICAL = st.lists(OBJECTS.map(msgspec.json.encode), min_size=1, max_size=8)
TRICKS = [
    b"",
    b"\n",
    b" ",
    b'{"a":1}\n{"b":2}',
    b'{"a":1}{"b":2}',
    b'{"a":1',
    b'"b":2}',
    b"[1]",
    b'{"a":"\xee"}',
    b'{"a":1}\n',
]


@given(CANONICAL, st.sampled_from(TRICKS), st.data())
@settings(max_examples=200)
def test_one_odd_row_among_others_changes_nothing_of_how_they_are_packed(
    rows: list[bytes], odd: bytes, data: st.DataObject
) -> None:
    """All canonical rows are read in one go; beside an odd one each is read by itself. Both must give the same columns."""
    at = data.draw(st.integers(0, len(rows)))

    _, none, at_once = msgspec.msgpack.decode(pack(rows))
    _, kept, one_by_one = msgspec.msgpack.decode(pack([*rows[:at], odd, *rows[at:]]))

    assume(none == [])  # numbers beyond 64 bits: all rows are packed as they are
    assert kept == [[at, odd]]
    assert one_by_one == at_once


@pytest.mark.parametrize(
    "rows",
    [
        [b'{"a":1}\n{"b":2}', b""],
        [b"", b'{"a":1}{"b":2}'],
        [b'{"a":1', b'"b":2}', b'{"c":3}\n{"d":4}'],
        [b'{"a":1}\n{"b":2}'],
        [b'{"a":1}', b"\n", b'{"b":2}'],
        [b'{"a":"\xee"}', b'{"a":"\xc3\xa9"}'],
    ],
)
def test_rows_that_are_whole_only_together_come_back_as_they_were(rows: list[bytes]) -> None:
    """Read as lines they are as many values as rows; none of them is a row."""
    assert unpack(pack(rows), rows_max=1000) == rows


@given(st.integers(1, 20), st.sampled_from(["", "B", "%", "0", "é"]), st.lists(st.integers(0), min_size=2, max_size=9))
def test_numbers_of_one_width_are_packed_as_any_template_is(width: int, head: str, numbers: list[int]) -> None:
    """A text of another layout among them must not change the column's meaning; SKUs are mostly of one."""
    texts = [f"{head}{number % 10**width:0{width}d}" for number in numbers]
    rows = [msgspec.json.encode({"sku": text}) for text in texts]

    assert unpack(pack(rows), rows_max=1000) == rows
    assert unpack(pack([*rows, b'{"sku":"x-1"}']), rows_max=1000) == [*rows, b'{"sku":"x-1"}']


def test_what_was_packed_by_the_first_version_is_what_is_packed_today() -> None:
    """The bytes of a pack are a wire format: digits of one width, a template, words, ids, nested lists, an odd row."""
    rng = random.Random(5)
    rows = [
        msgspec.json.encode(
            {
                "v": 1,
                "sku": f"B{rng.randrange(20_000):06d}",
                "at": f"lane{rng.randrange(9)}-{rng.randrange(200)}",
                "id": str(UUID(int=rng.getrandbits(128))),
                "who": rng.choice(["ada", "bo", "cy"]),
                "lines": [{"qty": rng.randrange(5), "price": rng.randrange(10**6)} for _ in range(rng.randrange(3))],
                "pair": [rng.randrange(9), -rng.randrange(2**40)],
            }
        )
        for _ in range(200)
    ]
    rows[7] = b'{"v": 1}'

    assert blake2b(pack(rows), digest_size=8).hexdigest() == "326da90672030227"


def test_a_column_of_numbers_of_no_known_width_is_refused() -> None:
    """Within lists of one length this once came out as another error than the one that names a lying peer."""
    packed = msgspec.msgpack.encode([2, [], ["o", [["a"]], ["c", 0], ["a"], [["t", [["i", 0, 3, b"123456"]]]]]])

    with pytest.raises(ProtocolError, match="no table of columns"):
        unpack(packed, rows_max=1000)
