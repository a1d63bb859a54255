"""Buckets of two ends, as laws: a difference of any one row is found and named, whatever the order; planted faults are killed."""

import random
from collections.abc import Callable
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import audit
from sync.audit import BUCKETS, Difference, Named, differences, differing_buckets, names_of, row_hash, sums_of

STREAM = "sales"
names = st.one_of(st.integers(1, 10_000).map(str), st.text(min_size=1, max_size=12))
held = st.dictionaries(names, st.binary(max_size=40), max_size=60)


def found(here: dict[str, bytes], there: dict[str, bytes]) -> list[Difference]:
    """What an audit of two ends names."""
    sides = [list(each.items()) for each in (here, there)]
    buckets = differing_buckets(sums_of(STREAM, sides[0]), sums_of(STREAM, sides[1]))
    return sorted(
        each
        for at in buckets
        for each in differences(names_of(STREAM, sides[0], at).rows, names_of(STREAM, sides[1], at).rows)
    )


@given(held, st.randoms())
def test_the_order_does_not_matter(rows: dict[str, bytes], rng: random.Random) -> None:
    shuffled: list[Named] = list(rows.items())
    rng.shuffle(shuffled)

    assert sums_of(STREAM, rows.items()) == sums_of(STREAM, shuffled)


@given(held, names, st.binary(max_size=40), st.sampled_from(["lost", "added", "changed"]))
def test_a_difference_of_any_one_row_is_found_and_named(
    rows: dict[str, bytes], name: str, body: bytes, fault: str
) -> None:
    here, there = rows | {name: body}, rows | {name: body}
    if fault == "lost":
        del there[name]
    elif fault == "added":
        del here[name]
    else:
        there[name] = body + b"!"

    assert found(here, there) == [Difference(name, fault != "added", fault != "lost")]
    assert found(here, here) == found(there, there) == []


@given(held, held)
def test_exactly_what_differs_is_named(here: dict[str, bytes], there: dict[str, bytes]) -> None:
    expected = {name for name in {*here, *there} if here.get(name) != there.get(name)}

    assert {each.name for each in found(here, there)} == expected


def swapped() -> list[Difference]:
    """Two rows that changed places: every byte is there, no row is what it was."""
    return found({"1": b"one", "2": b"two"}, {"1": b"two", "2": b"one"})


def test_two_rows_that_changed_places_are_two_differences() -> None:
    assert [each.name for each in swapped()] == ["1", "2"]


def without_name(_stream: str, _name: str, body: bytes) -> int:
    return int.from_bytes(body[:8].ljust(8))


def _same_bucket_hides() -> bool:
    """Whether rows of one bucket may change places unseen."""
    one, *more = [name for name in map(str, range(5000)) if audit.bucket_of(name) == audit.bucket_of("0")]
    other = more[0]
    return not found({one: b"one", other: b"two"}, {one: b"two", other: b"one"})


def _differences_are_missed() -> bool:
    return any(not found({"1": b"x"}, {"1": str(n).encode()}) for n in range(64))


@pytest.mark.parametrize(
    ("what", "mutant", "is_killed"),
    [
        ("row_hash", without_name, lambda: not swapped() or _same_bucket_hides()),
        ("bucket_of", lambda _: 0, lambda: len(set(map(audit.bucket_of, map(str, range(1000))))) < BUCKETS),
        ("MODULUS", 2, _differences_are_missed),
    ],
)
def test_planted_faults_are_found_out(
    monkeypatch: pytest.MonkeyPatch, what: str, mutant: object, is_killed: Callable[[], bool]
) -> None:
    """Bucket ignores seq; one bucket for all; sums of one bit."""
    assert not is_killed()
    monkeypatch.setattr(audit, what, mutant)
    assert is_killed()


def test_rows_spread_over_all_buckets() -> None:
    sizes = [0] * BUCKETS
    for seq in range(1, 20_001):
        sizes[audit.bucket_of(str(seq))] += 1

    assert min(sizes) > 20 and max(sizes) < 200


def test_a_row_is_hashed_as_the_other_end_hashes_it() -> None:
    assert row_hash("sales", "7", b"{}") == int.from_bytes(blake2b(b"sales\0" + b"7\0" + b"{}", digest_size=8).digest())


def test_the_sums_say_how_many_rows_there_are_and_add_up_each_bucket() -> None:
    told = sums_of(STREAM, [("7", b"{}"), ("8", b"{}"), ("7", b"[]")])

    seven, eight = audit.bucket_of("7"), audit.bucket_of("8")
    assert (told.rows, len(told.buckets)) == (3, BUCKETS) and seven != eight
    expected = dict.fromkeys(range(BUCKETS), "0")
    expected[seven] = f"{(row_hash(STREAM, '7', b'{}') + row_hash(STREAM, '7', b'[]')) % audit.MODULUS:x}"
    expected[eight] = f"{row_hash(STREAM, '8', b'{}'):x}"
    assert dict(enumerate(told.buckets)) == expected


def test_rows_of_a_log_are_named_in_their_order_and_others_by_name() -> None:
    named = dict.fromkeys(["10", "9", "b", "a"], "1")
    assert [each.name for each in differences(named, {})] == ["a", "b", "9", "10"]


def test_of_one_bucket_only_what_differs_is_named() -> None:
    here, there = {"1": "a", "2": "b", "3": "c"}, {"1": "a", "2": "x", "4": "d"}
    assert differences(here, there) == [
        Difference("2", is_here=True, is_there=True),
        Difference("3", is_here=True, is_there=False),
        Difference("4", is_here=False, is_there=True),
    ]
