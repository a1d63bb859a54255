"""The laws of the three kinds, as the store keeps them in SQL, over every declared entity; each with a fault that it finds.

A seed draws rows of three writers (sync.testing.workload), cuts their streams into batches and mixes these. A seed that fails is
printed with the command that plays it again.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.clock import Stamp
from sync.effects import sum_effects
from sync.entities import REGISTRY
from sync.kinds import Entity, Kind
from sync.retail.catalogue.branches import BRANCH, BranchRow
from sync.retail.lives.seals import SEAL, SealFact
from sync.retail.names import Name
from sync.retail.people.members import MEMBER
from sync.retail.selling.sales import SALE, SaleFact, content_hash
from sync.retail.stock.grants import GRANT, GrantRow
from sync.retail.stock.levels import LEVEL, LevelRow
from sync.store.facts import settle_again
from sync.store.shared import standing_cells
from sync.store.tables import table_of
from sync.store.writing import grow_tally, put_version, record_fact, write_cells
from tests.sync.entity_world import WRITERS, deliveries, ends, history, planted

SEEDS = 40  # a planted fault shows within so many, or the law is none
every_entity = pytest.mark.parametrize("entity", REGISTRY.entities, ids=lambda entity: entity.name)
seeds = given(seed=st.integers(0, 2**32))
few = settings(max_examples=12, deadline=None)
Law = Callable[[Entity, int], None]


def replay(law: Law) -> Law:
    """Say how a seed that fails is played again."""

    def run(entity: Entity, seed: int) -> None:
        try:
            law(entity, seed)
        except AssertionError as err:
            called = f"{law.__name__}(REGISTRY.by_name[{entity.name!r}], {seed})"
            err.add_note(f"replay: .venv/bin/python -c 'from tests.sync.test_rows import *; {called}'")
            raise

    run.__name__ = law.__name__
    return run


@replay
def any_order_gives_the_same(entity: Entity, seed: int) -> None:
    """Commutative: two ends take the same rows, cut and mixed in two ways."""
    rng = Random(seed)
    said = history(entity, rng)
    with ends(2) as (one, other):
        for end in (one, other):
            for rep, rows in deliveries(said, rng):
                end.take(entity.stream, rep, rows)
        assert one.held(entity) == other.held(entity)


@replay
def twice_is_once(entity: Entity, seed: int) -> None:
    """Idempotent: batches that come again, later than others, change nothing."""
    rng = Random(seed)
    said = history(entity, rng)
    with ends(2) as (one, other):
        for rep, rows in deliveries(said, rng):
            one.take(entity.stream, rep, rows)
        for rep, rows in deliveries(said, rng, twice=True):
            other.take(entity.stream, rep, rows)
        assert one.held(entity) == other.held(entity)


@replay
def a_detour_gives_the_same(entity: Entity, seed: int) -> None:
    """Associative: what an end has merged and passes on says as much as the rows themselves."""
    rng = Random(seed)
    said = history(entity, rng)
    with ends(3) as (direct, between, behind):
        for rep, rows in deliveries(said, rng):
            direct.take(entity.stream, rep, rows)
            between.take(entity.stream, rep, rows)
        for rep in rng.sample(list(said), len(said)):
            behind.take(entity.stream, rep, between.rows(entity.stream, rep))
        assert behind.held(entity) == direct.held(entity)


@replay
def what_stands_is_what_was_said(entity: Entity, seed: int) -> None:
    """Nothing is lost, nothing is made up: judged by a model in a few lines of Python, from what the writers said.

    A fact is passed on by every writer, and stands once; of a tally or shared register each writer's last row; of a register the
    largest (n, rep).
    """
    rng = Random(seed)
    said = history(entity, rng)
    with ends(1) as (end,):
        for rep, rows in deliveries(said, rng, twice=True):
            end.take(entity.stream, rep, rows)
        passed_on = {(rep, *row) for rep in said for row in end.rows(entity.stream, rep)}
        stands = end.dots(entity)
    assert (stands, passed_on) == model(entity, said)


def model(
    entity: Entity, said: dict[str, list[tuple[int, bytes]]]
) -> tuple[list[tuple[str, int]], set[tuple[str, int, bytes]]]:
    """Return the dots that stand, and the rows that can be passed on."""
    best: dict[object, tuple[object, str, int, bytes]] = {}
    for rep, rows in said.items():
        for seq, body in rows:
            row = msgspec.json.decode(body, type=entity.row)
            key: object = table_of(entity).key_text(row) if entity.key else (rep, seq)
            if entity.kind is Kind.FACT:
                rank: object = [-ord(char) for char in rep]
            elif entity.kind is Kind.TALLY or entity.is_shared:
                key, rank = (key, rep), seq
            else:
                rank = (row.n, rep)
            if key not in best or rank > best[key][0]:  # type: ignore[operator]
                best[key] = (rank, rep, seq, body)
    stands = sorted((rep, seq) for _, rep, seq, _ in best.values())
    if entity.kind is Kind.FACT:
        return stands, {(rep, seq, body) for rep, rows in said.items() for seq, body in rows}
    return stands, {(rep, seq, body) for _, rep, seq, body in best.values()}


LAWS = (any_order_gives_the_same, twice_is_once, a_detour_gives_the_same, what_stands_is_what_was_said)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@every_entity
@few
@seeds
def test_every_entity_keeps_the_laws(entity: Entity, law: Law, seed: int) -> None:
    law(entity, seed)


def max_is_sum(sql: str) -> str:
    return re.sub(r"max\((?!seq\b)(\w+), excluded\.\1\)", r"\1 + excluded.\1", sql)


def last_arrival_wins(sql: str) -> str:
    head, _, _ = sql.partition(" WHERE ")
    return head


def later_in_its_stream_wins(sql: str) -> str:
    """As a clock would have it: who wrote later, and not whose version is larger."""
    head, _, _ = sql.partition(" WHERE ")
    table = sql.split()[2]
    return f"{head} WHERE excluded.seq > {table}.seq"


def key_is_dropped(sql: str) -> str:
    return sql.replace("ON CONFLICT DO NOTHING", "ON CONFLICT (replica, seq) DO NOTHING")


def first_arrival_wins(sql: str) -> str:
    head, _, _ = sql.partition(" DO UPDATE")
    return f"{head} DO NOTHING"


def entities(kind: Kind, *, is_shared: bool = False) -> list[Entity]:
    return [each for each in REGISTRY.entities if each.kind is kind and each.is_shared is is_shared and each.key]


PLANTED = [
    *((each, max_is_sum) for each in entities(Kind.TALLY)),
    *((each, first_arrival_wins) for each in entities(Kind.TALLY)),
    *((each, last_arrival_wins) for each in entities(Kind.REGISTER)),
    *((each, later_in_its_stream_wins) for each in entities(Kind.REGISTER)),
    *((each, first_arrival_wins) for each in entities(Kind.REGISTER, is_shared=True)),
    *((each, last_arrival_wins) for each in entities(Kind.REGISTER, is_shared=True)),
]


@pytest.mark.parametrize(("entity", "fault"), PLANTED, ids=lambda each: getattr(each, "name", None) or each.__name__)
def test_a_planted_fault_breaks_a_law(entity: Entity, fault: Callable[[str], str]) -> None:
    with planted(entity, fault), pytest.raises(AssertionError):
        for seed in range(SEEDS):
            for law in LAWS:
                law(entity, seed)


@pytest.mark.parametrize(
    "entity", [each for each in entities(Kind.FACT) if each.has_effects], ids=lambda each: each.name
)
@few
@seeds
def test_sums_over_unique_keys_are_what_the_receiver_was_told_to_sum(entity: Entity, seed: int) -> None:
    effects_hold(entity, seed)


def effects_hold(entity: Entity, seed: int, *, sum_up: Callable[..., dict[tuple[str, str], int]] = sum_effects) -> None:
    """On effects: what counts less what fell is the sum over the facts that stand; and so are the writers' tallies, when each
    has taken back what fell of its own.
    """
    rng = Random(seed)
    said = history(entity, rng, 20)
    cached: Counter[tuple[str, str]] = Counter()
    tallies: Counter[tuple[str, str]] = Counter()
    for rows in said.values():
        tallies.update(sum_effects([body for _, body in rows]))
    fell: set[tuple[str, int]] = set()
    with ends(1) as (end,):
        for rep, rows in deliveries(said, rng, twice=True):
            taken = end.take(entity.stream, rep, rows)
            cached.update(sum_up(taken.counted, taken.fallen))
            fell |= {each.fell for each in taken.duplicates}
        bodies = [body.encode() for (body,) in end.tx.execute(f"SELECT body FROM {entity.table}")]
    for rep, seq in fell:
        tallies.subtract(sum_effects([body for n, body in said[rep] if n == seq]))
    unique = sum_effects(bodies)
    assert {key: qty for key, qty in cached.items() if qty} == unique, f"seed {seed}"
    assert {key: qty for key, qty in tallies.items() if qty} == unique, f"seed {seed}"


@pytest.mark.parametrize("fault", ["what fell stays counted", "what came is not counted", "a key counts twice"])
def test_a_receiver_that_sums_wrongly_is_found(fault: str) -> None:
    def sum_up(counted: Iterable[bytes], fallen: Iterable[bytes]) -> dict[tuple[str, str], int]:
        if fault == "a key counts twice":
            return sum_effects([*counted, *fallen])
        return sum_effects(counted) if fault == "what fell stays counted" else sum_effects((), fallen)

    with pytest.raises(AssertionError):
        for seed in range(SEEDS):
            effects_hold(SALE, seed, sum_up=sum_up)


def sale_row(sale_id: str, receipt_no: str = "R1", qty: int = 1, **more: Any) -> bytes:
    """A sale as its hub ships it, with fields of a later version where `more` says so."""
    line = {"line": 1, "sku": "TEA-01", "qty": qty, "unit_price": 100, "per": 1}
    sale = {"sale_id": sale_id, "till_id": "T1", "currency": "HKD", "lines": [line], "tenders": [], "total": 100 * qty}
    fact = {"v": 1, "sale": sale, "receipt_no": receipt_no, "business_date": "2026-09-21"}
    fact |= {"committed_at": "2026-09-21T14:00:00Z", "stock": [["TEA-01", "shop", -qty]]}
    return msgspec.json.encode(fact | more)


def test_two_sales_with_one_receipt_number_both_count() -> None:
    with ends(1) as (end,):
        end.take("sales", WRITERS[0], [(1, sale_row("s1"))])
        taken = end.take("sales", WRITERS[1], [(1, sale_row("s2"))])

        assert [each.column for each in taken.duplicates] == ["receipt_no"]
        assert sum_effects(taken.counted, taken.fallen) == {("TEA-01", "shop"): -1}
        assert end.tx.execute("SELECT sale_id, receipt_no FROM sale ORDER BY sale_id").fetchall() == [
            ("s1", "R1"),
            ("s2", f"R1~{WRITERS[1]}~1"),
        ]
        assert end.rows("sales", WRITERS[1]) == [(1, sale_row("s2"))], "what is passed on is what came"


def test_a_row_that_gives_way_keeps_its_bytes_and_what_the_till_was_told() -> None:
    with ends(1) as (end,):
        end.take("sales", WRITERS[1], [(1, sale_row("s1", qty=2))])
        end.tx.execute("UPDATE sale SET told = '{}'")
        taken = end.take("sales", WRITERS[0], [(1, sale_row("s1"))])

        assert [(each.stands.rep, each.fell.rep, each.is_same) for each in taken.duplicates] == [(*WRITERS[:2], False)]
        assert sum_effects(taken.counted, taken.fallen) == {("TEA-01", "shop"): 1}
        assert end.tx.execute("SELECT told FROM sale").fetchall() == [("{}",)]
        assert end.rows("sales", WRITERS[1]) == [(1, sale_row("s1", qty=2))]


@pytest.mark.parametrize("is_seal_first", [True, False])
def test_the_writer_that_was_sealed_first_stands_whenever_the_seal_is_heard_of(is_seal_first: bool) -> None:
    smaller, larger = WRITERS[:2]
    with ends(1) as (end,):
        if is_seal_first:
            end.seal(larger, 1)
            end.seal(smaller, 2)
        end.take("sales", smaller, [(1, sale_row("s1"))])
        end.take("sales", larger, [(1, sale_row("s1", qty=2))])
        for place, rep in enumerate(() if is_seal_first else (larger, smaller), 1):
            end.seal(rep, place)
            settle_again(end.tx, table_of(SALE), rep)

        assert end.dots(SALE) == [(larger, 1)]


def test_a_hub_writes_facts_tallies_registers_and_cells_by_their_declarations() -> None:
    """What a hub writes itself is what another one reads of it, byte for byte."""
    with ends(2) as (end, other):
        mine, rep = end.replica, end.replica.rep
        fact = SealFact(rep=WRITERS[0], heads={"sales": 4})
        assert record_fact(end.tx, mine, SEAL, fact).seq == 1
        with pytest.raises(sqlite3.IntegrityError):
            record_fact(end.tx, mine, SEAL, fact)
        for _ in range(2):
            grow_tally(end.tx, mine, LEVEL, {("TEA-01", "shop"): (3, 1, 0), ("TEA-02", "shop"): (1, 0, 1)})
        branch = BranchRow(branch="zz", n=0, name=Name(en="Central"), zone="Asia/Hong_Kong")
        assert [put_version(end.tx, mine, BRANCH, branch) for _ in range(2)] == [1, 2]
        write_cells(end.tx, mine, MEMBER, "m1", {"name": "Mei"}, stamp=Stamp(5, 0, rep))
        write_cells(end.tx, mine, MEMBER, "m1", {"phone": "+852"}, stamp=Stamp(5, 1, rep))

        assert [msgspec.json.decode(row) for _, row in end.rows("levels", rep)] == [
            {"v": 1, "sku": "TEA-01", "location": "shop", "received": 6, "issued": 2},
            {"v": 1, "sku": "TEA-02", "location": "shop", "received": 2, "issued": 0, "picked": 2},
        ]
        for stream, entity in (("seals", SEAL), ("levels", LEVEL), ("branches", BRANCH), ("members", MEMBER)):
            other.take(stream, rep, end.rows(stream, rep))
            assert other.held(entity) == end.held(entity) and other.rows(stream, rep) == end.rows(stream, rep)


def test_erased_absorbs_what_came_before_and_what_comes_after() -> None:
    with ends(1) as (end,):
        said = {"name": ["Mei", [1, 0, WRITERS[0]]], "phone": ["1", [1, 0, WRITERS[0]]]}
        end.take("members", WRITERS[0], [(1, msgspec.json.encode({"v": 1, "key": "m1", "cells": said}))])
        end.take(
            "members",
            WRITERS[1],
            [(1, msgspec.json.encode({"v": 1, "key": "m1", "cells": {"name": ["May", [2, 0, WRITERS[1]]]}}))],
        )
        assert end.tx.execute("SELECT field, value FROM conflict").fetchall() == [("name", '"Mei"')]
        gone = {"erased": [True, [3, 0, WRITERS[1]]]}
        end.take("members", WRITERS[1], [(2, msgspec.json.encode({"v": 1, "key": "m1", "cells": gone}))])
        late = {"name": ["Mei", [9, 0, WRITERS[2]]]}
        end.take("members", WRITERS[2], [(7, msgspec.json.encode({"v": 1, "key": "m1", "cells": late}))])

        kept = [body for (body,) in end.tx.execute("SELECT body FROM member UNION ALL SELECT value FROM conflict")]
        assert len(kept) == 3 and not any("Mei" in body or "May" in body for body in kept)
        assert standing_cells(end.tx, table_of(MEMBER), ("m1",)).is_erased


@pytest.mark.parametrize(
    "row",
    [
        b"not json",
        b'{"v":1}',
        b'{"v":1,"sku":5,"location":"shop","received":1,"issued":0}',
        b'{"v":1,"sku":"a","location":"shop","received":-1,"issued":0}',
        b'{"v":1,"sku":"a","location":"shop","received":1e300,"issued":0}',
        rb'{"v":1,"sku":"a\u0000","location":"shop","received":1,"issued":0}',
        b'{"v":1,"sku":"a","location":"shop","received":99999999999999999999,"issued":0}',
        b"[" * 5000,
    ],
)
def test_a_row_that_cannot_be_read_is_kept_as_it_came_and_stops_no_other(row: bytes) -> None:
    good = msgspec.json.encode(LevelRow(sku="TEA-01", location="shop", received=1, issued=0))
    with ends(1) as (end,):
        taken = end.take("levels", WRITERS[0], [(1, row), (2, good)])

        assert (taken.changed, taken.unread) == (1, 1)
        assert end.rows("levels", WRITERS[0]) == [(1, row), (2, good)]


def test_nobody_writes_a_tally_or_a_register_in_anothers_name() -> None:
    grant = msgspec.json.encode(GrantRow(sku="a", location="shop", giver=WRITERS[0], taker=WRITERS[1], n=5))
    branch = msgspec.json.encode(BranchRow(branch="aa", n=1, name=Name(en="x"), zone="UTC"))
    with ends(1) as (end,):
        assert end.take("grants", WRITERS[1], [(1, grant)]).unread == 1
        assert end.take("branches", WRITERS[1], [(1, branch)]).unread == 1
        assert (end.dots(GRANT), end.dots(BRANCH)) == ([], [])
        assert end.take("grants", WRITERS[0], [(1, grant)]).changed == 1
        assert end.take("branches", WRITERS[2], [(1, branch)]).changed == 1


def test_a_sale_keeps_its_hash_on_another_hub_unless_it_says_more_than_is_known_here() -> None:
    with ends(1) as (end,):
        end.take("sales", WRITERS[0], [(1, sale_row("s1")), (2, sale_row("s2", "R2", mood="late"))])
        found = end.tx.execute("SELECT sale_id, content_hash FROM sale ORDER BY seq").fetchall()

    sale = msgspec.json.decode(sale_row("s1"), type=SaleFact).sale
    assert found == [("s1", content_hash(sale)), ("s2", content_hash(msgspec.structs.replace(sale, sale_id="s2")))]
