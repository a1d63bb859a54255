"""People as the database has them: SQL against the pure rules, keys in their order, words, points of the store's other lives."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.migrations import MIGRATIONS
from hub.store.people.member_keys import hashes, key_to_write, keys
from hub.store.people.people import PersonView, masked, person_ids
from hub.store.people.point_balance import balance
from hub.store.selling.sales import find_sale
from hub.store.upkeep.siblings import take_batch
from sync.batch import START, batch_of
from sync.migrate import migrate
from sync.model import Feed, Stream
from sync.retail.people.identities import IDENTITY_KEY, keyed_hash, new_key
from sync.retail.people.people import LINK, UNDO, LinkFact, UndoFact, components
from sync.retail.selling.sales import PointsEffect, Sale, SaleFact
from sync.store.replicas import identify, replica_id
from sync.store.rows import apply_rows
from sync.store.writing import record_fact

AT = datetime(2026, 9, 21, tzinfo=UTC)
IDS = "mnopq"
SECRETS = [f"{n:064x}" for n in range(1, 6)]
MakeSale = Callable[..., Sale]


@pytest.fixture(scope="module")
def file() -> Iterator[tuple[sqlite3.Connection, Any]]:
    """An empty database of a hub in memory, and who writes in it."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS)
        yield connection, identify(connection, "hk01", incarnation="0123456789abcdef", now_ms=1)


@settings(deadline=None, max_examples=150)
@given(
    pairs=st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=7),
    undone=st.sets(st.sampled_from([f"l{n}" for n in range(7)]), max_size=4),
)
def test_a_person_in_sql_is_that_of_the_rule(
    file: tuple[sqlite3.Connection, Any], pairs: list[tuple[str, str]], undone: set[str]
) -> None:
    tx, replica = file
    tx.execute("BEGIN")
    try:
        links = [LinkFact(link_id=f"l{n}", a=a, b=b, evidence="by hand", at=AT) for n, (a, b) in enumerate(pairs)]
        for link in links:
            record_fact(tx, replica, LINK, link)
        for key in sorted(undone):
            record_fact(tx, replica, UNDO, UndoFact(undo_id=f"u{key}", what="link", undone=key, at=AT))
        expected = components(links, undone)
        for member in IDS:
            ids, found = person_ids(tx, member)
            assert ids == sorted(expected.get(member, {member}))
            assert {link.link_id for link in found} == {
                link.link_id for link in links if link.link_id not in undone and {link.a, link.b} & set(ids)
            }
    finally:
        tx.execute("ROLLBACK")


def test_the_chains_newest_key_writes_then_the_shops_own_never_anothers(file: tuple[sqlite3.Connection, Any]) -> None:
    tx, replica = file
    tx.execute("BEGIN")

    def arrive(rep: str, secret: str, *, is_chains: bool, n: int) -> str:
        row = new_key(secret, is_chains=is_chains, begun_at=AT.replace(hour=n))
        writer = replica_id(tx, rep, now_ms=1)
        apply_rows(
            tx, IDENTITY_KEY.stream, [(n, msgspec.json.encode(row))], replica=writer, rep=rep, is_owner=is_chains
        )
        return row.key_id

    try:
        arrive("hk02:ffffffffffffffff", SECRETS[0], is_chains=False, n=1)
        own = key_to_write(tx, replica, fresh=SECRETS[1], now_ms=1)
        assert own.secret.hex() == SECRETS[1]
        assert key_to_write(tx, replica, fresh=SECRETS[4], now_ms=1) == own
        arrive("cloud:eeeeeeeeeeeeeeee", SECRETS[2], is_chains=True, n=2)
        newest = arrive("cloud:eeeeeeeeeeeeeeee", SECRETS[3], is_chains=True, n=3)
        assert key_to_write(tx, replica, fresh=SECRETS[4], now_ms=1).key_id == newest
        assert [key.may_write for key in keys(tx)] == [True, True, True, False]
        expected = {keyed_hash(bytes.fromhex(secret), "phone", "+85291234567") for secret in SECRETS[:4]}
        assert set(hashes(tx, "phone", "+85291234567")) == expected
    finally:
        tx.execute("ROLLBACK")


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_what_is_masked_shows_no_whole_word_of_four_signs_or_more(name: str, phone: str, email: str) -> None:
    view = PersonView(
        member_id="m", ids=["m"], name=name, phone=phone, email=email, card=phone, note=name, consents={}, points=0
    )
    shown = masked(view)
    for word in name.split():
        if len(word) > 3:
            assert word not in shown.name.split()
    if len(phone) > 3 and set(phone) != {"*"}:
        assert phone not in {shown.phone, shown.card}
    assert shown.note == ""


async def test_points_of_another_life_count_once_however_often_they_come(store: Any, sale: MakeSale) -> None:
    rows = []
    for n in range(1, 4):
        fact = SaleFact(
            sale=sale(sale_id=f"s{n}", member_id="m"),
            receipt_no=f"x-{n}",
            business_date="2026-09-21",
            committed_at=AT,
            points=(PointsEffect("m", 10 * n),),
        )
        rows.append((n, msgspec.json.encode(fact)))
    batch = batch_of("hk01:ffffffffffffffff", Stream.SALES, Feed.LOG, START, rows)
    for _ in range(2):
        await store.db.write(lambda tx: take_batch(tx, store.replica, batch, now_ms=1))
    assert balance(store.db.read, ["m"]) == 60
    assert find_sale(store.db.read, "s3") is not None


async def test_a_sale_of_two_lives_earns_once(store: Any, sale: MakeSale) -> None:
    twice = sale(sale_id="s1", member_id="m")
    fact = SaleFact(
        sale=twice, receipt_no="x-1", business_date="2026-09-21", committed_at=AT, points=(PointsEffect("m", 10),)
    )
    for rep in ("hk01:ffffffffffffffff", "hk01:eeeeeeeeeeeeeeee"):
        batch = batch_of(rep, Stream.SALES, Feed.LOG, START, [(1, msgspec.json.encode(fact))])
        await store.db.write(lambda tx, batch=batch: take_batch(tx, store.replica, batch, now_ms=1))
    assert balance(store.db.read, ["m"]) == 10
