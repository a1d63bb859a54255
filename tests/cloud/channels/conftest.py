"""A cloud with two web shops and a marketplace: it knows three products, and a store that has granted it rights."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sync.cloud.channels.signatures import sign
from tests.cloud.conftest import TOKENS, CloudEnd, StartCloud
from tests.cloud.hub_side import Writer

SECRETS = {"taipei": "shopify-secret-1", "kowloon": "woo-secret-12"}
TOKEN = {"taipei": "shpat_0123456789", "kowloon": "ck_0123456789:cs_0123456789"}
MAPPING = """
totals = ["合計"]
pickup = ["門市自取"]
[columns]
order_id = "訂單編號"
placed_at = "訂單日期"
sku = "商品編號"
barcode = "國際條碼"
title = "品名"
qty = "數量"
amount = "小計"
name = "收件人"
address = "地址"
status = "訂單狀態"
delivery = "配送方式"
"""
TEA = "TEA-01"


def shopify_order(order_id: int = 5001, *, changed: str = "2026-09-21T10:00:00+08:00", **more: Any) -> dict[str, Any]:
    """An order in the shape of the Admin API: a Taiwanese shop, two of TEA-01 for 1280 each."""
    line = {"id": order_id * 10, "variant_id": 39072856, "sku": TEA, "title": "凍頂烏龍茶", "quantity": 2}
    line |= {"price": "1280.00", "total_discount": "0.00", "requires_shipping": True, "product_exists": True}
    to = {
        "name": "王小明",
        "address1": "信義路五段7號",
        "city": "台北市",
        "zip": "110",
        "country": "Taiwan",
        "phone": "0912345678",
    }
    order = {"id": order_id, "name": f"#{order_id}", "currency": "TWD", "total_price": "2560.00", "updated_at": changed}
    order |= {"created_at": changed, "line_items": [line], "shipping_address": to, "financial_status": "paid"}
    return order | {"cancelled_at": None, "fulfillment_status": None, "test": False, "invented_later": [1]} | more


def woo_order(order_id: int = 727, *, changed: str = "2026-09-21T02:00:00", **more: Any) -> dict[str, Any]:
    """An order in the shape of wc/v3: a shop in Hong Kong, one TEA-01 for HK$12.80."""
    line = {"id": 315, "name": "Oolong", "product_id": 93, "variation_id": 0, "quantity": 1, "sku": TEA}
    line |= {"subtotal": "12.80", "total": "12.80", "total_tax": "0.00", "price": 12.8}
    to = {
        "first_name": "Tai Man",
        "last_name": "Chan",
        "address_1": "1 Nathan Road",
        "city": "Kowloon",
        "country": "HK",
    }
    order = {"id": order_id, "number": str(order_id), "status": "processing", "currency": "HKD", "total": "12.80"}
    order |= {"date_modified_gmt": changed, "line_items": [line], "shipping": to, "billing": to | {"phone": "91234567"}}
    return order | {"shipping_lines": [], "refunds": [], "meta_data": [{"key": "x", "value": 1}]} | more


class Office:
    """Head office, and whoever sends webhooks."""

    def __init__(self, end: CloudEnd) -> None:
        self.end = end
        self.sent = 0

    async def shopify(self, topic: str, body: Any, *, delivery: str = "", secret: str = "", raw: bytes = b"") -> Any:
        """Send a webhook as Shopify does; each is a delivery of its own unless it is named."""
        self.sent += 1
        data = raw or json.dumps(body).encode()
        headers = {"X-Shopify-Topic": topic, "X-Shopify-Webhook-Id": delivery or f"d{self.sent}"}
        headers["X-Shopify-Hmac-Sha256"] = sign(data, secret or SECRETS["taipei"])
        return await self.end.post("/cloud/v1/channels/taipei/webhook", data, token="", headers=headers)

    async def woo(self, topic: str, body: Any, *, raw: bytes = b"", secret: str = "") -> Any:
        """Send a webhook as WooCommerce does."""
        self.sent += 1
        data = raw or json.dumps(body).encode()
        headers = {"X-WC-Webhook-Topic": topic, "X-WC-Webhook-Delivery-ID": f"w{self.sent}"}
        headers["X-WC-Webhook-Signature"] = sign(data, secret or SECRETS["kowloon"])
        return await self.end.post("/cloud/v1/channels/kowloon/webhook", data, token="", headers=headers)

    async def orders(self, **query: Any) -> list[Any]:
        """This cloud's orders."""
        return list((await self.end.get("/cloud/v1/orders", limit=200, **query)).json["items"])

    async def order(self, channel: str, order_id: object) -> Any:
        """A channel's order, as head office sees it."""
        return (await self.end.get(f"/cloud/v1/channels/{channel}/orders/{order_id}")).json

    async def exceptions(self, channel: str = "taipei", state: str = "open") -> list[Any]:
        """What a person must look at."""
        answer = await self.end.get(f"/cloud/v1/channels/{channel}/exceptions", state=state)
        return list(answer.json["items"])

    async def products(self, *skus: str) -> None:
        """Put products into the catalogue."""
        entries = [
            {
                "product": {"sku": sku, "gtins": [f"0489000000{n:03}{_check(n)}"], "name": {"en": sku}},
                "price": {"amount": 128_000, "currency": "TWD", "per": 1},
            }
            for n, sku in enumerate(skus, 1)
        ]
        answer = await self.end.post("/cloud/v1/products", {"entries": entries})
        assert answer.status == 200, answer.body

    async def grant(self, qty: int, *, sku: str = TEA, n: int = 1) -> None:
        """A store has received goods and granted all of them."""
        writer, own = Writer(), self.end.cloud.books.replica.rep
        level = {"v": 1, "sku": sku, "location": "shop", "received": qty, "issued": 0}
        grant = {"v": 1, "sku": sku, "location": "shop", "giver": writer.rep, "taker": own, "n": qty, "levels_seq": n}
        books = self.end.books("hk01")
        after = {stream: books.vector("").get((writer.rep, stream)) for stream in ("levels", "grants")}
        for stream, row in (("levels", level), ("grants", grant)):
            at = after[stream]
            await books.apply(writer.state(stream, (n, row), **({"after": at} if at else {})))
        await self.end.cloud.contact.look()


