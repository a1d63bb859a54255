"""Campaigns: one message and one coupon a person at most, none to who said no, whatever is killed in between.

Method: a server in this process plays LINE's Messaging API by its reference (push, multicast, retry keys, 409, 429, quota) and
counts what reached whom; a second one plays a gateway and proves the signature with the standard library.
"""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.cloud.arrivals.facts import add_facts
from sync.cloud.campaigns.ledger import claim
from sync.cloud.loyalty.member_cells import write_cells
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.senders.settings import SenderSection, line_of
from sync.cloud.talk.outgoing import speaking
from sync.connections import connect_writer
from sync.model import Feed
from sync.store.replicas import identify, replica_id
from tests.cloud.campaign_world import (
    BATCH,
    COUPON,
    NOW_MS,
    SCOPES,
    STORES,
    TEXTS,
    WEBHOOK_SECRET,
    Line,
    begun,
    evaluated,
    ledger,
    say_no,
    send_all,
    user,
)


@pytest.fixture
async def line() -> AsyncIterator[Any]:
    """LINE and a gateway on a port of this machine."""
    played = Line()
    app = web.Application()
    app.router.add_post("/v2/bot/message/{kind:push|multicast}", played.message)
    app.router.add_get("/v2/bot/message/quota{rest:.*}", played.quota)
    app.router.add_post("/sms", played.gateway)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    played.url = f"http://127.0.0.1:{runner.addresses[0][1]}"  # type: ignore[attr-defined]
    yield played
    played.released.set()
    await runner.cleanup()


@pytest.fixture
def senders(line: Any) -> dict[str, Any]:
    gateway = {"kind": "webhook", "url": f"{line.url}/sms", "secret": WEBHOOK_SECRET}
    return {"line": {"kind": "line", "token": "line-token", "url": line.url}, "sms": gateway}


@pytest.fixture
async def office(start_cloud: Any, senders: Any) -> Any:
    """A cloud with three customers who agreed to marketing, and the segment of everybody."""
    cloud = await start_cloud(stores=STORES, scopes=SCOPES, members={"region": "TW"}, senders=senders)
    cloud.ids = {}
    for n, (who, language) in enumerate((("ann", "en"), ("bo", "zh-Hant"), ("cy", ""))):
        said = {
            "customer_id": who,
            "name": who.title(),
            "line_id": user(who),
            "phone": f"091200000{n}",
            "language": language,
        }
        answer = await cloud.post("/cloud/v1/members", said | {"consents": {"marketing": "in"}})
        cloud.ids[who] = answer.json["member_id"]
    await evaluated(cloud)
    return cloud


async def test_everybody_gets_one_message_in_their_language_by_as_few_calls_as_may_be(office: Any, line: Any) -> None:
    await begun(office)
    await send_all(office)
    assert line.reached == {user(who): 1 for who in office.ids}
    assert [line.texts[user(who)] for who in ("ann", "bo", "cy")] == [TEXTS["en"], TEXTS["zh-Hant"], TEXTS["zh-Hant"]]
    assert sorted(line.calls) == ["multicast", "push"]
    again = await begun(office)
    await send_all(office)
    assert (again.status, sum(line.reached.values())) == (200, 3)
    assert (await office.get("/cloud/v1/campaigns/c1")).json["state"] == "done"


async def test_a_no_that_comes_between_selection_and_sending_is_heard(office: Any, line: Any, new_writer: Any) -> None:
    await begun(office)
    await say_no(office, "bo", new_writer("tpe01:aaaaaaaaaaaaaaaa"))
    await send_all(office)
    assert set(line.reached) == {user("ann"), user("cy")}
    assert (await ledger(office))["bo"] == "refused opted out"


async def test_who_never_said_yes_or_is_gone_or_has_no_address_gets_nothing(office: Any, line: Any) -> None:
    for who, said in (
        ("di", {"line_id": user("di")}),
        ("ed", {"line_id": "ed.at.home", "consents": {"marketing": "in"}}),
    ):
        office.ids[who] = (await office.post("/cloud/v1/members", {"customer_id": who} | said)).json["member_id"]
    await evaluated(office)
    await begun(office)
    assert (await office.post(f"/cloud/v1/members/{office.ids['ann']}/erasure", {})).status == 201
    await send_all(office)
    assert await ledger(office) == {
        "ann": "refused gone", "bo": "sent", "cy": "sent", "di": "refused no consent", "ed": "refused no address"
    }  # fmt: skip


