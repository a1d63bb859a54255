"""Stores are let in by a one-time code and shut out at run time: over real HTTP, on a real file."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.cloud.collect import admission
from sync.cloud.collect.codes import ALPHABET, CODE_CHARS, code_hash, draw_code
from sync.cloud.collect.guesses import ADDRESSES_MAX, FREE, LONGEST_WAIT_S, Guesses
from sync.cloud.collect.tokens import revoke
from sync.cloud.config import token_hash

STORES = {"hk01": {"token": "hk01-token-0123456789"}, "hk02": {}}
DRAWN = "a-token-that-the-hub-has-drawn-00001"
OTHER = "a-token-that-the-hub-has-drawn-00002"


@pytest.fixture
async def cloud(start_cloud: Any) -> Any:
    """A cloud whose second store has no token in the configuration."""
    return await start_cloud(stores=STORES)


async def code_for(cloud: Any, store: str = "hk02", **more: Any) -> str:
    made = await cloud.post("/cloud/v1/enrolments", {"store": store} | more)
    assert made.status == 201, made.body
    return str(made.json["code"])


async def enrol(cloud: Any, code: str, *, store: str = "hk02", token: str = DRAWN, **more: Any) -> Any:
    return await cloud.post("/sync/v1/enrol", {"code": code, "store": store, "token": token} | more, token="")


async def knocks(cloud: Any, token: str) -> int:
    """What the cloud answers a store that asks for nothing: 200 while its token is good."""
    return int((await cloud.post("/sync/v1/renew", {}, token=token)).status)


async def test_a_code_lets_one_hub_in_and_a_lost_answer_harms_nothing(cloud: Any) -> None:
    code = await code_for(cloud)

    first = await enrol(cloud, code.lower().replace("-", " "), name="pi-4", later="unknown")
    again = await enrol(cloud, code)
    thief = await enrol(cloud, code, token=OTHER)

    assert (first.status, first.json) == (201, {"store": "hk02", "cloud": "cloud", "certificate": None})
    assert (again.status, again.json) == (201, first.json)
    assert (thief.status, thief.json["code"]) == (403, "code_spent")
    assert (await knocks(cloud, DRAWN), await knocks(cloud, OTHER)) == (200, 401)
    (item,) = (await cloud.get("/cloud/v1/stores/hk02/tokens")).json["items"]
    assert item["name"] == "pi-4" and DRAWN not in str(item)


async def test_rows_come_in_by_a_token_of_a_code(cloud: Any, new_writer: Any, talking: Any) -> None:
    await enrol(cloud, await code_for(cloud))
    writer = new_writer("hk02:bbbbbbbbbbbbbbbb")
    writer.sell("s1")
    hub = talking.hub(writer)
    async with talking(cloud, hub, DRAWN):
        await hub.until(lambda: hub.safe.get("sales") == 1)


async def test_a_code_of_another_store_is_refused_and_stays_good(cloud: Any) -> None:
    code = await code_for(cloud)

    wrong = await enrol(cloud, code, store="hk01", token=OTHER)

    assert (wrong.status, wrong.json["code"]) == (403, "wrong_store")
    assert (await enrol(cloud, code)).status == 201


async def test_a_newer_code_takes_the_place_of_the_older_and_time_ends_both(cloud: Any) -> None:
    older, newer = await code_for(cloud), await code_for(cloud, minutes=5)
    assert (await enrol(cloud, older)).json["code"] == "wrong_code"
    assert [each["store"] for each in (await cloud.get("/cloud/v1/enrolments")).json["items"]] == ["hk02"]

    cloud.clock.now_ms += 5 * 60_000

    assert (await cloud.get("/cloud/v1/enrolments")).json["items"] == []
    assert (await enrol(cloud, newer)).json["code"] == "code_ended"


async def test_codes_are_head_offices_to_give_and_of_known_stores_only(cloud: Any, tokens: Any) -> None:
    refused = await cloud.post("/cloud/v1/enrolments", {"store": "hk02"}, token=tokens["hk01"])
    unknown = await cloud.post("/cloud/v1/enrolments", {"store": "hk09"})

    assert refused.status == 403
    assert unknown.status == 404 and "known: hk01, hk02" in unknown.json["detail"]


async def test_whoever_guesses_has_to_wait_even_with_the_right_code(cloud: Any) -> None:
    code = await code_for(cloud)
    for n in range(FREE):
        assert (await enrol(cloud, f"WRONG-{n}")).status == 403

    answer = await enrol(cloud, code)

    assert (answer.status, answer.json["code"]) == (429, "too_many_guesses")
    assert (await cloud.get("/cloud/v1/enrolments")).json["items"] != []


async def test_a_token_of_somebody_else_is_no_token_to_enrol_with(cloud: Any, tokens: Any) -> None:
    await enrol(cloud, await code_for(cloud))
    taken = await enrol(cloud, await code_for(cloud))

    assert (taken.status, taken.json["code"]) == (403, "token_known")
    short = await enrol(cloud, "X", token="too-short")
    assert short.status == 422


async def test_a_revoked_token_is_cut_off_at_once_and_for_ever(
    cloud: Any, writer: Any, tokens: Any, talking: Any, start_cloud: Any
) -> None:
    hub = talking.hub(writer)
    writer.sell("s1")
    async with talking(cloud, hub, tokens["hk01"]) as conversation:
        await hub.until(lambda: hub.safe.get("sales") == 1)
        done = await cloud.post("/cloud/v1/stores/hk01/revoke", {"why": "the card was stolen"})
        end = await asyncio.wait_for(conversation, 10)

    assert len(done.json["revoked"]) == 1 and end.code == "hung_up"
    assert await knocks(cloud, tokens["hk01"]) == 401
    assert (await cloud.post("/cloud/v1/stores/hk01/revoke", {"why": "again"})).json["revoked"] == []
    await enrol(cloud, await code_for(cloud, "hk01"), store="hk01", token=OTHER)
    assert await knocks(cloud, OTHER) == 200
    (old, new) = (await cloud.get("/cloud/v1/stores/hk01/tokens")).json["items"]
    assert (old["why"], "revoked_ms" in old, "revoked_ms" in new) == ("the card was stolen", True, False)


async def test_another_workers_revocation_is_noticed(
    cloud: Any, writer: Any, tokens: Any, talking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker writes the table only; this one looks there by itself."""
    monkeypatch.setattr(admission, "LOOK_EVERY_S", 0.01)
    hub = talking.hub(writer)
    async with talking(cloud, hub, tokens["hk01"]) as conversation:
        writer.sell("s1")
        hashed, now_ms = token_hash(tokens["hk01"]), cloud.clock()
        await cloud.cloud.books.db.write(lambda tx: revoke(tx, "hk01", [hashed], why="elsewhere", now_ms=now_ms))
        watching = asyncio.create_task(cloud.cloud.admission.run())
        end = await asyncio.wait_for(conversation, 10)
        watching.cancel()

    assert end.code == "hung_up"


