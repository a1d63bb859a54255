"""The names of scopes, and the rows that are a scope's own."""

import msgspec
import pytest
from msgspec import Raw

from sync.scope_rows import (
    WHOLE,
    Gone,
    PutBy,
    Whole,
    base_of,
    is_scoped,
    plain_rows,
    read_scope_row,
    write_scope_row,
)


@pytest.mark.parametrize("stream", ["catalogue@north", "catalogue@0-9", "x@" + "a" * 40])
def test_a_scope_is_a_part_of_a_stream_with_an_id(stream: str) -> None:
    assert is_scoped(stream)
    assert base_of(stream) == stream.split("@", maxsplit=1)[0]


@pytest.mark.parametrize(
    "stream", ["catalogue", "@north", "catalogue@", "@", "", "a@B", "a@-b", "a@b@c", "a@" + "b" * 41]
)
def test_any_other_name_is_that_of_a_stream(stream: str) -> None:
    assert not is_scoped(stream)
    assert base_of(stream) == stream


@pytest.mark.parametrize("row", [PutBy("hk01:a", Raw(b'{"sku":"A"}')), Gone("price", ("A", 1)), Gone("price"), Whole()])
def test_a_row_of_a_scope_comes_back(row: PutBy | Gone | Whole) -> None:
    read = read_scope_row(write_scope_row(row))

    assert type(read) is type(row)
    assert msgspec.json.encode(read) == msgspec.json.encode(row)


def test_a_row_of_an_entity_is_none_of_a_scope_and_an_unknown_one_is_refused() -> None:
    assert read_scope_row(b'{"sku":"A"}') is None
    assert read_scope_row(WHOLE) == Whole()
    with pytest.raises(msgspec.MsgspecError):
        read_scope_row(b'{"@":"later"}')


OWN, OTHERS = b'{"sku":"A"}', b'{"sku":"B"}'
IN_A_SCOPE = [
    (3, OWN),
    (4, write_scope_row(Gone("price", ("A", 1)))),
    (5, write_scope_row(PutBy("hk02:b", Raw(OTHERS)))),
    (7, b'{"@":"later"}'),  # of a version to come
    (8, b'{"@":"put"}'),
    (9, WHOLE),
    (11, OWN),
]


def test_of_a_scope_the_rows_of_the_entities_are_read_whoever_wrote_them() -> None:
    assert plain_rows("catalogue@north", IN_A_SCOPE) == [(3, OWN), (5, OTHERS), (11, OWN)]
    assert plain_rows("catalogue@north", []) == []


def test_of_any_other_stream_every_row_is_read_as_it_is() -> None:
    assert plain_rows("catalogue", iter(IN_A_SCOPE)) == IN_A_SCOPE
