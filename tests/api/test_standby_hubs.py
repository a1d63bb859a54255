"""Both hubs tell tills where the hubs are and at which one to be; an operator sends them over and back. On real sockets."""

import asyncio
import json
from typing import Any

import pytest

from hub.commands.standby import obstacles, run_standby
from hub.doctor.beside import look_at_other_hub
from tests.faults.wire import Wire

pytestmark = pytest.mark.usefixtures("quick_hubs")


@pytest.fixture
async def follower(followed: Any, start_hub: Any, pair_till: Any) -> Any:
    paired = await pair_till(followed, scope="standby")
    line = {"follows": followed.url, "token": paired.token, "reconnect_max_s": 0.1}
    return await start_hub(standby=line, tax={"rate_bp": 500})


def first(answer: Any) -> str:
    """Return at which hub tills are to be, once both are listed."""
    items = answer.json["items"]
    return str(items[0]["rep"]) if len(items) == 2 and items[0]["is_first"] else ""


async def test_a_hub_alone_is_the_one_to_be_at(followed: Any, pair_till: Any) -> None:
    (own,) = (await (await pair_till(followed)).get("/v1/hubs")).json["items"]
    assert own == {
        "rep": followed.runtime.replica.rep,
        "role": "followed",
        "urls": [followed.url],
        "ca_sha256": "",
        "is_here": True,
        "is_up": True,
        "is_first": True,
    }


async def test_both_hubs_name_both_and_the_followed_one_is_first(
    followed: Any, follower: Any, pair_till: Any, until: Any
) -> None:
    rep = followed.runtime.replica.rep
    for hub in (followed, follower):
        till = await pair_till(hub)
        said = await until(lambda till=till: till.get("/v1/hubs"), lambda got: first(got) == rep)
        assert {url for item in said.json["items"] for url in item["urls"]} == {followed.url, follower.url}
        assert [item["is_here"] for item in said.json["items"]] == [hub is followed, hub is follower]


