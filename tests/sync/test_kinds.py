"""Declarations: what is wrong with one is said when it is made; what follows from one is there without a list to edit."""

import shutil
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from hub.commands.schema import PAGE
from hub.store.upkeep import siblings
from sync import retail
from sync.cloud.scopes import relay
from sync.entities import FEED_OF_STREAM, REGISTRY, Registry, declared
from sync.kinds import Authority, Column, Entity, Keep, Kind, Measure, Named, PassedOn, Priority
from sync.model import Feed, Stream
from sync.reference import reference_page
from sync.testing.workload import stream_of

every_entity = pytest.mark.parametrize("entity", REGISTRY.entities, ids=lambda entity: entity.name)


class Inner(Struct):
    where: str
    maybe: str | None = None


class Row(Struct):
    id: str
    n: int
    inner: Inner
    at: str = ""


class Box(Struct):
    where: str
    unit: str = "each"


class Boxed(Struct):
    id: str
    n: int
    box: Box


class Counted(Struct):
    id: str
    n: int


class TaggedRow(Struct, tag_field="kind", tag="tagged"):
    id: str


class SevenRow(Struct, tag_field="kind", tag=7):
    id: str


class Celled(Struct):
    id: str
    cells: dict[str, int]


class Gone(Struct):
    id: str
    n: int
    gone: bool = False


class Moved(Struct):
    id: str
    n: int
    stock: int = 0


class Odd(Struct):
    """Fields of a state row that no column holds: only constants can be written again."""

    id: str
    n: int
    v: int = 1
    unit: str = "each"
    is_odd: bool = False
    ratio: float = 0.5
    words: list[str] = msgspec.field(default_factory=list)
    version: int = msgspec.field(default_factory=lambda: 2)
    inner: Inner | None = None


