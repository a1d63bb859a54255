"""POST /v1/pair: a code is good once, for an hour, and cannot be guessed by many tries."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hub.api.pairing import WRONG_CODES_MAX, WRONG_CODES_S
from hub.store.tills import CODE_LIFE_S

PairTill = Callable[..., Awaitable[Any]]


async def test_a_code_is_good_once(hub: Any, pair_till: PairTill) -> None:
    stranger, code = await pair_till(hub, scope=None), await hub.make_code()

    first = await stranger.post("/v1/pair", {"code": code.lower() + " ", "name": "Counter 一"})
    second = await stranger.post("/v1/pair", {"code": code, "name": "Counter"})

    assert (first.status, first.json["scope"], len(first.json["token"]) >= 40) == (201, "till", True)
    assert (second.status, second.json["code"]) == (403, "pairing_code")


async def test_one_code_pairs_one_of_eight_that_spend_it_at_once(hub: Any, pair_till: PairTill) -> None:
    stranger, code = await pair_till(hub, scope=None), await hub.make_code()

    answers = await asyncio.gather(*(stranger.post("/v1/pair", {"code": code, "name": "x"}) for _ in range(8)))

    assert sorted(a.status for a in answers) == [201] + [403] * 7


async def test_a_code_expires_by_the_hubs_clock(hub: Any, pair_till: PairTill) -> None:
    stranger, fresh, stale = await pair_till(hub, scope=None), await hub.make_code(), await hub.make_code()

    hub.clock.now_ms += CODE_LIFE_S * 1000
    on_time = await stranger.post("/v1/pair", {"code": fresh, "name": "x"})
    hub.clock.now_ms += 1
    late = await stranger.post("/v1/pair", {"code": stale, "name": "x"})

    assert (on_time.status, late.status) == (201, 403)


async def test_many_wrong_codes_stop_everybody_for_a_minute(hub: Any, pair_till: PairTill) -> None:
    stranger, code = await pair_till(hub, scope=None), await hub.make_code()
    guess = {"code": "WRONGONE", "name": "x"}

    statuses = [(await stranger.post("/v1/pair", guess)).status for _ in range(WRONG_CODES_MAX + 1)]
    stopped = await stranger.post("/v1/pair", {"code": code, "name": "x"})
    hub.clock.now_ms += WRONG_CODES_S * 1000
    later = await stranger.post("/v1/pair", {"code": code, "name": "x"})

    assert statuses == [403] * WRONG_CODES_MAX + [429]
    assert (stopped.status, stopped.json["code"], stopped.headers["Retry-After"]) == (429, "too_many_guesses", "1")
    assert later.status == 201


async def test_guesses_made_at_once_are_stopped_as_well(hub: Any, pair_till: PairTill) -> None:
    stranger = await pair_till(hub, scope=None)

    answers = await asyncio.gather(
        *(stranger.post("/v1/pair", {"code": f"WRONG{n:03}", "name": "x"}) for n in range(WRONG_CODES_MAX * 4))
    )

    assert sorted(a.status for a in answers) == [403] * WRONG_CODES_MAX + [429] * (WRONG_CODES_MAX * 3)


async def test_a_token_and_a_code_are_stored_as_hashes_only(hub: Any, till: Any) -> None:
    code = await hub.make_code()

    stored = b"".join(path.read_bytes() for path in hub.config.data_dir.glob("hub.db*"))

    assert till.token.encode() not in stored and code.encode() not in stored


async def test_each_till_has_a_name_of_its_own(hub: Any, pair_till: PairTill) -> None:
    tills = [await pair_till(hub, scope=scope) for scope in ("till", "till", "manager", "ops")]

    assert [t.till_id for t in tills] == ["t1", "t2", "manager1", "ops1"]
