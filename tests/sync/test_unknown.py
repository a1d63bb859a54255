"""Old and new versions: what an old one cannot read is kept, counted, passed on, and applied when a new one opens the file."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from sync.effects import sum_effects
from sync.entities import REGISTRY, Registry
from sync.kinds import Column, Entity
from sync.retail.catalogue.branches import BRANCH
from sync.retail.catalogue.registers import PRICE
from sync.retail.lives.seals import SEAL
from sync.retail.stock.levels import LEVEL
from sync.retail.stock.movements import MOVEMENT
from sync.store.rows import adopt_unknown
from sync.store.schema import table_sql
from tests.sync.entity_world import WRITERS, End, ends

REP = WRITERS[0]
LEVEL_BEFORE = msgspec.defstruct(
    "LevelRow", [("v", int, 1), ("sku", str), ("location", str), ("received", int), ("issued", int)], kw_only=True
)


def without(*gone: Entity, changed: Entity | None = None) -> Registry:
    """The declarations of an old version."""
    kept = [each for each in REGISTRY.entities if each not in gone and (changed is None or each.name != changed.name)]
    return Registry((*kept, changed) if changed else tuple(kept))


OLD = without(SEAL, changed=replace(LEVEL, row=LEVEL_BEFORE, numbers=LEVEL.numbers[:2]))


def level(received: int, picked: int, **more: Any) -> bytes:
    row = {"v": 1, "sku": "TEA-01", "location": "shop", "received": received, "issued": 0, "picked": picked}
    return msgspec.json.encode(row | more)


def figures(end: End) -> list[Any]:
    return end.tx.execute("SELECT received, issued, picked FROM level").fetchall()


def adopt(end: End) -> Any:
    done, more = adopt_unknown(end.tx)
    assert not more
    return done


def test_a_stream_that_was_not_known_is_applied_after_the_upgrade() -> None:
    rows = [(n, msgspec.json.encode({"v": 1, "rep": rep, "heads": {"sales": n}})) for n, rep in enumerate(WRITERS, 1)]
    with ends(1, OLD) as (end,):
        assert end.take("seals", REP, rows[:2]).unread == 2
        assert end.rows("seals", REP) == rows[:2], "what is not known is passed on"
        end.registry = REGISTRY
        assert adopt(end).changed == 2
        assert end.dots(SEAL) == [(REP, 1), (REP, 2)] and end.rows("seals", REP) == rows[:2]
        assert end.take("seals", REP, rows).changed == 3 and end.rows("seals", REP) == rows


def test_a_field_that_was_not_known_is_applied_after_the_upgrade_and_what_was_known_at_once() -> None:
    with ends(1, OLD) as (end,):
        end.take("levels", REP, [(1, level(5, 2))])
        assert figures(end) == [(5, 0, 0)]
        assert end.rows("levels", REP) == [(1, level(5, 2))], "the whole row is passed on"
        end.registry = REGISTRY
        adopt(end)
        assert figures(end) == [(5, 0, 2)]
        assert end.rows("levels", REP) == [(1, level(5, 2))]
        assert end.tx.execute("SELECT count(*) FROM unknown_row").fetchone() == (0,)


def test_a_register_s_field_that_was_not_known_is_applied_after_the_upgrade() -> None:
    """Its version stands here already, and says more now."""
    fields = [("kind", str, "price"), ("v", int, 1), ("sku", str), ("n", int), ("gone", bool, False), ("amount", int)]
    before = msgspec.defstruct("PriceRow", [*fields, ("currency", str)], kw_only=True)
    row = b'{"kind":"price","v":1,"sku":"TEA-01","n":3,"gone":false,"amount":900,"currency":"HKD","per":500}'
    with ends(1, Registry((replace(PRICE, row=before, columns=PRICE.columns[:2]),))) as (end,):
        end.tx.execute("DROP TABLE price")
        end.tx.execute(table_sql(replace(PRICE, columns=PRICE.columns[:2])))
        end.take("catalogue", REP, [(1, row)])
        end.tx.execute("ALTER TABLE price ADD COLUMN per INTEGER NOT NULL DEFAULT 1")
        end.registry = REGISTRY
        assert adopt(end).changed == 1
        assert end.tx.execute("SELECT amount_minor, per FROM price").fetchall() == [(900, 500)]
        assert end.rows("catalogue", REP) == [(1, row)]


def test_of_a_state_row_only_the_newest_bytes_are_kept() -> None:
    """Or what an old version keeps would grow with every change, and not with what there is."""
    with ends(1, OLD) as (end,):
        for seq in range(1, 50):
            end.take("levels", REP, [(seq, level(seq, seq))])
        assert end.tx.execute("SELECT seq, body FROM unknown_row").fetchall() == [(49, level(49, 49))]
        end.take("levels", REP, [(50, level(50, 0).replace(b',"picked":0', b""))])
        assert end.tx.execute("SELECT count(*) FROM unknown_row").fetchone() == (0,)
        assert end.rows("levels", REP) == [(50, level(50, 0).replace(b',"picked":0', b""))]


def test_a_row_of_a_later_shape_is_passed_on_as_it_came() -> None:
    later = level(5, 0, v=2, why="count").replace(b',"picked":0', b"")
    branch = (
        b'{"v":3,"branch":"aa","n":1,"gone":false,"name":{"zh-Hant":"","en":"x"},"zone":"UTC","phone":"","hours":{}}'
    )
    with ends(1) as (end,):
        end.take("levels", REP, [(1, later)])
        end.take("branches", REP, [(1, branch)])
        assert (figures(end), end.rows("levels", REP), end.rows("branches", REP)) == (
            [(5, 0, 0)],
            [(1, later)],
            [(1, branch)],
        )
        assert end.dots(BRANCH) == [(REP, 1)]


def test_effects_of_a_kind_that_was_not_known_count_once_and_from_the_start() -> None:
    old, body = without(MOVEMENT), b'{"movement":{"movement_id":"m1"},"stock":[["TEA-01","shop",4]]}'
    with ends(1, old) as (end,):
        taken = end.take("stock", REP, [(1, body)])
        assert sum_effects(taken.counted, taken.fallen) == {("TEA-01", "shop"): 4}
        twice = end.take("stock", WRITERS[1], [(1, body)])
        assert sum_effects(twice.counted) == {("TEA-01", "shop"): 4}, "without its key nobody can tell"
        end.registry = REGISTRY
        adopted = adopt(end)
        assert sum_effects(adopted.counted, adopted.fallen) == {("TEA-01", "shop"): -4}, (
            "now it is seen to be one movement"
        )
        assert end.dots(MOVEMENT) == [(REP, 1)] and end.rows("stock", WRITERS[1]) == [(1, body)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8), st.integers(0, 8))
def test_an_end_that_was_upgraded_half_way_holds_what_one_holds_that_was_always_new(
    said: list[tuple[int, int]], upgraded_at: int
) -> None:
    rows: list[tuple[int, bytes]] = []
    received = picked = 0
    for seq, (more, taken) in enumerate(said, 1):
        received, picked = received + more, picked + taken
        rows.append((seq, level(received, picked) if picked else level(received, 0).replace(b',"picked":0', b"")))
    with ends(2) as (new, half):
        half.registry = OLD
        for at, row in enumerate(rows):
            if at == upgraded_at:
                half.registry = REGISTRY
                adopt(half)
            half.take("levels", REP, [row])
            new.take("levels", REP, [row])
        half.registry = REGISTRY
        adopt(half)
        assert figures(half) == figures(new) and half.rows("levels", REP) == new.rows("levels", REP)


def test_a_row_that_stays_unknown_is_tried_once_by_each_version() -> None:
    with ends(1) as (end,):
        end.take("from-the-future", REP, [(n, b"{}") for n in range(1, 4)])
        assert adopt(end).unread == 0, "these declarations have tried it when it came"
        end.registry = without(SEAL)
        assert adopt_unknown(end.tx, registry=end.registry)[0].unread == 3
        assert adopt_unknown(end.tx, registry=end.registry)[0].unread == 0
        assert len(end.rows("from-the-future", REP)) == 3


def test_a_kind_of_row_in_a_known_stream_waits_for_its_version() -> None:
    class Later(Struct, tag_field="kind", tag="promise_note", kw_only=True):
        note_id: str

    row = b'{"kind":"promise_note","note_id":"x"}'
    with ends(1) as (end,):
        assert end.take("promises", REP, [(1, row)]).unread == 1
        column = Column("rep", path="note_id")
        told = next(entity for entity in REGISTRY.entities if entity.stream == "promises").passed_on
        later = replace(SEAL, name="note", stream="promises", row=Later, key=(column,), passed_on=told)
        done, _ = adopt_unknown(end.tx, registry=Registry((*(e for e in REGISTRY.entities if e is not SEAL), later)))
        assert done.changed == 1
        assert end.tx.execute("SELECT rep FROM seal").fetchall() == [("x",)]


@pytest.mark.parametrize("fault", ["bytes are forgotten", "nothing is adopted"])
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "bytes are forgotten":
        monkeypatch.setattr("sync.store.rows.keep_whole", lambda *_, **__: None)
    else:
        monkeypatch.setattr("sync.store.rows.untried", lambda *_, **__: [])
    with pytest.raises(AssertionError):
        test_a_field_that_was_not_known_is_applied_after_the_upgrade_and_what_was_known_at_once()
