"""The hub as a replica, on a real file: what it offers, what it takes from the cloud, what it says is safe."""

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import replication
from hub.books import HubBooks
from hub.store.catalogue.products import item_by_gtin, item_by_sku
from hub.store.feeds import oldest_waiting, waiting_rows
from hub.store.model import utc
from hub.store.stock.levels import FOLD_MAX, facts_to_fold, fold, fold_all
from sync.batch import START, Batch, Boundary, Gap, batch_of
from sync.entities import REGISTRY
from sync.errors import ForkError, OutcomeUnknownError, ProtocolError
from sync.model import Feed, Stream
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.catalogue.registers import price_row, product_row, write_row
from sync.retail.names import Name
from sync.store.cursors import STREAMS_MAX, offer, received
from sync.store.reading import rows_after

CLOUD = "cloud:00000000000000cc"
NOW_MS = 1_790_000_000_000


def books_of(store: Any) -> HubBooks:
    return HubBooks(
        store.db, store.replica, currency="HKD", now_ms=lambda: NOW_MS, new_incarnation=lambda: secrets.token_hex(8)
    )


async def load(books: HubBooks, stream: Stream, after: Boundary = START, rows_max: int = 100) -> Batch | None:
    head = next(head for head in books.heads() if head.stream == stream)
    found = await books.load(head, after, rows_max)
    return found[0] if found else None


def from_cloud(*rows: bytes, after: Boundary = START, stream: str = "catalogue", rep: str = CLOUD) -> Batch:
    numbered = [(after.last + n, row) for n, row in enumerate(rows, 1)]
    return batch_of(rep, stream, Feed.STATE, after, numbered)


def tea(n: int, name: str = "Tea of the cloud", **fields: Any) -> bytes:
    return write_row(product_row(Product(sku="TEA-01", name=Name(en=name), **fields), n))


def price(n: int, amount: int, *, gone: bool = False) -> bytes:
    return write_row(price_row("TEA-01", Price(amount, "HKD"), n, gone=gone))


async def test_every_stream_of_the_model_is_offered(store: Any) -> None:
    assert [head.stream for head in books_of(store).heads()] == list(REGISTRY.streams)
    assert set(Stream) <= set(REGISTRY.streams)


async def test_sales_are_loaded_as_they_were_written(store: Any, sale: Callable[..., Any]) -> None:
    """Judged by plain SQL and hashlib."""
    for qty in (1, 2, 3):
        await store.sell(sale(qty))
    batch = await load(books_of(store), Stream.SALES)

    with closing(sqlite3.connect(store.path)) as file:
        bodies = [body.encode() for (body,) in file.execute("SELECT body FROM sale ORDER BY seq")]
    digest = bytes(8)
    for body in bodies:
        digest = blake2b(digest + body, digest_size=8).digest()
    assert batch is not None and [row for _, row in batch.rows] == bodies
    assert (batch.last, batch.digest) == (3, digest)


async def test_a_load_goes_on_behind_a_boundary_and_ends(store: Any, sale: Callable[..., Any]) -> None:
    for _ in range(5):
        await store.sell(sale())
    books, at, seqs = books_of(store), START, []
    while batch := await load(books, Stream.SALES, at, 2):
        at = batch.end
        seqs.append([seq for seq, _ in batch.rows])

    assert seqs == [[1, 2], [3, 4], [5]]
    assert books.is_offered(books.rep, "sales", at)
    assert not books.is_offered(books.rep, "sales", Boundary(5, bytes(8)))
    assert not books.is_offered("other:1", "sales", at)


async def test_any_boundary_of_a_log_is_known_again_after_a_restart_and_no_other(
    store: Any, sale: Callable[..., Any]
) -> None:
    """Nothing was written down: the digest comes from the rows, so a restored copy that went another way is found."""
    for _ in range(6):
        await store.sell(sale())
    bodies = [row for _, row in rows_after(store.db.read, store.replica.local_id, Stream.SALES, 0, 10)]
    digests = [bytes(8)]
    for body in bodies:
        digests.append(blake2b(digests[-1] + body, digest_size=8).digest())
    await store.db.write(lambda tx: offer(tx, store.replica, "sales", Boundary(2, digests[2])))
    books = books_of(store)

    assert all(books.is_offered(books.rep, "sales", Boundary(n, digests[n])) for n in range(7))
    assert not books.is_offered(books.rep, "sales", Boundary(4, digests[3]))
    assert not books.is_offered(books.rep, "sales", Boundary(7, digests[6]))
    assert not books.is_offered(books.rep, "salse", Boundary(1, digests[1]))


async def test_the_end_of_a_state_stream_is_written_down_before_anybody_is_told(store: Any) -> None:
    batch = await load(books_of(store), Stream.CATALOGUE)

    assert batch is not None
    assert books_of(store).is_offered(batch.rep, "catalogue", batch.end)
    assert not books_of(store).is_offered(batch.rep, "catalogue", Boundary(batch.last - 1, batch.digest))


