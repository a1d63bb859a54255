"""A receipt as a link over real HTTP: its QR leads to its page, the page says nothing of persons, no code can be guessed."""

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import segno

PairTill = Callable[..., Awaitable[Any]]


async def link(till: Any, **fields: Any) -> dict[str, Any]:
    """Sell, and return where the receipt is."""
    sale = till.sale(**fields)
    assert (await till.post("/v1/sales", sale)).status == 201
    found: dict[str, Any] = (await till.get(f"/v1/sales/{sale['sale_id']}/receipt")).json
    return found


def path_of(found: dict[str, Any]) -> str:
    return "/r/" + found["url"].rpartition("/r/")[2]


async def test_the_page_shows_the_receipt_in_both_languages_to_anybody_with_the_link(
    till: Any, pair_till: PairTill
) -> None:
    stranger = await pair_till(till.hub, scope=None)
    found = await link(till, tenders=[{"type": "cash", "amount": 1090, "tendered": 2000}])

    page = await stranger.get(path_of(found))

    text = page.body.decode()
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for words in ("示範店", "Demo", "凍頂烏龍茶", "Dong Ding oolong tea", "10.90", "現金 Cash", "找零 Change", "9.10"):
        assert words in text
    assert "<script" not in text and "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    assert (
        "default-src 'none'" in page.headers["Content-Security-Policy"] and page.headers["Cache-Control"] == "no-store"
    )


async def test_the_page_names_no_person_no_card_and_no_reference(till: Any) -> None:
    tenders = [{"type": "card", "amount": 1090, "provider": "bank-of-x", "reference": "AUTH-4711"}]

    found = await link(till, cashier_id="cashier-ann", member_id="member-77", tenders=tenders)
    text = (await till.get(path_of(found))).body.decode()

    for secret in ("cashier-ann", "member-77", "bank-of-x", "AUTH-4711"):
        assert secret not in text
    assert "信用卡 Card" in text


async def test_both_pictures_are_the_qr_of_the_link(till: Any) -> None:
    """Drawn once more by the QR library itself, as matrix and as PNG."""
    found = await link(till)
    expected = segno.make(found["url"], error="m", micro=False)
    png = BytesIO()
    expected.save(png, kind="png", scale=4)

    assert b64decode(found["qr_png"]) == png.getvalue()
    assert found["qr_svg"].startswith("<svg") and found["qr_svg"].count("<path") == 1


async def test_a_code_that_this_shop_has_not_given_shows_nothing(till: Any) -> None:
    path = path_of(await link(till))
    other = path_of(await link(till))
    forged = other[:16] + path[16:]
    changed = path[:-1] + ("0" if path[-1] != "0" else "1")

    for wrong in (forged, changed, path[:-1], path + "0", path[:16], "/r/" + "茶" * 33, "/r/x"):
        answer = await till.get(wrong)
        assert answer.status == 404 and "查無此收據" in answer.body.decode()
        assert "凍頂烏龍茶" not in answer.body.decode()


async def test_codes_of_two_shops_have_nothing_in_common(till: Any) -> None:
    """Receipts' bar codes are counted up; what makes the code is the shop's own key, 80 bits of it."""
    first, second = path_of(await link(till)), path_of(await link(till))

    assert len(first) == len("/r/") + 13 + 20 and first[16:] != second[16:]
    assert len(till.hub.runtime.receipt_key) == 32


async def test_what_came_back_stands_on_the_page(till: Any, pair_till: PairTill) -> None:
    manager = await pair_till(till.hub, scope="manager")
    sale = till.sale()
    await till.post("/v1/sales", sale)
    found = (await till.get(f"/v1/sales/{sale['sale_id']}/receipt")).json
    before = (await till.get(path_of(found))).body.decode()

    await manager.post(f"/v1/sales/{sale['sale_id']}/void", {"void_id": "v1", "till_id": till.till_id, "reason": "x"})

    assert "已退回 Returned: TEA-01" not in before
    assert "已退回 Returned: TEA-01" in (await till.get(path_of(found))).body.decode()


async def test_a_link_is_good_after_a_restart(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub())
    path = path_of(await link(till))

    again = await start_hub()

    async with till.session.get(f"{again.url}{path}") as answer:
        assert answer.status == 200


async def test_the_link_begins_with_what_the_configuration_says(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(receipt={"url": "https://shop.example:8443"}))

    assert (await link(till))["url"].startswith("https://shop.example:8443/r/29")


async def test_a_name_that_is_markup_stays_text(till: Any) -> None:
    line = {"sku": "X", "qty": 1, "unit_price": 1, "open_item": True, "description": "<b onclick=x>&"}

    found = await link(till, lines=[line | {"line": 1}], total=1, tenders=[{"type": "card", "amount": 1}])

    assert "&lt;b onclick=x&gt;&amp;" in (await till.get(path_of(found))).body.decode()