async def test_the_older_token_ends_when_the_newer_one_is_used(
    cloud: Any, writer: Any, tokens: Any, talking: Any
) -> None:
    for _ in range(2):  # the answer may be lost
        assert (await cloud.post("/sync/v1/renew", {"token": DRAWN}, token=tokens["hk01"])).status == 200
    assert await knocks(cloud, tokens["hk01"]) == 200

    hub = talking.hub(writer)
    writer.sell("s1")
    async with talking(cloud, hub, DRAWN):
        await hub.until(lambda: hub.safe.get("sales") == 1)

    assert (await knocks(cloud, tokens["hk01"]), await knocks(cloud, DRAWN)) == (401, 200)


async def test_a_store_cannot_take_another_stores_token_in_exchange(cloud: Any, tokens: Any) -> None:
    await enrol(cloud, await code_for(cloud))

    answer = await cloud.post("/sync/v1/renew", {"token": DRAWN}, token=tokens["hk01"])

    assert (answer.status, answer.json["code"]) == (409, "token_known")


async def test_a_forged_store_id_sends_nothing(
    cloud: Any, new_writer: Any, tokens: Any, talking: Any, sql: Any
) -> None:
    """A store's token with another store's name in the hello, and in the rows."""
    writer = new_writer("hk02:cccccccccccccccc")
    writer.sell("s1")
    async with talking(cloud, talking.hub(writer), tokens["hk01"]) as conversation:
        end = await asyncio.wait_for(conversation, 10)

    assert end.code == "refused"
    assert sql("SELECT count(*) FROM fact") == [(0,)]
    assert sql("SELECT count(*) FROM replica WHERE store = 'hk02'") == [(0,)]


@given(st.lists(st.sampled_from(ALPHABET), min_size=CODE_CHARS, max_size=CODE_CHARS), st.randoms())
def test_a_code_is_known_however_it_is_typed(letters: list[str], rng: Any) -> None:
    code = draw_code(lambda _: ALPHABET.index(letters.pop()))
    typed = "".join(rng.choice((each, each.lower())) + rng.choice(("", "-", " ")) for each in code)
    heard = typed.replace("0", rng.choice("0oO")).replace("1", rng.choice("1iIlL"))

    assert code_hash(heard) == code_hash(code)


def test_a_thousand_addresses_gain_nothing() -> None:
    guesses = Guesses()
    for n in range(ADDRESSES_MAX + FREE + 20):
        guesses.was_wrong(f"10.0.{n // 256}.{n % 256}", float(n))

    assert guesses.wait_s("192.0.2.1", ADDRESSES_MAX + FREE + 20.0) > 0
    assert guesses.wait_s("10.0.0.1", 300.0) == 0
    assert 0 < guesses.wait_s("192.0.2.1", 300.0) <= LONGEST_WAIT_S
    assert guesses.wait_s("192.0.2.1", 10_000.0) == 0
