"""What a database says of a row, in plain words: who wrote it, why it stands, what it did. Pure; the words of both ends.

Not here: where rows are found (hub.store.upkeep.explain, sync.cloud.explain). Personal data: ids only, never what a register
says.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from sync.effects import effects_of
from sync.entities import REGISTRY
from sync.json_errors import NOT_JSON
from sync.kinds import Entity
from sync.merge import Cell, FactDot, standing

_SHOWN = (
    "receipt_no",
    "business_date",
    "committed_at",
    "at",
    "made_at",
    "ended_at",
    "ending",
    "refund",
    "currency",
    "heir",
    "why",
)
_SHOWN_OF_CONTENT = ("sale_id", "till_id", "member_id", "currency", "total", "sku", "qty", "reason")


def said_dot(rep: str, stream: str, seq: int, *, whose: str = "") -> str:
    """Return a dot, and whose it is."""
    return f"{rep}/{stream}/{seq}{f' ({whose})' if whose else ''}"


def said_moment(at_ms: int) -> str:
    """Return a moment in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def said_content(body: bytes) -> str:
    """Return what a fact says in short: numbers, dates and ids, no free text and no name."""
    try:
        fields = msgspec.json.decode(body)
    except NOT_JSON:
        return "it cannot be read by this version; it is kept as it came"
    if not isinstance(fields, dict):
        return "it is no object"
    said = [f"{name} {fields[name]}" for name in _SHOWN if _is_plain(fields.get(name))]
    for part in fields.values():
        if isinstance(part, dict):
            said += [f"{name} {part[name]}" for name in _SHOWN_OF_CONTENT if _is_plain(part.get(name))]
            if isinstance(part.get("lines"), list):
                said.append(f"{len(part['lines'])} lines")
    return ", ".join(dict.fromkeys(said)) or "nothing that is shown here"


def said_effects(body: bytes) -> str:
    """Return what a fact did to stock."""
    moved = [f"{effect.sku} at {effect.location} {effect.qty:+}" for effect in effects_of(body)]
    return f"stock: {', '.join(moved)}" if moved else "it moved no stock"


def said_standing(one: FactDot, other: FactDot, sealed: Mapping[str, int], *, is_same: bool) -> str:
    """Return which of two facts under one key stands, and why."""
    stands = standing(one, other, sealed)
    falls = other if stands == one else one
    if stands.rep == falls.rep:
        why = "it is the later row of one writer"
    elif stands.rep in sealed and falls.rep not in sealed:
        why = f"{stands.rep} was sealed, and a sealed writer's rows stand"
    elif stands.rep in sealed:
        why = f"{stands.rep} was sealed before {falls.rep}"
    else:
        why = "of two writers the one with the smaller name stands"
    content = "the same content" if is_same else "other content"
    return f"{stands.rep}/{stands.seq} stands before {falls.rep}/{falls.seq} ({content}): {why}"


def said_cell(field: str, cell: Cell) -> str:
    """Return who wrote a field of a shared register, and when; never what it says."""
    stamp = cell.stamp
    return f"{field}: written by {stamp.rep} at {said_moment(stamp.physical_ms)} (+{stamp.logical})"


def dot_in(key: str) -> tuple[str, str, int] | None:
    """Return rep, stream and seq of a key that is a dot."""
    parts = key.split("/")
    if len(parts) != 3 or ":" not in parts[0] or not (parts[2].isascii() and parts[2].isdecimal()):
        return None
    return parts[0], parts[1], int(parts[2])


def merge_rule(entity: Entity) -> str:
    """Return how two rows of an entity are merged."""
    if entity.authority is None:
        return (
            "a fact stands once for its key" if not entity.numbers else "of a tally the larger number stands, by writer"
        )
    if entity.is_shared:
        return "of each field the later stamp stands, the larger writer's name where stamps are equal"
    return (
        f"the version with the larger n stands, then the larger writer's name; the {entity.authority} has the authority"
    )


def entities_by_word() -> list[Entity]:
    """Return the entities that are found by one word."""
    return [each for each in REGISTRY.entities if len(each.key) == 1 and each.key[0].sql == "TEXT"]


def _is_plain(value: Any) -> bool:
    """Any: JSON."""
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""
