"""What a scan's event says of its label, heard on a real WebSocket of a hub whose books know some of them."""

import logging
from typing import Any

import pytest

from devices.codecs.gs1 import parse_label
from hub.attached.events import Events
from hub.store.selling import sales
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH
from sync.store.writing import put_version
from tests.api.test_coupons import BATCHES, TEN
from tests.api.test_members import enrol
from tests.api.test_orders import TEA, order, packed

LEFT = "AB112233441020523999900000144000001540000000001234567ydXZt4LAN1UHN/j1juVcRA==:**********:1:2:1:茶:2:30:"
RIGHT = "**杯:1:99"


@pytest.fixture
async def told(hub: Any, pair_till: Any) -> Any:
    """Scan labels and return what the console is told of each beside the label itself."""
    manager, hears = await pair_till(hub, "manager"), Events(hub.runtime).hear

    async def scan(*labels: str, device: str = "lane1") -> list[dict[str, Any]]:
        async with manager.events() as socket:
            await socket.receive_json()
            for label in labels:
                await hears(device, parse_label(label))
            events = [await socket.receive_json() for _ in labels]
        assert all(event["type"] == "scan" for event in events)
        return [{k: v for k, v in event["data"].items() if k not in ("label", "symbology")} for event in events]

    return scan


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("4890000000010", {"kind": "product", "gtin": TEA, "sku": "TEA-01"}),
        ("TEA-01", {"kind": "product", "sku": "TEA-01"}),
        ("5901234123457", {"kind": "product", "gtin": "05901234123457"}),
        ("5901234123458", {"error": "check_digit"}),
        ("]C100106141412345678908", {"kind": "gs1", "ais": {"00": "106141412345678908"}}),
        ("urn:storehub:member:nobody", {"kind": "member"}),
        ("/ABC+123", {"kind": "carrier", "carrier": {"type": "3J0002", "id": "/ABC+123"}}),
        ("]A0*/ABC+123*", {"kind": "carrier", "carrier": {"type": "3J0002", "id": "/ABC+123"}}),
        ("AB12345678901234", {"kind": "carrier", "carrier": {"type": "CQ0001", "id": "AB12345678901234"}}),
        ("168001", {"kind": "donation", "donation_code": "168001"}),
        ("https://shop.example/", {"kind": "text"}),
        ("*10405UZ176908720122*", {"kind": "text"}),
        (f"{LEFT[:10]}9999999{LEFT[17:]}", {"kind": "text"}),
        (
            "*10404UZ176908720122*",
            {"kind": "invoice", "invoice": {"period": "10404", "number": "UZ17690872", "random_code": "0122"}},
        ),
    ],
)
async def test_a_label_is_known_for_what_it_is(told: Any, label: str, expected: dict[str, Any]) -> None:
    assert await told(label) == [expected]


async def test_what_is_known_here_comes_before_what_a_label_looks_like(told: Any, till: Any) -> None:
    card = await enrol(till, card="168001")
    certificate = await enrol(till, card="AB12345678901234", phone="6123 4567")
    assert await told("168001", "AB12345678901234", f"urn:storehub:member:{card}") == [
        {"kind": "member", "member_id": card},
        {"kind": "member", "member_id": certificate},
        {"kind": "member", "member_id": card},
    ]


async def test_a_receipt_is_known_by_its_link_and_by_its_bar_code(told: Any, till: Any, hub: Any) -> None:
    sale = till.sale()
    assert (await till.post("/v1/sales", sale)).status == 201
    url = (await till.get(f"/v1/sales/{sale['sale_id']}/receipt")).json["url"]
    view = sales.find_sale(hub.runtime.db.read, sale["sale_id"])
    assert view is not None
    link, guessed, barcode = await told(url, url[:-1] + "x", view.receipt_code)
    assert link == {"kind": "receipt", "sale_id": sale["sale_id"]}
    assert guessed == {"kind": "receipt"}
    assert (barcode["kind"], barcode["sale_id"]) == ("receipt", sale["sale_id"])


async def test_a_coupon_is_known_by_its_serial(told: Any, hub: Any) -> None:
    def job(tx: Any) -> None:
        put_version(tx, hub.runtime.replica, COUPON, TEN)
        put_version(tx, hub.runtime.replica, COUPON_BATCH, BATCHES[0])

    await hub.runtime.db.write(job)
    known, beyond = await told("TEN0001", "TEN0101")
    assert known == {"kind": "coupon", "coupon": {"serial": "TEN0001", "coupon_id": "TENOFF"}}
    assert beyond == {"kind": "text"}


async def test_an_order_is_known_by_its_number_and_by_what_its_customer_shows(told: Any, till: Any) -> None:
    await till.post("/v1/orders", order("w1"))
    await packed(till, "w1", (TEA, 2))
    assert await told("w1", "w1/12345678", "w2/12345678") == [
        {"kind": "order", "order": {"order_id": "w1"}},
        {"kind": "order", "order": {"order_id": "w1", "code": "12345678"}},
        {"kind": "text"},
    ]


async def test_the_two_codes_of_an_invoice_are_one_invoice_whichever_comes_first(told: Any) -> None:
    for one, other, first_kind in ((LEFT, RIGHT, "invoice"), (RIGHT, LEFT, "invoice_lines")):
        first, second = await told(one, other)
        assert (first["kind"], second["kind"]) == (first_kind, "invoice")
        assert [item["name"] for item in second["invoice"]["items"]] == ["茶", "杯"]
        assert second["invoice"]["complete"] and second["invoice"]["number"] == "AB11223344"


async def test_codes_of_two_scanners_or_of_two_customers_are_not_joined(told: Any, hub: Any) -> None:
    (left,) = await told(LEFT, device="lane1")
    (right,) = await told(RIGHT, device="lane2")
    assert not left["invoice"].get("complete") and right == {"kind": "invoice_lines"}
    (_, _, after_goods) = await told(LEFT, "4890000000010", RIGHT)
    assert after_goods == {"kind": "invoice_lines"}
    await told(LEFT)
    hub.clock.now_ms += 10_001
    assert await told(RIGHT) == [{"kind": "invoice_lines"}]


async def test_no_label_gets_into_the_log(told: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await told("/ABC+123", "AB12345678901234", LEFT, RIGHT, "urn:storehub:member:SECRET", "SECRET/12345678")
    logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name.startswith("hub")]
    assert not any(word in line for line in logged for word in ("ABC+123", "AB123456", "AB112233", "SECRET", "杯"))
