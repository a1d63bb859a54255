"""Cashiers in the books: what a change writes, what a repeat is told; wrong PINs, waits and locks; hashes and keys."""

import asyncio
import hashlib
import hmac
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ConflictError, NotFoundError, RefusedError, WaitError
from hub.pins import WAITING_MAX, PinKeyError, Pins, derive, key_named
from hub.store.staff import cashiers, sign_ins
from hub.store.staff.cashiers import Asked
from hub.store.staff.guesses import CASHIER, TILL
from hub.store.staff.pin_keys import add_keys, all_keys, key_in_use, pin_keys
from hub.store.staff.sign_ins import LIFE_S
from sync.errors import BusyError
from sync.retail.staff.cashiers import PinHash
from sync.store.reading import rows_after
from sync.store.rows import apply_rows
from tests.sync.entity_world import End

NOW_MS = 1_790_000_000_000
PIN = PinHash(n=16384, r=8, p=1, salt="s", hash="h", key="k")
OTHER = PinHash(n=16384, r=8, p=1, salt="s", hash="other", key="k")


def new(cashier_id: str = "c7", **fields: Any) -> Asked:
    said: dict[str, Any] = {"number": "7", "name": "Mei", "role": "cashier", "pin": PIN} | fields
    return Asked(change_id=f"enrol~{cashier_id}", cashier_id=cashier_id, **said)


