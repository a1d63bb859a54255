"""Paths into rows: they end at a field or say what there is instead, and read the same from a whole row and from a part of it."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from sync.paths import attributes_at, default_of, field_at, getter, is_optional, part_of, plain_type, struct_of


class Place(Struct, rename={"where": "at"}):
    where: str
    floor: int = 0


class Row(Struct, tag_field="kind", tag="row"):
    id: str
    place: Place
    spot: Place | None = None
    n: Annotated[int, Meta(ge=1)] = 1
    maybe: Annotated[int, Meta(ge=0)] | None = None
    either: int | str | None = None
    words: list[str] = msgspec.field(default_factory=list)


class Case(Struct):
    row: Row


ROW = Row("a", Place("here", 2), n=7, words=["x"])


@pytest.mark.parametrize(("path", "name"), [("id", "id"), ("place.at", "at"), ("place.floor", "floor")])
def test_a_path_ends_at_its_field(path: str, name: str) -> None:
    assert field_at(Row, path).encode_name == name


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("no", "no field 'no' .of 'no'. in Row; known: id, place, spot, n, maybe, either, words"),
        ("place.where", "no field 'where' .of 'place.where'. in Place; known: at, floor"),
        ("id.more", "'id' holds no fields"),
        ("spot.at", "'spot' holds no fields"),
        ("words.at", "'words' holds no fields"),
    ],
)
def test_a_path_that_ends_nowhere_says_what_there_is_instead(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        field_at(Row, path)


def test_a_path_may_go_through_any_number_of_fields() -> None:
    assert attributes_at(Case, "row.place.at") == "row.place.where"
    assert getter(Case, ("row.place.floor", "row.id"))(Case(ROW)) == (2, "a")


def test_paths_are_written_as_on_the_wire_and_read_by_the_names_in_python() -> None:
    assert attributes_at(Row, "place.at") == "place.where"


@pytest.mark.parametrize(
    ("paths", "values"),
    [((), ()), (("id",), ("a",)), (("id", "place.at"), ("a", "here")), (("n", "id", "place.floor"), (7, "a", 2))],
)
def test_values_are_read_as_a_tuple_however_many_there_are(paths: tuple[str, ...], values: tuple[Any, ...]) -> None:
    assert getter(Row, paths)(ROW) == values


def test_a_part_of_a_row_reads_what_the_whole_reads_and_nothing_else() -> None:
    part = part_of(Row, {"id": str, "place.at": str, "words": list[str], "n": int})
    read = msgspec.json.decode(msgspec.json.encode(ROW), type=part)

    assert (read.id, read.place.where, read.words, read.n) == ("a", "here", ["x"], 7)
    assert not hasattr(read, "spot") and not hasattr(read.place, "floor")
    bare = msgspec.json.decode(b'{"kind":"row","id":"b","place":{"at":"there"}}', type=part)
    assert (bare.words, bare.n) == ([], 1), "left out means what it means in the whole"


@pytest.mark.parametrize(
    "row", [b'{"kind":"other","id":"b","place":{"at":"x"}}', b'{"kind":"row","id":"b","place":{}}']
)
def test_a_part_asks_for_the_tag_and_for_what_the_whole_asks_for(row: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(row, type=part_of(Row, {"id": str, "place.at": str}))


def test_the_paths_of_a_part_stand_in_any_order() -> None:
    read = msgspec.json.decode(msgspec.json.encode(ROW), type=part_of(Row, {"n": int, "id": str}))
    assert (read.n, read.id) == (7, "a")


def test_a_part_may_hold_a_struct_whole() -> None:
    read = msgspec.json.decode(msgspec.json.encode(ROW), type=part_of(Row, {"place": Place}))
    assert read.place == Place("here", 2)


def test_a_field_says_what_it_holds_and_whether_it_may_be_null() -> None:
    fields = {name: field_at(Row, name) for name in ("id", "place", "spot", "n", "maybe", "either")}

    assert [name for name, field in fields.items() if is_optional(field)] == ["spot", "maybe", "either"]
    assert plain_type(fields["n"]) is plain_type(fields["maybe"]) is int
    assert plain_type(fields["spot"]) is struct_of(fields["place"]) is Place
    assert plain_type(fields["either"]) == int | str | None, "of two types neither is the one"


def test_what_is_left_out_has_the_default_of_its_field() -> None:
    assert [default_of(field_at(Row, name)) for name in ("n", "maybe", "words")] == [1, None, []]
