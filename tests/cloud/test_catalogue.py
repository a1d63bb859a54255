"""The catalogue at the cloud: what a store hands over, what head office imports, what goes down to the stores."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from sync.batch import START, Boundary, new_rows
from sync.protocol import decode, encode, packed, unpacked


def entry(sku: str, amount: int = 1000, *, gtins: tuple[str, ...] = (), en: str = "") -> dict[str, Any]:
    product = {"sku": sku, "name": {"en": en or sku}, "gtins": list(gtins)}
    return {"product": product, "price": {"amount": amount, "currency": "HKD"}}


async def put(cloud: Any, *entries: dict[str, Any]) -> Any:
    answer = await cloud.post("/cloud/v1/products", {"entries": list(entries)})
    assert answer.status == 200, answer.body
    return answer.json


async def down(cloud: Any, after: Boundary = START, rows_max: int = 250) -> list[Any]:
    """Return all batches that a store gets from behind a boundary, by way of the wire."""
    batches: list[Any] = []
    books = cloud.books()
    while found := await books.load(cloud.head(), after, rows_max):
        [batch] = found
        batches.append(unpacked(decode(encode(packed(batch)))))
        assert list(new_rows(after, batches[-1])) == list(batch.rows)
        after = batch.end
    return batches


def rows_in(batches: list[Any]) -> list[Any]:
    return [json.loads(row) for batch in batches for _, row in batch.rows]


async def test_an_import_makes_versions_only_of_what_is_new(cloud: Any) -> None:
    first = await put(cloud, entry("A", 100), entry("B", 200))
    again = await put(cloud, entry("A", 100), entry("B", 250), entry("C", 300))

    assert first == {"created": 2, "updated": 0, "unchanged": 0, "gtins_taken": []}
    assert again == {"created": 1, "updated": 1, "unchanged": 1, "gtins_taken": []}
    rows = rows_in(await down(cloud))
    assert [(row["kind"], row["sku"], row["n"]) for row in rows] == [
        ("product", "A", 1),
        ("price", "A", 1),
        ("product", "B", 1),
        ("price", "B", 2),
        ("product", "C", 1),
        ("price", "C", 1),
    ]
    told = (await cloud.get("/cloud/v1/products/B")).json
    assert (told["price"]["amount"], told["product"]["name"], told["adopted_from"]) == (250, {"en": "B"}, None)
    assert (await cloud.get("/cloud/v1/products/ZZ")).status == 404


async def test_a_gtin_stays_with_the_sku_that_has_it(cloud: Any) -> None:
    await put(cloud, entry("A", gtins=("04890000000010", "04890000000027")))

    answer = await put(
        cloud, entry("B", gtins=("04890000000010", "04890000000034")), entry("A", gtins=("04890000000027",))
    )
    freed = await put(cloud, entry("B", gtins=("04890000000010",)))

    assert answer["gtins_taken"] == [["04890000000010", "B", "A"]]
    assert freed["gtins_taken"] == []
    assert (await cloud.get("/cloud/v1/products/B")).json["product"]["gtins"] == ["04890000000010"]


def broken(*, amount: Any = 1, **product: Any) -> dict[str, Any]:
    return {"product": {"sku": "A", "name": {"en": "x"}} | product, "price": {"amount": amount, "currency": "HKD"}}


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (broken(sku=" A"), "/product/sku"),
        (broken(name={}), "/product/name"),
        (broken(gtins=["1"]), "/product/gtins/0"),
        (broken(amount=-1), "/price/amount"),
        (broken(amount="1"), "/price/amount"),
    ],
)
async def test_one_wrong_entry_refuses_the_whole_request(cloud: Any, sql: Any, wrong: Any, pointer: str) -> None:
    answer = await cloud.post("/cloud/v1/products", {"entries": [entry("GOOD"), wrong]})

    assert (answer.status, answer.json["pointer"]) == (422, f"/entries/1{pointer}")
    assert sql("SELECT count(*) FROM register") == [(0,)]


async def test_more_entries_than_one_job_may_hold_are_refused(cloud: Any) -> None:
    answer = await cloud.post("/cloud/v1/products", {"entries": [entry(f"S{n}") for n in range(501)]})

    assert (answer.status, answer.json["code"]) == (422, "invalid_field")


async def test_a_handed_over_catalogue_is_adopted_with_its_versions(
    cloud: Any, writer: Any, rows_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    product, price = rows_of
    await put(cloud, entry("OURS", 999, gtins=("04890000000010",), en="ours"))
    caplog.set_level("INFO")
    rows = [
        (1, product("NEW", 3, gtins=("04890000000010", "04890000000027"), shelf="B4")),
        (3, price("NEW", 500, 7)),
        (4, product("OURS", 9, en="theirs")),
        (5, price("OURS", 1, 9)),
    ]

    await cloud.books().apply(writer.state("catalogue", *rows))
    await cloud.books().apply(writer.state("catalogue", *rows))

    new = (await cloud.get("/cloud/v1/products/NEW")).json
    assert (new["product"]["n"], new["price"]["n"], new["adopted_from"]) == (3, 7, "hk01")
    assert (new["product"]["gtins"], new["product"]["shelf"]) == (["04890000000027"], "B4")
    ours = (await cloud.get("/cloud/v1/products/OURS")).json
    assert (ours["product"]["name"]["en"], ours["price"]["amount"]) == ("ours", 999)
    handover = (await cloud.store_item())["handover"]
    assert {key: handover[key] for key in ("adopted", "kept", "unread", "gtins_dropped")} == {
        "adopted": 2,
        "kept": 2,
        "unread": 0,
        "gtins_dropped": 1,
    }
    (line,) = [record for record in caplog.records if "handed over" in record.message]
    assert (line.adopted, line.kept, line.gtins_dropped) == (2, 2, [["04890000000010", "NEW", "OURS"]])


async def test_adopted_rows_go_down_to_every_store_and_only_the_cloud_writes_from_then_on(
    cloud: Any, writer: Any, rows_of: Any
) -> None:
    product, price = rows_of
    await cloud.books().apply(writer.state("catalogue", (1, product("A", 3)), (2, price("A", 500, 7))))
    before = await down(cloud)

    await put(cloud, entry("A", 600, en="A"))
    after = await down(cloud, before[-1].end)

    assert [(row["kind"], row["n"]) for row in rows_in(before)] == [("product", 3), ("price", 7)]
    assert [(row["kind"], row["n"], row.get("amount")) for row in rows_in(after)] == [("price", 8, 600)]
    assert before[0].rep == cloud.books("hk02").rep


async def test_a_row_that_changes_during_the_hand_over_is_adopted_in_its_last_version(
    cloud: Any, writer: Any, new_writer: Any, rows_of: Any
) -> None:
    _, price = rows_of
    first = writer.state("catalogue", (1, price("A", 100, 1)))
    await cloud.books().apply(first)
    await cloud.books().apply(writer.state("catalogue", (2, price("A", 200, 2)), after=first.end))
    other = new_writer("hk02:bbbbbbbbbbbbbbbb")
    await cloud.books("hk02").apply(other.state("catalogue", (1, price("A", 300, 9))))

    assert (await cloud.get("/cloud/v1/products/A")).json["price"]["amount"] == 200
    assert (await cloud.store_item("hk02"))["handover"]["kept"] == 1


async def test_unknown_kinds_of_register_are_kept_and_passed_on_but_not_sent_down(
    cloud: Any, writer: Any, rows_of: Any
) -> None:
    product, _ = rows_of
    coupon = b'{"v":1,"kind":"coupon","serial":"X","n":1}'

    await cloud.books().apply(
        writer.state("catalogue", (1, coupon), (2, product("A")), (3, product("BAD", gtins=("1",))))
    )
    rows, trailer = await cloud.feed("catalogue")

    assert [row["row"].get("kind") for row in rows] == ["coupon", "product", "product"]
    assert [(row["store"], row["key"]) for row in rows] == [
        ("hk01", None),
        ("cloud", '["product","A"]'),
        ("hk01", '["product","BAD"]'),
    ]
    assert [row["sku"] for row in rows_in(await down(cloud))] == ["A"]
    assert ((await cloud.store_item())["handover"]["unread"], trailer["next"]) == (2, 3)


async def test_every_store_is_offered_the_same_boundaries_whatever_it_had_before(cloud: Any) -> None:
    """A boundary's digest depends on the stream, not on the way there: one store's boundary is true for all."""
    await put(cloud, *(entry(f"S{n}", n + 1) for n in range(40)))
    small = await down(cloud, rows_max=7)
    await put(cloud, *(entry(f"S{n}", n + 100) for n in range(0, 40, 3)))
    large = await down(cloud)

    assert [batch.end for batch in await down(cloud, small[2].end, 1000)][-1] == large[-1].end
    assert all(cloud.books("hk02").is_offered(cloud.books().rep, "catalogue", batch.end) for batch in [*small, *large])
    assert not cloud.books().is_offered(cloud.books().rep, "catalogue", replace(small[0].end, digest=b"8 bytes!"))


async def test_a_large_catalogue_goes_down_in_bounded_batches(cloud: Any) -> None:
    """A thousand wide products: no batch beyond a quarter of a mebibyte."""
    wide = {f"k{n}": "字" * 60 for n in range(8)}
    for start in range(0, 1000, 250):
        entries = [entry(f"SKU-{n:04}", 5) for n in range(start, start + 250)]
        for each in entries:
            each["product"]["attributes"] = wide
        await put(cloud, *entries)

    batches = await down(cloud, rows_max=1000)

    assert max(sum(len(row) for _, row in batch.rows) for batch in batches) <= 256 * 1024
    assert len(rows_in(batches)) == 2000
    rows, trailer = await cloud.feed("catalogue")
    assert trailer["more"] and len(rows) <= 1000


async def test_the_acks_of_a_store_are_kept(cloud: Any, sql: Any) -> None:
    await put(cloud, entry("A"))
    (batch,) = await down(cloud)

    await cloud.books().acked("hk01:x", batch.rep, "catalogue", batch.end)

    assert sql("SELECT peer, stream, last FROM acked") == [("hk01:x", "catalogue", 2)]


async def test_rows_read_as_the_structs_of_the_retail_model(cloud: Any) -> None:
    from sync.retail.catalogue.registers import PriceRow, ProductRow, read_row

    await put(cloud, entry("A", 700))
    kinds = [read_row(row) for batch in await down(cloud) for _, row in batch.rows]

    assert [type(kind) for kind in kinds] == [ProductRow, PriceRow]
    assert msgspec.to_builtins(kinds[1].price) == {"amount": 700, "currency": "HKD", "per": 1}  # type: ignore[union-attr]


async def test_a_store_that_wrote_while_it_was_alone_gets_the_clouds_version_again(cloud: Any, writer: Any) -> None:
    """It left the cloud, changed a price, and joined again: its cursor is at the end of the cloud's stream already."""
    await put(cloud, entry("A", 100), entry("B", 200))
    held = (await down(cloud))[-1].end
    alone = {"v": 1, "kind": "price", "sku": "A", "n": 7, "gone": False, "amount": 1, "currency": "HKD", "per": 1}
    same = alone | {"sku": "B", "amount": 200}

    await cloud.books().apply(writer.state("catalogue", (1, alone), (2, same)))

    rows = rows_in(await down(cloud, held))
    assert [(row["kind"], row["sku"], row["n"], row["amount"]) for row in rows] == [("price", "A", 1, 100)]
