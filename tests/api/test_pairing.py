"""POST /v1/pair: a code is good once, for an hour, and cannot be guessed. POST /v1/pair/rotate: a token for a token."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from hub.store.staff import guesses, tills
from hub.store.staff.guesses import ADDRESS, ADDRESSES_MAX, FORGET_MS
from hub.store.staff.tills import CODE_LIFE_S

PairTill = Callable[..., Awaitable[Any]]
GUESS = {"code": "WRONGONE", "name": "x"}


async def test_a_code_is_good_once(hub: Any, pair_till: PairTill) -> None:
    stranger, code = await pair_till(hub, scope=None), await hub.make_code()

    first = await stranger.post("/v1/pair", {"code": code.lower() + " ", "name": "Counter 一"})
    second = await stranger.post("/v1/pair", {"code": code, "name": "Counter"})

    assert (first.status, first.json["scope"], len(first.json["token"]) >= 40) == (201, "till", True)
    assert (second.status, second.json["code"]) == (403, "pairing_code")


async def test_one_code_pairs_one_of_many_that_spend_it_at_once(hub: Any, pair_till: PairTill) -> None:
    stranger, code = await pair_till(hub, scope=None), await hub.make_code()

    answers = await asyncio.gather(
        *(stranger.post("/v1/pair", {"code": code, "name": "x"}) for _ in range(ADDRESS.free + 1))
    )

    assert sorted(a.status for a in answers) == [201] + [403] * ADDRESS.free


async def test_a_code_expires_by_the_hubs_clock(hub: Any, pair_till: PairTill) -> None:
    stranger, fresh, stale = await pair_till(hub, scope=None), await hub.make_code(), await hub.make_code()

    hub.clock.now_ms += CODE_LIFE_S * 1000
    on_time = await stranger.post("/v1/pair", {"code": fresh, "name": "x"})
    hub.clock.now_ms += 1
    late = await stranger.post("/v1/pair", {"code": stale, "name": "x"})

    assert (on_time.status, late.status) == (201, 403)


async def test_after_some_wrong_codes_each_guess_waits_twice_as_long_and_says_how_long(
    hub: Any, pair_till: PairTill
) -> None:
    stranger, code = await pair_till(hub, scope=None), await hub.make_code()
    for wrong in range(ADDRESS.free + 2):
        hub.clock.now_ms += ADDRESS.wait_after(wrong)
        assert (await stranger.post("/v1/pair", GUESS)).status == 403, wrong

    stopped = await stranger.post("/v1/pair", {"code": code, "name": "x"})
    hub.clock.now_ms += 20_000
    later = await stranger.post("/v1/pair", {"code": code, "name": "x"})
    again = [(await stranger.post("/v1/pair", GUESS)).status for _ in range(ADDRESS.free)]

    assert (stopped.status, stopped.json["code"], stopped.headers["Retry-After"]) == (429, "too_many_guesses", "20")
    assert later.status == 201
    assert again == [403] * ADDRESS.free, "who was paired begins anew"


async def test_guesses_made_at_once_are_stopped_as_well(hub: Any, pair_till: PairTill) -> None:
    stranger = await pair_till(hub, scope=None)

    answers = await asyncio.gather(
        *(stranger.post("/v1/pair", {"code": f"WRONG{n:03}", "name": "x"}) for n in range(40))
    )

    assert sorted(a.status for a in answers) == [403] * ADDRESS.free + [429] * (40 - ADDRESS.free)


async def test_who_guesses_at_one_address_stops_nobody_at_another(hub: Any, pair_till: PairTill) -> None:
    guesser, code = await pair_till(hub, scope=None), await hub.make_code()
    for _ in range(ADDRESS.free + 1):
        stopped = await guesser.post("/v1/pair", GUESS)

    connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        aiohttp.ClientSession(hub.url, connector=connector) as beside,
        beside.post("/v1/pair", json={"code": code, "name": "x"}) as answer,
    ):
        assert (stopped.status, answer.status) == (429, 201)


async def test_wrong_codes_outlive_a_restart(start_hub: Any, pair_till: PairTill) -> None:
    first = await start_hub()
    stranger = await pair_till(first, scope=None)
    for _ in range(ADDRESS.free):
        await stranger.post("/v1/pair", GUESS)

    second = await pair_till(await start_hub(), scope=None)

    assert (await second.post("/v1/pair", GUESS)).status == 429


async def test_strangers_whose_guesses_are_counted_are_bounded_and_then_share_one_count(store: Any) -> None:
    async def guess(remote: str, now_ms: int) -> str:
        def job(tx: Any) -> str:
            who = guesses.stranger(tx, remote, now_ms=now_ms)
            guesses.count(tx, who, now_ms=now_ms)
            return who

        return await store.db.write(job)

    for n in range(ADDRESSES_MAX):
        assert await guess(f"2001:db8::{n:x}", 0) == f"address:2001:db8::{n:x}"

    assert await guess("2001:db8::ffff", FORGET_MS) == "address:*"
    assert await guess("2001:db8::1", FORGET_MS) == "address:2001:db8::1", "who is known stays who it is"
    assert await guess("2001:db8::ffff", FORGET_MS + 1) == "address:2001:db8::ffff", "the others are forgotten by now"
    assert store.db.read.execute("SELECT count(*) FROM pin_guess").fetchone()[0] == 3


async def test_a_token_and_a_code_are_stored_as_hashes_only(hub: Any, till: Any) -> None:
    code = await hub.make_code()
    offered = (await till.post("/v1/pair/rotate")).json["token"]

    stored = b"".join(path.read_bytes() for path in hub.config.data_dir.glob("hub.db*"))

    assert not [secret for secret in (till.token, code, offered) if secret.encode() in stored]


async def test_each_till_has_a_name_of_its_own(hub: Any, pair_till: PairTill) -> None:
    tills = [await pair_till(hub, scope=scope) for scope in ("till", "till", "manager", "ops")]

    assert [t.till_id for t in tills] == ["t1", "t2", "manager1", "ops1"]


async def rotate(till: Any) -> str:
    answer = await till.post("/v1/pair/rotate")
    assert (answer.status, answer.json["till_id"], answer.json["scope"]) == (201, till.till_id, "till")
    return str(answer.json["token"])


async def status_with(till: Any, token: str) -> int:
    answer = await till.request("GET", "/v1/shop", Authorization=f"Bearer {token}")
    return int(answer.status)


async def test_the_old_token_is_good_until_the_new_one_is_used_once(till: Any) -> None:
    old, new = till.token, await rotate(till)
    before = await status_with(till, old)
    used = await status_with(till, new)

    assert (before, used, await status_with(till, old), await status_with(till, new)) == (200, 200, 401, 200)


async def test_a_lost_answer_does_no_harm_the_newest_offer_counts(till: Any) -> None:
    lost, new = await rotate(till), await rotate(till)

    assert await status_with(till, lost) == 401, "nobody holds what nobody was told"
    assert await status_with(till, till.token) == 200
    assert await status_with(till, new) == 200


async def test_offers_and_their_first_use_outlive_a_restart(start_hub: Any, pair_till: PairTill, until: Any) -> None:
    first = await start_hub()
    till, other = await pair_till(first), await pair_till(first)
    offered, used = await rotate(till), await rotate(other)
    assert await status_with(other, used) == 200
    manager = await pair_till(first, scope="manager")
    noted = await until(lambda: manager.get("/v1/trail", action="token_rotated"), lambda answer: answer.json["items"])
    second = await start_hub()
    again, beside = await pair_till(second, scope=None), await pair_till(second, scope=None)

    assert [(line["subject"], line["actor"]) for line in noted.json["items"]] == [(other.till_id, "till:t2")]
    assert (await status_with(beside, other.token), await status_with(beside, used)) == (401, 200)
    assert (await status_with(again, till.token), await status_with(again, offered)) == (200, 200)
    assert await status_with(again, till.token) == 401


async def test_an_offer_made_to_a_token_just_taken_keeps_that_token(start_hub: Any, pair_till: PairTill) -> None:
    """What is in use is written with the next commit, which is the next offer: both have to stand after a restart."""
    first = await start_hub()
    till = await pair_till(first)
    second_token = await rotate(till)
    third_token = (await till.request("POST", "/v1/pair/rotate", Authorization=f"Bearer {second_token}")).json["token"]
    again = await pair_till(await start_hub(), scope=None)

    known = [await status_with(again, token) for token in (till.token, second_token, third_token)]

    assert known == [401, 200, 200]


async def test_who_is_shut_out_has_no_offer_either(till: Any, pair_till: PairTill) -> None:
    new, manager = await rotate(till), await pair_till(till.hub, scope="manager")
    await manager.request("DELETE", f"/v1/tills/{till.till_id}")

    assert (await status_with(till, till.token), await status_with(till, new)) == (401, 401)


async def test_events_go_on_while_a_till_changes_its_token(till: Any) -> None:
    async with till.events() as ws:
        await ws.receive_json(timeout=30)
        till.token = await rotate(till)
        await till.post("/v1/sales", till.sale())

        assert (await ws.receive_json(timeout=30))["type"] == "sale"


async def test_what_is_written_of_a_first_use_keeps_the_offer_that_came_between(store: Any) -> None:
    async def do(job: Callable[..., Any], *args: Any, **words: Any) -> Any:
        return await store.db.write(lambda tx: job(tx, *args, **words))

    await do(tills.add_code, "CODE", "till", now_ms=0)
    await do(tills.pair, "CODE", "Counter", token="first", now_ms=0)
    await do(tills.offer_token, "t1", token="second")
    await do(tills.offer_token, "t1", token="third")
    await do(tills.take_over, "t1", tills.secret_hash("second"), now_ms=0)

    assert set(tills.all_tokens(store.db.read)) == {tills.secret_hash("second"), tills.secret_hash("third")}
    assert tills.offered_tokens(store.db.read) == {"t1": tills.secret_hash("third")}
