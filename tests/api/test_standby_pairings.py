"""Who is let in at one hub of a store is let in at the other; who is shut out, at neither. Two hubs on real sockets."""

import sqlite3
from contextlib import closing
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.replica.hubs import BesideTold
from hub.following.beside import BesideClient, Rounds
from hub.migrations import MIGRATIONS
from hub.store.replica.beside import preference
from hub.store.selling.receipt_codes import fresh_incarnation, life_digits
from hub.store.staff.pairings import BESIDE_FROM, PAIRINGS_MAX, Pairing, all_pairings, merged, take_pairings
from sync.migrate import migrate, migrations
from tests.local_hub import Till

pytestmark = pytest.mark.usefixtures("quick_hubs")


@pytest.fixture
def at(pair_till: Any) -> Any:
    """The same client, at another hub: `await at(hub, till)`."""

    async def same(hub: Any, till: Till) -> Till:
        stranger: Till = await pair_till(hub, scope=None)
        stranger.token, stranger.till_id = till.token, till.till_id
        return stranger

    return same


def is_in(answer: Any) -> bool:
    return bool(answer.status == 200)


def is_out(answer: Any) -> bool:
    return bool(answer.status == 401)


async def test_a_till_that_was_paired_at_one_hub_sells_at_the_other_as_the_same_till(
    followed: Any, follower: Any, pair_till: Any, until: Any, at: Any
) -> None:
    for one, other in ((followed, follower), (follower, followed)):
        till = await pair_till(one)
        there = await at(other, till)
        await until(lambda there=there: there.get("/v1/shop"), is_in)
        assert (await there.post("/v1/sales", there.sale())).status == 201


async def test_hubs_give_different_names_though_they_have_not_met(
    followed: Any, start_hub: Any, pair_till: Any
) -> None:
    """The second one's token is worth nothing: it never hears of the first one's tills."""
    lone = await start_hub(standby={"follows": followed.url, "token": "none-of-this-hub", "reconnect_max_s": 0.1})
    names = [(await pair_till(hub)).till_id for hub in (followed, lone, followed, lone)]
    assert names == ["t1", f"t{BESIDE_FROM}", "t2", f"t{BESIDE_FROM + 1}"]


async def test_who_is_shut_out_at_one_hub_is_shut_out_at_both(
    followed: Any, follower: Any, pair_till: Any, until: Any, at: Any
) -> None:
    for one, other in ((followed, follower), (follower, followed)):
        till, manager = await pair_till(one), await pair_till(one, scope="manager")
        there = await at(other, till)
        await until(lambda there=there: there.get("/v1/shop"), is_in)
        assert (await manager.request("DELETE", f"/v1/tills/{till.till_id}")).status == 200
        await until(lambda there=there: there.get("/v1/shop"), is_out)
        again = await at(other, manager)
        await until(lambda again=again: again.get("/v1/shop"), is_in)
        listed = {each["till_id"]: each["revoked_at"] for each in (await again.get("/v1/tills")).json["items"]}
        assert listed[till.till_id] is not None


