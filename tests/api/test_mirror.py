"""GET /v1/catalogue over real HTTP: a copy kept by deltas is the catalogue, whatever happens in between."""

import asyncio
import json
from typing import Any

import pytest
from backports import zstd

from hub.store.catalogue import products
from hub.store.catalogue.mirror import forget_changes
from hub.store.model import Entry
from sync.model import Replica
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name

PATH = "/v1/catalogue"


class Copy:
    """A till's copy: it knows only what pages say."""

    def __init__(self, till: Any) -> None:
        self.till, self.items, self.cursor, self.pages = till, dict[str, Any](), "", 0

    async def follow(self, limit: int = 2) -> list[str]:
        """Read to the end; return the SKUs that were told."""
        told: list[str] = []
        more = True
        while more:
            answer = await self.till.get(PATH, after=self.cursor, limit=str(limit))
            assert answer.status == 200, answer.body
            page, self.pages = answer.json, self.pages + 1
            if page["reset"]:
                self.items.clear()
            for item in page["items"]:
                self.items.pop(item["sku"], None)
                if not item.get("gone"):
                    self.items[item["sku"]] = item
            told += [item["sku"] for item in page["items"]]
            self.cursor, more = page["next"], page["more"]
        return told


async def put(hub: Any, *entries: Entry) -> None:
    runtime = hub.runtime
    await runtime.db.write(
        lambda tx: products.put_products(
            tx, runtime.replica, entries, location=runtime.shop.location, now_ms=hub.clock.now_ms
        )
    )


def tea(amount: int, **fields: Any) -> Entry:
    product = Product(sku="TEA-01", gtins=["04890000000010"], name=Name(zh_hant="凍頂烏龍茶", en="Tea"), **fields)
    return Entry(product, Price(amount, "HKD"))


async def listed(till: Any) -> dict[str, Any]:
    return {item["sku"]: item for item in (await till.get("/v1/products", limit="200")).json["items"]}


async def test_a_first_copy_is_the_catalogue_in_pages(hub: Any, till: Any) -> None:
    copy = Copy(till)
    told = await copy.follow()

    known = await listed(till)
    assert sorted(told) == sorted(known) and copy.pages == 3
    for sku, item in known.items():
        price = {name: item["price"][name] for name in ("amount", "currency", "per", "version")}  # and its source
        assert (copy.items[sku]["name"], copy.items[sku]["price"]) == (item["name"], price)
    assert (copy.items["BAG"]["stocked"], copy.items["PLUM"]["unit"]) == (False, "g")


async def test_only_what_changed_is_told_afterwards(hub: Any, till: Any) -> None:
    copy = Copy(till)
    await copy.follow()
    nothing = await copy.follow()
    await put(hub, tea(1290))
    changed = await copy.follow()

    assert (nothing, changed, copy.items["TEA-01"]["price"]["amount"]) == ([], ["TEA-01"], 1290)


async def test_what_changes_while_it_is_read_comes_again(hub: Any, till: Any) -> None:
    copy = Copy(till)
    first = (await till.get(PATH, limit="5")).json
    assert "TEA-01" in {item["sku"] for item in first["items"]}
    copy.cursor = first["next"]
    await put(hub, tea(1390))

    assert (await copy.follow())[-1] == "TEA-01"


async def test_a_product_that_is_gone_leaves_the_copy(hub: Any, till: Any) -> None:
    copy = Copy(till)
    await copy.follow()
    await hub.runtime.db.write(lambda tx: tx.execute("UPDATE product SET gone = 1 WHERE sku = 'BAG'"))
    told = await copy.follow()

    assert told == ["BAG"] and "BAG" not in copy.items


async def test_a_cursor_of_another_life_empties_the_copy(hub: Any, till: Any) -> None:
    copy = Copy(till)
    await copy.follow()
    copy.items["GHOST"] = {}
    own: Replica = hub.runtime.replica
    other = Copy(till)
    other.items, other.cursor = copy.items, f"{int(own.incarnation, 16) ^ 1:016x}.{copy.cursor.partition('.')[2]}"
    await other.follow()

    assert other.items == {sku: item for sku, item in copy.items.items() if sku != "GHOST"} and other.items
    assert other.cursor == copy.cursor


async def test_a_number_that_was_never_given_empties_the_copy(hub: Any, till: Any) -> None:
    life = hub.runtime.replica.incarnation

    assert (await till.get(PATH, after=f"{life}.{10**17}")).json["reset"] is True


async def test_a_till_that_slept_through_what_is_forgotten_copies_anew(hub: Any, till: Any) -> None:
    awake, asleep = Copy(till), Copy(till)
    await awake.follow()
    await asleep.follow()
    for amount in range(2000, 2010):
        await put(hub, tea(amount))
    await awake.follow()
    forgotten = await hub.runtime.db.write(lambda tx: forget_changes(tx, kept=4, limit=100))
    asleep.items["GHOST"] = {}
    told = [await awake.follow(), await asleep.follow()]

    assert forgotten > 6 and told[0] == [] and sorted(told[1]) == sorted(asleep.items)
    assert asleep.items == awake.items and asleep.items["TEA-01"]["price"]["amount"] == 2009


async def test_changes_are_forgotten_but_for_the_newest(hub: Any, till: Any) -> None:
    copy = Copy(till)
    await copy.follow()
    forgotten = [await hub.runtime.db.write(lambda tx: forget_changes(tx, kept=0, limit=5)) for _ in range(9)]
    await put(hub, tea(2010))

    assert forgotten[-1] == 0 and await copy.follow() == ["TEA-01"]


async def test_a_product_that_changes_often_is_told_once_a_page(hub: Any, till: Any) -> None:
    copy = Copy(till)
    await copy.follow()
    for amount in range(2000, 2005):
        await put(hub, tea(amount))

    assert await copy.follow(limit=100) == ["TEA-01"]


@pytest.mark.parametrize("query", [{"after": "7"}, {"after": "x.1"}, {"limit": "0"}, {"limit": "1001"}, {"since": "1"}])
async def test_a_question_that_is_none_is_refused(till: Any, query: dict[str, str]) -> None:
    assert (await till.get(PATH, **query)).status == 422


async def test_it_comes_as_lines_for_who_asks(till: Any) -> None:
    whole = (await till.get(PATH)).json
    headers = {"Authorization": f"Bearer {till.token}", "Accept": "application/x-ndjson"}
    async with till.session.get(PATH, headers=headers) as answer:
        text = await answer.read()
    head, *items = [json.loads(line) for line in text.splitlines()]

    assert answer.content_type == "application/x-ndjson"
    assert {**head, "items": items} == whole


async def test_it_is_packed_for_who_can_read_that(hub: Any, till: Any) -> None:
    """By bytes of the wire: the client's library would unpack them."""
    whole = (await till.get(PATH)).json
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    asked = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {till.token}\r\nAccept-Encoding: gzip, zstd\r\n"
    writer.write(f"{asked}Connection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()

    assert b"Content-Encoding: zstd" in head and json.loads(zstd.decompress(body)) == whole


async def test_a_copy_of_thousands_is_read_in_bounded_pages(hub: Any, till: Any) -> None:
    entries = [Entry(Product(sku=f"N-{n:05}", name=Name(en=f"Thing {n}")), Price(100 + n, "HKD")) for n in range(3000)]
    for at in range(0, len(entries), 500):
        await put(hub, *entries[at : at + 500])
    copy = Copy(till)
    told = await copy.follow(limit=1000)

    assert len(told) == len(set(told)) == 3006 and copy.pages == 4
    assert copy.items["N-02999"]["price"]["amount"] == 3099
