"""A cloud that is upgraded: what its former version could not read counts from now on, once."""

from typing import Any

import pytest

from sync.cloud.arrivals import adopting, facts, rows
from sync.cloud.arrivals.adopting import adopt, has_untried
from sync.model import Feed


@pytest.fixture
def upgraded(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Begin as a cloud that knows neither sales nor footfall; return what makes it one of today and adopts."""
    with_less = {stream: reader for stream, reader in rows._READERS.items() if stream not in ("sales", "footfall")}
    monkeypatch.setattr(rows, "_READERS", with_less)
    monkeypatch.setattr(rows, "_MERGED", rows._MERGED - {"footfall"})
    for module in (facts, adopting):
        monkeypatch.setattr(module, "fingerprint", lambda: "the version before")

    async def upgrade() -> int:
        monkeypatch.undo()
        db = cloud.cloud.books.db
        assert has_untried(db.read)
        read: int = await db.write(lambda tx: adopt(tx, cloud.cloud.books.replica, now_ms=1))
        assert not has_untried(db.read)
        return read

    return upgrade


async def test_facts_that_nobody_could_read_are_counted_after_the_upgrade_once_for_each_key(
    cloud: Any, writer: Any, new_writer: Any, upgraded: Any, sql: Any
) -> None:
    other = new_writer("hk01:bbbbbbbbbbbbbbbb")
    for sale_id, by in (("sale-1", writer), ("sale-2", writer), ("sale-2", other)):
        by.sell(sale_id, 100)
    before = [await cloud.books().apply(by.batch()) for by in (writer, other)]
    assert (await cloud.store_item())["sales"]["count"] == 0

    assert await upgraded() == 3
    counted = (await cloud.store_item())["sales"]
    assert (counted["count"], counted["total"]) == (2, {"HKD": 200})
    assert sql("SELECT key, n FROM duplicate") == [("sale-2", 3)]
    assert [await cloud.books().apply(by.batch()) for by in (writer, other)] == before
    assert sql("SELECT count(*) FROM fact") == [(3,)]


async def test_state_rows_that_nobody_could_read_are_merged_after_the_upgrade(
    cloud: Any, writer: Any, upgraded: Any, sql: Any
) -> None:
    def window(entered: int) -> Any:
        return {"v": 1, "entrance": "door", "quarter": "2026-09-21T14:00:00Z", "in": entered, "out": 0}

    await cloud.books().apply(writer.state("footfall", (1, window(3)), (2, window(5)), (3, {"v": 1})))
    assert sql("SELECT count(*) FROM tally") == [(0,)]

    assert await upgraded() == 2
    assert sql("SELECT seq, CAST(CAST(body AS TEXT) ->> '$.in' AS INTEGER) FROM tally") == [(2, 5)]
    assert sql("SELECT seq FROM fact") == [(3,)], "what is still no row of ours stays"
    assert sql("SELECT kind FROM feed WHERE stream = 'footfall'") == [(Feed.STATE,)]


async def test_what_was_sealed_before_anybody_could_read_its_keys_is_summed_up_again(
    cloud: Any, writer: Any, new_writer: Any, upgraded: Any, sql: Any
) -> None:
    """One sale of two lives: both were sealed with it, as nobody knew that it is the same."""
    heir = new_writer("hk01:bbbbbbbbbbbbbbbb")
    for by in (writer, heir):
        by.sell("sale-1", 100, stock=[["TEA-01", "shop", -1]])
        await cloud.books().apply(by.batch())
        assert await cloud.cloud.books.end_life(by.rep, heir="", why="its card is dead", wanted=None) is not None
    levels = "SELECT sum(CAST(CAST(body AS TEXT) ->> '$.issued' AS INTEGER)) FROM tally"
    assert sql(levels) == [(2,)]

    assert await upgraded() == 2

    assert sql(levels) == [(1,)]
    assert sql(levels + " JOIN replica ON replica.id = tally.replica WHERE incarnation = 'aaaaaaaaaaaaaaaa'") == [(1,)]
