"""Cashiers over real HTTP: enrolled by a manager or on the machine, signed in with a PIN, shut out, and what is never told."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hub.api.staff.persons import SESSION_HEADER
from hub.client import new_id
from hub.duties import DUTIES
from hub.store.staff.guesses import CASHIER
from hub.store.staff.sign_ins import LIFE_S

PairTill = Callable[..., Awaitable[Any]]
PIN, BOSS_PIN = "4819", "481937"


def somebody(**fields: Any) -> dict[str, Any]:
    return {"cashier_id": "c7", "number": "7", "name": "陳美 Mei", "role": "cashier", "pin": PIN} | fields


BOSS = somebody(cashier_id="boss", number="1", name="Ling", role="manager", pin=BOSS_PIN)


@pytest.fixture
async def manager(hub: Any, pair_till: PairTill) -> Any:
    """A manager's client; Mei and Ling are enrolled."""
    client = await pair_till(hub, scope="manager")
    for who in (somebody(), BOSS):
        assert (await client.post("/v1/cashiers", who)).status == 201
    return client


async def sign_in(till: Any, cashier_id: str = "c7", pin: str = PIN) -> dict[str, str]:
    """Sign in and return the header that says so."""
    answer = await till.post("/v1/cashiers/sign-in", {"cashier_id": cashier_id, "pin": pin})
    assert answer.status == 201, answer.body
    return {SESSION_HEADER: answer.json["session"]}


async def actions(manager: Any) -> list[tuple[str, str, str]]:
    answer = await manager.get("/v1/trail")
    return [(line["actor"], line["action"], line["subject"]) for line in reversed(answer.json["items"])]


async def test_a_cashier_signs_in_by_number_and_the_till_is_told_who_it_is(till: Any, manager: Any) -> None:
    answer = await till.post("/v1/cashiers/sign-in", {"number": "7", "pin": PIN})

    assert answer.status == 201
    told = {name: answer.json[name] for name in ("cashier_id", "number", "name", "role", "till_id", "must_change")}
    assert told == {"cashier_id": "c7", "number": "7", "name": "陳美 Mei", "role": "cashier", "till_id": "t1"} | {
        "must_change": True
    }
    assert answer.json["expires_at"] == "2026-09-22T02:13:20Z"
    assert (await actions(manager))[-1] == ("cashier:c7", "signed_in", "t1")


