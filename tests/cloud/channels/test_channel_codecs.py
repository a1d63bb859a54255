"""What shops write, read: values out of payloads in their documented shape, without a cloud."""

import json
import os
import re
from base64 import b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.cloud.channels import shopify, woocommerce
from sync.cloud.channels.reading import address_of, minor_of, one_line, order_id_of
from sync.cloud.channels.said import ChannelError, ChannelOrder, ChannelRefund, DataAsked, Forget, ForgetShop, Wish
from sync.cloud.channels.settings import Channel, ChannelSection, channels_of
from sync.cloud.channels.signatures import is_signed, sign
from sync.cloud.config import parse_cloud_config
from sync.errors import ConfigError
from tests.cloud.channels.conftest import shopify_order, woo_order

RFC_4231 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"  # of HMAC-SHA256, test case 2
MATERIAL = Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[4] / "shared" / "material"))
CAPTURES = MATERIAL / "shop" / "shopify"


def channel(tmp_path: Path, **more: Any) -> Channel:
    (tmp_path / "s").write_text("a-secret-of-a-shop")
    section = ChannelSection(**{"kind": "shopify", "currency": "TWD", "secret_files": ["s"]} | more)
    return channels_of({"shop": section}, base=tmp_path)["shop"]


def order_of(read: Any, channel: Channel, topic: str, body: Any) -> ChannelOrder:
    said = read(channel, topic, json.dumps(body).encode())
    assert isinstance(said[0], ChannelOrder)
    return said[0]


@pytest.mark.parametrize(
    ("currency", "told", "minor"),
    [
        *[("TWD", told, 128_000) for told in ("1280", "1280.0", "1280.00", "1.28e3")],
        *[
            ("HKD", "12.80", 1280),
            ("HKD", "12.8", 1280),
            ("JPY", "1280.00", 1280),
            ("JPY", "1280", 1280),
            ("KWD", "1.005", 1005),
        ],
        *[("HKD", "-2.80", -280), ("TWD", "0", 0)],
    ],
)
def test_money_is_minor_units_of_iso_4217_however_it_is_written(currency: str, told: str, minor: int) -> None:
    assert minor_of(Decimal(told), currency) == minor


@given(st.integers(-(10**15), 10**15), st.sampled_from([("TWD", 2), ("JPY", 0), ("KWD", 3)]))
def test_every_amount_comes_back_to_the_minor_unit(minor: int, currency: tuple[str, int]) -> None:
    code, digits = currency
    assert minor_of(Decimal(minor).scaleb(-digits), code) == minor


@pytest.mark.parametrize(
    ("currency", "told"),
    [("TWD", "0.005"), ("JPY", "0.5"), ("HKD", "NaN"), ("HKD", "-Infinity"), ("HKD", "1e30"), ("hk", "1")],
)
def test_an_amount_that_is_none_is_refused(currency: str, told: str) -> None:
    with pytest.raises(ChannelError):
        minor_of(Decimal(told), currency)


def test_signatures_are_those_of_the_documentation_and_take_any_of_two_secrets() -> None:
    assert sign(b"what do ya want for nothing?", "Jefe") == b64encode(bytes.fromhex(RFC_4231)).decode()
    assert is_signed(b"x", sign(b"x", "old"), ("new", "old"))
    assert not is_signed(b"x", sign(b"y", "old"), ("new", "old"))
    assert not is_signed(b"x", sign(b"x", ""), ("", ""))
    assert not is_signed(b"x", "\udcff", ("old",))


def test_a_kind_of_delivery_follows_the_shipping_method(tmp_path: Path) -> None:
    shop = channel(tmp_path, pickup=["門市自取"], delivery="home_delivery")
    kinds = [
        order_of(shopify.read, shop, "orders/create", shopify_order(shipping_lines=lines)).kind
        for lines in ([], [{"title": "門市自取"}], [{"delivery_category": "pickup"}], [{"title": "宅配", "code": "x"}])
    ]
    assert kinds == ["home_delivery", "click_and_collect", "click_and_collect", "home_delivery"]


@pytest.mark.parametrize(
    ("status", "wish"),
    [
        *[("pending", Wish.UNPAID), ("failed", Wish.UNPAID), ("on-hold", Wish.OPEN), ("processing", Wish.OPEN)],
        *[
            ("completed", Wish.FULFILLED),
            ("cancelled", Wish.CANCELLED),
            ("refunded", Wish.CANCELLED),
            ("packing", Wish.OPEN),
        ],
    ],
)
def test_woocommerces_states_and_those_of_plugins(tmp_path: Path, status: str, wish: Wish) -> None:
    order = order_of(woocommerce.read, channel(tmp_path, kind="woocommerce"), "order.updated", woo_order(status=status))
    assert order.wish is wish


