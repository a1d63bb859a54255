"""Which coupons a person was given, and which a purchase of theirs redeemed. Functions of a write job, and reads.

Not here: what a serial is good for and who may redeem it (sync.cloud.loyalty.coupons).
"""

import json
from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any


def note_coupon(tx: Connection, serial: str, member_id: str, given_by: str, given_ms: int) -> None:
    """Note that a member was given a serial."""
    tx.execute(
        """
        INSERT INTO person_coupon (serial, member_id, given_by, given_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
        """,
        (serial, member_id, given_by, given_ms),
    )


def coupons_of(read: Connection, ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the serials of a person: by whom they were given, and what they took off where they were redeemed. Any: JSON."""
    said = json.dumps(sorted(ids))
    given = read.execute(
        """
        SELECT serial, given_by, given_ms FROM person_coupon WHERE member_id IN (SELECT value FROM json_each(?))
        ORDER BY given_ms, serial
        """,
        (said,),
    ).fetchall()
    coupons: dict[str, dict[str, Any]] = {
        serial: {"serial": serial, "given_by": by, "given_ms": at_ms} for serial, by, at_ms in given
    }
    redeemed = read.execute(
        """
        SELECT purchase_coupon.serial, purchase.channel, purchase.purchase_id, purchase_coupon.amount, purchase.currency
        FROM purchase JOIN purchase_coupon ON purchase_coupon.channel = purchase.channel
          AND purchase_coupon.purchase_id = purchase.purchase_id
        WHERE purchase.member_id IN (SELECT value FROM json_each(?)) ORDER BY purchase.bought_ms, purchase_coupon.serial
        """,
        (said,),
    ).fetchall()
    for serial, channel, purchase_id, amount, currency in redeemed:
        used = {"channel": channel, "purchase_id": purchase_id, "amount": amount, "currency": currency}
        coupons.setdefault(serial, {"serial": serial}).setdefault("redeemed", []).append(used)
    return list(coupons.values())
