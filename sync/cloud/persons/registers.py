"""What members' registers say at head office: a person's name, ways to reach them, tier. Masked where a sample is shown.

What the canonical member does not say the next one says, as the shops show it. Functions of a write job, and reads. Not here:
who is one person (sync.cloud.persons.people), writing (sync.cloud.persons.writing).
"""

from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from sync.cloud.arrivals.clock import standing_register
from sync.cloud.persons.forgotten import forget_rows
from sync.merge import ERASED
from sync.retail.people.members import MEMBER, TIER

SHOWN = ("name", "phone", "email", "card", "line_id", "language", "birth_month", TIER, "note")


def refresh_member(tx: Connection, member_id: str) -> None:
    """Bring what is worked out of a member's register to how it stands; one that was erased leaves nothing."""
    cells = cells_of(tx, member_id)
    is_known = bool(cells) and ERASED not in cells
    month = cells.get("birth_month")
    tx.execute(
        """
        INSERT INTO person_member (member_id, person_id, is_known, tier, birth_month, language) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (member_id) DO UPDATE SET
          is_known = excluded.is_known, tier = excluded.tier, birth_month = excluded.birth_month,
          language = excluded.language
        """,
        (
            *(member_id, member_id, int(is_known)),
            _text(cells, TIER),
            month if isinstance(month, int) and 1 <= month <= 12 else 0,
            _text(cells, "language"),
        ),
    )
    if ERASED in cells:
        forget_rows(tx, member_id)


def cells_of(read: Connection, member_id: str) -> dict[str, Any]:
    """Return what stands of a member's register; empty for one that nobody has enrolled. Any: JSON."""
    return {name: cell.value for name, cell in standing_register(read, MEMBER.name, member_id).cells.items()}


def shown_of(read: Connection, ids: Iterable[str]) -> dict[str, Any] | None:
    """Return what a person's members say, the canonical one first; None where none is known. Any: JSON."""
    said = [cells for each in sorted(ids) if (cells := cells_of(read, each)) and ERASED not in cells]
    if not said:
        return None
    shown: dict[str, Any] = {}
    for cells in said:
        for name, value in cells.items():
            if value not in (None, ""):
                shown.setdefault(name, value)
    return shown


def said_of(read: Connection, ids: Iterable[str]) -> Sequence[Mapping[str, Any]]:
    """Return what each member of a person says by itself."""
    return [cells for each in sorted(ids) if (cells := cells_of(read, each)) and ERASED not in cells]


def masked(shown: Mapping[str, Any]) -> dict[str, str]:
    """Return what a sample shows of a person: enough to recognise, nothing to copy."""
    name, _, domain = str(shown.get("email", "")).partition("@")
    return {
        "name": " ".join(part[:1] + "*" * max(1, len(part) - 1) for part in str(shown.get("name", "")).split()),
        "phone": _last(str(shown.get("phone", ""))),
        "email": f"{name[:1]}***@{domain}" if domain else "",
    }


def _last(text: str) -> str:
    return "*" * max(0, len(text) - 3) + text[-3:] if text else ""


def _text(cells: Mapping[str, Any], name: str) -> str:
    value = cells.get(name)
    return value[:200] if isinstance(value, str) else ""
