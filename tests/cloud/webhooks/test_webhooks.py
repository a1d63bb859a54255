"""Webhooks against a subscriber on a real socket: order, signatures judged by another reader, retries, many workers."""

import asyncio
import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.cloud.handing.addresses import Allowed
from sync.cloud.handing.deliverer import RETRY_FIRST_S, RETRY_MAX_S, Deliverer, Outcome
from sync.cloud.handing.messages import next_messages
from sync.cloud.handing.subscriptions import CLAIM_MS, FORMER_MS
from sync.cloud.talk.webhook_http import WebhookHttp
from tests.cloud.webhooks.conftest import LOCAL, Subscribe, add, look, sell, telling, verified


async def test_rows_are_told_in_their_order_signed_and_once(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    erp = await subscribe()
    secret = (await add(cloud, erp))["secret"]
    await sell(cloud, writer, "s1", "s2")
    cloud.clock.now_ms += 5
    writer.give_back("r1", "s1")
    await cloud.books().apply(writer.batch("returns"))
    cloud.clock.now_ms += 5
    await sell(cloud, writer, "s3")

    async with telling(cloud) as deliverer:
        assert await deliverer.step("erp") == 0
        assert await deliverer.step("erp") > 0

    assert erp.keys == ["s1", "s2", "r1", "s3"]
    assert [json.loads(body)["type"] for _, body in erp.got] == ["sale", "sale", "return", "sale"]
    assert all(verified(secret, *each) for each in erp.got)
    assert not verified(secret, erp.got[0][0], erp.got[1][1])
    assert json.loads(erp.got[0][1])["data"]["row"] == json.loads(writer.logs["sales"][0])
    assert (await look(cloud))["after"] == {"returns": 1, "sales": 3}


async def test_a_message_that_fails_keeps_its_id_and_nothing_overtakes_it(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    await sell(cloud, writer, "s1", "s2")
    erp.answers = [500, 503]

    async with telling(cloud) as deliverer:
        for _ in range(3):
            await deliverer.step("erp")
            assert erp.keys[-1] == "s1" or len(erp.keys) == 4
            cloud.clock.now_ms += 3_600_000
    assert erp.keys == ["s1", "s1", "s1", "s2"]
    assert len({headers["webhook-id"] for headers, _ in erp.got[:3]}) == 1
    assert len({body for _, body in erp.got[:3]}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in erp.got[:3]}) == 3


async def test_nothing_is_told_before_its_time(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    await sell(cloud, writer, "s1")
    erp.answers, erp.headers = [429, 204], {"Retry-After": "1800"}

    async with telling(cloud) as deliverer:
        await deliverer.step("erp")
        cloud.clock.now_ms += 1_799_000
        assert await deliverer.step("erp") == 1
        assert len(erp.got) == 1
        cloud.clock.now_ms += 1_000
        await deliverer.step("erp")

    assert len(erp.got) == 2


@given(st.integers(1, 60), st.integers())
def test_pauses_are_drawn_from_nothing_to_a_doubled_time_up_to_an_hour(attempts: int, seed: int) -> None:
    deliverer = Deliverer.__new__(Deliverer)
    deliverer._rng = random.Random(seed)

    assert 0 <= deliverer.wait_s(attempts) <= min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** (attempts - 1))


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_fails_every_row_is_told_in_order_or_is_a_dead_letter(
    cloud: Any, writer: Any, seed: int
) -> None:
    """Law: first tellings are in the order of arrival; every row was taken or is a dead letter; an id is one row's."""
    rng, taken, offered = random.Random(seed), [], []

    async def send(_url: str, headers: dict[str, str], body: bytes) -> Outcome:
        key = json.loads(body)["data"]["key"]
        offered.append((headers["webhook-id"], key))
        status = rng.choices((204, 500, 0, 410), (6, 3, 1, 1))[0]
        if rng.random() < 0.1:
            raise asyncio.CancelledError  # the worker is killed, whether or not the other end has heard it
        taken.extend([key] if status == 204 else [])
        return Outcome(status)

    books, news = cloud.cloud.books, cloud.cloud.news
    body = {"name": "erp", "url": "http://127.0.0.1:1/", "streams": ["sales"], "begin": "start", "attempts_max": 2}
    assert (await cloud.post("/cloud/v1/webhooks", body)).status == 201
    for step in range(60):
        if step < 20:
            await sell(cloud, writer, f"s{step}")
        books.metrics.registry = type(books.metrics.registry)()
        worker = Deliverer(books, news, send, worker=f"w{step}", rng=rng)
        with contextlib.suppress(asyncio.CancelledError):
            await worker.step("erp")
        await cloud.post("/cloud/v1/webhooks/erp/state", {"state": "active"})
        cloud.clock.now_ms += 3_600_000

    dead = {each["message_id"] for each in (await cloud.get("/cloud/v1/webhooks/erp/dead")).json["items"]}
    sold = [f"s{n}" for n in range(20)]
    assert list(dict.fromkeys(key for _, key in offered)) == sold
    assert {key for message_id, key in offered if message_id in dead} | set(taken) == set(sold)
    assert len(set(offered)) == len(sold)


async def test_a_subscriber_that_hangs_delays_no_other(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    slow, quick = await subscribe(), await subscribe()
    slow.hang = asyncio.Event()
    await add(cloud, slow, "a-slow")
    await add(cloud, quick, "b-quick")
    async with telling(cloud) as deliverer:
        running = asyncio.create_task(deliverer.run())
        await sell(cloud, writer, *(f"s{n}" for n in range(10)))
        async with asyncio.timeout(30):
            while (await look(cloud, "b-quick"))["after"]["sales"] < 10:  # noqa: ASYNC110 - as head office sees it
                await asyncio.sleep(0.01)
        assert (await look(cloud, "a-slow"))["after"]["sales"] == 0
        running.cancel()
        slow.hang.set()
        await asyncio.gather(running, return_exceptions=True)

    assert quick.keys == [f"s{n}" for n in range(10)]


async def test_of_two_workers_one_serves_until_it_lets_go_or_dies(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    await sell(cloud, writer, "s1")
    async with telling(cloud, worker="w1") as one, telling(cloud, worker="w2") as other:
        await one.step("erp")
        await sell(cloud, writer, "s2")
        assert await other.step("erp") > 0 and erp.keys == ["s1"]
        cloud.clock.now_ms += CLAIM_MS
        await other.step("erp")
        await sell(cloud, writer, "s3")
        await one.step("erp")

    assert erp.keys == ["s1", "s2"]


async def test_a_worker_killed_between_answer_and_commit_is_followed_by_the_same_message(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    await sell(cloud, writer, "s1")
    async with WebhookHttp(Allowed(LOCAL)) as http, telling(cloud, worker="w2") as follows:

        async def send_and_die(*message: Any) -> Any:
            await http.send(*message)
            raise asyncio.CancelledError

        books, news = cloud.cloud.books, cloud.cloud.news
        books.metrics.registry = type(books.metrics.registry)()
        dies = Deliverer(books, news, send_and_die, worker="w1", rng=random.Random(1))
        with pytest.raises(asyncio.CancelledError):
            await dies.step("erp")
        cloud.clock.now_ms += CLAIM_MS
        await follows.step("erp")

    assert erp.keys == ["s1", "s1"]
    assert erp.got[0][0]["webhook-id"] == erp.got[1][0]["webhook-id"]


async def test_an_id_is_the_same_after_the_cloud_was_restored_and_the_row_came_again(
    cloud: Any, writer: Any, start_cloud: Any, tmp_path: Any
) -> None:
    await sell(cloud, writer, "s0", "s1")
    (tmp_path / "restored").mkdir()
    restored = await start_cloud(folder=tmp_path / "restored")
    await restored.books("hk01").apply(writer.batch())

    ids = [
        [each.message_id for each in await next_messages(end.cloud.books.db, {"sales": 0}, ())]
        for end in (cloud, restored)
    ]

    assert ids[0] == ids[1] and len(set(ids[0])) == 2


async def test_two_secrets_sign_while_one_is_rotated_and_none_is_shown_again(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    former = (await add(cloud, erp))["secret"]
    secret = (await cloud.post("/cloud/v1/webhooks/erp/rotate", {})).json["secret"]
    await sell(cloud, writer, "s1")
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")
        cloud.clock.now_ms += FORMER_MS
        await sell(cloud, writer, "s2")
        await deliverer.step("erp")

    assert [[verified(key, *each) for key in (secret, former)] for each in erp.got] == [[True, True], [True, False]]
    shown = b"".join([(await cloud.get(f"/cloud/v1/webhooks{path}")).body for path in ("", "/erp", "/erp/dead")])
    assert not [key for key in (secret, former) if key.encode() in shown]


async def test_a_fact_that_came_twice_is_told_once(
    cloud: Any, writer: Any, new_writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    await sell(cloud, writer, "s1")
    await sell(cloud, new_writer("hk01:bb"), "s1", "s2")
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")

    assert erp.keys == ["s1", "s2"]


async def test_small_pages_of_several_streams_join_in_the_order_of_arrival(cloud: Any, writer: Any) -> None:
    for n in range(4):
        await sell(cloud, writer, f"s{2 * n}", f"s{2 * n + 1}")
        cloud.clock.now_ms += 1
        writer.give_back(f"r{n}", f"s{n}")
        await cloud.books().apply(writer.batch("returns", after=n))
        cloud.clock.now_ms += 1
    cursors, told = {"returns": 0, "sales": 0}, []
    while page := await next_messages(cloud.cloud.books.db, cursors, (), limit=2):
        told += [json.loads(each.body)["data"]["key"] for each in page]
        cursors |= {each.stream: each.n for each in page}

    assert told == ["s0", "s1", "r0", "s2", "s3", "r1", "s4", "s5", "r2", "s6", "s7", "r3"]


async def test_kinds_that_nobody_wants_are_passed_over(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    erp = await subscribe()
    await add(cloud, erp, kinds=["return"])
    await sell(cloud, writer, "s1", "s2")
    writer.give_back("r1", "s1")
    await cloud.books().apply(writer.batch("returns"))
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")

    assert (erp.keys, (await look(cloud))["after"]) == (["r1"], {"returns": 1, "sales": 2})


async def test_a_clock_that_went_back_loses_no_row(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    for step_ms in (0, -60_000, 120_000):
        cloud.clock.now_ms += step_ms
        await sell(cloud, writer, f"s{len(writer.logs.get('sales', ()))}")
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")

    assert erp.keys == ["s0", "s1", "s2"]


async def test_a_webhook_that_moves_goes_on_where_it_stood(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    former, new = await subscribe(), await subscribe()
    await add(cloud, former)
    await sell(cloud, writer, "s1", "s2")
    former.answers = [204, 500]
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")
        refused = await cloud.post("/cloud/v1/webhooks/erp/url", {"url": "https://192.168.0.1/"})
        moved = await cloud.post("/cloud/v1/webhooks/erp/url", {"url": new.url})
        await deliverer.step("erp")

    assert (refused.status, refused.json["code"], moved.json["url"]) == (422, "webhook_url", new.url)
    assert (former.keys, new.keys) == (["s1", "s2"], ["s2"])
    assert former.got[1][0]["webhook-id"] == new.got[0][0]["webhook-id"]


async def test_a_webhook_is_made_once_and_refused_with_a_remedy(cloud: Any, subscribe: Subscribe) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    body = {"name": "erp", "url": erp.url, "streams": ["sales", "returns"]}
    again = await cloud.post("/cloud/v1/webhooks", body)
    refused = [
        await cloud.post("/cloud/v1/webhooks", body | change)
        for change in (
            {"streams": ["sales"]},
            {"name": "b", "streams": ["saless"]},
            {"name": "b", "url": "https://10.0.0.1/"},
            {"name": "b", "secret": "whsec_c2hvcnQ="},
            {"name": "Nicht Gut"},
        )
    ]
    unknown = await cloud.post("/cloud/v1/webhooks/none/rotate", {})

    assert (again.status, "secret" in again.json) == (200, False)
    assert [(each.status, each.json["code"]) for each in refused] == [
        (409, "webhook_known"),
        (422, "stream"),
        (422, "webhook_url"),
        (422, "webhook_secret"),
        (422, "invalid_field"),
    ]
    assert (unknown.status, unknown.json["code"]) == (404, "webhook")
    assert (await cloud.request("DELETE", "/cloud/v1/webhooks/erp", token="office-token-0123456789")).status == 204
    assert (await cloud.get("/cloud/v1/webhooks")).json == {"items": []}