def declare(**changes: Any) -> Entity:
    fields: dict[str, Any] = {
        "name": "thing",
        "stream": "things",
        "kind": Kind.FACT,
        "table": "thing",
        "row": Row,
        "doc": "A thing.",
        "key": (Column("thing_id", path="id"),),
    }
    return Entity(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": (Column("thing_id", path="ident"),)}, "no field 'ident' .* known: id, n, inner, at"),
        ({"key": (Column("thing_id", path="inner.place"),)}, "no field 'place' .*of 'inner.place'.* in Inner"),
        ({"key": (Column("thing_id", path="id.more"),)}, "'id' holds no fields"),
        ({"key": (Column("thing_id", path="inner.maybe"),)}, "may be null"),
        ({"key": (Column("thing_id", default="x"),)}, "has a path"),
        ({"kind": Kind.TALLY}, "a tally has numbers"),
        ({"kind": Kind.TALLY, "key": (), "numbers": (Column("n_", "INTEGER", path="n"),)}, "a tally has a key"),
        ({"kind": Kind.TALLY, "numbers": (Column("n_", "INTEGER", path="n"),)}, "field 'inner' has neither .* be lost"),
        (
            {
                "kind": Kind.TALLY,
                "numbers": (Column("n_", "INTEGER", path="n"),),
                "columns": (Column("where_", path="inner.where"),),
            },
            "field 'inner.maybe' has neither",
        ),
        (
            {
                "kind": Kind.TALLY,
                "row": Boxed,
                "numbers": (Column("n_", "INTEGER", path="n"),),
                "columns": (Column("where_", path="box.where"),),
            },
            "field 'box.unit' has neither",
        ),
        ({"numbers": (Column("n_", "INTEGER", path="n"),)}, "a fact has no numbers"),
        ({"kind": Kind.REGISTER}, "a register, and nothing else, has an authority"),
        ({"authority": Authority.CLOUD}, "a register, and nothing else, has an authority"),
        ({"kind": Kind.REGISTER, "authority": Authority.CLOUD}, "has `n` and `gone`"),
        ({"kind": Kind.REGISTER, "authority": Authority.SHARED}, "row has `cells`"),
        ({"columns": (Column("told"),)}, "rows of others need its default"),
        ({"columns": (Column("n_", "REAL", path="n"),)}, "none of TEXT, INTEGER, BLOB"),
        ({"columns": (Column("seq", "INTEGER", path="n"),)}, "what every row has"),
        ({"columns": (Column("thing_id", path="id"),)}, "column 'thing_id' twice"),
        ({"columns": (Column("x", path="id", compute=len, default=0),)}, "a path or is computed"),
        ({"keep": Keep(days=30)}, "is `dated` by a path"),
        ({"keep": Keep(days=0), "dated": "at"}, "at least one day"),
        ({"keep": Keep(is_telemetry=True)}, "kept for days"),
        ({"dated": "when"}, "no field 'when'"),
        ({"names": (Named("whom", "thing"),)}, "no field 'whom'"),
        ({"measure": Measure(unit="at")}, "a fact's measure has an amount"),
        ({"measure": Measure(unit="whose", amount="n")}, "no field 'whose'"),
        ({"measure": Measure(amount="much")}, "no field 'much'"),
        ({"shown": "label"}, "no field 'label'"),
        ({"written_by": "rep"}, "no column of the key"),
        (
            {
                "kind": Kind.REGISTER,
                "authority": Authority.SHARED,
                "row": Celled,
                "columns": (Column("cells_", path="cells"),),
            },
            "is kept by cells; it has no columns",
        ),
        ({"kind": Kind.REGISTER, "authority": Authority.CLOUD, "key": (), "row": Gone}, "a register has a key"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_when_it_is_made(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"entity 'thing': .*{said}"):
        declare(**changes)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ((declare(table="other"),), "one name or one table"),
        ((declare(name="other"),), "one name or one table"),
        ((declare(name="other", table="other"),), "need tags of their own"),
        ((declare(name="other", table="other", row=TaggedRow, passed_on=PassedOn.BESIDE),), "passed on differently"),
        ((declare(name="other", table="other", row=TaggedRow),), "need tags of their own"),
        (
            (
                declare(
                    name="other",
                    table="other",
                    kind=Kind.TALLY,
                    row=Counted,
                    numbers=(Column("n_", "INTEGER", path="n"),),
                    priority=Priority.SOON,
                ),
            ),
            "not both",
        ),
        (
            (declare(name="other", table="other", stream="others", names=(Named("id", "none"),)),),
            "unknown entity 'none'",
        ),
    ],
)
def test_declarations_that_do_not_go_together_are_refused(others: tuple[Entity, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Registry((declare(), *others))


def test_facts_of_a_store_are_passed_on_to_its_other_lives_unless_their_declaration_says_otherwise() -> None:
    """What head office writes, and what only its writer's tallies need, is not; the cloud tells members by region."""
    facts = {each.stream for each in REGISTRY.entities if each.kind is Kind.FACT}
    apart = {"duplicates", "seals", "disputes", "settlements"}

    assert facts - apart == siblings.RELAYED
    assert facts - apart - {"people", "points"} | {"grants"} == relay.PASSED_ON


def test_every_stream_that_code_calls_by_name_is_declared_with_one_feed() -> None:
    assert {str(stream) for stream in Stream} <= set(REGISTRY.streams) == set(FEED_OF_STREAM)
    assert {FEED_OF_STREAM[stream] for stream in ("sales", "promises", "seals")} == {Feed.LOG}
    assert {FEED_OF_STREAM[stream] for stream in ("levels", "grants", "catalogue", "members")} == {Feed.STATE}


@pytest.mark.parametrize("room", [(), ("room",)])
def test_one_file_adds_an_entity(room: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by itself, in a package of its own, also in a room of it: nothing lists it."""
    package = tmp_path / "retail_of_test"
    inner = package.joinpath(*room)
    inner.mkdir(parents=True)
    for each in {package, inner}:
        (each / "__init__.py").write_text("")
    (inner / "things.py").write_text(
        "from msgspec import Struct\n"
        "from sync.kinds import Column, Entity, Kind\n"
        "class Row(Struct):\n    id: str\n"
        "THING = Entity(name='thing', stream='things', kind=Kind.FACT, table='thing', row=Row, doc='A thing.',\n"
        "  key=(Column('thing_id', path='id'),))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = tuple(declared(import_module("retail_of_test")))
    shutil.rmtree(package)
    for name in [each for each in sys.modules if each.startswith("retail_of_test")]:  # it may run again in this process
        sys.modules.pop(name)

    assert [each.name for each in found] == ["thing"]
    assert Registry(found).feeds == {"things": Feed.LOG}
    assert {each.name for each in declared(retail)} == {each.name for each in REGISTRY.entities}


@every_entity
def test_every_entity_has_a_workload_that_its_own_struct_reads(entity: Entity) -> None:
    rows = list(stream_of(entity, Random(1), "aa:1111111111111111", 10))
    assert rows and all(isinstance(msgspec.json.decode(row, type=entity.row), entity.row) for row in rows)
    assert rows == list(stream_of(entity, Random(1), "aa:1111111111111111", 10)), "one seed, one workload"


def streams_in_causal_order(registry: Registry) -> None:
    order = list(registry.streams)
    for entity in registry.entities:
        for named in entity.names:
            assert order.index(registry.by_name[named.entity].stream) <= order.index(entity.stream), entity.name


def test_causes_are_sent_before_effects() -> None:
    """Law: of one writer's streams, one whose facts are named goes before the one that names them; within a log, seq does it."""
    streams_in_causal_order(REGISTRY)


def test_an_order_by_name_would_break_it() -> None:
    """The planted fault: what is urgent is not asked who names whom."""
    cause = declare(name="z", stream="zs", table="z")
    effect = declare(name="a", stream="as", table="a", names=(Named("id", "z"),))
    streams_in_causal_order(Registry((effect, cause)))
    with pytest.raises(AssertionError):
        streams_in_causal_order(Registry((replace(effect, priority=Priority.URGENT), cause)))


def test_the_reference_page_is_that_of_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(REGISTRY), "run `storehub schema reference`"


def tally(**changes: Any) -> dict[str, Any]:
    return {"kind": Kind.TALLY, "numbers": (Column("n_", "INTEGER", path="n"),), "row": Counted} | changes


def test_only_what_is_a_constant_may_stand_in_no_column() -> None:
    with pytest.raises(ValueError, match="thing") as refused:
        declare(**tally(row=Odd))

    lost = [word for word in ("id", "n", "v", "unit", "version") if f"field {word!r}" in str(refused.value)]
    named = [word for word in ("is_odd", "ratio", "words", "inner") if f"field {word!r}" in str(refused.value)]
    assert (lost, named) == ([], ["is_odd", "ratio", "words", "inner"])


def test_the_fields_of_a_part_that_may_be_null_have_no_columns() -> None:
    with pytest.raises(ValueError, match="entity 'thing': 'inner' holds no fields of its own"):
        declare(**tally(row=Odd, columns=(Column("where_", path="inner.where"),)))


def test_a_part_of_a_row_is_stored_whole_or_field_by_field() -> None:
    whole = (Column("inner_", path="inner"), Column("at_", path="at"))
    parts = (Column("where_", path="inner.where"), Column("maybe_", path="inner.maybe"))

    assert declare(**tally(row=Row, columns=whole)).stored[2:] == whole
    assert declare(**tally(row=Row, columns=parts)).stored[2:] == parts


def test_what_is_kept_says_for_how_long() -> None:
    kept = (Keep(days=30), Keep(days=9, is_telemetry=True), Keep(until_closed=True), Keep())
    assert [str(keep) for keep in kept] == [
        "30 days",
        "9 days, without a cloud too",
        "until closed",
        "for ever",
    ]
    assert declare(keep=Keep(days=1), dated="at").keep.days == 1


@pytest.mark.parametrize(
    ("column", "is_local"),
    [
        (Column("a", path="id"), False),
        (Column("a", compute=len, default=0), False),
        (Column("a", default=0), True),
    ],
)
def test_a_column_without_a_path_and_a_rule_is_local(column: Column, is_local: bool) -> None:
    assert column.is_local is is_local


def test_only_facts_move_stock() -> None:
    assert declare(row=Moved).has_effects and not declare().has_effects
    assert not declare(**tally(row=Moved)).has_effects


def test_a_tag_is_a_text_and_none_where_a_row_has_no_tag() -> None:
    assert [declare(row=row).tag for row in (Row, TaggedRow, SevenRow)] == [None, "tagged", "7"]


@pytest.mark.parametrize(("one", "other"), [(Row, TaggedRow), (TaggedRow, Row), (TaggedRow, TaggedRow), (Row, Row)])
def test_entities_of_one_stream_need_tags_that_differ(one: type[Struct], other: type[Struct]) -> None:
    with pytest.raises(ValueError, match="need tags of their own"):
        Registry((declare(row=one), declare(name="other", table="other", row=other)))
    assert Registry((declare(row=TaggedRow), declare(name="other", table="other", row=SevenRow)))


def test_what_is_shared_and_how_it_ships_follows_from_the_kind() -> None:
    shared = declare(kind=Kind.REGISTER, authority=Authority.SHARED, row=Celled)
    owned = declare(kind=Kind.REGISTER, authority=Authority.STORE, row=Gone)

    assert (shared.is_shared, owned.is_shared, declare().is_shared) == (True, False, False)
    assert [each.feed for each in (declare(), owned, declare(**tally()))] == [Feed.LOG, Feed.STATE, Feed.STATE]
    assert declare().label == "things"


def test_a_problem_of_each_part_is_named_at_once() -> None:
    with pytest.raises(ValueError, match="thing") as refused:
        declare(dated="when", keep=Keep(days=0), columns=(Column("told"),))

    assert "no field 'when'" in str(refused.value) and "at least one day" in str(refused.value)
    assert "no path" in str(refused.value)


@pytest.mark.parametrize("given", [{"default": 0}, {"default": ""}, {"is_nullable": True}])
def test_a_local_column_is_fine_with_a_default_or_when_it_may_be_null(given: dict[str, Any]) -> None:
    assert declare(columns=(Column("told", **given),)).columns[0].is_local


def test_a_key_may_name_the_writer() -> None:
    assert declare(written_by="thing_id").written_by == "thing_id"
