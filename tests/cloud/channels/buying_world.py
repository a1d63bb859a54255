"""What a web shop says of an order: who bought, what was edited, refunded and cancelled."""

import json
from typing import Any

from tests.cloud.channels.conftest import MAPPING, shopify_order
from tests.cloud.conftest import TOKENS

SCOPES = {"members": {"tw": {"stores": ["hk01", "hk02"]}}}
STORES: dict[str, dict[str, Any]] = {store: {"token": token, "members": "tw"} for store, token in TOKENS.items()}
MEMBERS = {"region": "TW", "join": ["email"]}
WANG = {"id": 9001, "email": "Wang@Example.org", "phone": "+886912000111", "first_name": "小明", "last_name": "王"}
BUYERS = (
    MAPPING
    + """
buyer_name = "買家"
buyer_phone = "買家電話"
buyer_email = "買家信箱"
buyer_id = "買家帳號"
city = "縣市"
"""
)


def refund(refund_id: int, order_id: int = 5001, *, paid: str, qty: int = 0, **line: Any) -> dict[str, Any]:
    """A refund in the shape of the Admin API; `qty` of the order's only line, 0: money alone."""
    told = {"id": refund_id, "order_id": order_id, "created_at": f"2026-09-22T10:00:0{refund_id % 10}Z"}
    transaction = {"amount": paid, "kind": "refund", "status": "success", "currency": "TWD"}
    lines = [{"line_item_id": order_id * 10, "quantity": qty, "restock_type": "no_restock"} | line] if qty else []
    return told | {"transactions": [transaction], "refund_line_items": lines}


def story_of(order_id: int = 5001) -> list[tuple[str, dict[str, Any]]]:
    """What a shop says of an order: created, its customer and its goods edited, parts of it refunded, a price less."""
    first = shopify_order(order_id, customer={"id": 1, "email": "first@example.org"})
    back = refund(order_id * 10 + 1, order_id, paid="1280.00", qty=1)
    edited = shopify_order(order_id, customer=WANG, changed="2026-09-22T10:00:00Z")
    edited["line_items"][0]["quantity"] = 3
    refunded = json.loads(json.dumps(edited | {"updated_at": "2026-09-22T11:00:00Z", "refunds": [back]}))
    refunded["line_items"][0]["current_quantity"] = 2
    money = refund(order_id * 10 + 2, order_id, paid="60.00")
    return [
        ("orders/create", first),
        ("orders/updated", edited),
        ("refunds/create", back),
        ("orders/updated", refunded),
        ("refunds/create", money),
    ]


def more_of(order_id: int = 5001) -> list[tuple[str, dict[str, Any]]]:
    """And what ends it, or nearly: cancelled, voided, a twin of one second."""
    late = shopify_order(order_id, customer=WANG, changed="2026-09-23T10:00:00Z")
    return [
        ("orders/cancelled", late | {"cancelled_at": "2026-09-23T10:00:00Z"}),
        ("orders/updated", late | {"financial_status": "voided"}),
        ("orders/updated", late | {"customer": None, "note": "twin"}),
    ]
