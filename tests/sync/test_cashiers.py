"""Cashiers as facts: what stands is the same in any order, shutting out wins until it is seen and undone; which PINs are weak."""

import random
import re
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.staff.cashiers import (
    PIN_DIGITS_MAX,
    CashierVersion,
    Change,
    PinHash,
    check_pin,
    heads,
    is_at_least,
    standing,
    weakness,
)

AT = datetime(2026, 9, 21, tzinfo=UTC)
PIN = PinHash(n=16384, r=8, p=1, salt="s", hash="h", key="k")
TRIED_FIRST = re.findall(
    "[0-9]+",
    "0000 1111 1212 1234 4321 7890 0987 1357 2580 1470 1998 2026 1221 7007 1331 123456 654321 112112 121212 "
    "123123 147258 159753 010190 901231 900009 258025 20010203 31121999",
)
A, B = "hk01:aaaaaaaaaaaaaaaa", "hk01:bbbbbbbbbbbbbbbb"


def version(change_id: str, n: int, *seen: str, **fields: Any) -> CashierVersion:
    said: dict[str, Any] = {"number": "7", "name": "Mei", "role": "cashier"} | fields
    return CashierVersion(change_id=change_id, cashier_id="c7", n=n, seen=seen, pin=PIN, by="m", at=AT, **said)


def test_the_change_that_has_seen_the_others_stands() -> None:
    first, second = version("a", 1), version("b", 2, "a", name="Mei Ling")

    assert standing([Change(first, A), Change(second, B)]) == second
    assert [each.version for each in heads([Change(second, B), Change(first, A)])] == [second]
    assert standing([]) is None


def test_two_changes_that_have_not_seen_each_other_stand_in_every_order_the_same() -> None:
    changes = [
        Change(version("a", 1), A),
        Change(version("b", 2, "a", name="here"), A),
        Change(version("c", 2, "a", name="there"), B),
    ]

    stood = {standing(order).name for order in permutations(changes)}  # type: ignore[union-attr]

    assert stood == {"there"}


def test_shutting_somebody_out_wins_over_later_changes_that_have_not_seen_it() -> None:
    first, out = Change(version("a", 1), A), Change(version("out", 2, "a", is_disabled=True), A)
    renamed = Change(version("b", 2, "a", name="x"), B)
    again = Change(version("c", 3, "b", name="y"), B)
    undone = Change(version("d", 4, "c", "out"), A)

    assert standing([first, out, renamed, again]).is_disabled  # type: ignore[union-attr]
    assert standing([first, out, renamed, again]).name == "y"  # type: ignore[union-attr]
    assert not standing([first, out, renamed, again, undone]).is_disabled  # type: ignore[union-attr]


@given(st.integers(0, 2**32), st.integers(1, 7))
def test_any_history_of_two_hubs_is_read_the_same_by_both_and_no_shutting_out_is_lost(seed: int, steps: int) -> None:
    """Each hub changes what it holds, now and then they exchange all. Judged by a walk over what each change has seen."""
    rng = random.Random(seed)
    held: dict[str, list[Change]] = {A: [], B: []}
    for step in range(steps):
        rep = rng.choice((A, B))
        before = heads(held[rep])
        n = max((each.version.n for each in before), default=0) + 1
        seen = tuple(each.version.change_id for each in before)
        said = version(f"{step}", n, *seen, is_disabled=rng.random() < 0.4, name=f"name {step}")
        held[rep].append(Change(said, rep))
        if rng.random() < 0.3:
            everything = held[A] + [each for each in held[B] if each not in held[A]]
            held = {A: list(everything), B: list(reversed(everything))}
    everything = held[A] + [each for each in held[B] if each not in held[A]]
    rng.shuffle(everything)
    stands = standing(everything)
    assert stands is not None and stands == standing([*everything, *everything[:2]])
    by_id = {each.version.change_id: each.version for each in everything}
    known_to_others = {name for each in everything for name in _ancestors(each.version, by_id)}
    last = [each for name, each in by_id.items() if name not in known_to_others]
    assert stands.is_disabled == any(each.is_disabled for each in last), f"seed {seed}, steps {steps}"
    assert stands.n == max(each.n for each in last)


