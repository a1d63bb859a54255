"""Batches into the cloud's books: exactly once whatever comes twice, out of order, cut, lying, or under another's name."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from sync.batch import START, Boundary, Gap
from sync.cloud.persons.work import look_at_all
from sync.errors import ForkError, ProtocolError
from sync.model import Feed
from sync.protocol import decode, encode, packed, unpacked

SALES = (
    "SELECT n, seq, CAST(body AS TEXT) FROM fact WHERE stream = (SELECT id FROM feed WHERE stream = 'sales') ORDER BY n"
)


def sell(writer: Any, count: int) -> None:
    for n in range(count):
        writer.sell(f"sale-{n}", 100 + n)


async def test_rows_are_kept_as_the_bytes_received_and_counted_once(cloud: Any, writer: Any, sql: Any) -> None:
    sell(writer, 5)

    ends = [await cloud.books().apply(unpacked(decode(encode(packed(writer.batch()))))) for _ in range(3)]

    assert ends == [writer.boundary("sales", 5)] * 3
    assert [body.encode() for _, _, body in sql(SALES)] == writer.logs["sales"]
    item = await cloud.store_item()
    assert (item["sales"]["count"], item["sales"]["total"]) == (5, {"HKD": sum(range(100, 105))})
    assert [(each["stream"], each["last"], each["rows"]) for each in item["streams"]] == [("sales", 5, 5)]


@pytest.mark.parametrize("ranges", [[(0, 4), (2, 6), (0, 10)], [(0, 1), (0, 2), (1, 10), (5, 7)], [(0, 10), (9, 10)]])
async def test_overlapping_ranges_add_each_row_once(cloud: Any, writer: Any, sql: Any, ranges: Any) -> None:
    sell(writer, 10)

    for after, last in ranges:
        await cloud.books().apply(writer.batch("sales", after, last))

    assert [(n, seq) for n, seq, _ in sql(SALES)] == [(n, n) for n in range(1, 11)]
    assert (await cloud.store_item())["sales"]["total"] == {"HKD": sum(range(100, 110))}
    assert cloud.books().vector("")[writer.rep, "sales"] == writer.boundary("sales", 10)


async def test_a_gap_takes_nothing_and_says_where_to_begin(cloud: Any, writer: Any, sql: Any) -> None:
    sell(writer, 10)
    await cloud.books().apply(writer.batch("sales", 0, 3))

    gap = await cloud.books().apply(writer.batch("sales", 5, 10))

    assert gap == Gap(writer.boundary("sales", 3))
    assert len(sql(SALES)) == 3
    assert await cloud.books().apply(writer.batch("sales", 3, 10)) == writer.boundary("sales", 10)


async def test_a_lying_digest_is_refused_and_nothing_is_stored(cloud: Any, writer: Any, sql: Any) -> None:
    sell(writer, 3)

    with pytest.raises(ProtocolError, match="digest"):
        await cloud.books().apply(replace(writer.batch(), digest=b"8 bytes!"))

    assert sql("SELECT count(*) FROM fact") == [(0,)]
    assert sql("SELECT count(*) FROM received") == [(0,)]
    assert cloud.books().vector("") == {}


async def test_rows_behind_the_cursor_that_were_changed_are_noticed(cloud: Any, writer: Any, new_writer: Any) -> None:
    """A hub restored from a copy sells on under the same incarnation: its digest does not fit what is held."""
    sell(writer, 3)
    await cloud.books().apply(writer.batch())
    restored = new_writer(writer.rep)
    sell(restored, 2)
    restored.sell("another", 1)
    restored.sell("one-more", 1)

    with pytest.raises(ProtocolError, match="digest"):
        await cloud.books().apply(restored.batch("sales", 0, 4))

    assert cloud.books().vector("")[writer.rep, "sales"] == writer.boundary("sales", 3)


@pytest.mark.parametrize("held", [2, 3])
async def test_a_batch_that_was_overtaken_by_a_copys_other_rows_is_refused(
    cloud: Any, writer: Any, new_writer: Any, held: int
) -> None:
    """Two machines of one life on the line: the second has greeted before the rows of the first were here."""
    sell(writer, 3)
    copy = new_writer(writer.rep)
    sell(copy, 1)
    copy.sell("another", 1)
    await cloud.books().apply(writer.batch("sales", 0, held))

    with pytest.raises(ForkError, match="another past"):
        await cloud.books().apply(copy.batch("sales", 1, 2))

    assert cloud.books().vector("")[writer.rep, "sales"] == writer.boundary("sales", held)
    assert await cloud.books().apply(writer.batch("sales", 1, 2)) == writer.boundary("sales", held)


async def test_a_cut_payload_is_no_batch(writer: Any) -> None:
    sell(writer, 3)
    frame = packed(writer.batch())

    with pytest.raises(ProtocolError):
        unpacked(replace(frame, rows=frame.rows[:-4]))
    with pytest.raises(ProtocolError):
        decode(encode(frame)[:-10])


@pytest.mark.parametrize("rep", ["hk02:bbbb", "hk011:bbbb", "hk01", "hk01:", ":x", "cloud:1", "hk01:a:b"])
async def test_a_store_writes_under_its_own_name_only(cloud: Any, new_writer: Any, sql: Any, rep: str) -> None:
    writer = new_writer(rep)
    sell(writer, 1)

    with pytest.raises(ProtocolError):
        await cloud.books("hk01").apply(writer.batch())

    assert sql("SELECT count(*) FROM fact") == [(0,)]
    assert sql("SELECT store FROM replica WHERE own = 0") == []


async def test_the_incarnation_of_another_store_is_refused(cloud: Any, writer: Any, new_writer: Any) -> None:
    """A copied card has copied an identity."""
    sell(writer, 1)
    await cloud.books().apply(writer.batch())
    copy = new_writer(writer.rep.replace("hk01", "hk02"))
    sell(copy, 1)

    with pytest.raises(ProtocolError):
        await cloud.books("hk02").apply(copy.batch())


async def test_one_sale_on_two_hubs_is_kept_twice_and_counted_once(
    cloud: Any, writer: Any, new_writer: Any, sql: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other = new_writer("hk02:bbbbbbbbbbbbbbbb")
    writer.sell("twice", 500)
    writer.sell("once", 100)
    other.sell("twice", 700)
    other.sell("alone", 50)

    await cloud.books("hk01").apply(writer.batch())
    await cloud.books("hk02").apply(other.batch())

    assert sql("SELECT count(*) FROM fact") == [(4,)]
    one, two = await cloud.store_item("hk01"), await cloud.store_item("hk02")
    assert (one["sales"]["total"], two["sales"]["total"]) == ({"HKD": 600}, {"HKD": 50})
    assert (two["sales"]["count"], two["duplicates"]) == (1, {"sales": 1})
    sale = (await cloud.get("/cloud/v1/sales/twice")).json
    assert (sale["store"], sale["sale"]["sale"]["total"]) == ("hk01", 500)
    assert sale["duplicates"] == [{"store": "hk02", "rep": other.rep, "seq": 1, "n": 3}]
    logged = [record for record in caplog.records if "keys that are known" in record.message]
    assert [(record.store, record.facts, record.with_other_content, record.keys) for record in logged] == [
        ("hk02", 1, 1, ["twice"])
    ]
    metrics = (await cloud.get("/metrics")).body.decode()
    assert 'storehub_cloud_duplicates_total{store="hk02",stream="sales"} 1.0' in metrics


async def test_ids_that_each_store_gives_by_itself_are_no_duplicates(cloud: Any, writer: Any, new_writer: Any) -> None:
    """Two shops open with the same product: both movements are called opening~TEA-01."""
    other = new_writer("hk02:bbbbbbbbbbbbbbbb")
    for each, store in ((writer, "hk01"), (other, "hk02")):
        each.write("stock", {"movement": {"movement_id": "opening~TEA-01", "sku": "TEA-01", "qty": 5}, "stock": []})
        await cloud.books(store).apply(each.batch("stock"))
    other.write("stock", {"movement": {"movement_id": "opening~TEA-01", "sku": "TEA-01", "qty": 5}, "stock": []})
    await cloud.books("hk02").apply(other.batch("stock"))

    one, two = await cloud.store_item("hk01"), await cloud.store_item("hk02")
    assert (one["duplicates"], two["duplicates"]) == ({}, {"stock": 1})


async def test_one_key_twice_in_one_batch_is_counted_once(cloud: Any, writer: Any) -> None:
    for _ in range(3):
        writer.sell("same", 100)

    await cloud.books().apply(writer.batch())

    item = await cloud.store_item()
    assert (item["sales"]["count"], item["duplicates"]) == (1, {"sales": 2})


async def test_facts_written_again_under_a_new_life_add_nothing(cloud: Any, writer: Any, new_writer: Any) -> None:
    sell(writer, 4)
    await cloud.books().apply(writer.batch())
    reborn = new_writer("hk01:cccccccccccccccc")
    sell(reborn, 6)

    await cloud.books().apply(reborn.batch())

    item = await cloud.store_item()
    assert (item["sales"]["count"], item["sales"]["total"]["HKD"]) == (6, sum(range(100, 106)))
    assert item["rep"] == reborn.rep
    assert {(each["rep"], each["last"]) for each in item["streams"]} == {(writer.rep, 4), (reborn.rep, 6)}


UNREADABLE = [
    b"not json at all",
    b'{"pretty":\n 1}',
    b'{"v":9,"sale":"what?"}',
    b'{"sale":{"sale_id":"x","currency":"HKD","total":-5}}',
    b'{"sale":{"sale_id":"x","currency":"HKD","total":99999999999999999999999}}',
    b"\xff\x00",
    b"[" * 5000,
    b'{"sale":{"sale_id":"\\ud800","currency":"HKD","total":5}}',
    b'{"sale":{"sale_id":"',
]


async def test_rows_that_nobody_can_read_are_kept_byte_for_byte(cloud: Any, writer: Any, sql: Any) -> None:
    for row in UNREADABLE:
        writer.write("sales", row)
    writer.sell("good", 100)

    await cloud.books().apply(writer.batch())

    assert [body for (body,) in sql("SELECT body FROM fact ORDER BY n")] == writer.logs["sales"]
    assert (await cloud.store_item())["sales"]["count"] == 1
    rows, _ = await cloud.feed("sales")
    assert len(rows) == len(UNREADABLE) + 1


async def test_a_price_of_a_sku_that_no_database_takes_is_kept_and_named_unread(
    cloud: Any, writer: Any, rows_of: Any, sql: Any
) -> None:
    product, price = rows_of
    odd = json.dumps(price("A\0B", 500)).encode()

    await cloud.books().apply(writer.state("catalogue", (1, product("A")), (2, odd), (3, price("A", 500))))

    assert sql("SELECT body FROM fact") == [(odd,)]
    assert sql("SELECT kind, sku FROM register ORDER BY seq") == [("product", "A"), ("price", "A")]
    assert (await cloud.store_item())["handover"]["unread"] == 1


async def test_a_receipt_that_no_database_takes_is_not_entered(cloud: Any, writer: Any, sql: Any) -> None:
    writer.sell("s1", receipt_no="a\0b")
    writer.sell("s2", receipt_no="R-2")

    await cloud.books().apply(writer.batch())

    assert sql("SELECT receipt_no FROM receipt") == [("R-2",)]
    assert sql("SELECT count(*) FROM unread") == [(1,)]


async def test_a_sale_that_no_database_takes_keeps_no_other_from_a_person(cloud: Any, writer: Any, sql: Any) -> None:
    line = {"line": 1, "sku": "TEA-01", "qty": 1, "unit_price": 500}
    for sale_id in ("a\0b", "good"):
        sale = {"sale_id": sale_id, "member_id": "m1", "currency": "HKD", "lines": [line], "total": 500}
        writer.write("sales", {"sale": sale})
    await cloud.books().apply(writer.batch())

    await look_at_all(cloud.cloud.books)

    assert sql("SELECT purchase_id, amount FROM purchase") == [("good", 500)]


@pytest.mark.parametrize("feed", list(Feed))
async def test_an_unknown_stream_is_kept_and_passed_on(cloud: Any, writer: Any, sql: Any, feed: Feed) -> None:
    row = b'{"v":3,"tag":"E280","seen":[1,2.50,1e3],"note":"\xe4\xb8\xad"}'
    for each in (row, b"\x00\x01"):
        writer.write("rfid.reads", each)
    batch = writer.batch("rfid.reads") if feed is Feed.LOG else writer.state("rfid.reads", (1, row), (2, b"\x00\x01"))

    end = await cloud.books().apply(batch)
    rows, trailer = await cloud.feed("rfid.reads")

    assert end == batch.end
    assert sql("SELECT body FROM fact ORDER BY n") == [(row,), (b"\x00\x01",)]
    assert (rows[0]["row"], rows[0]["key"], rows[1]["raw"]) == (json.loads(row), None, "AAE=")
    assert (trailer["next"], trailer["more"]) == (2, False)


async def test_unknown_fields_stay_as_they_came(cloud: Any, writer: Any) -> None:
    row = writer.sell("s1", 100, carbon_g=12.50, nested={"a": [None, {"b": "\u2028"}]})

    await cloud.books().apply(writer.batch())
    answer = await cloud.get("/cloud/v1/sales/s1")

    assert row in answer.body
    assert answer.json["sale"]["carbon_g"] == 12.5


async def test_a_stream_keeps_its_kind(cloud: Any, writer: Any) -> None:
    sell(writer, 1)
    with pytest.raises(ProtocolError, match="state"):
        await cloud.books().apply(replace(writer.batch(), feed=Feed.STATE))
    await cloud.books().apply(writer.state("odd", (4, {"a": 1})))
    writer.write("odd", {"a": 2})
    with pytest.raises(ProtocolError, match="known as a state"):
        await cloud.books("hk01").apply(replace(writer.batch("odd"), rep="hk01:other"))


async def test_numbers_beyond_all_seqs_are_refused(cloud: Any, writer: Any) -> None:
    with pytest.raises(ProtocolError, match="is no seq"):
        await cloud.books().apply(writer.state("levels", (2**63, level("A", 1, 1))))
    assert not cloud.books().is_offered(cloud.books().rep, "catalogue", Boundary(2**64, b"8 bytes!"))
    assert not cloud.books().is_offered(cloud.books().rep, "catalogue", Boundary(-1, bytes(8)))


async def test_returns_stand_with_their_sale(cloud: Any, writer: Any) -> None:
    writer.sell("s1", 1000)
    writer.give_back("r1", "s1", 400)
    writer.give_back("r2", "s1", 600)
    writer.give_back("r3", "elsewhere", 1)
    await cloud.books().apply(writer.batch("returns"))
    await cloud.books().apply(writer.batch("sales"))

    sale = (await cloud.get("/cloud/v1/sales/s1")).json
    item = await cloud.store_item()

    assert [each["return"]["return"]["return_id"] for each in sale["returns"]] == ["r1", "r2"]
    assert (item["sales"]["returns"], item["sales"]["refunded"]) == (3, {"HKD": 1001})


def level(sku: str, received: int, issued: int) -> dict[str, Any]:
    return {"v": 1, "sku": sku, "location": "shop", "received": received, "issued": issued}


async def test_tallies_merge_by_the_larger_number_and_move_to_the_end(cloud: Any, writer: Any, sql: Any) -> None:
    first = writer.state("levels", (1, level("A", 5, 0)), (2, level("B", 1, 0)), (3, level("C", 2, 2)))
    second = writer.state("levels", (4, level("B", 1, 0)), (5, level("A", 5, 3)), after=first.end)
    third = writer.state("levels", (6, level("C", 3, 1)), after=second.end)

    for batch in (first, second, third, first):
        await cloud.books().apply(batch)
    rows, _ = await cloud.feed("levels")

    assert [(r["n"], r["row"]["sku"], r["row"]["received"], r["row"]["issued"]) for r in rows] == [
        (2, "B", 1, 0),
        (4, "A", 5, 3),
        (5, "C", 3, 2),
    ]
    assert rows[0]["key"] == '["B","shop"]'
    assert (await cloud.feed("levels", after=3))[0] == rows[1:]
    assert sql("SELECT last FROM received WHERE stream = 'levels'") == [(6,)]


async def test_tallies_of_two_writers_stand_beside_each_other(cloud: Any, writer: Any, new_writer: Any) -> None:
    other = new_writer("hk02:bbbbbbbbbbbbbbbb")

    await cloud.books("hk01").apply(writer.state("levels", (1, level("A", 5, 1))))
    await cloud.books("hk02").apply(other.state("levels", (1, level("A", 3, 0))))

    rows, _ = await cloud.feed("levels")
    assert [(row["store"], row["row"]["received"]) for row in rows] == [("hk01", 5), ("hk02", 3)]


async def test_visitors_are_the_sum_of_the_windows(cloud: Any, writer: Any, new_writer: Any) -> None:
    def window(entrance: str, quarter: str, entered: int, left: int) -> dict[str, Any]:
        return {"v": 1, "entrance": entrance, "quarter": quarter, "in": entered, "out": left}

    other = new_writer("hk01:dddddddddddddddd")
    first = writer.state("footfall", (1, window("door", "q1", 5, 2)), (2, window("door", "q2", 1, 1)))
    await cloud.books().apply(first)
    await cloud.books().apply(writer.state("footfall", (4, window("door", "q1", 9, 4)), (5, b"odd"), after=first.end))
    await cloud.books().apply(first)
    await cloud.books().apply(other.state("footfall", (1, window("door", "q1", 1, 0))))

    assert (await cloud.store_item())["visitors"] == {"in": 11, "out": 5}
    assert len((await cloud.feed("footfall"))[0]) == 4


async def test_a_vector_names_all_lives_of_the_store_and_of_no_other(
    cloud: Any, writer: Any, new_writer: Callable[[str], Any]
) -> None:
    for store, rep in (("hk01", "hk01:1"), ("hk01", "hk01:2"), ("hk02", "hk02:3")):
        each = new_writer(rep)
        sell(each, 2)
        await cloud.books(store).apply(each.batch())

    assert set(cloud.books("hk01").vector("hk01:2")) == {("hk01:1", "sales"), ("hk01:2", "sales")}
    assert not cloud.books("hk01").is_offered("hk02:3", "catalogue", Boundary(1, b"8 bytes!"))
    assert cloud.books("hk01").is_offered(cloud.books().rep, "catalogue", START)
    assert not cloud.books("hk01").is_offered(cloud.books().rep, "catalogue", Boundary(3, b"8 bytes!"))
