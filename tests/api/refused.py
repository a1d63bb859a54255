"""Requests that fit the document and cannot be, at least one for each route that writes, for a shop that went through walk.py.

Used by test_refusals.py: (request, body, status, code). Why each is refused, its noun's own tests say.
"""

from typing import Any

from tests.api.walk import PIN

TEA = {"sku": "TEA-01", "qty": 1}
SENT = {"document_id": "d9", "kind": "transfer_out", "to": "hk02", "lines": [TEA]}
HELD = {"reservation_id": "r9", "basket_id": "b9", "lines": [TEA]}
LIST = {"list_id": "late", "name": {"en": "Late"}}
BOSS = {"cashier_id": "boss", "number": "1", "name": "Boss", "role": "manager", "pin": PIN}
APPROVAL = {"approval_id": "a9", "action": "void", "subject": "v9", "cashier_id": "boss", "pin": PIN, "reason": "x"}
LINE = {"line": 1, "sku": "TEA-01", "qty": 1, "unit_price": 1090}
ORDERED = {"line": 1, "sku": "TEA-01", "qty": 1}
SALE = {
    "sale_id": "s9",
    "till_id": "t1",
    "currency": "HKD",
    "lines": [LINE],
    "tenders": [{"type": "card", "amount": 1090}],
    "total": 1090,
}
POINTS = {"lines": [ORDERED], "points": "max"}
FOR_POINTS = {"amount": 50, "kind": "points"}
BURNING = SALE | {
    "member_id": "none",
    "points_burned": 5,
    "lines": [LINE | {"unit_price": 1140, "discount": 50, "discounts": [FOR_POINTS]}],
}
DEARER = SALE | {"total": 1091, "tenders": [{"type": "card", "amount": 1}]}
BACK = {"return_id": "back-9", "till_id": "t1", "sale_id": "s1", "lines": [{"line": 1, "qty": 1}], "reason": "torn"}
OPENING = {"session_id": "w1", "till_id": "t1", "float_amount": 0}
MOVED = {"movement_id": "m9", "what": "pay_in", "amount": 100, "reason": "x"}
REFUSED: tuple[tuple[str, dict[str, Any] | None, int, str], ...] = (
    ("DELETE /v1/tills/nobody", None, 404, "till"),
    ("POST /v1/clock/confirm", {"now": "2026-09-21T22:13:20+08:00"}, 409, "clock_is_sure"),
    ("POST /v1/devices/nothing/claim", None, 404, "device"),
    ("DELETE /v1/devices/nothing/claim", None, 404, "device"),
    ("POST /v1/devices/nothing/take-over", {"node": "/dev/ttyACM9"}, 404, "device"),
    ("DELETE /v1/devices/nothing/take-over", None, 404, "device"),
    ("GET /v1/devices/nothing/weight", None, 404, "device"),
    ("POST /v1/devices/s1/zero", None, 422, "wrong_category"),
    ("PUT /v1/devices/w1/text", {"lines": ["x"]}, 422, "wrong_category"),
    *((f"{method} /v1/devices/door/wire", None, 403, "forbidden") for method in ("POST", "PUT", "DELETE")),
    (
        "POST /v1/stock/movements",
        {"movement_id": "m9", "sku": "TEA-01", "qty": 0, "reason": "adjust"},
        422,
        "quantity_zero",
    ),
    (
        "POST /v1/stock/movements",
        {"movement_id": "m9", "sku": "NONE", "qty": 1, "reason": "adjust"},
        422,
        "unknown_sku",
    ),
    (
        "POST /v1/stock/movements",
        {"movement_id": "m1", "sku": "TEA-01", "qty": 51, "reason": "receive"},
        409,
        "other_content",
    ),
    ("POST /v1/stock/documents", {"document_id": "d9", "kind": "receive", "lines": []}, 422, "document_empty"),
    ("POST /v1/stock/documents", {"document_id": "d1", "kind": "receive", "lines": [TEA]}, 409, "other_content"),
    ("POST /v1/stock/documents", SENT | {"to": "hk01"}, 422, "transfer_to_self"),
    ("POST /v1/stock/documents", SENT | {"lines": [TEA, TEA]}, 422, "sku_twice"),
    ("POST /v1/stock/transfers/requests/none/refuse", {"reason": "not_found"}, 404, "transfer_request"),
    ("POST /v1/stock/transfers/requests/proposal-1/refuse", {"reason": "damaged"}, 409, "other_content"),
    ("POST /v1/stock/counts", {"count_id": "n9", "lines": []}, 422, "count_empty"),
    ("POST /v1/stock/counts", {"count_id": "n1", "lines": [{"sku": "TEA-01", "counted": 5}]}, 409, "other_content"),
    ("PUT /v1/stock/NONE/safety-stock", {"qty": 1}, 404, "product"),
    ("PUT /v1/stock/BAG/safety-stock", {"qty": 1}, 404, "not_stocked"),
    ("POST /v1/reservations", HELD | {"lines": [{"sku": "TEA-01", "qty": 99_999}]}, 422, "not_available"),
    ("POST /v1/reservations", {"reservation_id": "r9", "lines": HELD["lines"]}, 422, "reservation_for_nobody"),
    ("POST /v1/reservations", HELD | {"reservation_id": "r1"}, 409, "other_content"),
    ("DELETE /v1/reservations/none", None, 404, "reservation"),
    ("POST /v1/attention/none/notes", {"note_id": "n9", "text": "x"}, 404, "attention"),
    ("POST /v1/attention/document:d1/notes", {"note_id": "n1", "text": "other"}, 409, "other_content"),
    ("POST /v1/pricing", {"lists": [LIST, LIST | {"valid_from": "2026-09-31"}]}, 422, "pricing"),
    ("POST /v1/store-prices", {"sku": "NONE", "amount": 1, "reason": "x"}, 422, "unknown_sku"),
    ("DELETE /v1/store-prices/TEA-01", None, 404, "store_price"),
    ("POST /v1/quotes", {"lines": [{"line": 1, "sku": "NONE", "qty": 1}]}, 422, "unknown_sku"),
    ("POST /v1/quotes", POINTS, 422, "points_member"),
    (
        "POST /v1/quotes",
        POINTS | {"member_id": "p1", "lines": [ORDERED | {"discounts": [FOR_POINTS]}]},
        422,
        "points_twice",
    ),
    (
        "POST /v1/quotes",
        {"lines": [ORDERED | {"discounts": [FOR_POINTS | {"amount": 1}] * 20}], "discount": {"amount": 9}},
        422,
        "discounts_too_many",
    ),
    ("POST /v1/cashiers", BOSS | {"cashier_id": "c9"}, 409, "cashier_number_taken"),
    ("POST /v1/cashiers", BOSS | {"cashier_id": "c9", "number": "9", "pin": "111111"}, 422, "pin_weak"),
    ("POST /v1/cashiers/sign-in", {"cashier_id": "none", "pin": PIN}, 404, "cashier"),
    ("POST /v1/cashiers/none/changes", {"change_id": "c9", "name": "x"}, 404, "cashier"),
    ("POST /v1/cashiers/none/pin", {"change_id": "c9", "pin": PIN, "new_pin": "481937"}, 404, "cashier"),
    ("POST /v1/cashiers/none/unlock", {"reason": "x"}, 404, "cashier"),
    ("POST /v1/approvals", APPROVAL | {"approval_id": "a9", "cashier_id": "none"}, 404, "cashier"),
    ("POST /v1/members", {"member_id": "p9", "name": "Lee", "phone": "12"}, 422, "identity"),
    ("POST /v1/members/none/edits", {"edit_id": "e9", "name": "x"}, 404, "member"),
    ("POST /v1/members/p1/links", {"link_id": "l9", "other": "p1"}, 422, "member_itself"),
    ("POST /v1/members/p1/unlinks", {"undo_id": "u9", "link_id": "none"}, 404, "link"),
    ("POST /v1/members/none/consents", {"consent_id": "k9", "purpose": "marketing", "choice": "in"}, 404, "member"),
    ("POST /v1/members/none/points", {"entry_id": "g9", "points": 1, "why": "x"}, 404, "member"),
    ("POST /v1/members/none/tier", {"tier_id": "t9", "tier": "gold"}, 404, "member"),
    ("POST /v1/members/none/erasure", {"erasure_id": "x9"}, 404, "member"),
    ("POST /v1/sales", SALE | {"total": 1091}, 422, "total"),
    ("POST /v1/sales", SALE | {"currency": "EUR"}, 422, "currency"),
    ("POST /v1/sales", SALE | {"lines": [LINE | {"sku": "NONE"}]}, 422, "unknown_sku"),
    ("POST /v1/sales", SALE | {"lines": [LINE | {"unit": "g"}]}, 422, "unit"),
    ("POST /v1/sales", SALE | {"lines": [LINE | {"unit_price": 0}], "total": 0}, 422, "price_zero"),
    ("POST /v1/sales", SALE | {"lines": [LINE, LINE], "total": 2180}, 422, "line_number_twice"),
    ("POST /v1/sales", SALE | {"tenders": [{"type": "shells", "amount": 1090}]}, 422, "tender_unknown"),
    ("POST /v1/sales", SALE | {"tenders": [{"type": "cash", "amount": 1090, "tendered": 1000}]}, 422, "tendered"),
    ("POST /v1/sales", SALE | {"tenders": [{"type": "card", "amount": 1090, "tendered": 1100}]}, 422, "no_change"),
    ("POST /v1/sales", SALE | {"member_id": "none", "points_burned": 5}, 422, "points_worth"),
    ("POST /v1/sales", BURNING, 422, "points_balance"),
    ("POST /v1/sales", SALE | {"coupons": [{"serial": "NONE", "amount": 100}]}, 422, "coupon_amount"),
    ("POST /v1/sales/none/void", {"void_id": "v9", "till_id": "t1", "reason": "x"}, 404, "sale"),
    ("POST /v1/sales/s1/void", {"void_id": "v9", "till_id": "t1", "reason": "x"}, 422, "void_returned"),
    ("POST /v1/returns", BACK | {"sale_id": "none"}, 404, "sale"),
    ("POST /v1/returns", BACK, 422, "more_than_sold"),
    ("POST /v1/returns", BACK | {"lines": [{"line": 7, "qty": 1}]}, 422, "sale_line"),
    ("POST /v1/returns", BACK | {"return_id": "back-1", "reason": "other"}, 409, "other_content"),
    (
        "POST /v1/returns",
        BACK | {"sale_id": "back-9", "claim": {"lines": [LINE | {"unit_price": 1100}]}},
        422,
        "claim_price",
    ),
    (
        "POST /v1/returns",
        BACK | {"sale_id": "t8-ABCD-000001", "claim": {"store": "hk02", "lines": [LINE]}},
        422,
        "elsewhere",
    ),
    ("POST /v1/returns", BACK | {"claim": {"store": "hk01", "lines": [LINE]}}, 422, "claim_own_store"),
    ("POST /v1/baskets", {"basket_id": "b1", "till_id": "t1", "lines": [LINE | {"qty": 2}]}, 409, "other_content"),
    ("DELETE /v1/baskets/none", None, 404, "basket"),
    ("POST /v1/suspended/none/book", {"sale_id": "x"}, 404, "suspended"),
    ("POST /v1/suspended/none/discard", {"reason": "x"}, 404, "suspended"),
    ("POST /v1/exchanges", {"exchange_id": "swap-9", "return": BACK, "sale": SALE}, 422, "more_than_sold"),
    ("POST /v1/exchanges", {"exchange_id": "swap-1", "return": BACK, "sale": SALE}, 409, "other_content"),
    ("POST /v1/exchanges", {"exchange_id": "swap-9", "return": BACK | {"sale_id": "s4"}, "sale": DEARER}, 422, "total"),
    ("POST /v1/coupons/issues", {"issue_id": "i9", "coupon_id": "NONE"}, 404, "coupon_unknown"),
    ("POST /v1/coupons/NONE/redemptions", {"redemption_id": "q9", "amount": 500}, 422, "coupon_unknown"),
    (
        "POST /v1/orders",
        {"order_id": "o9", "kind": "click_and_collect", "lines": [ORDERED | {"sku": "NONE"}]},
        422,
        "unknown_sku",
    ),
    (
        "POST /v1/orders",
        {"order_id": "o1", "kind": "click_and_collect", "lines": [ORDERED | {"qty": 2}]},
        409,
        "other_content",
    ),
    ("POST /v1/orders/none/steps", {"step_id": "k9", "state": "picking"}, 404, "order"),
    ("POST /v1/orders/o1/steps", {"step_id": "k9", "state": "picking"}, 409, "order_step"),
    ("POST /v1/orders/none/scans", {"scan_id": "k9", "label": "TEA-01"}, 404, "order"),
    ("POST /v1/orders/none/code", {"reason": "x"}, 404, "order"),
    ("POST /v1/drawers/nothing/open", None, 404, "printer"),
    ("POST /v1/print", {"job_id": "j9", "printer_id": "nothing", "document": {"elements": []}}, 404, "printer"),
    ("POST /v1/print", {"job_id": "j1", "printer_id": "receipts", "document": {"elements": []}}, 409, "other_content"),
    (
        "POST /v1/labels",
        {"job_id": "j9", "printer_id": "receipts", "labels": [{"sku": "NONE"}]},
        422,
        "unknown_sku",
    ),
    ("POST /v1/print/none/reprint", {"copy_id": "j9"}, 404, "print_job"),
    ("POST /v1/print/j1/retry", None, 409, "already_printed"),
    ("POST /v1/drawer-sessions", OPENING | {"float_amount": 1}, 409, "other_content"),
    ("POST /v1/drawer-sessions/w1/movements", MOVED, 409, "session_closed"),
    ("POST /v1/drawer-sessions/none/movements", MOVED, 404, "session"),
    ("POST /v1/drawer-sessions/w1/close", {"counted": []}, 409, "other_content"),
    ("POST /v1/drawer-sessions/none/close", {"counted": []}, 404, "session"),
    ("POST /v1/drawer-sessions/none/x-report/print", {"print_id": "x9"}, 404, "session"),
    ("POST /v1/z-reports/none/print", {"print_id": "z9"}, 404, "z_report"),
    ("POST /v1/days/close", {"close_id": "day-9", "business_date": "2026-12-31"}, 422, "day_to_come"),
    ("POST /sync/v1/ack", {"stream": "sales", "last": 1, "digest": "0" * 16}, 409, "fork"),
)

# what a refusal writes by design: (request, status, code, tables)
WRITES: tuple[tuple[str, dict[str, Any], int, str, set[str]], ...] = (
    ("POST /v1/sales", SALE | {"sale_id": "s1", "total": 1090}, 409, "other_content", {"suspended_sale"}),
    ("POST /v1/cashiers/sign-in", {"cashier_id": "boss", "pin": "555555"}, 403, "pin", {"pin_guess"}),
    ("POST /v1/orders/o1/scans", {"scan_id": "k9", "label": "SHIRT-M"}, 409, "order_not_picking", {"events"}),
    ("POST /v1/pair", {"code": "000000", "name": "Counter"}, 403, "pairing_code", {"pin_guess"}),
)
# nothing in them can be refused, once they fit the document and the token is right (of registers: see test_standby*.py)
NEVER_REFUSED = {
    "POST /sync/v1/registers",
    "POST /sync/v1/beside",
    "POST /v1/pair/rotate",
    "POST /v1/pairing-codes",
    "POST /v1/sync/now",
    "POST /v1/cashiers/sign-out",
    "POST /v1/sales/status",
    "POST /sync/v1/hello",
    "POST /sync/v1/pin-keys",
}
