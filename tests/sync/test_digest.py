"""The rolling digest: the design's formula, and any change of the rows changes it."""

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from sync.digest import DIGEST_BYTES, EMPTY, roll

ROWS = st.lists(st.binary(max_size=20), max_size=8)


def digest_of(rows: list[bytes]) -> bytes:
    digest = EMPTY
    for row in rows:
        digest = roll(digest, row)
    return digest


@given(rows=ROWS)
def test_it_is_blake2b_of_the_digest_before_and_the_row(rows: list[bytes]) -> None:
    expected = bytes(8)
    for row in rows:
        expected = blake2b(expected + row, digest_size=8).digest()

    assert digest_of(rows) == expected and len(expected) == DIGEST_BYTES


def test_a_known_stream_has_a_known_digest() -> None:
    """Written down once: a hub of tomorrow must roll the same."""
    assert digest_of([b'{"v":1}', "茶".encode()]).hex() == "4b6c63a75c209fbb"


@given(rows=ROWS, other=ROWS)
def test_other_rows_or_another_order_have_another_digest(rows: list[bytes], other: list[bytes]) -> None:
    assert (digest_of(rows) == digest_of(other)) == (rows == other)


@given(rows=ROWS, more=ROWS)
def test_it_goes_on_from_where_it_was(rows: list[bytes], more: list[bytes]) -> None:
    digest = digest_of(rows)
    for row in more:
        digest = roll(digest, row)

    assert digest == digest_of(rows + more)