def _check(n: int) -> int:
    digits = f"0489000000{n:03}"
    return -sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits)) % 10


@pytest.fixture
def sections(tmp_path: Path) -> dict[str, Any]:
    """The channels' sections, with their secrets in files."""
    for name, secret in SECRETS.items():
        (tmp_path / f"{name}.secret").write_text(secret + "\n")
        (tmp_path / f"{name}.token").write_text(TOKEN[name] + "\n")
    (tmp_path / "momo.toml").write_text(MAPPING, encoding="utf-8")
    quick = {"every_s": 0.1, "requests_per_s": 1000}
    return {
        "taipei": {"kind": "shopify", "currency": "TWD", "secret_files": ["taipei.secret"]} | quick,
        "kowloon": {"kind": "woocommerce", "currency": "HKD", "secret_files": ["kowloon.secret"]} | quick,
        "momo": {"kind": "file", "currency": "TWD", "mapping": "momo.toml"},
    }


@pytest.fixture
async def office(start_cloud: StartCloud, sections: dict[str, Any]) -> AsyncIterator[Office]:
    """Head office of a cloud that sells TEA-01, SHIRT-M and BAG."""
    rights = {"online_share_pct": 100, "single_item": False}
    stores = {store: {"token": token, "rights": rights} for store, token in TOKENS.items()}
    office = Office(await start_cloud(stores=stores, channels=sections))
    await office.products(TEA, "SHIRT-M", "BAG")
    yield office