async def do(store: Any, job: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await store.db.write(lambda tx: job(tx, *args, **options))


async def enrol(store: Any, asked: Asked, *, by: str = "machine") -> Any:
    return await do(store, cashiers.enrol, store.replica, asked, by=by, now_ms=NOW_MS)


async def change(store: Any, asked: Asked, *, by: str = "cashier:boss", now_ms: int = NOW_MS) -> Any:
    return await do(store, cashiers.change, store.replica, asked, by=by, now_ms=now_ms)


def trail(store: Any) -> list[tuple[str, str, str]]:
    return store.db.read.execute("SELECT actor, action, subject FROM trail ORDER BY id").fetchall()


async def test_somebody_new_is_a_fact_and_a_line_of_the_trail(store: Any) -> None:
    changed = await enrol(store, new())

    assert changed.is_new and changed.view == cashiers.list_cashiers(store.db.read)[0]
    assert (changed.view.name, changed.view.must_change, changed.view.is_locked) == ("Mei", True, False)
    assert len(rows_after(store.db.read, store.replica.local_id, "cashiers", 0, 10)) == 1
    assert trail(store) == [("machine", "cashier_enrolled", "c7")]


async def test_a_repeat_writes_nothing_and_other_content_is_refused(store: Any) -> None:
    await enrol(store, new())

    again = await enrol(store, new(pin=OTHER))
    with pytest.raises(ConflictError) as other:
        await enrol(store, new(name="Ling"))

    assert not again.is_new and again.version.pin == PIN, "whose PIN is the same the caller asks of the hash"
    assert other.value.code == "other_content" and len(trail(store)) == 1


async def test_numbers_are_one_persons_each_until_they_are_disabled(store: Any) -> None:
    await enrol(store, new())
    with pytest.raises(ConflictError) as taken:
        await enrol(store, new("c8"))
    assert (taken.value.code, taken.value.holder) == ("cashier_number_taken", "c7")

    await change(store, Asked(change_id="x1", cashier_id="c7", is_disabled=True))
    await enrol(store, new("c8"))

    assert cashiers.cashier_by_number(store.db.read, "7").cashier_id == "c8"
    with pytest.raises(ConflictError):
        await change(store, Asked(change_id="x2", cashier_id="c7", is_disabled=False))
    assert cashiers.cashier(store.db.read, "c7").is_disabled


async def test_a_change_changes_what_it_names_and_says_so_in_the_trail(store: Any) -> None:
    await enrol(store, new())

    await change(store, Asked(change_id="x1", cashier_id="c7", name="Mei Ling"))
    await change(store, Asked(change_id="x2", cashier_id="c7", pin=OTHER))
    await change(store, Asked(change_id="x3", cashier_id="c7", pin=PIN, is_own_pin=True), by="cashier:c7")
    await change(store, Asked(change_id="x4", cashier_id="c7", is_disabled=True))

    now = cashiers.cashier(store.db.read, "c7")
    assert (now.name, now.pin, now.number, now.is_disabled, now.must_change, now.n) == (
        *("Mei Ling", PIN, "7", True, False),
        5,
    )
    actions = [action for _, action, _ in trail(store)]
    assert actions == ["cashier_enrolled", "cashier_changed", "pin_reset", "pin_changed", "cashier_disabled"]


async def test_a_higher_role_needs_a_pin_with_it(store: Any) -> None:
    await enrol(store, new())

    with pytest.raises(RefusedError) as refused:
        await change(store, Asked(change_id="x1", cashier_id="c7", role="manager"))
    assert refused.value.code == "pin_needed" and cashiers.cashier(store.db.read, "c7").role == "cashier"

    assert (
        await change(store, Asked(change_id="x1", cashier_id="c7", role="manager", pin=OTHER))
    ).view.role == "manager"
    assert (await change(store, Asked(change_id="x2", cashier_id="c7", role="cashier"))).view.role == "cashier"


async def test_nobody_is_found_under_another_name(store: Any) -> None:
    with pytest.raises(NotFoundError):
        cashiers.cashier(store.db.read, "c7")
    with pytest.raises(NotFoundError):
        cashiers.cashier_by_number(store.db.read, "7")
    with pytest.raises(NotFoundError):
        await change(store, Asked(change_id="x1", cashier_id="c7", name="x"))


async def test_another_hub_of_the_store_knows_the_cashier_by_the_log_alone(store: Any) -> None:
    await enrol(store, new())
    await change(store, Asked(change_id="x1", cashier_id="c7", is_disabled=True))
    rows = rows_after(store.db.read, store.replica.local_id, "cashiers", 0, 10)

    end = End("hk01")
    end.take("cashiers", store.replica.rep, rows[1:])
    end.take("cashiers", store.replica.rep, rows[:1])

    assert cashiers.cashier(end.tx, "c7") == cashiers.cashier(store.db.read, "c7")
    end.close()


async def test_what_two_hubs_changed_at_once_shuts_out_until_somebody_has_seen_both(store: Any) -> None:
    await enrol(store, new())
    shared = rows_after(store.db.read, store.replica.local_id, "cashiers", 0, 10)
    other = End("hk01")
    other.take("cashiers", store.replica.rep, shared)
    there = Asked(change_id="y1", cashier_id="c7", is_disabled=True)
    cashiers.change(other.tx, other.replica, there, by="m", now_ms=NOW_MS)
    await change(store, Asked(change_id="x1", cashier_id="c7", name="Mei Ling"))
    await change(store, Asked(change_id="x2", cashier_id="c7", name="Mei Ling Chan"))

    theirs = rows_after(other.tx, other.replica.local_id, "cashiers", 0, 10)
    peer = await do(store, _replica_of, other.replica.rep)
    await do(store, apply_rows, "cashiers", theirs, replica=peer, rep=other.replica.rep)

    assert cashiers.cashier(store.db.read, "c7").is_disabled
    assert cashiers.cashier(store.db.read, "c7").name == "Mei Ling Chan"
    await change(store, Asked(change_id="x3", cashier_id="c7", is_disabled=False))
    assert not cashiers.cashier(store.db.read, "c7").is_disabled
    other.close()


def _replica_of(tx: sqlite3.Connection, rep: str) -> int:
    from sync.store.replicas import replica_id

    return replica_id(tx, rep, now_ms=NOW_MS)


async def guess(store: Any, now_ms: int, cashier_id: str = "c7", till_id: str = "t1") -> None:
    await do(store, sign_ins.charge, cashier_id, till_id, now_ms=now_ms)


async def test_some_wrong_pins_are_free_then_each_waits_twice_as_long_then_it_is_locked(store: Any) -> None:
    now_ms = NOW_MS
    for wrong in range(CASHIER.locked_at):
        if wrong >= CASHIER.free:
            with pytest.raises(WaitError) as early:
                await guess(store, now_ms + CASHIER.wait_after(wrong) - 1, till_id=f"t{wrong}")
            assert early.value.wait_s == 1
        now_ms += CASHIER.wait_after(wrong)
        await guess(store, now_ms, till_id=f"t{wrong}")

    with pytest.raises(RefusedError) as locked:
        await guess(store, now_ms + 10**9)
    assert locked.value.code == "pin_locked" and sign_ins.is_locked(store.db.read, "c7")
    assert [CASHIER.wait_after(n) // 1000 for n in range(12)] == [0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 320, 320]


async def test_guesses_made_at_once_are_counted_before_they_are_looked_at(store: Any) -> None:
    guesses = await asyncio.gather(*(guess(store, NOW_MS) for _ in range(20)), return_exceptions=True)

    assert [each for each in guesses if each is None] == [None] * CASHIER.free
    assert all(isinstance(each, WaitError) for each in guesses if each is not None)


async def test_a_right_pin_begins_anew_and_a_manager_unlocks(store: Any) -> None:
    for _ in range(CASHIER.free):
        await guess(store, NOW_MS)
    await do(store, sign_ins.was_right, "c7", "t1")
    await guess(store, NOW_MS)
    await do(store, _lock)
    assert sign_ins.is_locked(store.db.read, "c7")

    assert await do(store, sign_ins.unlock, "c7", by="cashier:boss", reason="forgot", now_ms=NOW_MS)
    assert not await do(store, sign_ins.unlock, "c7", by="cashier:boss", reason="forgot", now_ms=NOW_MS)

    await guess(store, NOW_MS)
    assert trail(store) == [("cashier:boss", "cashier_unlocked", "c7")]


def _lock(tx: sqlite3.Connection) -> None:
    tx.execute("UPDATE pin_guess SET wrong = ? WHERE who = 'cashier:c7'", (CASHIER.locked_at,))


async def test_one_till_that_tries_everybody_has_to_wait_and_is_never_locked(store: Any) -> None:
    for n in range(TILL.free):
        await guess(store, NOW_MS, cashier_id=f"c{n}")
    with pytest.raises(WaitError):
        await guess(store, NOW_MS + TILL.wait_ms - 1, cashier_id="c99")
    await guess(store, NOW_MS, cashier_id="c99", till_id="t2")

    for n in range(1, 30):
        await guess(store, NOW_MS + n * TILL.wait_ms, cashier_id=f"d{n}")


async def test_a_clock_that_is_set_back_makes_nobody_wait_for_years(store: Any) -> None:
    for n in range(CASHIER.free + 1):
        await guess(store, NOW_MS + 10**10 + CASHIER.wait_after(n))

    await guess(store, NOW_MS)


async def test_wrong_guesses_outlive_a_restart(store: Any) -> None:
    for _ in range(CASHIER.free):
        await guess(store, NOW_MS)

    with sqlite3.connect(store.path) as other:
        assert other.execute("SELECT wrong FROM pin_guess WHERE who = 'cashier:c7'").fetchone() == (CASHIER.free,)
    other.close()


async def test_one_cashier_a_till_until_sign_out_the_end_of_the_shift_or_another_pin(store: Any) -> None:
    await enrol(store, new())
    read = store.db.read

    def signed(token: str, *, at_ms: int = NOW_MS, till_id: str = "t1") -> bool:
        return sign_ins.sign_in_of(read, token, till_id, now_ms=at_ms) is not None

    await do(store, sign_ins.begin, "c7", "t1", token="one", now_ms=NOW_MS)
    assert signed("one") and not signed("one", till_id="t2") and not signed("two")
    assert signed("one", at_ms=NOW_MS + LIFE_S * 1000 - 1) and not signed("one", at_ms=NOW_MS + LIFE_S * 1000)

    await do(store, sign_ins.begin, "c7", "t1", token="two", now_ms=NOW_MS)
    assert signed("two") and not signed("one")
    await do(store, sign_ins.end, "t1", now_ms=NOW_MS)
    assert not signed("two")

    for n, asked in enumerate(({"pin": OTHER}, {"is_disabled": True})):
        await do(store, sign_ins.begin, "c7", "t1", token=f"again{n}", now_ms=NOW_MS)
        await change(store, Asked(change_id=f"z{n}", cashier_id="c7", **asked))
        assert not signed(f"again{n}"), asked


def test_a_hash_is_rfc_7914_scrypt_over_hmac_of_the_pin() -> None:
    """Against the standard library called in another way, and the RFC's own vector for the parameters' meaning."""
    vector = hashlib.scrypt(b"pleaseletmein", salt=b"SodiumChloride", n=16384, r=8, p=1, maxmem=2**26, dklen=64)
    assert vector.hex().startswith("7023bdcb3afd7348461c06cd81fd38eb")

    made = derive("481937", "the store's key", "salt", n=16384, r=8, p=1)

    keyed = hmac.new(b"the store's key", b"481937", hashlib.sha256).digest()
    assert made == hashlib.scrypt(keyed, salt=b"salt", n=16384, r=8, p=1, maxmem=2**26, dklen=32).hex()


async def test_a_pin_is_right_only_with_its_key_and_equal_pins_look_different() -> None:
    salts = iter("abcdef")
    pins, key = Pins(lambda _: next(salts)), key_named("secret of the store")
    one, other = await pins.hash("481937", key), await pins.hash("481937", key)

    assert one.hash != other.hash and "481937" not in repr(one) and key.secret not in repr(one)
    assert await pins.is_right("481937", one, {key.key_id: key})
    assert not await pins.is_right("481938", one, {key.key_id: key})
    with pytest.raises(PinKeyError):
        await pins.is_right("481937", one, {})
    with pytest.raises(PinKeyError):
        await pins.is_right("481937", one, {"another": key_named("another")})


async def test_the_loop_turns_while_pins_are_checked_and_too_many_are_refused() -> None:
    pins, key = Pins(lambda _: "salt"), key_named("k")
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        turning = group.create_task(turn(), name="turn")
        many = await asyncio.gather(*(pins.hash("481937", key) for _ in range(WAITING_MAX + 3)), return_exceptions=True)
        turning.cancel()

    assert turns > 100
    assert [type(each) for each in many].count(PinHash) == WAITING_MAX
    assert [each.code for each in many if isinstance(each, BusyError)] == ["pin_busy"] * 3
    assert isinstance(await pins.hash("481937", key), PinHash), "and is free again afterwards"


async def test_two_hubs_that_have_told_each_other_their_keys_use_the_same(store: Any) -> None:
    mine = await do(store, key_in_use, "mine", now_ms=2)
    assert await do(store, key_in_use, "later", now_ms=3) == mine

    assert await do(store, add_keys, [("theirs", 1)]) == 1
    assert await do(store, add_keys, [("theirs", 1), ("mine", 2)]) == 0

    assert (await do(store, key_in_use, "later", now_ms=9)).secret == "theirs"
    assert {key.secret for key in pin_keys(store.db.read).values()} == {"mine", "theirs"}
    assert sorted(all_keys(store.db.read)) == [("mine", 2), ("theirs", 1)]


@given(st.integers(0, 30))
def test_waits_never_shrink_and_stay_below_six_minutes(wrong: int) -> None:
    assert 0 <= CASHIER.wait_after(wrong) <= CASHIER.wait_after(wrong + 1) <= 320_000
