"""Whatever bytes arrive: one problem document with a code and both remedies, no traceback, and the next request works."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from hub.api.routing import BODY_MAX

NUL_IN_A_STRING = json.dumps({"sale_id": "a\0b"}).encode()


def assert_problem(answer: Any, status: int, code: str) -> None:
    problem = answer.json
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert set(problem["remedy"]) == {"en", "zh-Hant"} and all(problem["remedy"].values())
    assert problem["type"] == f"urn:storehub:problem:{code}" and problem["title"]


async def assert_still_sells(till: Any) -> None:
    assert (await till.post("/v1/sales", till.sale())).status == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "unreadable"),
        (b"{", 400, "unreadable"),
        (b"nonsense", 400, "unreadable"),
        (b'{"sale_id":"\xff"}', 400, "unreadable"),
        (b'{"sale_id":"\xed\xa0\x80"}', 400, "unreadable"),
        (b'{"sale_id":"\\ud800"}', 400, "unreadable"),
        (b'{"sale_id":"a\x00b"}', 400, "unreadable"),
        (NUL_IN_A_STRING, 400, "unreadable"),
        (b'{"a\\u0000":1}', 400, "unreadable"),
        (b"[" * 200_000, 422, "invalid_field"),
        (b'{"lines":' + b"[" * 200_000, 422, "invalid_field"),
        (b'{"\xff":' + b"[" * 200_000, 400, "unreadable"),
        (b"{} {}", 422, "invalid_field"),
        (b"\xef\xbb\xbf{}", 400, "unreadable"),
        (b'{"total":NaN}', 400, "unreadable"),
        (b'{"total":1e999}', 422, "invalid_field"),
        (b"[]", 422, "invalid_field"),
        (b"null", 422, "invalid_field"),
        (b'"text"', 422, "invalid_field"),
        (b"{}", 422, "invalid_field"),
        (b'{"unknown":1}', 422, "invalid_field"),
        (b'{"sale_id":1}', 422, "invalid_field"),
        (b"\\" * 500_000, 400, "unreadable"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else None,
)
async def test_a_body_that_is_no_sale_is_a_problem(till: Any, body: bytes, status: int, code: str) -> None:
    answer = await till.post("/v1/sales", body)

    assert_problem(answer, status, code)
    await assert_still_sells(till)


async def test_deep_nesting_in_a_field_that_nobody_declared_is_a_problem(till: Any) -> None:
    body = b'{"job_id":"j1","printer_id":"p1","document":{"elements":[],"more":' + b"[" * 200_000

    assert_problem(await till.post("/v1/print", body), 422, "invalid_field")
    await assert_still_sells(till)


async def test_an_escaped_backslash_before_u0000_is_no_nul(till: Any) -> None:
    line = {"sku": "GIFT", "qty": 1, "unit_price": 1, "open_item": True, "description": "a\\u0000b"}

    assert (await till.post("/v1/sales", till.sale(line))).status == 201


async def test_a_body_of_ten_megabytes_is_refused_and_answered(till: Any) -> None:
    answer = await till.post("/v1/sales", b'{"sale_id":"' + b"x" * 10_000_000 + b'"}')

    assert_problem(answer, 413, "too_large")
    await assert_still_sells(till)


async def test_a_body_that_claims_ten_megabytes_is_answered_before_it_is_sent(till: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", till.hub.port)
    head = f"POST /v1/sales HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {till.token}\r\nContent-Length: 10000000\r\n\r\n"
    writer.write(head.encode() + b" " * (BODY_MAX + 1))

    async with asyncio.timeout(30):
        status_line = await reader.readline()
    writer.transport.abort()

    assert status_line.startswith(b"HTTP/1.1 413 ")
    await assert_still_sells(till)


async def test_a_small_body_that_unpacks_to_ten_megabytes_is_refused(till: Any) -> None:
    bomb = gzip.compress(b" " * 10_000_000)

    answer = await till.request("POST", "/v1/sales", bomb, **{"Content-Encoding": "gzip"})

    assert_problem(answer, 413, "too_large")
    await assert_still_sells(till)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_does_not_unpack_is_a_problem(till: Any, encoding: str) -> None:
    answer = await till.request("POST", "/v1/sales", b"no such thing", **{"Content-Encoding": encoding})

    assert_problem(answer, 400, "unreadable")
    await assert_still_sells(till)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("q=tea&q=shirt", 422, "invalid_field"),
        ("limit=10&limit=20", 422, "invalid_field"),
        ("colour=red", 422, "invalid_field"),
        ("limit=0", 422, "invalid_field"),
        ("limit=201", 422, "invalid_field"),
        ("limit=ten", 422, "invalid_field"),
        ("limit=" + "9" * 4000, 422, "invalid_field"),
        ("q=%00", 400, "unreadable"),
        ("q=" + "x" * 5000, 422, "invalid_field"),
        ("gtin=123", 422, "scan_label"),
        ("gtin=4890000000014", 422, "scan_label"),
        ("gtin=%F0%9F%8D%B5", 422, "scan_label"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
async def test_a_wrong_query_is_a_problem(till: Any, query: str, status: int, code: str) -> None:
    answer = await till.request("GET", f"/v1/products?{query}")

    assert_problem(answer, status, code)


@pytest.mark.parametrize(
    "query", ["q=%2500", "q=%FF", "after=%FF", "scan=%FF%FE", "q=%22%27%2A", "scan=", "gtin=04890000000010"]
)
async def test_an_odd_query_is_answered(till: Any, query: str) -> None:
    assert (await till.request("GET", f"/v1/products?{query}")).status in (200, 422)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/products/\xff",
        b"/v1/sales/\xff\xfe",
        b"/v1/print/\xff",
        b"/v1/stock/\xff",
        b"/v1/print/%00",
        b"/v1/sales/%ff",
    ],
)
async def test_bytes_that_are_no_text_in_an_address_are_a_problem(till: Any, path: bytes) -> None:
    """Raw sockets: a client library would quote them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", till.hub.port)
    writer.write(
        b"GET %s HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n"
        % (path, till.token.encode())
    )
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()

    status = int(answer.split(b" ", 2)[1])
    assert 400 <= status < 500, answer
    assert status == 400 or json.loads(answer.partition(b"\r\n\r\n")[2])["code"]