def _ancestors(version: CashierVersion, by_id: dict[str, CashierVersion]) -> set[str]:
    found: set[str] = set()
    todo = list(version.seen)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += by_id[name].seen
    return found


def test_changes_that_name_each_other_still_stand_somehow() -> None:
    """No sound hub writes that; a till must not be without cashiers for it."""
    one, other = Change(version("a", 1, "b"), A), Change(version("b", 1, "a"), B)

    assert standing([one, other]) == standing([other, one]) == other.version


@pytest.mark.parametrize("pin", TRIED_FIRST)
def test_a_pin_that_is_tried_first_is_weak(pin: str) -> None:
    assert weakness(pin, number="99999999") is not None


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("4944", "one or two different digits"),
        ("1357", "digits at even steps"),
        ("481481", "a group that repeats"),
        ("258049", "a line on the keypad"),
        ("148841", "the same from both ends"),
        ("1948", "a year"),
        ("991231", "a date"),  # YYMMDD
        ("311299", "a date"),  # DDMMYY
        ("19990430", "a date"),  # YYYYMMDD
        ("07101999", "a date"),  # DDMMYYYY
        ("17082026", "a date"),
    ],
)
def test_it_is_said_why_a_pin_is_weak(pin: str, why: str) -> None:
    assert weakness(pin, number="99999999") == why


@pytest.mark.parametrize(
    "pin",
    [
        *("990015", "991315", "991100", "991132"),  # no such month, no such day
        *("194826", "1999123"),  # a year or a date is all of it
        *("48170822", "22089377"),  # a day, but of no year
        *("19489377", "48931977"),  # a year, but no day
        "4818",
    ],
)
def test_what_only_looks_like_a_date_is_good(pin: str) -> None:
    assert weakness(pin, number="99999999") is None


@pytest.mark.parametrize("pin", ["4819372605183"[:PIN_DIGITS_MAX], "481937"])
def test_a_good_pin_of_as_many_digits_as_are_allowed_is_taken(pin: str) -> None:
    check_pin(pin, "manager", number="99999999")


@pytest.mark.parametrize("pin", ["4819", "7306", "481937", "730648", "918273", "60518294", "482915073"])
def test_other_pins_are_good(pin: str) -> None:
    assert weakness(pin, number="99999999") is None


def test_a_pin_is_not_the_cashiers_number() -> None:
    assert weakness("4819", number="4819") and weakness("948196", number="4819") and weakness("600075", number="7")
    assert weakness("518297", number="7") is None, "one digit of a short number is in many PINs"
    assert weakness("507518", number="75") is None, "three of it are, too"


@pytest.mark.parametrize(
    ("pin", "role", "code"),
    [
        ("481", "cashier", "pin_form"),
        ("48193", "supervisor", "pin_form"),
        ("48193", "manager", "pin_form"),
        ("4" * (PIN_DIGITS_MAX + 1), "manager", "pin_form"),
        ("48a9", "cashier", "pin_form"),
        ("４８１９", "cashier", "pin_form"),
        ("48 9", "cashier", "pin_form"),
        ("", "cashier", "pin_form"),
        ("1234", "cashier", "pin_weak"),
    ],
)
def test_a_pin_is_refused_by_form_or_weakness_and_never_repeated_in_the_reason(pin: str, role: Any, code: str) -> None:
    with pytest.raises(RuleError) as refused:
        check_pin(pin, role, number="99999999")
    assert (refused.value.code, refused.value.pointer) == (code, "/pin")
    assert not pin or pin not in refused.value.detail


def test_most_pins_of_six_digits_are_good() -> None:
    """A rule that refuses half of them would make the rest easier to guess."""
    rng = random.Random(7)
    good = sum(weakness(f"{rng.randrange(10**6):06}", number="99999999") is None for _ in range(5000))

    assert good > 4200


def test_roles_are_in_order() -> None:
    assert is_at_least("manager", "cashier") and is_at_least("supervisor", "supervisor")
    assert not is_at_least("cashier", "supervisor")
