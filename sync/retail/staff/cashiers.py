"""The cashier: who works at the tills of a store, and the rules for PINs. What is stored and shipped, and pure rules.

A cashier is the sum of facts, one for each change, and no register: between the two hubs of a store only logs travel, and a
cashier must be known to both without a line. A change names the changes that it has seen; what nobody has seen stands beside it:

    heads      changes that no other has seen; as a rule one
    standing   the head of the larger (n, rep), and disabled where any head is: shutting somebody out wins until seen and undone

The PIN itself is nowhere: what travels is scrypt over the PIN and a key that never leaves the store's hubs (see hub.pins).
Not here: sign-in, lock-out, who may change whom (hub.store.staff.sign_ins, hub.duties). Source: the design, 3.2 and 4.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from sync.errors import RuleError
from sync.kinds import Column, Entity, Kind, Priority

Role = Literal["cashier", "supervisor", "manager"]
RANK: dict[Role, int] = {"cashier": 1, "supervisor": 2, "manager": 3}
PIN_DIGITS_MIN: dict[Role, int] = {"cashier": 4, "supervisor": 6, "manager": 6}
PIN_DIGITS_MAX = 12
Pin = Annotated[str, Meta(min_length=1, max_length=64)]
CashierId = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*\Z")]
Number = Annotated[str, Meta(min_length=1, max_length=8, pattern=r"^[0-9]+\Z")]
PersonName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
_KEYPAD = ("2580", "0852", "1470", "0741", "3690", "0963", "147258369", "963852741", "159753", "357159", "1379", "9731")


class PinHash(Struct, frozen=True, kw_only=True):
    """scrypt (RFC 7914) with these parameters over a PIN and the key that `key` names; `hash` in hex."""

    scheme: str = "scrypt"
    n: int
    r: int
    p: int
    salt: str
    hash: str
    key: str


class CashierVersion(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A cashier as a change has made them. `seen`: the changes that stood before; `must_change`: somebody else chose the PIN."""

    v: int = 1
    change_id: str
    cashier_id: str
    n: int
    seen: tuple[str, ...] = ()
    number: str
    name: str
    role: Role
    pin: PinHash
    is_disabled: bool = False
    must_change: bool = False
    by: str
    at: datetime


class Change(Struct, frozen=True):
    """A version, and the life that wrote it."""

    version: CashierVersion
    rep: str


def heads(changes: Iterable[Change]) -> list[Change]:
    """Return the changes of one cashier that no other has seen, the one that stands first."""
    known = {each.version.change_id: each for each in sorted(changes, key=_order)}
    seen = {change_id for each in known.values() for change_id in each.version.seen}
    found = [each for each in known.values() if each.version.change_id not in seen] or list(known.values())
    return sorted(found, key=_order, reverse=True)


def standing(changes: Iterable[Change]) -> CashierVersion | None:
    """Return a cashier as they are now, None for no changes at all. The same in whatever order the changes came."""
    found = heads(changes)
    if not found:
        return None
    return replace(found[0].version, is_disabled=any(each.version.is_disabled for each in found))


def _order(change: Change) -> tuple[int, str, str]:
    return change.version.n, change.rep, change.version.change_id


def is_at_least(role: Role, wanted: Role) -> bool:
    """Whether a role may do what `wanted` may."""
    return RANK[role] >= RANK[wanted]


def check_pin(pin: str, role: Role, *, number: str, pointer: str = "/pin") -> None:
    """Raise RuleError unless a PIN has digits enough for the role and is none of those that are tried first."""
    least = PIN_DIGITS_MIN[role]
    if not (pin.isascii() and pin.isdecimal() and least <= len(pin) <= PIN_DIGITS_MAX):
        raise RuleError("pin_form", pointer, f"a {role}'s PIN has {least} to {PIN_DIGITS_MAX} digits")
    why = weakness(pin, number=number)
    if why is not None:
        raise RuleError("pin_weak", pointer, f"this PIN is among the first that are tried: {why}")


def weakness(pin: str, *, number: str) -> str | None:
    """Return why a PIN of digits is easily guessed, None when it is not. Never the PIN itself."""
    steps = {(int(later) - int(former)) % 10 for former, later in pairwise(pin)}
    if len(set(pin)) <= 2:
        return "one or two different digits"
    if len(steps) == 1:
        return "digits at even steps"
    if any(len(pin) % size == 0 and pin == pin[:size] * (len(pin) // size) for size in range(1, len(pin))):
        return "a group that repeats"
    if any(pin in path or path in pin for path in _KEYPAD):
        return "a line on the keypad"
    if pin == pin[::-1]:
        return "the same from both ends"
    if len(pin) == 4 and pin[:2] in ("19", "20"):
        return "a year"
    if _is_date(pin):
        return "a date"
    if number.zfill(4) in pin:
        return "the cashier's own number"
    return None


def _is_date(pin: str) -> bool:
    """Six or eight digits that are a day: YYMMDD, DDMMYY, YYYYMMDD, DDMMYYYY."""
    if len(pin) == 6:
        return any(_is_day(month, day) for month, day in ((pin[2:4], pin[4:]), (pin[2:4], pin[:2])))
    if len(pin) == 8:
        first, last = pin[:4], pin[4:]
        return (first[:2] in ("19", "20") and _is_day(last[:2], last[2:])) or (
            last[:2] in ("19", "20") and _is_day(first[2:], first[:2])
        )
    return False


def _is_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


CASHIER = Entity(
    name="cashier_version",
    stream="cashiers",
    kind=Kind.FACT,
    table="cashier_version",
    row=CashierVersion,
    doc=(
        "A cashier as a change has made them: name, number, role, the PIN's hash. Which change "
        "stands: sync.retail.staff.cashiers."
    ),
    key=(Column("change_id", path="change_id"),),
    columns=(
        Column("cashier_id", path="cashier_id", is_indexed=True),
        Column("number", path="number", is_indexed=True),
    ),
    priority=Priority.SOON,
    is_key_of_store=True,
)
