"""The cloud's side of the daily audit over HTTP: each store asks for its own rows only, and for so many at a time."""

from typing import Any

import pytest

from sync.audit import BUCKETS, NAMES_MAX, bucket_of, sums_of
from sync.cloud.web import audit

PATH = "/cloud/v1/audit"


def asked(rep: str, **more: Any) -> dict[str, Any]:
    return {"rep": rep, "stream": "sales", "after": 0, "last": 100} | more


async def test_a_store_is_told_the_sums_of_its_own_rows(cloud: Any, writer: Any, tokens: Any) -> None:
    for n in range(9):
        writer.sell(f"s{n}", 100)
    batch = writer.batch()
    await cloud.books().apply(batch)

    answer = await cloud.post(PATH, asked(writer.rep), token=tokens["hk01"])

    told = sums_of("sales", ((str(seq), body) for seq, body in batch.rows))
    assert (answer.status, answer.json["rows"], tuple(answer.json["buckets"])) == (200, 9, told.buckets)
    bucket = bucket_of("3")
    named = await cloud.post(PATH, asked(writer.rep, bucket=bucket), token=tokens["hk01"])
    assert "3" in named.json["rows"]


async def test_a_range_is_what_was_asked_for(cloud: Any, writer: Any, tokens: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(audit, "PAGE", 2)
    for n in range(9):
        writer.sell(f"s{n}", 100)
    await cloud.books().apply(writer.batch())

    answer = await cloud.post(PATH, asked(writer.rep, after=2, last=7), token=tokens["hk01"])

    assert answer.json["rows"] == 5


async def test_another_stores_rows_are_not_told(cloud: Any, writer: Any, tokens: Any) -> None:
    other = await cloud.post(PATH, asked("hk02:bb"), token=tokens["hk01"])
    nobody = await cloud.post(PATH, asked(writer.rep), token="no-such-token-at-all")
    office = await cloud.post(PATH, asked(writer.rep), token=tokens["office"])

    assert (other.status, nobody.status, office.status) == (403, 401, 200)


@pytest.mark.parametrize(
    "body", [{"rep": "hk01:aa"}, {"bucket": BUCKETS}, {"last": -1}, {"more": 1}, {"rep": "x" * 200}]
)
async def test_what_is_no_question_is_refused(cloud: Any, tokens: Any, body: Any) -> None:
    whole = {} if body == {"rep": "hk01:aa"} else asked("hk01:aa")
    answer = await cloud.post(PATH, whole | body, token=tokens["hk01"])

    assert (answer.status, answer.json["code"]) == (422, "invalid_field")


async def test_a_bucket_with_too_many_rows_says_so(cloud: Any, writer: Any, tokens: Any, monkeypatch: Any) -> None:
    assert NAMES_MAX > 1000
    monkeypatch.setattr(audit, "NAMES_MAX", 0)
    writer.sell("s1", 100)
    await cloud.books().apply(writer.batch())

    answer = await cloud.post(PATH, asked(writer.rep, bucket=bucket_of("1")), token=tokens["hk01"])

    assert (answer.status, answer.json["code"]) == (413, "too_large")
