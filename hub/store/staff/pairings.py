"""Pairings as the two hubs of a store tell them each other: who is let in at one is let in at the other, who is shut out at both.

    revoked    once revoked at either, for ever; the earlier moment stands
    tokens     (their hashes) the larger turn stands: it grows with each offer and each take-over, see hub.store.staff.tills
    clash      a name that two clients have, paired before the hubs met: each stays where it was paired

Clients of scope `standby` are not told: their tokens are between one hub and one other. Functions of a write job, and reads.
Not here: who holds which token in memory (hub.tokens), when it is told (hub.following.beside).
"""

from collections.abc import Iterable
from hashlib import blake2b
from sqlite3 import Connection
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

PAIRINGS_MAX = 2_000  # of one message; beyond it those that were paired longest ago stay where they are
BESIDE_FROM = 1_001  # numbers of clients that are paired at the hub that follows: no two hubs give one name
_HASH = r"^[0-9a-f]{40}\Z"
Ms = Annotated[int, Meta(ge=0, le=2**53)]
_COLUMNS = """
    till_id, name, scope, paired_ms, revoked_ms, turn, lower(hex(token_hash)), lower(hex(next_hash)), mqtt_hash
"""


class Pairing(Struct, frozen=True, array_like=True):
    """A client as it stands in the table of one hub; tokens as hashes, in hex, `offered` "" where there is none."""

    till_id: Annotated[str, Meta(pattern=r"^(t|manager|device|cloud|ops)[0-9]{1,9}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
    scope: Literal["till", "manager", "device", "cloud", "ops"]
    paired_ms: Ms
    revoked_ms: Ms | None
    turn: Ms
    token: Annotated[str, Meta(pattern=_HASH)]
    offered: Annotated[str, Meta(pattern=r"^([0-9a-f]{40})?\Z")]
    mqtt: Annotated[str, Meta(max_length=200)] | None


class TakenPairings(NamedTuple):
    """Which clients are otherwise than before, and which names clash."""

    changed: tuple[str, ...]
    clashes: tuple[str, ...]


def all_pairings(read: Connection) -> tuple[Pairing, ...]:
    """Return what the other hub is told, in an order of its own."""
    rows = read.execute(
        f"SELECT {_COLUMNS} FROM till WHERE scope <> 'standby' ORDER BY paired_ms DESC, till_id LIMIT ?",
        (PAIRINGS_MAX,),
    ).fetchall()
    return tuple(Pairing(*row) for row in rows)


def digest_of(pairings: Iterable[Pairing]) -> str:
    """Return 16 hex digits that differ where the tables do."""
    return blake2b(msgspec.json.encode(tuple(pairings)), digest_size=8).hexdigest()


def take_pairings(tx: Connection, told: Iterable[Pairing]) -> TakenPairings:
    """Merge what the other hub told."""
    changed, clashes = [], []
    for theirs in told:
        ours = _pairing(tx, theirs.till_id)
        holder = tx.execute("SELECT till_id FROM till WHERE token_hash = ?", (bytes.fromhex(theirs.token),)).fetchone()
        if (ours is not None and ours.paired_ms != theirs.paired_ms) or (holder or (theirs.till_id,))[
            0
        ] != theirs.till_id:
            clashes.append(theirs.till_id)
        elif ours is None or merged(ours, theirs) != ours:
            _put(tx, theirs if ours is None else merged(ours, theirs))
            changed.append(theirs.till_id)
    return TakenPairings(tuple(changed), tuple(clashes))


def merged(one: Pairing, other: Pairing) -> Pairing:
    """Return what both say together of one client; in whichever order, however often."""
    revoked = [each.revoked_ms for each in (one, other) if each.revoked_ms is not None]
    later = max(one, other, key=lambda each: (each.turn, each.token, each.offered, each.mqtt or "", each.name))
    return msgspec.structs.replace(later, revoked_ms=min(revoked, default=None))


def free_number(tx: Connection, prefix: str, *, is_beside: bool) -> int:
    """Return the number of the next client of a kind; the hub that follows has numbers of its own."""
    rows = tx.execute("SELECT substr(till_id, ?) FROM till WHERE till_id GLOB ?", (len(prefix) + 1, f"{prefix}[0-9]*"))
    taken = {int(number) for (number,) in rows.fetchall() if number.isdecimal()}
    number = BESIDE_FROM if is_beside else 1 + max((each for each in taken if each < BESIDE_FROM), default=0)
    while number in taken:
        number += 1
    return number


def _pairing(read: Connection, till_id: str) -> Pairing | None:
    row = read.execute(f"SELECT {_COLUMNS} FROM till WHERE till_id = ?", (till_id,)).fetchone()
    return Pairing(*row) if row else None


def _put(tx: Connection, client: Pairing) -> None:
    tx.execute(
        """
        INSERT INTO till (till_id, name, scope, token_hash, paired_ms, revoked_ms, next_hash, mqtt_hash, turn)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (till_id) DO UPDATE SET
          token_hash = excluded.token_hash, revoked_ms = excluded.revoked_ms, next_hash = excluded.next_hash,
          mqtt_hash = excluded.mqtt_hash, turn = excluded.turn
        """,
        (
            *(client.till_id, client.name, client.scope, bytes.fromhex(client.token), client.paired_ms),
            *(client.revoked_ms, bytes.fromhex(client.offered) or None, client.mqtt, client.turn),
        ),
    )
