"""Rows of a batch are read in one go where all are as this version writes them; nothing may hang on that they came together."""

import random
from collections.abc import Sequence

import msgspec
import pytest

import sync.store.rows as rows_module
from sync.entities import REGISTRY
from sync.kinds import Kind
from tests.sync.entity_world import WRITERS, Rows, ends, history

REP = WRITERS[0]


def level(number: int) -> bytes:
    row = {"v": 1, "sku": f"TEA-{number:02d}", "location": "shop", "received": number, "issued": 0}
    return msgspec.json.encode(row)


def one_by_one(bodies: Sequence[bytes], stream: str = "levels") -> tuple[Rows, list[object]]:
    """What is held and passed on when each row comes in a batch of its own."""
    with ends(1) as (end,):
        for seq, body in enumerate(bodies, 1):
            end.take(stream, REP, [(seq, body)])
        return end.rows(stream, REP), end.tx.execute("SELECT sku, received, seq FROM level ORDER BY sku").fetchall()


def together(bodies: Sequence[bytes], stream: str = "levels") -> tuple[Rows, list[object]]:
    with ends(1) as (end,):
        end.take(stream, REP, list(enumerate(bodies, 1)))
        return end.rows(stream, REP), end.tx.execute("SELECT sku, received, seq FROM level ORDER BY sku").fetchall()


CUT = level(3).index(b',"location"')
TORN = level(3)[:CUT], level(3)[CUT:]
TRICKS = {
    "two in one": [level(1) + b"\n" + level(2), b""],
    "two in one, the other way round": [b"\n", level(1) + level(2)],
    "torn": [*TORN, level(1) + b"\n" + level(2)],
    "with a line break": [level(1), b"\n" + level(2) + b"\n", level(3)],
    "not UTF-8": [level(1), level(2).replace(b"TEA", b"\xee\xee\xee"), level(3)],
    "not UTF-8 in a field that is not known": [level(1), level(2)[:-1] + b',"later":"\xee"}', level(3)],
    "with U+0000": [level(1), level(2).replace(b"TEA", b"T\\u0000A"), level(3)],
    "of a later version": [level(1), level(2)[:-1] + b',"later":1}', level(3)],
    "with spaces": [level(1), b" " + level(2), level(3)],
}


@pytest.mark.parametrize("bodies", TRICKS.values(), ids=TRICKS)
def test_rows_mean_the_same_together_as_one_by_one(bodies: list[bytes]) -> None:
    assert together(bodies) == one_by_one(bodies)


@pytest.mark.parametrize("bodies", TRICKS.values(), ids=TRICKS)
def test_what_cannot_be_read_is_passed_on_as_it_came(bodies: list[bytes]) -> None:
    passed_on, _ = together(bodies)
    readable = {b"\n" + level(2) + b"\n": level(2), b" " + level(2): level(2)}  # white space says nothing

    assert passed_on == [(seq, readable.get(body, body)) for seq, body in enumerate(bodies, 1)]


@pytest.mark.parametrize("name", [each.name for each in REGISTRY.entities if each.kind is not Kind.FACT])
def test_rows_of_every_entity_mean_the_same_together_as_one_by_one(name: str) -> None:
    entity = REGISTRY.by_name[name]
    for seed in range(10):
        said = history(entity, random.Random(seed))
        for rep, rows in said.items():
            with ends(2) as (whole, single):
                whole.take(entity.stream, rep, rows)
                for row in rows:
                    single.take(entity.stream, rep, [row])

                assert whole.held(entity) == single.held(entity), f"{name} with seed {seed}"
                assert whole.rows(entity.stream, rep) == single.rows(entity.stream, rep), f"{name} with seed {seed}"


def test_a_reader_that_trusts_line_breaks_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: as many values as rows is taken for each row's own value."""

    def trusting(
        decoder: msgspec.json.Decoder[object], rows: Rows, *, is_state: bool
    ) -> tuple[list[object] | None, bool]:
        values = decoder.decode_lines(b"\n".join(body for _, body in rows))
        return (values, is_state) if len(values) == len(rows) else (None, False)

    monkeypatch.setattr(rows_module, "_read_all", trusting)
    for name in ("two in one", "two in one, the other way round", "torn"):
        assert together(TRICKS[name])[1], f"{name}: believed, so that the tests above see it"