async def test_a_process_that_ends_between_claim_and_answer_sends_nothing_twice(office: Any, line: Any) -> None:
    await begun(office, texts={"en": "Hello {name}"})
    line.is_silent = True
    sending = asyncio.create_task(send_all(office))
    await asyncio.wait_for(line.arrived.wait(), 30)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    line.is_silent = False
    await send_all(office)  # whoever looks now leaves the claimed one alone
    assert sorted((await ledger(office)).values()) == ["claimed", "sent", "sent"]
    office.clock.now_ms += 61_000
    await send_all(office)
    assert line.reached == {user(who): 1 for who in office.ids}
    assert set((await ledger(office)).values()) == {"sent"}
    assert line.texts[user("ann")] == "Hello Ann"


async def test_who_says_no_while_an_answer_is_awaited_is_not_asked_for_again(
    office: Any, line: Any, new_writer: Any
) -> None:
    await begun(office, texts={"en": "{name}"})
    line.answers = [(500, "broken")] * 3
    await send_all(office)
    for who, store in (("ann", "tpe01:aaaaaaaaaaaaaaaa"), ("bo", "tpe01:bbbbbbbbbbbbbbbb")):
        await say_no(office, who, new_writer(store))
    office.clock.now_ms += 3_600_000
    await send_all(office)
    assert await ledger(office) == {"ann": "unknown opted out", "bo": "unknown opted out", "cy": "sent"}
    path = f"/cloud/v1/campaigns/c1/messages/{office.ids['ann']}"
    assert [(await office.post(path, {"decision": "failed"})).status for _ in range(2)] == [201, 200]
    assert (await office.post(path, {"decision": "again"})).status == 404
    assert (await office.post(f"{path[:-1]}x", {"decision": "sent"})).status == 404


async def test_a_busy_service_is_asked_later_and_an_empty_month_waits_for_a_person(office: Any, line: Any) -> None:
    line.answers = [(429, "Too Many Requests"), (429, "You have reached your monthly limit.")]
    await begun(office, texts={"en": "{name}"})
    await send_all(office)
    assert line.calls == ["push"]  # the others wait as well
    office.clock.now_ms += 61_000
    await send_all(office)
    assert (await office.get("/cloud/v1/campaigns/c1")).json["state"] == "quota"
    assert (await office.get("/cloud/v1/senders/line/quota")).json["said"][1] == {"totalUsage": 3}
    office.clock.now_ms += 120_000
    await send_all(office)
    assert not line.reached
    assert (await office.post("/cloud/v1/campaigns/c1/state", {"state": "running"})).json["state"] == "queueing"
    while await office.cloud.campaigns.prepare():
        pass
    await send_all(office)
    assert line.reached == {user(who): 1 for who in office.ids}


async def test_what_a_service_refuses_for_good_is_not_tried_again(office: Any, line: Any) -> None:
    line.answers = [(400, "The property, 'to', in the request body is invalid")]
    await begun(office, texts={"en": "{name}"})
    await send_all(office)
    office.clock.now_ms += 3_600_000
    await send_all(office)
    states = sorted((await ledger(office)).values())
    assert states[0].startswith("failed 400") and states[1:] == ["sent", "sent"]


async def test_two_who_turn_out_to_be_one_person_get_one_message(office: Any, line: Any) -> None:
    await begun(office, texts={"en": "{name}"})
    link = {"link_id": "l1", "other": office.ids["bo"]}
    assert (await office.post(f"/cloud/v1/members/{office.ids['ann']}/links", link)).status == 201
    await send_all(office)
    assert sum(line.reached.values()) == 2
    assert sorted((await ledger(office)).values()) == ["refused one person twice", "sent", "sent"]


async def test_a_gateway_is_called_by_its_template_signed_and_unknown_when_it_is_silent(office: Any, line: Any) -> None:
    line.answers = [(503, "")]
    await begun(office, sender="sms", texts={"en": 'A "{name}" {{to}}'.replace("{{to}}", "")})
    await send_all(office, "sms")
    states = sorted((await ledger(office)).values())
    assert states == ["sent", "sent", "unknown 503"]
    for headers, body in line.sent:
        said = dict(part.split("=") for part in headers["Storehub-Signature"].split(","))
        proof = hmac.new(WEBHOOK_SECRET.encode(), f"{said['t']}.".encode() + body, "sha256").hexdigest()
        assert hmac.compare_digest(proof, said["v1"])
        assert json.loads(body)["to"].startswith("+8869") and json.loads(body)["text"].startswith('A "')
        assert json.loads(body)["id"] == headers["Idempotency-Key"]
    assert len({json.loads(body)["to"] for _, body in line.sent}) == 3
    (unknown,) = (await office.get("/cloud/v1/campaigns/c1/messages", state="unknown")).json["items"]
    path = f"/cloud/v1/campaigns/c1/messages/{unknown['member_id']}"
    assert (await office.post(path, {"decision": "again"})).status == 201
    await send_all(office, "sms")
    assert set((await ledger(office)).values()) == {"sent"}