async def test_nothing_that_is_told_stored_or_logged_holds_a_pin_or_a_session(
    till: Any, manager: Any, hub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    session = (await sign_in(till, "boss", BOSS_PIN))[SESSION_HEADER]
    await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": BOSS_PIN})
    listed = await till.get("/v1/cashiers")

    stored = b"".join(path.read_bytes() for path in hub.config.data_dir.glob("hub.db*"))

    assert [each["cashier_id"] for each in listed.json["items"]] == ["boss", "c7"]
    for secret in ("481937", session):
        assert secret.encode() not in stored + listed.body
        assert secret not in "".join(str(vars(record)) for record in caplog.get_records("call"))
    assert b"hash" not in listed.body and b"salt" not in listed.body


async def test_what_is_sent_to_the_cloud_holds_no_key(hub: Any, manager: Any) -> None:
    secrets = hub.runtime.db.read.execute("SELECT secret FROM pin_key").fetchall()
    rows = hub.runtime.db.read.execute("SELECT body FROM cashier_version").fetchall()

    assert len(secrets) == 1 and len(rows) == 2
    assert not [body for (body,) in rows if secrets[0][0] in body or PIN in body.split('"hash"')[0].split('"salt"')[0]]


async def test_a_wrong_pin_is_refused_then_waits_then_locks_until_a_manager_unlocks(
    till: Any, manager: Any, hub: Any
) -> None:
    wrong = {"cashier_id": "c7", "pin": "0000"}
    for n in range(CASHIER.locked_at):
        hub.clock.now_ms += CASHIER.wait_after(n) + 60_000  # the till waits, too
        answer = await till.post("/v1/cashiers/sign-in", wrong)
        assert (answer.status, answer.json["code"]) == (403, "pin"), n
        if n + 1 == CASHIER.free:
            early = await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": PIN})
            assert (early.status, early.json["code"], early.headers["Retry-After"]) == (429, "pin_wait", "5")
    hub.clock.now_ms += 10**7
    locked = await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": PIN})
    listed = {each["cashier_id"]: each["is_locked"] for each in (await till.get("/v1/cashiers")).json["items"]}
    assert (locked.status, locked.json["code"], listed) == (403, "pin_locked", {"c7": True, "boss": False})
    waiting = (await manager.get("/v1/attention")).json["items"]
    assert [(line["kind"], line["key"], line["said"]["en"]) for line in waiting] == [
        ("locked", "c7", "Locked after 10 wrong PINs")
    ]

    session = await sign_in(till, "boss", BOSS_PIN)
    unlocked = await till.request("POST", "/v1/cashiers/c7/unlock", {"reason": "new glasses"}, **session)

    assert (unlocked.status, unlocked.json["is_locked"]) == (200, False)
    await sign_in(till)
    said = await actions(manager)
    assert ("till:t1", "cashier_locked", "c7") in said and ("cashier:boss", "cashier_unlocked", "c7") in said


async def test_many_that_guess_at_once_do_not_get_more_guesses(till: Any, manager: Any) -> None:
    answers = await asyncio.gather(
        *(till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": f"{n:04}"}) for n in range(20))
    )

    assert sorted(answer.status for answer in answers) == [403] * CASHIER.free + [429] * (20 - CASHIER.free)


async def test_wrong_guesses_and_the_session_outlive_a_restart(start_hub: Any, pair_till: PairTill) -> None:
    first = await start_hub()
    manager, till = await pair_till(first, scope="manager"), await pair_till(first)
    await manager.post("/v1/cashiers", somebody())
    session = await sign_in(till)
    for _ in range(CASHIER.free):
        await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": "0000"})
    second = await start_hub()

    headers = {"Authorization": f"Bearer {till.token}"} | session
    body = {"cashier_id": "c7", "pin": PIN}
    async with till.session.post(f"{second.url}/v1/cashiers/sign-in", json=body, headers=headers) as answer:
        assert answer.status == 429
    async with till.session.post(f"{second.url}/v1/cashiers", json=somebody(), headers=headers) as answer:
        assert (await answer.json(content_type=None))["code"] == "role_too_low", "the session still says who it is"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"pin": "1234"}, "pin_weak"),
        ({"pin": "481"}, "pin_form"),
        ({"pin": "4819", "role": "manager"}, "pin_form"),
        ({"pin": "48-9"}, "pin_form"),
        ({"number": "7a"}, "invalid_field"),
        ({"role": "owner"}, "invalid_field"),
        ({"name": "a\nb"}, "invalid_field"),
        ({"cashier_id": "a b"}, "invalid_field"),
        ({"admin": True}, "invalid_field"),
    ],
)
async def test_a_cashier_that_cannot_be_is_refused_and_nothing_is_written(
    hub: Any, pair_till: PairTill, fields: dict[str, Any], code: str
) -> None:
    manager = await pair_till(hub, scope="manager")

    answer = await manager.post("/v1/cashiers", somebody(**fields))

    assert (answer.status, answer.json["code"]) == (422, code)
    assert (await manager.get("/v1/cashiers")).json["items"] == [] and await actions(manager) == []
    assert fields.get("pin", "no PIN") not in answer.json["detail"]


async def test_the_same_again_is_answered_the_same_and_another_pin_is_another_content(manager: Any) -> None:
    again = await manager.post("/v1/cashiers", somebody())
    other_pin = await manager.post("/v1/cashiers", somebody(pin="7306"))
    other_name = await manager.post("/v1/cashiers", somebody(name="x"))
    taken = await manager.post("/v1/cashiers", somebody(cashier_id="c8"))

    assert (again.status, again.json["cashier_id"]) == (200, "c7")
    assert [(a.status, a.json["code"]) for a in (other_pin, other_name, taken)] == [
        (409, "other_content"),
        (409, "other_content"),
        (409, "cashier_number_taken"),
    ]
    assert len(await actions(manager)) == 2


