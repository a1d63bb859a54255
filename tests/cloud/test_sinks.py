"""A retailer's own PostgreSQL: everything there once, whatever dies between, judged by its own SQL."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sync.cloud.config import parse_cloud_config
from sync.cloud.handing.settings import SinkSettings
from sync.cloud.sinks import pump
from sync.cloud.sinks.opening import pumps
from sync.cloud.sinks.postgres import PostgresSink
from sync.cloud.sinks.pump import RETRY_FIRST_S, RETRY_MAX_S, Pump
from sync.cloud.sinks.sink import Page, Place, SinkError
from sync.errors import ConfigError
from tests.cloud import warehouse
from tests.cloud_engines import Engine

STREAMS = ("sales", "returns", "redemptions", "levels", "members")
needs_postgres = pytest.mark.skipif(not warehouse.IS_THERE, reason="PostgreSQL 15 is not there")


@pytest.fixture(scope="module")
def cluster() -> Iterator[warehouse.Cluster]:
    with warehouse.cluster() as running:
        yield running


@dataclass
class Warehouse:
    """A schema of its own in the cluster, and what pours into it."""

    cluster: warehouse.Cluster
    schema: str
    pumps: list[Pump] = field(default_factory=list)

    def pump(self, cloud: Any) -> Pump:
        """A worker's pump."""
        books = cloud.cloud.books
        books.metrics.registry = CollectorRegistry()  # each pump is of another process
        wanted = SinkSettings("bi", "postgres", self.schema, STREAMS, self.cluster.dsn)
        ((_, made),) = pumps((wanted,), books, cloud.cloud.news, rng=random.Random(1))
        self.pumps.append(made)
        return made

    async def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask in plain SQL."""
        connection = await asyncpg.connect(self.cluster.dsn, server_settings={"search_path": self.schema})
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()


@pytest.fixture
async def house(cluster: warehouse.Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Warehouse]:
    made = Warehouse(cluster, f"s{abs(hash(request.node.name)):x}")
    yield made
    for each in made.pumps:
        await each._sink.close()


async def sell(cloud: Any, writer: Any, *sale_ids: str) -> None:
    for sale_id in sale_ids:
        writer.sell(sale_id, 100)
    after = len(writer.logs["sales"]) - len(sale_ids)
    await cloud.books(writer.rep.partition(":")[0]).apply(writer.batch(after=after))


@needs_postgres
async def test_rows_are_in_the_warehouse_once_as_they_came_and_as_columns(
    cloud: Any, writer: Any, new_writer: Any, house: Warehouse
) -> None:
    await sell(cloud, writer, "s1", "s2")
    again = new_writer("hk01:bb")
    await sell(cloud, again, "s2")
    await cloud.books().apply(
        writer.state("levels", (1, {"v": 1, "sku": "A", "location": "shop", "received": 5, "issued": 1}))
    )
    to = house.pump(cloud)

    assert [await to.pour() for _ in range(3)] == [4, 0, 0]

    assert await house.ask("SELECT sale_id, total, business_date::text FROM sales ORDER BY sale_id") == [
        ("s1", 100, "2026-09-21"),
        ("s2", 100, "2026-09-21"),
    ]
    assert await house.ask("SELECT sum(amount) FROM sale_lines") == [(200,)]
    facts = await house.ask("SELECT rep, seq, counts, row::text FROM fact ORDER BY n")
    assert [each[:3] for each in facts] == [(writer.rep, 1, True), (writer.rep, 2, True), (again.rep, 1, False)]
    assert [each[3].encode() for each in facts] == [*writer.logs["sales"], *again.logs["sales"]]
    assert await house.ask("SELECT key, row->>'issued' FROM state") == [('["A","shop"]', "1")]


@needs_postgres
async def test_a_warehouse_that_is_killed_loses_nothing_and_doubles_nothing(
    cloud: Any, writer: Any, house: Warehouse
) -> None:
    to = house.pump(cloud)
    await sell(cloud, writer, "s1")
    await to.pour()
    await sell(cloud, writer, "s2", "s3")
    house.cluster.stop()
    with pytest.raises(SinkError, match="look at its dsn"):
        await to.pour()
    await to._sink.close()
    house.cluster.start()

    assert await to.pour() == 2
    assert await house.ask("SELECT sale_id FROM sales ORDER BY seq") == [("s1",), ("s2",), ("s3",)]


class Deaf(PostgresSink):
    """Its commit goes through, and the line dies before the answer."""

    async def take(self, page: Page) -> bool:
        await super().take(page)
        raise SinkError("the line died")


@needs_postgres
async def test_a_commit_whose_answer_was_lost_is_not_taken_twice(cloud: Any, writer: Any, house: Warehouse) -> None:
    to = house.pump(cloud)
    heard, to._sink = to._sink, Deaf("bi", house.cluster.dsn, house.schema)
    await sell(cloud, writer, "s1", "s2")
    with pytest.raises(SinkError):
        await to.pour()
    await to._sink.close()
    to._sink = heard

    assert await to.pour() == 0
    assert await house.ask("SELECT count(*) FROM fact") == [(2,)]


@needs_postgres
async def test_of_two_workers_one_takes_a_page_and_the_other_goes_on_behind_it(
    cloud: Any, writer: Any, house: Warehouse
) -> None:
    one, other = house.pump(cloud), house.pump(cloud)
    await sell(cloud, writer, "s1")
    assert [await one.pour(), await other.pour()] == [1, 0]
    await sell(cloud, writer, "s2")
    await one.pour()
    await sell(cloud, writer, "s3")

    assert await other.pour() == 1
    assert await house.ask("SELECT count(*), count(DISTINCT n) FROM fact") == [(3, 3)]


@needs_postgres
async def test_a_restored_cloud_that_numbers_other_rows_leaves_none_out(
    cloud: Any, start_cloud: Any, engine: Engine, new_writer: Any, house: Warehouse
) -> None:
    one, two = new_writer("hk01:aa"), new_writer("hk02:bb")
    await sell(cloud, one, "a1")
    folder = cloud.config.data_dir
    copy = folder / "restored"
    copy.mkdir()
    engine.copy(folder, copy)
    await sell(cloud, one, "a2", "a3")
    level = {"v": 1, "sku": "A", "location": "shop", "received": 5, "issued": 1}
    await cloud.books().apply(one.state("levels", (1, level)))
    await house.pump(cloud).pour()

    restored = await start_cloud(folder=copy)
    assert restored.books().rep == cloud.books().rep  # nobody has noticed
    await restored.books("hk02").apply(two.state("levels", (1, level | {"sku": "B"})))
    await sell(restored, two, "b1", "b2", "b3")
    await restored.books().apply(one.batch(after=1))
    await house.pump(restored).pour()

    assert [each for (each,) in await house.ask("SELECT sale_id FROM sales ORDER BY sale_id")] == [
        *("a1", "a2", "a3", "b1", "b2", "b3")
    ]
    assert await house.ask("SELECT count(*), count(DISTINCT n) FROM fact") == [(6, 6)]
    assert await house.ask("SELECT key FROM state ORDER BY key") == [('["A","shop"]',), ('["B","shop"]',)]


@needs_postgres
async def test_who_is_erased_is_in_no_row_of_any_writer(
    cloud: Any, writer: Any, new_writer: Any, house: Warehouse
) -> None:
    other, to = new_writer("hk02:bb"), house.pump(cloud)
    for each in (writer, other):
        cells = {"name": ["陳大文", [1, 0, each.rep]]}
        store = each.rep.partition(":")[0]
        await cloud.books(store).apply(each.state("members", (1, {"v": 1, "key": "m1", "cells": cells})))
    await to.pour()
    held = cloud.books().vector(writer.rep)[writer.rep, "members"]
    gone = {"v": 1, "key": "m1", "cells": {"erased": [True, [2, 0, writer.rep]]}}
    await cloud.books().apply(writer.state("members", (2, gone), after=held))

    await to.pour()

    ((rep, row),) = await house.ask("SELECT rep, row::text FROM state")
    assert rep == writer.rep and "陳" not in row


@needs_postgres
async def test_what_columns_cannot_hold_is_kept_as_it_came_and_stops_nothing(
    cloud: Any, writer: Any, house: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write("sales", writer.sell("nul").replace(b'"sku":"TEA-01"', b'"sku":"\\u0000"').replace(b"nul", b"nul2"))
    writer.sell("big", 10**20)
    monkeypatch.setattr(pump, "ROWS_MAX", 2)
    writer.write("sales", b'{"sale":')
    await cloud.books().apply(writer.batch())

    assert await house.pump(cloud).pour() == 4

    assert await house.ask("SELECT sale_id FROM sales") == [("nul",)]
    rows = await house.ask("SELECT row::text, raw FROM fact ORDER BY n")
    assert [raw or row.encode() for row, raw in rows] == writer.logs["sales"]


@given(st.integers(1, 60), st.integers())
@settings(max_examples=30)
def test_a_sink_that_is_gone_is_tried_again_by_full_jitter(failures: int, seed: int) -> None:
    to = Pump.__new__(Pump)
    to._rng, to.failures = random.Random(seed), failures

    assert 0 <= to.wait_s() <= min(RETRY_MAX_S, RETRY_FIRST_S * 2**failures)


def test_a_place_of_nothing_is_no_place_of_any_life() -> None:
    assert Place() != Place("cloud:aa") and Place().n == 0


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ({"name": "bi", "streams": ["saless"], "dsn": "x"}, "no stream 'saless'; did you mean 'sales'"),
        ({"name": "bi", "streams": ["sales"]}, "either dsn or dsn_file"),
        ({"name": "bi", "streams": ["sales"], "dsn_file": "missing"}, "missing"),
        ({"name": "bi", "streams": []}, "length"),
        ({"name": "bi", "streams": ["sales"], "dsn": "x", "schema": "Robert'; --"}, "regex"),
        ({"name": "bi", "streams": ["sales"], "dsn": "x", "kind": "kafka"}, "kafka"),
    ],
)
def test_a_wrong_sink_stops_the_start_with_its_remedy(sink: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_cloud_config({"sinks": [sink]}, base=tmp_path)


def test_two_sinks_have_two_names_and_no_password_is_shown(tmp_path: Path) -> None:
    sink = {"name": "bi", "streams": ["sales"], "dsn": "postgresql://u:geheim@db/w"}
    config = parse_cloud_config({"sinks": [sink, sink | {"name": "erp"}]}, base=tmp_path)

    assert "geheim" not in repr(config)
    with pytest.raises(ConfigError, match="two have the name bi"):
        parse_cloud_config({"sinks": [sink, sink]}, base=tmp_path)