async def test_nobody_is_woken_at_night(start_cloud: Any, line: Any) -> None:
    said = {"kind": "line", "token": "line-token", "url": line.url, "quiet": ["21:00", "09:00"]}
    cloud = await start_cloud(stores=STORES, scopes=SCOPES, members={"region": "TW"}, senders={"line": said})
    customer = {"customer_id": "ann", "line_id": user("ann"), "consents": {"marketing": "in"}}
    cloud.ids = {"ann": (await cloud.post("/cloud/v1/members", customer)).json["member_id"]}
    await evaluated(cloud)
    cloud.clock.now_ms = 1_790_000_000_000 // 86_400_000 * 86_400_000 + 14 * 3_600_000  # 22:00 in Taipei
    await begun(cloud)
    await send_all(cloud)
    assert (await ledger(cloud), line.reached) == ({"ann": "queued quiet hours"}, {})
    cloud.clock.now_ms += 11 * 3_600_000 - 1000
    await send_all(cloud)
    assert not line.reached
    cloud.clock.now_ms += 1000
    await send_all(cloud)
    assert line.reached == {user("ann"): 1}


async def test_a_stopped_campaign_sends_nothing_until_it_goes_on(office: Any, line: Any) -> None:
    await begun(office)
    assert (await office.post("/cloud/v1/campaigns/c1/state", {"state": "stopped"})).json["state"] == "stopped"
    await send_all(office)
    assert not line.reached
    other = await office.post("/cloud/v1/campaigns/none/state", {"state": "stopped"})
    assert (other.status, other.json["code"]) == (404, "campaign")


async def test_a_campaign_that_cannot_be_is_refused_with_the_reason(office: Any) -> None:
    for more, status, code in (
        ({"texts": {}}, 422, "campaign_text"),
        ({"texts": {"fr": "Bonjour"}}, 422, "campaign_text"),
        ({"texts": {"en": "{surname}"}}, 422, "campaign_text"),
        ({"texts": {"en": "{serial}"}}, 422, "campaign_text"),
        ({"sender": "pigeon"}, 422, "sender"),
        ({"segment": "none"}, 404, "segment"),
    ):
        said: dict[str, Any] = {"campaign_id": "c1", "segment": "all", "sender": "line", "texts": TEXTS}
        refused = await office.post("/cloud/v1/campaigns", said | more)
        assert (refused.status, refused.json["code"]) == (status, code), more


async def test_what_is_declared_is_sent_by_itself(office: Any, line: Any, until: Any) -> None:
    async with speaking() as speak:
        running = asyncio.create_task(office.cloud.campaigns.run(speak))
        said = {"campaign_id": "c1", "segment": "all", "sender": "line", "texts": TEXTS}
        assert (await office.post("/cloud/v1/campaigns", said)).status == 201
        await until(lambda: office.get("/cloud/v1/campaigns/c1"), lambda got: got.json["messages"] == {"sent": 3})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert line.reached == {user(who): 1 for who in office.ids}


async def test_a_serial_each_granted_to_the_home_store_and_named_in_the_message(
    office: Any, line: Any, new_writer: Any, sql: Any
) -> None:
    writer = new_writer("tpe01:aaaaaaaaaaaaaaaa")
    goods = {"line": 1, "sku": "A", "qty": 1, "unit_price": 100, "per": 1}
    sale = {"sale_id": "s1", "till_id": "t1", "currency": "TWD", "lines": [goods], "total": 100, "tenders": []}
    writer.write(
        "sales", {"sale": sale | {"member_id": office.ids["ann"]}, "receipt_no": "r1", "business_date": "2026-09-21"}
    )
    await office.books("tpe01").apply(writer.batch())
    await say_no(office, "cy", writer)
    assert (await office.post("/cloud/v1/coupons", {"coupons": [COUPON], "batches": [BATCH]})).status == 200
    issue = {"issue_id": "i1", "segment": "all", "batch_id": "B1"}
    begun_at = [await office.post("/cloud/v1/coupon-issues", issue) for _ in range(2)]
    assert [each.status for each in begun_at] == [201, 200]
    await begun(office, texts={"en": "{name}: {serial}"}, issue_id="i1")
    await send_all(office)
    stands = (await office.get("/cloud/v1/coupon-issues/i1")).json
    assert (stands["state"], stands["given"], stands["refused"]) == ("done", 2, 1)
    serials = dict(sql("SELECT person_id, serial FROM segment_coupon"))
    assert line.texts == {user(who): f"{who.title()}: {serials[office.ids[who]]}" for who in ("ann", "bo")}
    held = (await office.get(f"/cloud/v1/coupons/{serials[office.ids['ann']]}")).json["rights"]
    assert held == {"tpe01:aaaaaaaaaaaaaaaa": 1}
    assert (await office.get(f"/cloud/v1/coupons/{serials[office.ids['bo']]}")).json["rights"] == {}
    seen = (await office.get(f"/cloud/v1/members/{office.ids['ann']}")).json
    assert [each["serial"] for each in seen["coupons"]] == [serials[office.ids["ann"]]]


