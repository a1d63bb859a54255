"""What this hub remembers of its devices: what each was when it was last found, and what stands in for which.

Local to this hub, like the cables. Not here: what a replacement is (devices.plug.replacement).
"""

from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from devices.plug.attachment import Attached, Match
from hub.store.model import utc
from hub.store.staff.audit_trail import note


class TakeOver(Struct, frozen=True):
    """The device of `usb` stands in for the configured one, as long as the configuration says `instead_of`."""

    device_id: str
    instead_of: Match
    usb: Match
    taken_by: str
    taken_at: datetime


def all_seen(read: Connection) -> dict[str, Attached]:
    """Return what each device was when it was last found."""
    rows = read.execute("SELECT device_id, attached FROM device_seen").fetchall()
    return {device_id: msgspec.json.decode(attached, type=Attached) for device_id, attached in rows}


def put_seen(tx: Connection, device_id: str, attached: Attached, *, now_ms: int) -> None:
    """Note what a device is now."""
    tx.execute(
        "INSERT OR REPLACE INTO device_seen (device_id, attached, seen_ms) VALUES (?, ?, ?)",
        (device_id, msgspec.json.encode(attached).decode(), now_ms),
    )


def all_take_overs(read: Connection) -> dict[str, TakeOver]:
    """Return what stands in for which device."""
    rows = read.execute("SELECT device_id, instead_of, usb, taken_by, taken_ms FROM device_take_over").fetchall()
    return {
        device_id: TakeOver(device_id, _match(instead_of), _match(usb), by, utc(taken_ms))
        for device_id, instead_of, usb, by, taken_ms in rows
    }


def put_take_over(tx: Connection, taken: TakeOver, *, now_ms: int) -> None:
    """Write down that a device stands in for another, once; the trail says who decided it."""
    said = (_text(taken.instead_of), _text(taken.usb))
    known = tx.execute(
        "SELECT instead_of, usb FROM device_take_over WHERE device_id = ?", (taken.device_id,)
    ).fetchone()
    if known == said:
        return
    tx.execute(
        "INSERT OR REPLACE INTO device_take_over (device_id, instead_of, usb, taken_by, taken_ms) VALUES (?, ?, ?, ?, ?)",
        (taken.device_id, *said, taken.taken_by, now_ms),
    )
    note(
        tx,
        actor=taken.taken_by,
        action="device_replaced",
        subject=taken.device_id,
        reason=str(taken.usb),
        now_ms=now_ms,
    )


def drop_take_over(tx: Connection, device_id: str, *, actor: str, now_ms: int) -> None:
    """The configuration's own device is meant again."""
    dropped = tx.execute("DELETE FROM device_take_over WHERE device_id = ?", (device_id,)).rowcount
    if dropped:
        note(tx, actor=actor, action="device_put_back", subject=device_id, reason="", now_ms=now_ms)


def _match(text: str) -> Match:
    return msgspec.json.decode(text, type=Match)


def _text(match: Match) -> str:
    return msgspec.json.encode(match).decode()