async def test_who_is_shut_out_while_the_hubs_tell_each_other_is_told_in_the_next_round(
    followed: Any, start_hub: Any, pair_till: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.following.members.LOOK_EVERY_S", 3600.0)  # the rounds are the test's
    token = (await pair_till(followed, scope="standby")).token
    follower = await start_hub(standby={"follows": followed.url, "token": token, "reconnect_max_s": 0.1})
    till, manager = await pair_till(follower), await pair_till(follower, scope="manager")
    there = await at(followed, till)

    class Meanwhile(BesideClient):
        async def share_beside(self, told: BesideTold) -> BesideTold:
            theirs = await super().share_beside(told)
            if told.pairings is not None:
                await manager.request("DELETE", f"/v1/tills/{till.till_id}")
            return theirs

    rounds = Rounds()
    async with Meanwhile(followed.url, token) as client:
        await rounds.share(follower.runtime, client)
        assert is_in(await there.get("/v1/shop"))
        await rounds.share(follower.runtime, client)
    assert is_out(await there.get("/v1/shop"))


async def test_an_event_socket_of_who_is_shut_out_at_the_other_hub_is_closed(
    followed: Any, follower: Any, pair_till: Any, until: Any, at: Any
) -> None:
    till, manager = await pair_till(followed), await pair_till(followed, scope="manager")
    there = await at(follower, till)
    await until(lambda: there.get("/v1/shop"), is_in)
    async with there.events() as ws:
        await ws.receive()
        await manager.request("DELETE", f"/v1/tills/{till.till_id}")
        async for _ in ws:
            pass
        assert ws.close_code == 1013


async def test_a_token_that_was_changed_at_one_hub_is_the_one_at_both(
    followed: Any, follower: Any, pair_till: Any, until: Any, at: Any
) -> None:
    till = await pair_till(followed)
    former = await at(follower, till)
    await until(lambda: former.get("/v1/shop"), is_in)
    till.token = (await till.post("/v1/pair/rotate")).json["token"]
    later = await at(follower, till)
    await until(lambda: later.get("/v1/shop"), is_in)  # used here first: so the hub of the offer hears of it
    assert is_out(await former.get("/v1/shop"))
    assert is_in(await till.get("/v1/shop"))
    there = await at(followed, former)
    await until(lambda: there.get("/v1/shop"), is_out)


async def test_tills_of_one_name_that_were_paired_before_the_hubs_met_stay_where_they_are(
    followed: Any, start_hub: Any, pair_till: Any, until: Any, at: Any
) -> None:
    """Two shops' hubs that were set up alone and joined later: nobody is refused, an operator is told the names."""
    paired, here = await pair_till(followed, scope="standby"), await pair_till(followed)
    follower = await start_hub(standby={"follows": followed.url, "token": paired.token, "reconnect_max_s": 0.1})
    theirs = Pairing(here.till_id, "Other", "till", 1, None, 9, "ab" * 20, "", None)
    row = (theirs.till_id, theirs.name, theirs.scope, bytes.fromhex(theirs.token), theirs.paired_ms, theirs.turn)

    def pair_before(tx: Any) -> None:
        tx.execute(
            "INSERT INTO till (till_id, name, scope, token_hash, paired_ms, turn) VALUES (?, ?, ?, ?, ?, ?)", row
        )

    await follower.runtime.db.write(pair_before)

    async def clashes() -> Any:
        return follower.runtime.hubs.report().clashes

    assert await until(clashes, bool) == (here.till_id,)
    assert is_in(await here.get("/v1/shop"))
    assert is_out(await (await at(follower, here)).get("/v1/shop"))


async def test_only_the_other_hub_tells_pairings_and_of_this_store_only(followed: Any, pair_till: Any) -> None:
    manager, standby = await pair_till(followed, scope="manager"), await pair_till(followed, scope="standby")
    card = {"rep": followed.runtime.replica.rep.replace("hk01", "hk02"), "role": "follows"}
    said = {"card": card, "preferred": {"n": 0, "role": "followed"}, "sales": 0, "pairings_digest": "0" * 16}

    refused = await manager.post("/sync/v1/beside", said)
    stranger = await standby.post("/sync/v1/beside", said)
    many = await standby.post("/sync/v1/beside", said | {"pairings": [[]] * (PAIRINGS_MAX + 1)})

    assert (refused.status, stranger.json["code"], many.status) == (403, "not_this_store", 422)


async def test_the_tokens_between_two_hubs_are_told_to_nobody(followed: Any, pair_till: Any) -> None:
    standby = await pair_till(followed, scope="standby")
    card = {"rep": followed.runtime.replica.rep, "role": "follows"}
    said = {"card": card, "preferred": {"n": 0, "role": "followed"}, "sales": 0, "pairings_digest": "0" * 16}
    told = (await standby.post("/sync/v1/beside", said | {"pairings": []})).json
    assert told["pairings"] == []


async def test_a_link_on_a_receipt_of_one_hub_is_read_at_the_other(
    followed: Any, follower: Any, pair_till: Any, until: Any, at: Any
) -> None:
    for one, other in ((followed, follower), (follower, followed)):
        till = await pair_till(one)
        sale = till.sale(sale_id=f"sale-of-{one.port}")
        await till.post("/v1/sales", sale)
        code = (await till.get(f"/v1/sales/{sale['sale_id']}/receipt")).json["url"].rpartition("/")[2]
        customer = await pair_till(other, scope=None)
        page = await until(lambda customer=customer, code=code: customer.get(f"/r/{code}"), is_in)
        number = (await till.get(f"/v1/sales/{sale['sale_id']}")).json["fact"]["receipt_no"]
        assert number in page.body.decode()
        forged = await customer.get(f"/r/{code[:-1]}{'0' if code[-1] != '0' else '1'}")
        assert forged.status == 404


async def test_the_bar_code_on_a_receipt_finds_its_sale_at_both_hubs_and_no_other(
    followed: Any, follower: Any, pair_till: Any, until: Any, at: Any
) -> None:
    """Both have written as many sales: their numbers alone would be the same."""
    tills = [await pair_till(hub) for hub in (followed, follower)]
    sales = [till.sale() for till in tills]
    for till, sale in zip(tills, sales, strict=True):
        await till.post("/v1/sales", sale)
    for till, sale, other in zip(tills, sales, reversed(tills), strict=True):
        await until(lambda sale=sale, other=other: other.get(f"/v1/sales/{sale['sale_id']}"), is_in)
        code = (await till.get(f"/v1/sales/{sale['sale_id']}")).json["receipt_code"]
        for reader in tills:
            found = (await reader.get(f"/v1/sales/{code}")).json
            assert (found["fact"]["sale"]["sale_id"], found["receipt_code"]) == (sale["sale_id"], code)


def test_lives_of_the_two_hubs_have_different_digits_on_their_receipts(store: Any) -> None:
    """Drawn a hundred times each: never one of the other half, never one that is known."""
    drawn = iter(f"{number:016x}" for number in range(10**6))
    known = life_digits(store.replica.incarnation)
    for is_beside in (False, True):
        for _ in range(100):
            name = fresh_incarnation(store.db.read, "hk01", is_beside=is_beside, draw=lambda: next(drawn))
            assert (life_digits(name) >= 50) is is_beside and life_digits(name) != known


pairings = st.builds(
    Pairing,
    st.just("t1"),
    st.just("Counter"),
    st.just("till"),
    st.just(1),
    st.none() | st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from(["aa" * 20, "bb" * 20]),
    st.sampled_from(["", "cc" * 20]),
    st.none() | st.just("x"),
)


@given(st.lists(pairings, min_size=3, max_size=3))
def test_words_about_a_client_merge_the_same_in_any_order_and_any_number_of_times(said: list[Pairing]) -> None:
    ends = set()
    for one, two, three in permutations(said):
        ends.add(msgspec.json.encode(merged(merged(one, two), three)))
        ends.add(msgspec.json.encode(merged(one, merged(merged(two, three), two))))
    assert len(ends) == 1


@given(pairings, pairings)
def test_who_was_shut_out_stays_so_and_the_later_token_stands(one: Pairing, other: Pairing) -> None:
    both = merged(one, other)
    assert (both.revoked_ms is None) == (one.revoked_ms is None and other.revoked_ms is None)
    assert both.turn == max(one.turn, other.turn)
    assert both.token in {each.token for each in (one, other) if each.turn == both.turn}


def test_a_database_of_before_keeps_its_clients_and_tells_them() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
        for number, sql in migrations(MIGRATIONS):
            if number < 34:
                old.executescript(f"{sql}; PRAGMA user_version = {number};")
        row = ("t1", "Counter", "till", b"\xaa" * 20, 1, None)
        old.execute(
            "INSERT INTO till (till_id, name, scope, token_hash, paired_ms, revoked_ms) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        migrate(old, MIGRATIONS)

        assert all_pairings(old) == (Pairing("t1", "Counter", "till", 1, None, 0, "aa" * 20, "", None),)
        assert take_pairings(old, [msgspec.structs.replace(all_pairings(old)[0], revoked_ms=7)]).changed == ("t1",)
        assert (old.execute("SELECT revoked_ms FROM till").fetchone(), preference(old).role) == ((7,), "followed")