async def test_an_issue_ends_at_its_budget_and_gives_nobody_two_however_often_it_is_cut_short(
    office: Any, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.cloud.campaigns.issues.PART", 1)
    await office.post("/cloud/v1/coupons", {"coupons": [COUPON], "batches": [BATCH | {"count": 2}]})
    await office.post(
        "/cloud/v1/coupon-issues", {"issue_id": "i1", "segment": "all", "batch_id": "B1", "budget_minor": 1999}
    )
    assert await office.cloud.campaigns.prepare()  # and the process ends here; what is left is in the file
    await office.post(
        "/cloud/v1/coupon-issues", {"issue_id": "i1", "segment": "all", "batch_id": "B1", "budget_minor": 1999}
    )
    while await office.cloud.campaigns.prepare():
        pass
    assert (await office.get("/cloud/v1/coupon-issues/i1")).json["state"] == "budget"
    await office.post("/cloud/v1/coupon-issues", {"issue_id": "i2", "segment": "all", "batch_id": "B1"})
    while await office.cloud.campaigns.prepare():
        pass
    assert (await office.get("/cloud/v1/coupon-issues/i2")).json["state"] == "batch_empty"
    assert sorted(sql("SELECT issue_id, serial FROM segment_coupon")) == [("i1", "TEN0000"), ("i2", "TEN0001")]
    other = await office.post("/cloud/v1/coupon-issues", {"issue_id": "i1", "segment": "all", "batch_id": "B2"})
    assert (other.status, other.json["code"]) == (409, "other_content")


async def test_no_line_of_the_log_names_anybody(office: Any, line: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await begun(office, texts={"en": "{name}"})
    await send_all(office)
    said = " ".join(str(record.__dict__) for record in caplog.records if record.name.startswith("sync."))
    assert "a letter was settled" in said
    for word in (*(user(who) for who in office.ids), *office.ids.values(), "Ann", "+88691"):
        assert word not in said


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("in", "out", "claim")), st.booleans(), st.sampled_from((1, 2))), max_size=9))
def test_a_message_is_claimed_only_while_no_unseen_no_stands_whoever_wrote_it(
    steps: list[tuple[str, bool, int]],
) -> None:
    """Words come as rows of two hubs that nobody has looked at; a yes has seen all that was said before it, or nothing."""
    tx = connect_writer(Path(":memory:"), MIGRATIONS, "off")
    own = identify(tx, "cloud", incarnation="c" * 16, now_ms=NOW_MS)
    write_cells(tx, own, "m1", {"line_id": user("ann").lower()}, now_ms=NOW_MS)
    line = line_of("line", SenderSection(kind="line", token="t"), Path())
    outs: set[str] = set()
    seen: set[str] = set()
    yes = False
    for n, (what, sees, hub) in enumerate(steps):
        if what == "claim":
            said = {"campaign_id": f"c{n}", "segment": "s", "sender": "line", "texts": TEXTS}
            tx.execute("INSERT INTO campaign VALUES (?, ?, 'running', '', ?)", (f"c{n}", json.dumps(said).encode(), n))
            tx.execute("INSERT INTO message VALUES (?, 'm1', 'queued', '', '', 0, 0, 0, 0, '')", (f"c{n}",))
            claimed = claim(tx, own, line, zones={}, now_ms=NOW_MS).claimed
            assert (claimed is not None) == (yes and not outs - seen)
            continue
        fact = {"kind": "consent", "consent_id": f"f{n}", "member_id": "m1", "purpose": "marketing", "choice": what}
        if what == "in":
            yes, seen = True, seen | (outs if sees else set())
            fact["seen"] = sorted(outs) if sees else []  # type: ignore[assignment]
        else:
            outs |= {f"f{n}"}
        replica = replica_id(tx, f"tpe0{hub}:{hub:016x}", now_ms=NOW_MS)
        body = json.dumps(fact | {"at": "2026-09-21T00:00:00Z"}).encode()
        add_facts(
            tx, [(n + 1, body)], store=f"tpe0{hub}", replica=replica, stream="people", kind=Feed.LOG, now_ms=NOW_MS
        )
    tx.close()
