"""Requests of head office over real books and sessions: asked, sent, withdrawn, refused, on whichever side it is known first."""

from typing import Any

import msgspec
import pytest

from hub.errors import ConflictError, NotFoundError
from hub.store.stock.documents import book_document
from hub.store.stock.requests import RequestView, open_requests, refuse
from sync.cloud.allocation.proposal_rows import Proposal, find_proposal
from sync.cloud.allocation.proposals import Asked, accept, withdraw
from sync.cloud.allocation.requests import note_said
from sync.cloud.allocation.settings import Location, Settings
from sync.errors import RuleError
from sync.retail.stock.movements import Flag, Movement, MovementFact, MovementLine
from sync.retail.stock.transfer_requests import REFUSAL, TRANSFER_REQUEST, RefusalFact, differences_from
from sync.retail.stock.transfers import TransferLine
from sync.store.rows import adopt_unknown
from sync.store.writing import record_fact
from sync.testing.sim_database import run_now
from tests.sync.entity_world import WRITERS, ends
from tests.sync.scope_world import STARTED_MS, World
from tests.sync.test_unknown import without

NAME = "proposal-1"
ASKED = {"TEA": 5, "CUP": 2}
SETTINGS = Settings(locations=tuple(Location(name=store, store=store) for store in ("hk01", "hk02", "tw01")))


@pytest.fixture
def world() -> World:
    made = World("hk01", "hk02", "tw01")
    propose(made)
    return made


