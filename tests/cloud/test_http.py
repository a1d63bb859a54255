"""The cloud over HTTP: feeds that prove themselves, scopes, problems in both languages, the demo's line."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from sync.cloud.talk.line import Connection
from sync.cloud.web.http import texts
from sync.protocol import SUBPROTOCOL, Hello, encode

PATHS = [
    "/cloud/v1/sales/x",
    "/cloud/v1/feed?stream=sales",
    "/cloud/v1/stores",
    "/cloud/v1/products/x",
    "/cloud/v1/demo/line",
]


async def fill(cloud: Any, writer: Any, count: int = 25) -> None:
    for n in range(count):
        writer.sell(f"s{n}", 100)
    await cloud.books().apply(writer.batch())


async def test_pages_of_a_feed_join_without_gap_or_overlap(cloud: Any, writer: Any, new_writer: Any) -> None:
    await fill(cloud, writer)
    other = new_writer("hk02:bb")
    await cloud.books("hk02").apply((other.sell("t1"), other.batch())[1])

    seen, after, more = [], 0, True
    while more:
        rows, trailer = await cloud.feed("sales", after=after, limit=7)
        seen += rows
        after, more = trailer["next"], trailer["more"]

    assert [row["n"] for row in seen] == list(range(1, 27))
    assert [row["key"] for row in seen] == [f"s{n}" for n in range(25)] + ["t1"]
    assert (seen[0]["store"], seen[0]["rep"], seen[0]["seq"]) == ("hk01", writer.rep, 1)
    assert (await cloud.feed("sales", after=26)) == ([], {"next": 26, "rows": 0, "digest": "0" * 16, "more": False})


async def test_a_stream_that_has_no_row_yet_is_an_empty_page(cloud: Any) -> None:
    assert await cloud.feed("sales") == ([], {"next": 0, "rows": 0, "digest": "0" * 16, "more": False})


async def test_a_stream_that_was_never_seen_names_those_that_were(cloud: Any, writer: Any) -> None:
    await fill(cloud, writer, 1)

    answer = await cloud.get("/cloud/v1/feed", stream="saless")

    assert (answer.status, answer.json["code"]) == (404, "stream")
    assert {"catalogue", "footfall", "sales", "stock"} <= set(answer.json["detail"].partition("known: ")[2].split(", "))


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "/stream"),
        ("stream=sales&after=-1", "/after"),
        ("stream=sales&limit=0", "/limit"),
        ("stream=a&stream=b", "/stream"),
    ],
)
async def test_a_wrong_query_names_its_field(cloud: Any, query: str, pointer: str) -> None:
    answer = await cloud.get(f"/cloud/v1/feed?{query}")

    assert answer.status == 422
    assert answer.json.get("pointer", "") in (pointer, "")


@pytest.mark.parametrize("path", PATHS)
async def test_only_head_office_reads(cloud: Any, tokens: Any, path: str) -> None:
    answers = [await cloud.get(path, token=token) for token in ("", "wrong-token-0123456789", tokens["hk01"])]

    assert [answer.status for answer in answers] == [401, 401, 403]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert all(answer.headers["Content-Type"] == "application/problem+json" for answer in answers)
    assert set(answers[2].json["remedy"]) == {"en", "zh-Hant"}


async def test_no_token_is_ever_logged(cloud: Any, tokens: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for path in (*PATHS, "/sync/v1/link"):
        for token in (*tokens.values(), "wrong-token-0123456789"):
            await cloud.get(path, token=token)

    text = " ".join(str(vars(record)) for record in caplog.records)
    assert not [token for token in (*tokens.values(), "wrong-token-0123456789") if token in text + repr(cloud.config)]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "unreadable"),
        (b'{"entries":[{"product":{"sku":"\\u0000"}}]}', {}, 400, "unreadable"),
        (b"[" * 100_000, {}, 422, "invalid_field"),
        (b'{"entries":[],"more":1}', {}, 422, "invalid_field"),
        (b"{}", {}, 422, "invalid_field"),
        (b"<x/>", {"Content-Type": "text/xml"}, 415, "not_json"),
        (b" " * (4 * 1024 * 1024 + 1), {}, 413, "too_large"),
    ],
)
async def test_bad_bodies_are_problems(cloud: Any, body: bytes, headers: Any, status: int, code: str) -> None:
    answer = await cloud.post("/cloud/v1/products", body, headers=headers)

    assert (answer.status, answer.json["code"]) == (status, code), answer.body


async def test_unknown_addresses_and_methods_are_problems(cloud: Any) -> None:
    missing, wrong = await cloud.get("/cloud/v2"), await cloud.post("/cloud/v1/stores", {})

    assert [(each.status, each.json["code"]) for each in (missing, wrong)] == [
        (404, "not_found"),
        (405, "method_not_allowed"),
    ]


def test_every_problem_has_both_languages() -> None:
    for code, said in texts().items():
        assert set(said) == {"en", "zh-Hant"}, code
        assert all(set(each) == {"title", "remedy"} and all(each.values()) for each in said.values()), code


async def test_stores_that_never_came_are_listed_too(cloud: Any) -> None:
    item = await cloud.store_item("hk02")

    assert (item["connected"], item["rep"], item["last_seen"], item["streams"]) == (False, None, None, [])
    assert item["sales"]["count"] == 0 and item["line_up"] is True


async def test_health_readiness_and_metrics_are_open_to_this_machine(cloud: Any) -> None:
    answers = [await cloud.get(path, token="") for path in ("/healthz", "/readyz", "/metrics")]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[1].json["rep"].startswith("cloud:")


async def test_the_link_refuses_what_is_no_store(cloud: Any, tokens: Any) -> None:
    answers = [await cloud.get("/sync/v1/link", token=token) for token in ("", tokens["office"], tokens["hk01"])]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [
        (401, "unauthorized"),
        (403, "forbidden"),
        (400, "not_a_link"),
    ]


async def test_the_demo_line_cuts_the_stores_off_and_lets_head_office_through(cloud: Any, tokens: Any) -> None:
    headers = {"Authorization": f"Bearer {tokens['hk01']}"}
    ws = await cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,))
    assert (await cloud.store_item())["connected"]

    down = await cloud.post("/cloud/v1/demo/line", {"up": False})
    ended = await asyncio.wait_for(ws.receive(), 60)
    with pytest.raises(aiohttp.ClientError):
        await cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,))
    item = await cloud.store_item()
    up = await cloud.post("/cloud/v1/demo/line", {"up": True})
    again = await cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,))

    assert (down.json, up.json, (await cloud.get("/cloud/v1/demo/line")).json) == (
        {"up": False},
        {"up": True},
        {"up": True},
    )
    assert ended.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert ws.close_code == 1006, "nobody said goodbye"
    assert (item["connected"], item["line_up"]) == (False, False)
    assert not again.closed
    await again.close()
    await ws.close()


async def test_a_store_that_arrives_as_the_line_goes_down_is_cut(cloud: Any) -> None:
    cuts: list[str] = []
    line = cloud.cloud.line
    line.switch(False)

    line.enter(Connection("hk01", lambda: cuts.append("cut"), lambda: None, 0))

    assert (cuts, line.connections) == (["cut"], [])


async def test_without_a_demo_there_is_no_line_to_cut(start_cloud: Any) -> None:
    cloud = await start_cloud(demo_line=False)

    answers = [await cloud.get("/cloud/v1/demo/line"), await cloud.post("/cloud/v1/demo/line", {"up": False})]

    assert [answer.status for answer in answers] == [404, 404]
    assert cloud.cloud.line.is_up


async def test_a_newer_connection_of_a_hub_replaces_the_older(
    cloud: Any, tokens: Any, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bearer {tokens['hk01']}"}
    greeting = encode(Hello(rep="hk01:aaaaaaaaaaaaaaaa", vector=(), t1_ms=0))
    older = await cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,))
    await older.send_bytes(greeting)
    newer = await cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,))
    await newer.send_bytes(greeting)

    async with asyncio.timeout(30):
        while (ended := await older.receive()).type is aiohttp.WSMsgType.BINARY:
            pass

    assert ended.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert (await cloud.store_item())["connected"] and not newer.closed
    assert any("connected again" in record.message for record in caplog.records)
    await newer.close()


async def test_what_was_kept_is_there_after_a_start(start_cloud: Any, writer: Any, tmp_path: Any) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    first = await start_cloud(folder=folder)
    await fill(first, writer, 3)
    rep = first.books().rep
    second = await start_cloud(folder=folder)

    assert second.books().rep == rep
    assert json.dumps((await second.store_item())["sales"]) == json.dumps((await first.store_item())["sales"])
    assert [row["n"] for row in (await second.feed("sales"))[0]] == [1, 2, 3]
