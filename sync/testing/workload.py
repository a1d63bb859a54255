"""A workload for any entity, out of its declaration: rows that one writer may say, in the order in which it says them.

Values are drawn from the types of the row's Struct; what the kind promises is kept: a tally's numbers grow, a register's versions
of a key have numbers of their own, cells have stamps of their own, a writer says a fact's key once. `rng` decides everything.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
from msgspec import inspect

from sync.kinds import Entity, Kind

KEYS = 4  # different keys in a short history: few, so that writers meet
DAY = datetime(2026, 9, 21, tzinfo=UTC)
TEXTS = ("a", "b7", "TEA-01", "茶", "ab", "HKD", "TWD", "a" * 16, "cash", "09:00", "1")


def stream_of(entity: Entity, rng: Random, rep: str, count: int) -> Iterator[bytes]:
    """Yield rows of one writer, oldest first."""
    said: dict[Any, dict[str, Any]] = {}
    for step in range(1, count + 1):
        row = _row(entity, rng)
        key = rng.randrange(KEYS if entity.kind is not Kind.FACT else KEYS * 4)
        _set_key(entity, row, key, rep)
        before = said.get(key)
        if entity.kind is Kind.FACT and entity.key and before is not None:
            continue
        if entity.kind is Kind.TALLY:
            for column in entity.numbers:
                _put(row, column.path, (_at(before, column.path) if before else 0) + rng.choice((0, 1, 5)))
        elif entity.is_shared:
            cells = dict(before["cells"]) if before else {}
            row["cells"] = cells | {rng.choice(("name", "phone", "later")): _cell(rng, rep, step)}
        elif entity.kind is Kind.REGISTER:
            row["n"] = (before["n"] if before else 0) + rng.choice((1, 1, 3))
        said[key] = row
        yield as_written(entity, row)


def as_written(entity: Entity, row: dict[str, Any]) -> bytes:
    """Return the bytes of a row as the entity's own Struct writes them. Any: JSON."""
    return msgspec.json.encode(msgspec.convert(row, entity.row, strict=False))


def drawn(kind: Any, rng: Random, path: str = "") -> Any:
    """Return a value of a type, as JSON has it. Any: types in, JSON out."""
    return _drawn(inspect.type_info(kind), rng, path)


def _row(entity: Entity, rng: Random) -> dict[str, Any]:
    row: dict[str, Any] = _drawn(inspect.type_info(entity.row), rng, "")
    return row | ({"v": 1} if "v" in entity.row.__struct_encode_fields__ else {})


def _set_key(entity: Entity, row: dict[str, Any], key: int, rep: str) -> None:
    for column in entity.key:
        if column.name == entity.written_by:
            _put(row, column.path, rep if entity.kind is Kind.TALLY else rep.rpartition(":")[0])
        elif isinstance(_at(row, column.path), int):
            _put(row, column.path, key)
        elif column.shape == "utc_ms":
            _put(row, column.path, (DAY + timedelta(hours=key)).isoformat())
        else:
            _put(row, column.path, f"K{key}-{column.name}")
    for column in entity.columns:
        if column.is_unique and column.path:
            _put(row, column.path, f"U{key}-{column.name}")


def _cell(rng: Random, rep: str, step: int) -> list[Any]:
    return [rng.choice(TEXTS), [rng.randrange(1, 5), step, rep]]


def _drawn(kind: inspect.Type, rng: Random, path: str) -> Any:  # noqa: PLR0912 - one case a type
    match kind:
        case inspect.Metadata():
            return _drawn(kind.type, rng, path)
        case inspect.StructType():
            return _drawn_struct(kind, rng, path)
        case inspect.IntType():
            low = kind.ge if kind.ge is not None else 0
            return rng.randint(low, min(low + 20, kind.le if kind.le is not None else low + 20))
        case inspect.StrType():
            return _text(kind, rng, path)
        case inspect.BoolType():
            return rng.random() < 0.5
        case inspect.DateTimeType():
            return (DAY + timedelta(minutes=rng.randrange(1000))).isoformat()
        case inspect.LiteralType():
            return rng.choice(kind.values)
        case inspect.EnumType():
            return rng.choice(list(kind.cls)).value
        case inspect.UnionType():
            return _drawn(rng.choice(kind.types), rng, path)
        case inspect.NoneType():
            return None
        case inspect.DictType():
            texts = sorted(rng.sample(TEXTS, rng.randrange(3)))
            return {text: _drawn(kind.value_type, rng, path) for text in texts}
        case inspect.TupleType():
            return [_drawn(each, rng, path) for each in kind.item_types]
        case inspect.VarTupleType() | inspect.ListType():
            least = kind.min_length or 0
            count = rng.randint(least, min(least + 2, kind.max_length if kind.max_length is not None else least + 2))
            return [_drawn(kind.item_type, rng, path) for _ in range(count)]
        case inspect.AnyType():
            return rng.choice(TEXTS)
    raise ValueError(f"{path}: no workload draws a {type(kind).__name__}; add it to sync/testing/workload.py")


def _drawn_struct(kind: inspect.StructType, rng: Random, path: str) -> Any:
    values = {
        field.encode_name: _drawn(field.type, rng, f"{path}.{field.encode_name}")
        for field in kind.fields
        if field.required or rng.random() < 0.7
    }
    if kind.array_like:
        return [_drawn(field.type, rng, path) for field in kind.fields]
    return values | ({kind.tag_field: kind.tag} if kind.tag_field else {})


def _text(kind: inspect.StrType, rng: Random, path: str) -> str:
    fitting = [
        text
        for text in TEXTS
        if len(text) >= (kind.min_length or 0)
        and (kind.max_length is None or len(text) <= kind.max_length)
        and (kind.pattern is None or re.search(kind.pattern, text))
    ]
    if not fitting:
        raise ValueError(f"{path}: no text of the workload fits {kind.pattern!r}; add one to sync/testing/workload.py")
    return rng.choice(fitting)


def _put(row: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        row = row.setdefault(name, {})
    row[last] = value


def _at(row: dict[str, Any] | None, path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