@pytest.mark.parametrize("query", [b"q=\xff", b"after=\xff", b"scan=\xff", b"gtin=\xff"])
async def test_bytes_that_are_no_text_in_a_query_are_no_accident(till: Any, query: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", till.hub.port)
    head = b"GET /v1/products?%s HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n"
    writer.write(head % (query, till.token.encode()))
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()

    assert int(answer.split(b" ", 2)[1]) < 500, answer


@pytest.mark.parametrize(
    "raw", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"]
)
async def test_bytes_that_are_no_http_close_one_connection_only(till: Any, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", till.hub.port)
    writer.write(raw)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()

    assert b" 500 " not in answer.split(b"\r\n")[0]
    await assert_still_sells(till)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/products", 404, "not_found"),
        ("GET", "/v1/", 404, "not_found"),
        ("PUT", "/v1/sales", 405, "method_not_allowed"),
        ("DELETE", "/v1/products/TEA-01", 405, "method_not_allowed"),
        ("GET", "/v1/events", 426, "not_a_websocket"),
        ("POST", "/control/codes", 404, "not_found"),
        ("POST", "/control/products", 404, "not_found"),
    ],
)
async def test_a_wrong_address_or_method_is_a_problem(
    till: Any, method: str, path: str, status: int, code: str
) -> None:
    async with till.session.request(method, path, headers={"Authorization": f"Bearer {till.token}"}) as response:
        body = await response.json(content_type="application/problem+json")

    assert (response.status, body["code"], set(body["remedy"])) == (status, code, {"en", "zh-Hant"})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/v1/sales", "POST"), ("GET", "/v1/sales/status", "POST"), ("POST", "/v1/reservations/r1", "DELETE,GET")],
)
async def test_a_wrong_method_is_told_the_right_ones(till: Any, method: str, path: str, allowed: str) -> None:
    answer = await till.session.request(method, path, headers={"Authorization": f"Bearer {till.token}"})

    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


async def test_a_query_of_the_longest_words_is_read(till: Any) -> None:
    answer = await till.get("/v1/products", scan="茶" * 4096, q="茶" * 200, after="茶" * 200)

    assert answer.status == 200


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"movement_id": ""}, 422, "/movement_id"),
        ({"qty": 0}, 422, "/qty"),
        ({"qty": 10**7}, 422, "/qty"),
        ({"reason": "stolen"}, 422, "/reason"),
        ({"sku": "BAG"}, 422, "/sku"),
        ({"sku": "NOTHING"}, 422, "/sku"),
        ({"note": "a\nb"}, 422, "/note"),
    ],
)
async def test_a_wrong_movement_is_refused_with_its_pointer(
    till: Any, change: dict[str, Any], status: int, pointer: str
) -> None:
    movement = {"movement_id": "m1", "sku": "TEA-01", "qty": 1, "reason": "receive"}

    answer = await till.post("/v1/stock/movements", movement | change)

    assert (answer.status, answer.json["pointer"]) == (status, pointer)


@pytest.mark.parametrize("content_type", ["text/xml", "multipart/form-data", "image/png"])
async def test_a_body_of_another_type_is_refused(till: Any, content_type: str) -> None:
    answer = await till.request("POST", "/v1/sales", till.sale(), **{"Content-Type": content_type})

    assert_problem(answer, 415, "not_json")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
async def test_json_is_read_whatever_stands_behind_its_type(till: Any, content_type: str) -> None:
    assert (await till.request("POST", "/v1/sales", till.sale(), **{"Content-Type": content_type})).status == 201


async def test_a_name_in_a_language_that_nobody_shows_is_told(hub: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    row = {"kind": "price_list", "list_id": "L1", "name": {"en": "Summer", "fr": "Ete"}}
    answer = await manager.post("/v1/pricing", {"lists": [row]})
    assert (answer.status, answer.json["code"]) == (422, "invalid_field")
    assert "name" in answer.json["pointer"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"extra": 1}, "/extra"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"lines": [{"line": 1, "sku": "TEA-01", "qty": 1, "unit_price": 1090, "colour": "red"}]}, "/lines/0/colour"),
        ({"lines": [{"line": 1, "sku": "TEA-01", "qty": 1}]}, "/lines/0/unit_price"),
    ],
)
async def test_a_field_that_is_unknown_or_missing_is_pointed_at(till: Any, body: dict[str, Any], pointer: str) -> None:
    answer = await till.post("/v1/sales", till.sale() | body)

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, "invalid_field", pointer)
    assert (await till.get("/v1/products", colour="red")).json["pointer"] == "/colour"
