"""What a subscriber does not take: attempts, dead letters, a webhook that is disabled; nothing is lost."""

import json
from typing import Any

from tests.cloud.webhooks.conftest import Subscribe, add, look, sell, telling


async def test_after_its_attempts_a_message_is_a_dead_letter_and_the_next_has_its_turn(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp, attempts_max=2)
    await sell(cloud, writer, "s1", "s2", "s3")
    erp.answers = [500, 400]
    async with telling(cloud) as deliverer:
        for _ in range(3):
            await deliverer.step("erp")
            cloud.clock.now_ms += 3_600_000

        (letter,) = (await cloud.get("/cloud/v1/webhooks/erp/dead")).json["items"]
        assert erp.keys == ["s1", "s1", "s2", "s3"]
        assert (letter["attempts"], letter["kind"], letter["n"]) == (2, "sale", 1)
        assert letter["why"].startswith("answered 400")

        erp.answers = [500]
        for _ in range(2):
            answer = await cloud.post("/cloud/v1/webhooks/erp/dead/retry", {"ids": [letter["message_id"]]})
            assert answer.json == {"letters": 1}
            await deliverer.step("erp")

    assert erp.keys[4:] == ["s1", "s1"]
    assert {headers["webhook-id"] for headers, _ in erp.got if b'"s1"' in _} == {letter["message_id"]}
    assert (await cloud.get("/cloud/v1/webhooks/erp/dead")).json["items"] == []


async def test_a_dead_letter_can_be_dropped(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    erp = await subscribe()
    await add(cloud, erp, attempts_max=1)
    await sell(cloud, writer, "s1")
    erp.answers = [500]
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")
        (letter,) = (await cloud.get("/cloud/v1/webhooks/erp/dead")).json["items"]
        answer = await cloud.post("/cloud/v1/webhooks/erp/dead/drop", {"ids": [letter["message_id"], "msg_none"]})
        await deliverer.step("erp")

    assert (answer.json, erp.keys, (await look(cloud))["dead"]) == ({"letters": 1}, ["s1"], 0)


async def test_dead_letters_are_a_figure_until_they_are_seen_to_or_nobody_is_told_any_more(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp, attempts_max=1)
    await sell(cloud, writer, "s1")
    erp.answers = [500]

    def shown() -> list[str]:
        lines = cloud.cloud.books.metrics.render().decode().splitlines()
        return [line for line in lines if line.startswith("storehub_cloud_webhook_dead_letters{")]

    async with telling(cloud) as deliverer:
        await deliverer.step("erp")
        await deliverer.step("erp")
        waiting = shown()
        await cloud.request("DELETE", "/cloud/v1/webhooks/erp", token="office-token-0123456789")
        await deliverer.step("erp")

    assert (waiting, shown()) == (['storehub_cloud_webhook_dead_letters{webhook="erp"} 1.0'], [])


async def test_a_letter_whose_row_was_replaced_meanwhile_is_not_told(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp, streams=["levels"], attempts_max=1)
    level = {"v": 1, "sku": "A", "location": "shop", "received": 5, "issued": 0}
    first = writer.state("levels", (1, level))
    await cloud.books().apply(first)
    erp.answers = [500]
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")
        (letter,) = (await cloud.get("/cloud/v1/webhooks/erp/dead")).json["items"]
        await cloud.books().apply(writer.state("levels", (2, level | {"issued": 2}), after=first.end))
        await cloud.post("/cloud/v1/webhooks/erp/dead/retry", {"ids": [letter["message_id"]]})
        await deliverer.step("erp")

    assert [json.loads(body)["data"]["row"]["issued"] for _, body in erp.got] == [0, 2]
    assert (await look(cloud))["dead"] == 0


async def test_a_subscriber_that_takes_nothing_is_disabled_and_goes_on_where_it_stood(
    cloud: Any, writer: Any, subscribe: Subscribe
) -> None:
    erp = await subscribe()
    await add(cloud, erp, attempts_max=1)
    await sell(cloud, writer, *(f"s{n}" for n in range(5)))
    erp.answers = [500] * 3
    async with telling(cloud) as deliverer:
        for _ in range(6):
            await deliverer.step("erp")
        seen = await look(cloud)
        assert (seen["state"], seen["dead"], seen["after"]["sales"]) == ("disabled", 3, 3)
        assert seen["why"].startswith("3 messages in a row")
        await cloud.post("/cloud/v1/webhooks/erp/state", {"state": "active"})
        await deliverer.step("erp")

    assert erp.keys == ["s0", "s1", "s2", "s3", "s4"]


async def test_410_disables_at_once_and_loses_nothing(cloud: Any, writer: Any, subscribe: Subscribe) -> None:
    erp = await subscribe()
    await add(cloud, erp)
    await sell(cloud, writer, "s1", "s2")
    erp.answers = [410]
    async with telling(cloud) as deliverer:
        await deliverer.step("erp")
        await deliverer.step("erp")
    seen = await look(cloud)

    assert (erp.keys, seen["state"], seen["after"]["sales"], seen["dead"]) == (["s1"], "disabled", 0, 0)