async def test_a_row_that_was_changed_behind_our_back_is_not_shipped(store: Any, sale: Callable[..., Any]) -> None:
    recorded = await store.sell(sale())
    await store.db.write(lambda tx: tx.execute("UPDATE sale SET body = replace(body, '1090', '1')").rowcount)

    assert recorded.status == "created"
    with pytest.raises(ForkError, match="not those that were written"):
        await load(books_of(store), Stream.SALES)


async def test_an_ack_makes_safe_and_survives_a_restart(store: Any, sale: Callable[..., Any], until: Any) -> None:
    await store.sell(sale())
    books = books_of(store)
    batch = await load(books, Stream.SALES)
    assert batch is not None
    noted = asyncio.Event()
    books.on_acked = noted.set
    await books.acked(CLOUD, books.rep, "sales", batch.end)
    async with asyncio.timeout(30):
        await noted.wait()

    assert books.holders.cloud["sales"] == 1
    assert books_of(store).holders.cloud["sales"] == 1


async def test_rows_of_the_cloud_replace_the_shops_own_whatever_their_version(store: Any) -> None:
    books = books_of(store)
    cursor = await books.apply(from_cloud(tea(1, gtins=["04890000000027"]), price(1, 777)))

    item = item_by_sku(store.db.read, "TEA-01", location="shop")
    assert cursor == books.vector(CLOUD)[CLOUD, "catalogue"]
    assert item is not None and item.price is not None
    assert (item.name.en, item.price.amount, item.stock.on_hand) == ("Tea of the cloud", 777, 20)
    assert item_by_gtin(store.db.read, "04890000000027", location="shop") is not None
    assert item_by_gtin(store.db.read, "04890000000010", location="shop") is None, "the old GTIN is gone"


async def test_of_two_versions_of_the_cloud_the_larger_stands_in_any_order(store: Any) -> None:
    books = books_of(store)
    first = from_cloud(price(5, 555))
    await books.apply(first)
    await books.apply(from_cloud(price(4, 444), after=first.end))

    assert item_by_sku(store.db.read, "TEA-01", location="shop").price.amount == 555


async def test_a_price_that_is_gone_is_gone(store: Any) -> None:
    await books_of(store).apply(from_cloud(price(1, 0, gone=True)))

    assert item_by_sku(store.db.read, "TEA-01", location="shop").price is None


async def test_a_gtin_that_moved_between_skus_ends_where_the_cloud_has_it_in_any_order(store: Any) -> None:
    """A row that was overwritten moved to the end of the stream: the taker may come before the giver."""
    books = books_of(store)
    shirt = write_row(product_row(Product(sku="SHIRT-M", name=Name(en="Shirt"), gtins=["04890000000010"]), 1))
    await books.apply(from_cloud(shirt, tea(2)))

    assert item_by_gtin(store.db.read, "04890000000010", location="shop").sku == "SHIRT-M"


async def test_the_same_batch_twice_and_a_gap_change_nothing(store: Any) -> None:
    books = books_of(store)
    first = from_cloud(price(1, 100))
    second = from_cloud(price(2, 200), after=first.end)

    assert await books.apply(second) == Gap(START)
    assert await books.apply(first) == first.end
    assert await books.apply(second) == second.end
    assert await books.apply(first) == second.end
    assert item_by_sku(store.db.read, "TEA-01", location="shop").price.amount == 200


async def test_rows_that_this_version_does_not_know_are_kept_as_the_bytes_received(store: Any) -> None:
    books = books_of(store)
    later = b'{"kind":"bundle","sku":"X","v":9, "spaced" : true}'
    await books.apply(from_cloud(later, price(1, 321)))
    await books.apply(from_cloud(b"\x00not json", stream="coupons"))

    with closing(sqlite3.connect(store.path)) as file:
        kept = file.execute("SELECT stream, body FROM unknown_row ORDER BY stream").fetchall()
    assert kept == [("catalogue", later), ("coupons", b"\x00not json")]
    assert item_by_sku(store.db.read, "TEA-01", location="shop").price.amount == 321
    assert set(received(store.db.read)) == {(CLOUD, "catalogue"), (CLOUD, "coupons")}


async def test_a_writer_begins_no_more_streams_than_any_version_has(store: Any) -> None:
    books = books_of(store)
    for n in range(STREAMS_MAX):
        await books.apply(from_cloud(b"{}", stream=f"later-{n}"))

    with pytest.raises(ProtocolError, match="streams already"):
        await books.apply(from_cloud(b"{}", stream="one-more"))
    assert len(received(store.db.read)) == STREAMS_MAX


async def test_nobody_else_writes_this_hubs_rows(store: Any) -> None:
    with pytest.raises(ProtocolError, match="nobody but this hub"):
        await books_of(store).apply(from_cloud(price(1, 1), rep=store.replica.rep))


