"""GET /v1/trail over real HTTP: a manager reads, nobody else; filters, pages, bad cursors."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.store.staff.audit_trail import note

PairTill = Callable[..., Awaitable[Any]]


@pytest.fixture
async def manager(hub: Any, pair_till: PairTill) -> Any:
    """A manager's client, and five lines in the trail."""

    def job(tx: Any) -> None:
        for n in range(5):
            actor = f"cashier:c{n % 2}"
            note(tx, actor=actor, action="no_sale", subject=f"s{n}", reason="change", now_ms=hub.clock.now_ms + n)

    await hub.runtime.db.write(job)
    return await pair_till(hub, scope="manager")


async def test_a_manager_walks_the_trail_by_cursor(manager: Any) -> None:
    subjects, after = [], ""
    while True:
        answer = await manager.get("/v1/trail", limit="2", **({"after": after} if after else {}))
        assert answer.status == 200
        subjects += [line["subject"] for line in answer.json["items"]]
        after = answer.json["next"]
        if not after:
            break

    assert subjects == ["s4", "s3", "s2", "s1", "s0"]


async def test_filters_are_by_who_what_and_when(manager: Any) -> None:
    by_actor = await manager.get("/v1/trail", actor="cashier:c1", action="no_sale")
    by_time = await manager.get("/v1/trail", since="2026-09-21T14:13:20.003Z", until="2026-09-21T22:13:20.004+08:00")

    assert [line["subject"] for line in by_actor.json["items"]] == ["s3", "s1"]
    assert [line["subject"] for line in by_time.json["items"]] == ["s3"]


@pytest.mark.parametrize(
    "query",
    [{"after": "junk"}, {"limit": "0"}, {"since": "yesterday"}, {"until": "0.5"}, {"since": "-1e3"}, {"who": "me"}],
)
async def test_a_question_that_is_none_is_refused(manager: Any, query: dict[str, str]) -> None:
    assert (await manager.get("/v1/trail", **query)).status == 422


async def test_a_till_does_not_read_the_trail(till: Any) -> None:
    assert (await till.get("/v1/trail")).json["code"] == "forbidden"