async def test_a_cashier_changes_their_own_pin_once_however_often_it_is_sent(till: Any, manager: Any) -> None:
    body = {"change_id": new_id(), "pin": PIN, "new_pin": "7306"}
    first = await till.post("/v1/cashiers/c7/pin", body)
    again = await till.post("/v1/cashiers/c7/pin", body)
    other = await till.post("/v1/cashiers/c7/pin", body | {"new_pin": "7307"})
    same = await till.post("/v1/cashiers/c7/pin", {"change_id": new_id(), "pin": "7306", "new_pin": "7306"})

    assert (first.status, first.json["must_change"]) == (201, False)
    assert (again.status, again.body) == (200, first.body)
    assert (other.status, other.json["code"]) == (409, "other_content")
    assert (same.status, same.json["code"], same.json["pointer"]) == (422, "pin_weak", "/new_pin")
    await sign_in(till, pin="7306")
    assert (await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": PIN})).json["code"] == "pin"


async def test_a_guess_at_the_pin_that_is_to_be_changed_counts_as_well(till: Any, manager: Any) -> None:
    for n in range(CASHIER.free):
        wrong = {"change_id": new_id(), "pin": f"000{n}", "new_pin": "7306"}
        assert (await till.post("/v1/cashiers/c7/pin", wrong)).json["code"] == "pin"

    assert (await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": PIN})).status == 429


async def test_who_is_disabled_is_out_at_once_and_stays_out(till: Any, manager: Any) -> None:
    session = await sign_in(till, "boss", BOSS_PIN)
    change = {"change_id": new_id(), "is_disabled": True, "reason": "left"}
    assert (await manager.post("/v1/cashiers/boss/changes", change)).json["is_disabled"]

    over = await till.request("POST", "/v1/cashiers", somebody(cashier_id="c9", number="9"), **session)
    again = await till.post("/v1/cashiers/sign-in", {"cashier_id": "boss", "pin": BOSS_PIN})

    assert (over.status, over.json["code"]) == (403, "sign_in_over")
    assert (again.status, again.json["code"]) == (403, "cashier_disabled")
    assert (await manager.post("/v1/cashiers/boss/changes", change)).status == 200
    assert (await manager.post("/v1/cashiers/boss/changes", change | {"is_disabled": False})).status == 409


async def test_a_session_is_good_at_its_own_till_until_somebody_else_signs_in_or_the_shift_ends(
    hub: Any, till: Any, manager: Any, pair_till: PairTill
) -> None:
    other, session = await pair_till(hub), await sign_in(till, "boss", BOSS_PIN)
    unlock = ("POST", "/v1/cashiers/c7/unlock", {"reason": "x"})

    elsewhere = await other.request(*unlock, **session)
    assert (elsewhere.status, elsewhere.json["code"]) == (403, "sign_in_over")
    assert (await till.request(*unlock)).json["code"] == "sign_in_needed"
    assert (await till.request(*unlock, **session)).status == 200

    hub.clock.now_ms += LIFE_S * 1000
    assert (await till.request(*unlock, **session)).json["code"] == "sign_in_over"
    session = await sign_in(till, "boss", BOSS_PIN)
    await sign_in(till)
    assert (await till.request(*unlock, **session)).json["code"] == "sign_in_over"
    session = await sign_in(till, "boss", BOSS_PIN)
    assert (await till.request("POST", "/v1/cashiers/sign-out", **session)).json == {"till_id": "t1"}
    assert (await till.request(*unlock, **session)).json["code"] == "sign_in_over"


async def test_a_cashier_manages_nobody(till: Any, manager: Any) -> None:
    session = await sign_in(till)
    calls = [
        ("/v1/cashiers", somebody(cashier_id="c9", number="9")),
        ("/v1/cashiers/c7/changes", {"change_id": "x", "role": "manager", "pin": "730648"}),
        ("/v1/cashiers/c7/unlock", {"reason": "x"}),
    ]
    for path, body in calls:
        answer = await till.request("POST", path, body, **session)
        assert (answer.status, answer.json["code"]) == (403, "role_too_low"), path


@pytest.mark.parametrize(
    "body",
    [
        {"pin": PIN},
        {"pin": PIN, "cashier_id": "c7", "number": "7"},
        {"cashier_id": "c7"},
        {"cashier_id": "c7", "pin": ""},
    ],
)
async def test_a_sign_in_names_one_person(till: Any, manager: Any, body: dict[str, str]) -> None:
    assert (await till.post("/v1/cashiers/sign-in", body)).status == 422


async def test_nobody_is_nobody(till: Any, manager: Any) -> None:
    for body in ({"cashier_id": "c9", "pin": PIN}, {"number": "99", "pin": PIN}):
        assert (await till.post("/v1/cashiers/sign-in", body)).json["code"] == "cashier"
    assert (await manager.post("/v1/cashiers/c9/unlock", {"reason": "x"})).status == 404
    assert (await manager.post("/v1/cashiers/c9/changes", {"change_id": "x"})).status == 404


async def test_the_first_manager_is_enrolled_on_the_machine_with_the_pin_from_standard_input(
    hub: Any, till: Any, tmp_path: Path
) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('[store]\nid = "hk01"\nname_zh_hant = "店"\nname_en = "Shop"\ncurrency = "HKD"\n')

    async def command(*words: str, said: str = "") -> tuple[int, str]:
        argv = [sys.executable, "-m", "hub", "cashier", *words, "--config", str(config)]
        done = await asyncio.to_thread(subprocess.run, argv, input=said, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    boss = ("add", "--number", "1", "--name", "Ling", "--role", "manager")
    assert (await command(*boss, said=f"{BOSS_PIN}\n"))[0] == 0
    code, said = await command("add", "--number", "2", "--name", "Mei", said="1234\n")
    assert code == 1 and "first that are tried" in said and "1234" not in said
    assert (await command("add", "--number", "2x", "--name", "Mei", said="4819\n"))[0] == 1

    await sign_in(till, "c1", BOSS_PIN)
    assert (await command("unlock", "c1", "--reason", "asked on the phone"))[0] == 0
    assert (await command("unlock", "c2", "--reason", "x"))[0] == 1


def test_every_duty_is_some_routes_and_the_page_says_who_may(contract: Any) -> None:
    operations = [op for ops in contract.document["paths"].values() for op in ops.values()]
    used = {op["x-duty"]["name"]: op["x-duty"]["role"] for op in operations if "x-duty" in op}
    page = (Path(__file__).parents[2] / "docs" / "day.md").read_text(encoding="utf-8")

    assert used == DUTIES
    rows = [line for line in page.splitlines() if line.startswith("| `") and "." in line.split("`")[1]]
    said = {line.split("`")[1]: line.split("|")[2].strip() for line in rows}
    assert {duty: role or "the till's token" for duty, role in DUTIES.items()} == said


async def test_a_pin_that_cannot_be_looked_at_is_no_guess(hub: Any, till: Any, manager: Any) -> None:
    await hub.runtime.db.write(lambda tx: tx.execute("UPDATE pin_key SET key_id = 'lost'") and None)
    for _ in range(CASHIER.free + 1):
        answer = await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": PIN})
        assert (answer.status, answer.json["code"]) == (503, "pin_key")
    assert hub.runtime.db.read.execute("SELECT * FROM pin_guess").fetchall() == []


async def test_guesses_that_were_too_many_at_once_are_none(hub: Any, till: Any, manager: Any) -> None:
    wanted = [("c7", "0000"), ("boss", "000000")]
    hub.runtime.pins._waiting = 99  # as if sixteen tills had their PINs checked just now

    answers = [await till.post("/v1/cashiers/sign-in", {"cashier_id": c, "pin": pin}) for c, pin in wanted]
    hub.runtime.pins._waiting = 0

    assert [(a.status, a.json["code"], a.headers["Retry-After"]) for a in answers] == [(503, "pin_busy", "1")] * 2
    assert {wrong for (wrong,) in hub.runtime.db.read.execute("SELECT wrong FROM pin_guess")} == {0}