async def test_a_commit_that_fails_moves_no_cursor(store: Any) -> None:
    store.db._writer._conn.execute("PRAGMA query_only = ON")  # what a full disk does to every commit
    with pytest.raises(OutcomeUnknownError):
        await books_of(store).apply(from_cloud(price(1, 1)))
    store.db._writer._conn.execute("PRAGMA query_only = OFF")

    assert received(store.db.read) == {}
    assert await books_of(store).apply(from_cloud(price(1, 1))) != START


async def test_the_shops_own_catalogue_is_handed_over_as_registers(store: Any) -> None:
    rows = rows_after(store.db.read, store.replica.local_id, "catalogue", 0, 100)
    kinds = [json.loads(row)["kind"] for _, row in rows]

    assert (kinds.count("product"), kinds.count("price")) == (6, 6)
    assert [seq for seq, _ in rows] == sorted(seq for seq, _ in rows)
    await books_of(store).apply(from_cloud(tea(1), price(1, 1)))
    left = rows_after(store.db.read, store.replica.local_id, "catalogue", 0, 100)
    assert len(left) == 10, "what the cloud has taken over is offered no more"


async def test_what_waits_is_counted_by_stream_with_its_age(store: Any, sale: Callable[..., Any]) -> None:
    for minute in range(3):
        await store.sell(sale(), now_ms=NOW_MS + 60_000 * minute)
    held = {"sales": 1, "stock": 5, "catalogue": 12}

    assert waiting_rows(store.db.read, store.replica, held) == {"sales": 2}
    await fold_all(store.db, store.replica)
    assert waiting_rows(store.db.read, store.replica, held) == {"sales": 2, "levels": 5}
    assert oldest_waiting(store.db.read, store.replica, held) == utc(NOW_MS + 60_000)
    assert oldest_waiting(store.db.read, store.replica, {"sales": 3, "stock": 5}) is None


def folded(store: Any) -> dict[str, tuple[int, int]]:
    rows = [json.loads(row) for _, row in rows_after(store.db.read, store.replica.local_id, Stream.LEVELS, 0, 1000)]
    return {row["sku"]: (row["received"], row["issued"]) for row in rows}


async def test_levels_are_the_sums_of_the_facts(store: Any, sale: Callable[..., Any]) -> None:
    for qty in (1, 2):
        await store.sell(sale(qty))
    await fold_all(store.db, store.replica)

    assert folded(store)["TEA-01"] == (20, 3)
    assert facts_to_fold(store.db.read, store.replica) == {}
    await fold_all(store.db, store.replica)
    assert folded(store)["TEA-01"] == (20, 3), "no fact counts twice"


async def test_only_levels_that_moved_are_sent_again(store: Any, sale: Callable[..., Any]) -> None:
    await fold_all(store.db, store.replica)
    books = books_of(store)
    first = await load(books, Stream.LEVELS)
    assert first is not None and len(first.rows) == 5
    await store.sell(sale(4))
    await fold_all(store.db, store.replica)
    second = await load(books, Stream.LEVELS, first.end)

    assert second is not None
    assert [json.loads(row)["sku"] for _, row in second.rows] == ["TEA-01"]
    assert folded(store)["TEA-01"] == (20, 4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, 5), max_size=6), st.integers(1, 3))
async def test_folding_in_any_portions_gives_the_same_levels(
    store: Any, sale: Callable[..., Any], quantities: list[int], portion: int
) -> None:
    """Law: sums of tallies = sums of effects, however the folding is cut."""
    before = folded(store).get("TEA-01", (0, 0)) if not facts_to_fold(store.db.read, store.replica) else None
    if before is None:
        await fold_all(store.db, store.replica)
        before = folded(store)["TEA-01"]
    for number, qty in enumerate(quantities):
        await store.sell(sale(qty))
        if number % portion == 0:
            await store.db.write(lambda tx: fold(tx, store.replica))
    await fold_all(store.db, store.replica)

    assert folded(store)["TEA-01"] == (before[0], before[1] + sum(quantities))


async def test_a_disk_that_takes_no_commit_stops_the_folding_for_a_while_only(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "FOLD_EVERY_S", 0.001)
    hub = replication.Replication(
        store.db,
        store.replica,
        mode="realtime",
        currency="HKD",
        now_ms=lambda: NOW_MS,
        new_incarnation=lambda: secrets.token_hex(8),
        announce=lambda _: None,
        on_catalogue=lambda _: None,
        on_reborn=lambda _: None,
    )
    connection = store.db._writer._conn
    connection.execute("PRAGMA query_only = ON")  # what a full disk does to every commit
    async with asyncio.TaskGroup() as group, asyncio.timeout(30):
        running = group.create_task(hub.run(), name="replication")
        while store.db.fault is None:  # noqa: ASYNC110 - the writer has no signal for it
            await asyncio.sleep(0.001)
        connection.execute("PRAGMA query_only = OFF")
        while facts_to_fold(store.db.read, store.replica):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        running.cancel()

    assert folded(store)["TEA-01"] == (20, 0)


def test_a_fold_is_short_enough_for_a_sale_to_wait() -> None:
    assert FOLD_MAX <= 500
