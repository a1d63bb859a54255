"""What a fact does to stock and points, read by fixed names whatever its kind: a hub sums kinds that it does not know. Pure.

`stock` is a list of [sku, location, qty], `points` one of [member, points]; a row that has none, or something else under the
name, moves nothing. Where rows are
stored, hub.store.stock.levels and sync.store.facts read the same in SQL. Source: the design, 3.2.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sync.json_errors import NOT_JSON

EFFECTS_MAX = 10_000  # of one row; a sale has 500 lines at most
QTY_MAX = 10**12  # of one effect; beyond it a row is broken, and sums stay within what SQLite's integers hold

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Effect(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A signed quantity at a location."""

    sku: Text
    location: Text
    qty: Annotated[int, Meta(ge=-QTY_MAX, le=QTY_MAX)]


class PointsMoved(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A signed number of a member's points."""

    member_id: Text
    points: Annotated[int, Meta(ge=-QTY_MAX, le=QTY_MAX)]


class _Points(Struct):
    points: Annotated[tuple[PointsMoved, ...], Meta(max_length=EFFECTS_MAX)] = ()


class _Effects(Struct):
    stock: Annotated[tuple[Effect, ...], Meta(max_length=EFFECTS_MAX)] = ()


_POINTS = b'"points"'
_decode = msgspec.json.Decoder(_Effects).decode
_decode_points = msgspec.json.Decoder(_Points).decode


def effects_of(body: bytes) -> tuple[Effect, ...]:
    """Return the stock effects of a fact of any kind; none for a row that has none or cannot be read."""
    try:
        return _decode(body).stock
    except NOT_JSON:
        return ()


def sum_effects(counted: Iterable[bytes], fallen: Iterable[bytes] = ()) -> dict[tuple[str, str], int]:
    """Return (sku, location) -> change of what is there, when rows begin to count and others cease to."""
    sums: Counter[tuple[str, str]] = Counter()
    for sign, bodies in ((1, counted), (-1, fallen)):
        for body in bodies:
            for effect in effects_of(body):
                sums[effect.sku, effect.location] += sign * effect.qty
    return {key: qty for key, qty in sorted(sums.items()) if qty}


def points_of(body: bytes) -> tuple[PointsMoved, ...]:
    """Return the points effects of a fact of any kind; none for a row that has none or cannot be read."""
    if _POINTS not in body:
        return ()
    try:
        return _decode_points(body).points
    except NOT_JSON:
        return ()


def may_move_points(bodies: Iterable[bytes]) -> bool:
    """Whether any of these facts may."""
    return may_hold(_POINTS, bodies)


def may_hold(part: bytes, bodies: Iterable[bytes]) -> bool:
    """Whether any of these rows may have these bytes: one look at all of them costs a fraction of one at each."""
    joined = b"".join(bodies)
    return part[:1] in joined and part in joined


def sum_points(counted: Iterable[bytes], fallen: Iterable[bytes] = ()) -> dict[str, int]:
    """Return member -> change of points, when rows begin to count and others cease to."""
    sums: Counter[str] = Counter()
    for sign, bodies in ((1, counted), (-1, fallen)):
        for body in bodies:
            for effect in points_of(body):
                sums[effect.member_id] += sign * effect.points
    return {member: points for member, points in sorted(sums.items()) if points}