async def test_tills_are_sent_over_by_either_command_and_told_by_both_hubs(
    followed: Any, follower: Any, pair_till: Any, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promote, hand back: what one hub was told the other tells its tills, too."""
    tills = {hub.port: await pair_till(hub) for hub in (followed, follower)}
    a, b = followed.runtime.replica.rep, follower.runtime.replica.rep

    async def both_say(rep: str) -> None:
        for till in tills.values():
            await until(lambda till=till: till.get("/v1/hubs"), lambda got: first(got) == rep)

    await both_say(a)
    async with tills[followed.port].events() as ws:
        assert await asyncio.to_thread(run_standby, "promote", follower.config) == 0
        await both_say(b)
        async for message in ws:
            event = json.loads(message.data)
            if event["type"] == "hubs" and event["data"]["items"][0]["rep"] == b:
                break
    assert await asyncio.to_thread(run_standby, "hand-back", follower.config) == 0
    await both_say(a)
    said = capsys.readouterr().out
    assert "to undo: storehub standby hand-back" in said and "to undo: storehub standby promote" in said
    trail = (await (await pair_till(follower, scope="manager")).get("/v1/trail", action="hub_preferred")).json["items"]
    assert [line["subject"] for line in trail] == ["followed", "follows"]


async def test_a_hub_that_comes_back_has_its_tills_again_once_it_has_settled_and_caught_up(
    followed: Any, start_hub: Any, pair_till: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen from the follower: first at once where nothing was lost, after a cut only by and by."""
    paired, wire = await pair_till(followed, scope="standby"), Wire(followed.port)
    async with await wire.begin():
        line = {"follows": f"http://127.0.0.1:{wire.port}", "token": paired.token, "reconnect_max_s": 0.1}
        follower = await start_hub(standby=line)
        a, b = followed.runtime.replica.rep, follower.runtime.replica.rep
        till = await pair_till(follower)
        await until(lambda: till.get("/v1/hubs"), lambda got: first(got) == a)
        monkeypatch.setattr("hub.standby.hubs.SETTLED_S", 1e9)
        wire.cut()
        said = await until(lambda: till.get("/v1/hubs"), lambda got: first(got) == b)
        assert [item["is_up"] for item in said.json["items"]] == [True, False]
        wire.mend()
        up = lambda got: all(item["is_up"] for item in got.json["items"])  # noqa: E731
        assert first(await until(lambda: till.get("/v1/hubs"), up)) == b
        monkeypatch.setattr("hub.standby.hubs.BEHIND_MAX", -1)
        monkeypatch.setattr("hub.standby.hubs.SETTLED_S", 0.1)
        for _ in range(3):
            assert first(await till.get("/v1/hubs")) == b
        monkeypatch.setattr("hub.standby.hubs.BEHIND_MAX", 100)
        await until(lambda: till.get("/v1/hubs"), lambda got: first(got) == a)


async def test_a_hub_whose_token_was_revoked_is_none_of_this_store(
    followed: Any, follower: Any, pair_till: Any, until: Any
) -> None:
    manager, till = await pair_till(followed, scope="manager"), await pair_till(follower)
    await until(lambda: manager.get("/v1/hubs"), first)
    (standby,) = [each for each in (await manager.get("/v1/tills")).json["items"] if each["scope"] == "standby"]
    await manager.request("DELETE", f"/v1/tills/{standby['till_id']}")
    (alone,) = (await manager.get("/v1/hubs")).json["items"]
    assert alone["is_here"] and alone["is_first"]
    await until(lambda: till.get("/v1/hubs"), lambda got: first(got) == follower.runtime.replica.rep)


async def test_two_orders_of_one_number_end_at_the_followed_hub(followed: Any, start_hub: Any, pair_till: Any) -> None:
    """Given at both while the line between the hubs was cut."""
    standby = await pair_till(followed, scope="standby")
    card = {"rep": "hk01:00000000000000bb", "role": "follows"}
    said = {"card": card, "preferred": {"n": 1, "role": "follows"}, "sales": 0, "pairings_digest": "0" * 16}
    assert (await standby.post("/sync/v1/beside", said)).json["preferred"] == {"n": 1, "role": "follows"}
    said["preferred"] = {"n": 1, "role": "followed"}
    for _ in range(2):
        assert (await standby.post("/sync/v1/beside", said)).json["preferred"] == {"n": 1, "role": "followed"}
        said["preferred"] = {"n": 1, "role": "follows"}


async def test_an_operator_is_told_what_stands_against_going_over(
    followed: Any, follower: Any, pair_till: Any, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    till = await pair_till(follower)
    await until(lambda: till.get("/v1/hubs"), first)

    assert await asyncio.to_thread(run_standby, "status", follower.config) == 1
    said = capsys.readouterr().out
    assert "the configurations differ in [tax]" in said and followed.url in said

    assert await asyncio.to_thread(run_standby, "status", follower.config, as_json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["differs"], report["clashes"], report["behind_here"], report["behind_there"]) == (["tax"], [], 0, 0)

    (found,) = look_at_other_hub(follower.runtime.hubs.report(), is_wanted=True)
    assert (found.level, "[tax]" in found.said, bool(found.remedy)) == ("warning", True, True)


async def test_a_hub_that_never_met_another_says_how_one_is_joined(
    followed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(run_standby, "status", followed.config) == 1
    assert "docs/operating/standby.md" in capsys.readouterr().out
    assert [said for said, _ in obstacles(followed.runtime.hubs.report())] == [
        "no other hub of this store was ever heard of"
    ]
    report = followed.runtime.hubs.report()
    assert not list(look_at_other_hub(report, is_wanted=False)) and list(look_at_other_hub(report, is_wanted=True))
    with pytest.raises(Exception, match="No other hub is known"):
        await asyncio.to_thread(run_standby, "promote", followed.config)


async def test_the_other_hubs_address_is_known_after_a_restart_without_it(
    followed: Any, follower: Any, pair_till: Any, until: Any
) -> None:
    """Its card is kept: tills learn it from a hub that was started while the other one is down."""
    till = await pair_till(followed)
    await until(lambda: till.get("/v1/hubs"), first)
    kept = followed.runtime.db.read.execute("SELECT client, card FROM hub_beside").fetchall()
    assert [(client, json.loads(card)["urls"]) for client, card in kept] == [("standby1", [follower.url])]