def propose(world: World) -> None:
    lines = msgspec.json.encode([*ASKED.items()])
    values = (NAME, 1, "hk01", "hk02", "proposed", "", lines)
    world.cloud_file.execute(
        "INSERT INTO transfer_proposal (proposal_id, day, sender, receiver, state, transfer_id, lines) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def decide(world: World, what: Any, **said: Any) -> Proposal:
    cloud = world.cloud
    found = run_now(
        cloud.db.write(lambda tx: what(tx, cloud.replica, SETTINGS, NAME, **said), then=lambda _: world.tell_all())
    )
    assert isinstance(found, Proposal)
    return found


def ask(world: World) -> Proposal:
    return decide(world, accept, asked=Asked(note="for the weekend"), now_ms=STARTED_MS)


def look(world: World) -> None:
    cloud = world.cloud
    run_now(cloud.db.write(lambda tx: note_said(tx, cloud.replica, SETTINGS, now_ms=STARTED_MS)))


def settle(world: World) -> None:
    world.settle()
    look(world)
    world.settle()


def state(world: World) -> str | None:
    found = find_proposal(world.cloud_file, NAME)
    return found and found.state


def waiting(world: World, store: str = "hk01") -> list[RequestView]:
    read = world.hubs[store].db.read
    return open_requests(read, store=store, location="shop", limit=9, now_ms=STARTED_MS + 9_000)


def send(world: World, lines: dict[str, int], to: str = "hk02") -> list[str]:
    """Book what leaves hk01; return the flags."""
    hub = world.hubs["hk01"]
    said = Movement(NAME, reason="transfer_out", lines=tuple(MovementLine(*line) for line in lines.items()), store=to)
    booked = run_now(
        hub.db.write(
            lambda tx: book_document(tx, hub.books.replica, said, location="shop", rule=None, now_ms=STARTED_MS)
        )
    )
    assert isinstance(booked.fact, MovementFact)
    return [f"{flag.code} {flag.sku}".rstrip() for flag in booked.fact.flags if flag.code.rpartition("_")[2] != "sku"]


def say_no(world: World, note: str = "") -> None:
    hub = world.hubs["hk01"]
    run_now(
        hub.db.write(
            lambda tx: refuse(
                tx, hub.books.replica, NAME, reason="not_found", note=note, by=None, now_ms=STARTED_MS + 1000
            )
        )
    )


def shelf(world: World, store: str) -> dict[str, int]:
    return dict(world.hubs[store].file.execute("SELECT sku, on_hand FROM stock").fetchall())


def test_the_shop_that_shall_send_is_asked_and_nobody_else(world: World) -> None:
    ask(world)
    settle(world)
    (request,) = waiting(world)

    assert (request.request_id, request.to, request.note, request.age_s) == (NAME, "hk02", "for the weekend", 9)
    assert [(line.sku, line.qty, line.on_hand) for line in request.lines] == [("TEA", 5, 0), ("CUP", 2, 0)]
    for store in ("hk02", "tw01"):
        assert world.hubs[store].file.execute("SELECT count(*) FROM transfer_request").fetchone() == (0,)
    assert shelf(world, "hk01") == {}, "a request moves nothing"


def test_a_request_is_over_when_its_goods_leave_before_the_cloud_hears_of_it(world: World) -> None:
    ask(world)
    settle(world)
    world.hubs["hk01"].cut()
    flags = [flag for flag in send(world, ASKED) if not flag.startswith("stock_below_zero")]
    off_line = waiting(world)
    settle(world)

    assert (flags, off_line, state(world)) == ([], [], "sent")
    assert world.hubs["hk01"].file.execute("SELECT state, lines FROM transfer_request").fetchall() == [("done", "[]")]
    assert shelf(world, "hk01") == {"TEA": -5, "CUP": -2}
    assert world.hubs["hk02"].file.execute("SELECT transfer_id FROM transfer").fetchall() == [(f"hk01:{NAME}",)]


def test_more_or_fewer_than_were_asked_for_are_booked_and_noted(world: World) -> None:
    ask(world)
    settle(world)
    flags = send(world, {"TEA": 4, "PEN": 1}, to="tw01")

    below = ["stock_below_zero PEN", "stock_below_zero TEA"]
    assert flags == ["sent_elsewhere", "fewer_than_asked CUP", "not_asked PEN", "fewer_than_asked TEA", *below]
    assert shelf(world, "hk01") == {"TEA": -4, "PEN": -1}


def test_what_head_office_withdraws_is_asked_no_more(world: World) -> None:
    ask(world)
    settle(world)
    withdrawn = decide(world, withdraw)
    again = decide(world, withdraw)
    settle(world)

    assert (withdrawn, withdrawn.state, waiting(world)) == (again, "withdrawn", [])
    with pytest.raises(ConflictError, match="was withdrawn"):
        say_no(world)
    with pytest.raises(RuleError, match="was withdrawn"):
        ask(world)


@pytest.mark.parametrize("is_heard", [True, False], ids=["the shop knew", "the shop did not know"])
def test_goods_that_leave_after_all_are_sent_and_counted_once(world: World, is_heard: bool) -> None:
    ask(world)
    settle(world)
    if not is_heard:
        world.hubs["hk01"].cut()
    decide(world, withdraw)
    if is_heard:
        settle(world)
    flags = [flag for flag in send(world, ASKED) if not flag.startswith("stock_below_zero")]
    settle(world)

    assert flags == (["request_withdrawn"] if is_heard else [])
    assert (state(world), waiting(world), shelf(world, "hk01")) == ("sent", [], {"TEA": -5, "CUP": -2})
    with pytest.raises(RuleError, match="was sent"):
        decide(world, withdraw)


def test_what_has_come_and_was_not_looked_at_is_not_withdrawn(world: World) -> None:
    ask(world)
    settle(world)
    send(world, ASKED)
    world.settle()
    with pytest.raises(RuleError, match="was sent"):
        decide(world, withdraw)
    look(world)

    assert state(world) == "sent"


def test_a_shop_says_why_it_does_not_send_and_may_find_the_goods_later(world: World) -> None:
    ask(world)
    settle(world)
    say_no(world)
    say_no(world)
    with pytest.raises(ConflictError, match="other words"):
        say_no(world, "behind the tea")
    left = waiting(world)
    settle(world)
    found = find_proposal(world.cloud_file, NAME)
    assert found is not None and found.refused is not None
    assert (left, found.state, found.refused.reason) == ([], "refused", "not_found")
    with pytest.raises(RuleError, match="was refused"):
        ask(world)
    flags = send(world, ASKED)
    settle(world)

    assert "request_refused" in flags
    assert (state(world), shelf(world, "hk01")) == ("sent", {"TEA": -5, "CUP": -2})
    with pytest.raises(ConflictError, match="other words"):
        say_no(world, "gone")


def test_nothing_is_refused_that_nobody_asked_for_or_that_has_left(world: World) -> None:
    with pytest.raises(NotFoundError):
        say_no(world)
    ask(world)
    settle(world)
    send(world, ASKED)
    with pytest.raises(ConflictError, match="have left"):
        say_no(world)


def test_a_shop_cannot_refuse_for_another(world: World) -> None:
    ask(world)
    hub = world.hubs["tw01"]
    fact = RefusalFact(
        **{"refusal_id": f"hk01:{NAME}", "request_id": NAME, "sender": "hk01"},  # type: ignore[arg-type]
        reason="other",
        refused_at="2026-09-21T10:00:00Z",  # type: ignore[arg-type]
    )
    run_now(hub.db.write(lambda tx: record_fact(tx, hub.books.replica, REFUSAL, fact)))
    settle(world)

    assert (state(world), len(waiting(world))) == ("accepted", 1)


def test_a_cloud_that_was_restored_before_it_withdrew_asks_again(world: World) -> None:
    ask(world)
    settle(world)
    copy = world.cloud_file.serialize()
    decide(world, withdraw)
    settle(world)
    before = waiting(world)
    world.restore_cloud(copy)
    settle(world)
    again = [each.request_id for each in waiting(world)]
    decide(world, withdraw)
    settle(world)

    assert (before, again, waiting(world)) == ([], [NAME], []), "what the cloud of now says counts, whatever the n"


def test_a_cloud_that_has_forgotten_to_have_asked_learns_it_from_the_document(world: World) -> None:
    copy = world.cloud_file.serialize()
    ask(world)
    settle(world)
    world.restore_cloud(copy)
    settle(world)
    still = [each.request_id for each in waiting(world)]
    send(world, ASKED)
    settle(world)
    accepted = ask(world)
    settle(world)

    assert (still, accepted.state, waiting(world)) == ([NAME], "sent", [])
    assert shelf(world, "hk01") == {"TEA": -5, "CUP": -2}
    assert world.hubs["hk02"].file.execute("SELECT count(*) FROM transfer").fetchone() == (1,)


def test_what_a_cloud_of_before_has_accepted_is_asked_for_after_the_upgrade(world: World) -> None:
    world.cloud_file.execute("UPDATE transfer_proposal SET state = 'accepted', transfer_id = ?", (f"hk01:{NAME}",))
    settle(world)
    settle(world)

    assert [(each.request_id, each.asked_at.timestamp() * 1000) for each in waiting(world)] == [(NAME, STARTED_MS)]
    assert world.hubs["hk01"].file.execute("SELECT n FROM transfer_request").fetchall() == [(1,)]


def test_a_hub_of_before_keeps_a_request_unread_and_shows_it_after_the_upgrade() -> None:
    row = {"v": 1, "request_id": NAME, "store": "hk01", "receiver": "hk02", "n": 1, "gone": False, "state": "open"}
    row |= {"lines": [["TEA", 5]], "asked_ms": STARTED_MS, "until_ms": 0, "note": ""}
    rows = [(1, msgspec.json.encode(row))]
    refusal = {
        "kind": "refusal",
        "v": 1,
        "refusal_id": "hk01:x",
        "request_id": "x",
        "sender": "hk01",
        "reason": "other",
    }
    said = [(1, msgspec.json.encode(refusal | {"refused_at": "2026-09-21T10:00:00Z"}))]
    with ends(1, without(TRANSFER_REQUEST, REFUSAL)) as (end,):
        assert end.take(TRANSFER_REQUEST.stream, WRITERS[0], rows).unread == 1
        assert end.take(REFUSAL.stream, WRITERS[1], said).unread == 1
        assert end.tx.execute("SELECT count(*) FROM transfer_request").fetchone() == (0,)
        adopt_unknown(end.tx)

        assert end.tx.execute("SELECT request_id, lines FROM transfer_request").fetchall() == [(NAME, '[["TEA",5]]')]
        assert end.tx.execute("SELECT refusal_id FROM transfer_refusal").fetchall() == [("hk01:x",)]


def test_a_sku_that_was_asked_for_twice_is_asked_for_once_with_all_of_it() -> None:
    asked = (TransferLine("TEA", 2), TransferLine("TEA", 3))

    assert differences_from(asked, (MovementLine("TEA", 5),)) == ()
    assert differences_from(asked, (MovementLine("TEA", 6),)) == (
        Flag("more_than_asked", "TEA", "6 left, 5 were asked for"),
    )
