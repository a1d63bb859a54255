"""Transfers between two branches over real books: the document travels to the one, what has come travels back to the other."""

from typing import Any

import pytest

from hub.store.stock.attention import sources
from hub.store.stock.documents import book_document
from hub.store.stock.transfers import TransferView, transfer_view
from sync.retail.stock.movements import Movement, MovementLine
from sync.retail.stock.transfers import TRANSFER, TransferFact
from sync.store.writing import record_fact
from sync.testing.sim_database import run_now
from tests.sync.scope_world import STARTED_MS, World

NAME = "hk01:d1"


@pytest.fixture
def world() -> World:
    return World("hk01", "hk02", "tw01")


def book(world: World, at: str, document_id: str, reason: str, lines: dict[str, int], **fields: Any) -> None:
    hub = world.hubs[at]
    said = Movement(document_id, reason=reason, lines=tuple(MovementLine(*line) for line in lines.items()), **fields)  # type: ignore[arg-type]
    run_now(
        hub.db.write(
            lambda tx: book_document(tx, hub.books.replica, said, location="shop", rule=None, now_ms=STARTED_MS)
        )
    )


def send(world: World) -> None:
    book(world, "hk01", "d1", "transfer_out", {"TEA": 5, "CUP": 2}, store="hk02")


def view(world: World, store: str) -> TransferView:
    return transfer_view(world.hubs[store].db.read, NAME, store=store, now_ms=STARTED_MS + 9_000)


def shelf(world: World, store: str) -> dict[str, int]:
    rows = world.hubs[store].file.execute("SELECT sku, on_hand FROM stock")
    return dict(rows.fetchall())


def told(found: TransferView) -> tuple[str, dict[str, tuple[int | None, int]], list[str]]:
    return found.state, {line.sku: (line.sent, line.came) for line in found.lines}, [flag.code for flag in found.flags]


def test_goods_on_the_road_are_on_no_shelf_and_both_know_them(world: World) -> None:
    send(world)
    world.settle()

    for store in ("hk01", "hk02"):
        assert told(view(world, store)) == ("on_the_road", {"CUP": (2, 0), "TEA": (5, 0)}, [])
        assert view(world, store).age_s == 9
    assert (view(world, "hk01").direction, view(world, "hk02").direction) == ("out", "in")
    assert (shelf(world, "hk01"), shelf(world, "hk02")) == ({"TEA": -5, "CUP": -2}, {})
    assert world.hubs["tw01"].file.execute("SELECT count(*) FROM transfer").fetchone() == (0,)


def test_the_difference_is_seen_at_both_ends(world: World) -> None:
    send(world)
    world.settle()
    book(world, "hk02", "a1", "transfer_in", {"TEA": 3}, transfer=NAME, is_partial=True)
    world.settle()
    partly = told(view(world, "hk01"))
    book(world, "hk02", "a2", "transfer_in", {"TEA": 1, "PEN": 1}, transfer=NAME)
    world.settle()

    assert partly == ("partly_here", {"CUP": (2, 0), "TEA": (5, 3)}, [])
    differs = ["fewer_than_expected", "not_expected", "fewer_than_expected"]
    expected = ("differs", {"CUP": (2, 0), "PEN": (0, 1), "TEA": (5, 4)}, differs)
    assert told(view(world, "hk01")) == told(view(world, "hk02")) == expected
    assert shelf(world, "hk02") == {"TEA": 4, "PEN": 1}


def test_goods_may_come_before_their_document(world: World) -> None:
    book(world, "hk02", "a1", "transfer_in", {"TEA": 5, "CUP": 2}, transfer=NAME)
    (flags,) = world.hubs["hk02"].file.execute("SELECT flags FROM stock_movement").fetchone()
    early = told(view(world, "hk02"))
    send(world)
    world.settle()

    assert "transfer_unknown" in flags
    assert early == ("partly_here", {"CUP": (None, 2), "TEA": (None, 5)}, [])
    assert told(view(world, "hk01")) == told(view(world, "hk02")) == ("arrived", {"CUP": (2, 2), "TEA": (5, 5)}, [])


def test_a_cloud_that_was_restored_hands_it_on_again_and_nobody_has_it_twice(world: World) -> None:
    copy = world.cloud_file.serialize()
    send(world)
    world.settle()
    world.restore_cloud(copy)
    world.settle()
    book(world, "hk02", "a1", "transfer_in", {"TEA": 5, "CUP": 2}, transfer=NAME)
    world.settle()

    assert told(view(world, "hk01"))[0] == "arrived"
    for store in ("hk01", "hk02"):
        assert world.hubs[store].file.execute("SELECT count(*) FROM transfer").fetchone() == (1,)
    told_again = world.hubs["hk02"]
    assert told_again.file.execute("SELECT key FROM second_row").fetchall() == [(NAME,)]
    waiting = sources(told_again.db.read, store="hk02", now_ms=STARTED_MS)["second"]
    assert waiting.page("", 10) == [], "the same said again is nobody's to look at"
    told_again.file.execute("UPDATE second_row SET body = CAST(replace(CAST(body AS TEXT), '5', '6') AS BLOB)")
    assert [line.key.split()[:2] for line in waiting.page("", 10)] == [["transfer", NAME]]


def test_a_store_cannot_speak_for_another(world: World) -> None:
    """hk02 writes a transfer in the name of hk01: it stays where it is."""
    hub = world.hubs["hk02"]
    fact = TransferFact(
        transfer_id="hk01:x",
        sender="hk01",
        receiver="tw01",
        lines=(),
        sent_at="2026-09-21T10:00:00Z",  # type: ignore[arg-type]
    )
    run_now(hub.db.write(lambda tx: record_fact(tx, hub.books.replica, TRANSFER, fact)))
    world.settle()

    assert world.hubs["tw01"].file.execute("SELECT count(*) FROM transfer").fetchone() == (0,)


def test_a_cloud_that_hands_nothing_on_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.cloud.arrivals.applying.hand_on", lambda *_: False)

    with pytest.raises(Exception, match="is known here"):
        test_goods_on_the_road_are_on_no_shelf_and_both_know_them(world)