def test_a_chinese_name_is_written_family_first_and_goods_have_all_their_names(tmp_path: Path) -> None:
    to = {"first_name": "小明", "last_name": "王", "address_1": "彌敦道1號", "phone": "1"}
    line = {
        "id": 1,
        "name": "茶",
        "product_id": 93,
        "variation_id": 94,
        "quantity": 1,
        "sku": "T",
        "total": 12.8,
        "price": 12.8,
    }
    told = woo_order(shipping=to, line_items=[line], total=12.8)
    order = order_of(woocommerce.read, channel(tmp_path, kind="woocommerce"), "order.updated", told)

    assert order.name == "王小明"
    assert (order.lines[0].items, order.lines[0].amount, order.total) == (("variation:94", "sku:T"), 1280, 1280)


def test_redactions_name_a_customer_and_orders_and_a_shops_nobody(tmp_path: Path) -> None:
    shop = channel(tmp_path)
    named = b'{"customer":{"id":9,"email":"x"},"orders_to_redact":[1,2],"orders_requested":[3],"data_request":{"id":7}}'
    assert shopify.read(shop, "customers/redact", named) == (Forget("9", ("1", "2")),)
    assert shopify.read(shop, "customers/data_request", named) == (DataAsked("7", "9", ("3",)),)
    assert shopify.read(shop, "customers/redact", b'{"customer":null,"orders_to_redact":[1]}') == (Forget("", ("1",)),)
    assert shopify.read(shop, "shop/redact", b'{"shop_id":1}') == (ForgetShop(),)
    with pytest.raises(ChannelError, match="customers/redact"):
        shopify.read(shop, "customers/redact", b'{"customer":{"id":"x"}}')


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_customer_calls_himself_a_label_takes_it(name: str, address: str) -> None:
    shown, to = one_line(name), address_of(address, name)
    assert len(shown) <= 60
    assert re.fullmatch(r"[^\x00-\x1f\x7f]*", shown)
    assert len(to) <= 300
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", to)
    (shown + to).encode()  # a text column takes it


@given(st.text(min_size=1, max_size=200), st.integers(1, 999))
def test_every_order_of_a_channel_has_an_id_that_fits(name: str, revision: int) -> None:
    order_id = order_id_of("a-channel-with-a-long-name-of-40-letters", name, revision)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*", f"{order_id}.off")
    assert len(f"{order_id}.off") <= 64


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"kind": "shopify", "currency": "TWD"}, "secret_files"),
        ({"kind": "shop", "currency": "TWD", "secret_files": ["s"]}, "kind"),
        ({"kind": "shopify", "currency": "NT$", "secret_files": ["s"]}, "currency"),
        ({"kind": "shopify", "currency": "TWD", "secret_files": ["none"]}, "secret_files none"),
        ({"kind": "shopify", "currency": "TWD", "secret_files": ["short"]}, "8 printable"),
        ({"kind": "shopify", "currency": "TWD", "secret_files": ["s"] * 3}, "secret_files"),
        ({"kind": "shopify", "currency": "TWD", "secret_files": ["s"], "url": "http://shop.example"}, "https"),
        ({"kind": "shopify", "currency": "TWD", "secret_files": ["s"], "url": "https://shop.example"}, "token_file"),
        (
            {
                "kind": "shopify",
                "currency": "TWD",
                "secret_files": ["s"],
                "url": "https://x.example",
                "token_file": "s",
            },
            "location",
        ),
        ({"kind": "file", "currency": "TWD", "secret_files": ["s"]}, "remove"),
        ({"kind": "file", "currency": "TWD", "maping": "x"}, "did you mean 'mapping'"),
        ({"kind": "file", "currency": "TWD", "mapping": "bad.toml"}, "qty"),
    ],
)
def test_a_wrong_section_stops_the_start_with_its_remedy(tmp_path: Path, section: dict[str, Any], said: str) -> None:
    (tmp_path / "s").write_text("a-secret-of-a-shop")
    (tmp_path / "short").write_text("x")
    (tmp_path / "bad.toml").write_text('[columns]\norder_id = "x"')
    with pytest.raises(ConfigError, match=said):
        parse_cloud_config({"channels": {"shop": section}}, base=tmp_path)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="shared material is absent")
def test_captured_orders_and_refunds_are_read(tmp_path: Path) -> None:
    shop = channel(tmp_path)
    order = json.loads((CAPTURES / "order.json").read_text())["order"]
    refund = json.loads((CAPTURES / "refund.json").read_text())["refund"]
    said = order_of(shopify.read, shop, "orders/create", order)
    (back,) = shopify.read(shop, "refunds/create", json.dumps(refund).encode())

    assert (said.channel_order_id, said.total, said.currency, said.name) == ("450789469", 40_994, "USD", "Bob Norman")
    assert [(line.items[1], line.qty) for line in said.lines] == [
        *[("sku:IPOD2008GREEN", 1), ("sku:IPOD2008RED", 1)],
        ("sku:IPOD2008BLACK", 1),
    ]
    assert isinstance(back, ChannelRefund)
    assert (back.channel_order_id, [line.qty for line in back.lines]) == ("450789469", [1, 1])
