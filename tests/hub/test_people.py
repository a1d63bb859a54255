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
from hub.store.member_rules import MemberRules
from hub.store.people.member_keys import hashes, key_to_write, keys
from hub.store.people.people import LinkView, PersonView, cells_of, consents_of, known_by, masked, person, person_ids
from hub.store.people.point_balance import apply_points, balance
from hub.store.selling.sales import find_sale
from hub.store.upkeep.siblings import take_batch
from sync.batch import START, batch_of
from sync.clock import Stamp
from sync.merge import Cell
from sync.migrate import migrate
from sync.model import Feed, Stream
from sync.retail.people.consents import CONSENT, PURPOSES, ConsentFact, word
from sync.retail.people.identities import IDENTITY, IDENTITY_KEY, IdentityFact, keyed_hash, new_key
from sync.retail.people.member_points import MEMBER_POINTS, MemberPointsRow
from sync.retail.people.members import MEMBER, MemberRow
from sync.retail.people.people import LINK, UNDO, LinkFact, UndoFact, components, contested
from sync.retail.selling.sales import PointsEffect, Sale, SaleFact
from sync.store.replicas import identify, replica_id
from sync.store.rows import apply_rows
from sync.store.writing import put_version, record_fact

AT = datetime(2026, 9, 21, tzinfo=UTC)
IDS = "mnopq"
SECRETS = [f"{n:064x}" for n in range(1, 6)]
SHOPS = ["hk02", "hk03"]
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


def encoded(views: list[PersonView | None]) -> bytes:
    """The bytes of an answer."""
    return msgspec.json.encode(views)


def separately(read: sqlite3.Connection, member: str) -> PersonView | None:
    """The person as its parts say it, each read by itself."""
    ids, links = person_ids(read, member)
    known = [cells for each in ids if (cells := cells_of(read, each)) and "erased" not in cells]
    if not known:
        return None
    shown: dict[str, Any] = {}
    for cells in reversed(known):
        shown |= {name: value for name, value in cells.items() if value not in (None, "")}
    identities = {
        name[3:]: shown[name] for cells in known for name in cells if name.startswith("id:") and name in shown
    }
    facts = consents_of(read, ids)
    return PersonView(
        member_id=ids[0],
        ids=ids,
        **{name: shown[name] for name in ("name", "phone", "birth_month") if name in shown},
        identities=identities,
        consents={purpose: word(facts, purpose) for purpose in PURPOSES},
        points=balance(read, ids),
        contested=list(contested(known)) if links else [],
        links=[LinkView(link.link_id, link.a, link.b, link.evidence) for link in links],
    )


MEMBERS = st.sampled_from(IDS)
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["", "Chan", "陳大文"]),
        "phone": st.sampled_from([None, "+85291234567"]),
        "birth_month": st.integers(1, 3),
        "id:staff_no": st.sampled_from(["AB1234", "CD5678"]),
        "erased": st.just(True),
    },
)


@settings(deadline=None, max_examples=150)
@given(
    cells=st.dictionaries(st.tuples(MEMBERS, st.sampled_from(SHOPS)), CELLS, max_size=8),
    pairs=st.lists(st.tuples(MEMBERS, MEMBERS), max_size=4),
    consents=st.lists(st.tuples(MEMBERS, st.sampled_from(PURPOSES), st.sampled_from(["in", "out"])), max_size=4),
    known=st.lists(st.tuples(MEMBERS, st.sampled_from(SECRETS[:2])), max_size=5),
    undone=st.sets(st.sampled_from(["l0", "l1", "i0", "i1"])),
    points=st.dictionaries(st.tuples(MEMBERS, st.sampled_from(["hk01", *SHOPS])), st.integers(-9, 9), max_size=4),
)
def test_what_is_read_at_once_of_people_is_what_each_part_says(
    file: tuple[sqlite3.Connection, Any],
    *,
    cells: dict[tuple[str, str], dict[str, Any]],
    pairs: list[tuple[str, str]],
    consents: list[tuple[str, Any, Any]],
    known: list[tuple[str, str]],
    undone: set[str],
    points: dict[tuple[str, str], int],
) -> None:
    tx, replica = file
    tx.execute("BEGIN")
    try:
        for n, ((member, shop), said) in enumerate(cells.items(), 1):
            stamped = {name: Cell(value, Stamp(n, 0, f"{shop}:{shop}")) for name, value in said.items()}
            row, writer = MemberRow(key=member, cells=stamped), replica_id(tx, f"{shop}:{shop}", now_ms=1)
            apply_rows(tx, MEMBER.stream, [(n, msgspec.json.encode(row))], replica=writer, rep=f"{shop}:{shop}")
        for n, (a, b) in enumerate(pairs):
            record_fact(tx, replica, LINK, LinkFact(link_id=f"l{n}", a=a, b=b, evidence="by hand", at=AT))
        for n, (member, purpose, choice) in enumerate(consents):
            consent = ConsentFact(consent_id=f"c{n}", member_id=member, purpose=purpose, choice=choice, at=AT)
            record_fact(tx, replica, CONSENT, consent)
        for n, (member, secret) in enumerate(known):
            key = new_key(secret, is_chains=False, begun_at=AT)
            put_version(tx, replica, IDENTITY_KEY, key)
            hashed = keyed_hash(bytes.fromhex(secret), "phone", "+85291234567")
            fact = IdentityFact(
                identity_id=f"i{n}", member_id=member, of="phone", hash=hashed, key_id=key.key_id, at=AT
            )
            record_fact(tx, replica, IDENTITY, fact)
        for each in sorted(undone):
            what: Any = {"l": "link", "i": "identity"}[each[0]]
            record_fact(tx, replica, UNDO, UndoFact(undo_id=f"u{each}", what=what, undone=each, at=AT))
        for (member, shop), sum_ in points.items():
            if shop == "hk01":
                apply_points(tx, {member: sum_})
            put_version(tx, replica, MEMBER_POINTS, MemberPointsRow(member_id=member, store=shop, n=1, points=sum_))

        for member in IDS:
            assert encoded([person(tx, member, MemberRules())]) == encoded([separately(tx, member)])
        found = {member for n, (member, _) in enumerate(known) if f"i{n}" not in undone}
        expected = {view.member_id: view for each in found if (view := separately(tx, each)) is not None}
        assert encoded(known_by(tx, "phone", "+85291234567", MemberRules())) == encoded(
            [expected[each] for each in sorted(expected)]
        )
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
    for part in name.split():
        if len(part) > 3:
            assert part not in shown.name.split()
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
